//! Removing trees, whatever their makers did so that they cannot be removed.

use crate::listing::{MAX_DEPTH, each_entry};
use crate::sys::{self, Errno, Fd, Result, Str, lit};

/// Removes what `name` is, and all below it. Nothing there is no error.
pub fn remove(dir: Fd, name: Str) -> Result<()> {
    remove_with(dir, name, empty)
}

/// Removes what `name` is; a directory that holds something is emptied by `empty`.
fn remove_with(dir: Fd, name: Str, empty: impl FnOnce(Fd) -> Result<()>) -> Result<()> {
    match sys::unlinkat(dir, name, 0) {
        Ok(_) | Err(sys::ENOENT) => return Ok(()),
        // EISDIR, or EPERM as POSIX has it.
        Err(Errno(21) | sys::EPERM) => {}
        Err(e) => return Err(e),
    }
    match sys::unlinkat(dir, name, sys::AT_REMOVEDIR) {
        Ok(_) | Err(sys::ENOENT) => return Ok(()),
        Err(sys::ENOTEMPTY | sys::EEXIST) => {}
        Err(e) => return Err(e),
    }
    let flags = sys::O_RDONLY | sys::O_DIRECTORY | sys::O_NOFOLLOW;
    let opened = match sys::openat(dir, name, flags, 0) {
        // overlayfs leaves a work directory of mode 000; root of a user namespace may open it, an owner must chmod first.
        Err(sys::EACCES) => {
            sys::fchmodat(dir, name, 0o700)?;
            sys::openat(dir, name, flags, 0)?
        }
        r => r?,
    };
    let emptied = empty(opened);
    sys::close(opened);
    emptied?;
    sys::unlinkat(dir, name, sys::AT_REMOVEDIR).map(|_| ())
}

/// Removes all that a directory (an `O_PATH` descriptor) holds.
pub fn empty_path(path: Fd) -> Result<()> {
    let dir = sys::openat(path, lit(c"."), sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
    let emptied = empty(dir);
    sys::close(dir);
    emptied
}

/// Removes all that an open directory holds.
fn empty(top: Fd) -> Result<()> {
    let mut raised = Raised { top, name: *b"aaaaaaaa\0" };
    loop {
        let before = raised.name;
        empty_level(top, 0, &mut raised)?;
        if raised.name == before {
            return Ok(());
        }
        sys::lseek(top, 0)?;
    }
}

fn empty_level(dir: Fd, depth: u32, raised: &mut Raised) -> Result<()> {
    each_entry(dir, |name| {
        let below = |child| {
            if depth < MAX_DEPTH { empty_level(child, depth + 1, raised) } else { Err(sys::EMFILE) }
        };
        match remove_with(dir, name, below) {
            // No further down: by our own limit, or because this process may open no more descriptors.
            Err(sys::EMFILE) if depth > 0 => raised.take(dir, name),
            r => r,
        }
    })
}

/// Directories that lie too deep are moved up into the one that is being emptied, which then takes another round. (To
/// climb back by `..` would need no limit either, but leads out of a tree that somebody moves meanwhile.)
struct Raised {
    top: Fd,
    /// The next free name, as far as is known.
    name: [u8; 9],
}

impl Raised {
    fn take(&mut self, dir: Fd, name: Str) -> Result<()> {
        loop {
            let moved = sys::renameat(dir, name, self.top, Str::new(&self.name)?);
            for letter in self.name[..8].iter_mut().rev() {
                if *letter < b'z' {
                    *letter += 1;
                    break;
                }
                *letter = b'a';
            }
            match moved {
                // Something of that name is there.
                Err(sys::EEXIST | sys::ENOTEMPTY | sys::ENOTDIR) => {}
                // overlayfs moves no directory of a lower layer.
                Err(sys::EXDEV) => return Err(sys::ENAMETOOLONG),
                r => return r.map(|_| ()),
            }
        }
    }
}
