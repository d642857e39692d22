//! Copying trees.

use crate::listing::{MAX_DEPTH, each_entry};
use crate::sys::{self, Errno, Fd, Result, Statx, Str, lit};
use crate::tree::PATH_MAX;
use crate::whiteout;

/// Copies all that directory `from` holds into the directory `to`, and `from`'s own owner, mode and time: owners, modes,
/// times, attributes, and whiteouts, in the form that they can have there. Hard links become files of their own.
pub fn copy(from: Fd, to: Fd) -> Result<()> {
    copy_level(from, to, What::All, 0).map(|_| ())
}

/// Likewise, but only the whiteouts, and the directories on the way to those that are files.
pub fn whiteouts(from: Fd, to: Fd) -> Result<()> {
    copy_level(from, to, What::Whiteouts, 0).map(|_| ())
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    All,
    Whiteouts,
}

/// Whether a whiteout in it is a file.
fn copy_level(from: Fd, to: Fd, what: What, depth: u32) -> Result<bool> {
    if depth > MAX_DEPTH {
        return Err(sys::ENAMETOOLONG);
    }
    let mut leads = false;
    each_entry(from, |name| {
        let st = sys::statx(from, name, sys::AT_SYMLINK_NOFOLLOW)?;
        let mode = u32::from(st.mode);
        match mode & sys::S_IFMT {
            sys::S_IFDIR => {
                let source = sys::openat(from, name, sys::O_RDONLY | sys::O_DIRECTORY | sys::O_NOFOLLOW, 0)?;
                let copied = match what == What::All || whiteout::leads(source) {
                    true => copy_directory(source, to, name, what, depth),
                    false => Ok(false),
                };
                sys::close(source);
                leads |= copied?;
            }
            sys::S_IFCHR => leads |= whiteout::make(to, name)?,
            sys::S_IFREG if whiteout::is_file(from, name, &st)? => leads |= whiteout::make(to, name)?,
            _ if what == What::Whiteouts => {}
            sys::S_IFREG | sys::S_IFLNK => copy_one(from, name, to, name, &st)?,
            _ => {
                sys::mknodat(to, name, mode, 0)?;
                sys::fchownat(to, name, st.uid, st.gid, sys::AT_SYMLINK_NOFOLLOW)?;
                sys::fchmodat(to, name, mode & 0o7777)?;
            }
        }
        Ok(())
    })?;
    if what == What::All {
        whiteout::copy_opaque(from, to)?;
    }
    if leads {
        whiteout::lead(to)?;
    }
    let st = sys::fstat(from)?;
    settle(from, to, &st).map(|()| leads)
}

/// Copies the open directory `from` to `name`.
fn copy_directory(from: Fd, to: Fd, name: Str, what: What, depth: u32) -> Result<bool> {
    match sys::mkdirat(to, name, 0o700) {
        // Several trees may be copied into one, the one around the others first.
        Ok(_) | Err(sys::EEXIST) => {}
        Err(e) => return Err(e),
    }
    let target = sys::openat(to, name, sys::O_RDONLY | sys::O_DIRECTORY | sys::O_NOFOLLOW, 0)?;
    let copied = copy_level(from, target, what, depth + 1);
    sys::close(target);
    copied
}

fn times_of(st: &Statx) -> [i64; 4] {
    let time = |time: [u64; 2]| (time[0] as i64, i64::from(time[1] as u32));
    let ((atime, atime_nsec), (mtime, mtime_nsec)) = (time(st.atime), time(st.mtime));
    [atime, atime_nsec, mtime, mtime_nsec]
}

/// Copies a file or symlink; what has the name already is `EEXIST`.
pub fn copy_one(from: Fd, name: Str, to: Fd, new: Str, st: &Statx) -> Result<()> {
    match u32::from(st.mode) & sys::S_IFMT {
        sys::S_IFLNK => copy_symlink(from, name, to, new, st),
        _ => copy_file(from, name, to, new, st),
    }
}

/// In a frame of its own, so that the levels of a tree do not each hold the buffer.
#[inline(never)]
fn copy_symlink(from: Fd, name: Str, to: Fd, new: Str, st: &Statx) -> Result<()> {
    let mut target = [0u8; PATH_MAX + 1];
    let n = sys::readlinkat(from, name, &mut target[..PATH_MAX])?;
    sys::symlinkat(Str::new(&target[..=n])?, to, new)?;
    sys::fchownat(to, new, st.uid, st.gid, sys::AT_SYMLINK_NOFOLLOW)?;
    sys::utimensat(to, new, &times_of(st), sys::AT_SYMLINK_NOFOLLOW).map(|_| ())
}

fn copy_file(from: Fd, name: Str, to: Fd, new: Str, st: &Statx) -> Result<()> {
    let source = sys::openat(from, name, sys::O_RDONLY | sys::O_NOFOLLOW | sys::O_NONBLOCK, 0)?;
    let target = sys::openat(to, new, sys::O_CREAT | sys::O_EXCL | sys::O_WRONLY, 0o600);
    let copied = target.and_then(|target| {
        let copied = copy_bytes(source, target, st.size).and_then(|()| settle(source, target, st));
        sys::close(target);
        copied
    });
    sys::close(source);
    copied
}

fn copy_bytes(from: Fd, to: Fd, size: u64) -> Result<()> {
    let mut left = size as usize;
    while left > 0 {
        let n = match sys::copy_file_range(from, to, left) {
            // EXDEV, EOPNOTSUPP, EINVAL: not between these two file systems.
            Err(sys::EXDEV | Errno(95) | sys::EINVAL | sys::ENOSYS) => sys::sendfile(to, from, left)?,
            r => r?,
        };
        if n == 0 {
            // It became shorter while it was read.
            break;
        }
        left -= n;
    }
    Ok(())
}

/// Gives `to` what `from` has besides its contents.
fn settle(from: Fd, to: Fd, st: &Statx) -> Result<()> {
    sys::fchownat(to, lit(c""), st.uid, st.gid, sys::AT_EMPTY_PATH)?;
    sys::fchmod(to, u32::from(st.mode) & 0o7777)?;
    // Most files have no attributes: the large buffers are for those that have some.
    if sys::flistxattr(from, &mut []).is_ok_and(|len| len > 0) {
        copy_xattrs(from, to)?;
    }
    sys::futimens(to, &times_of(st)).map(|_| ())
}

/// In a frame of its own, so that the levels of a tree do not each hold the buffers.
#[inline(never)]
fn copy_xattrs(from: Fd, to: Fd) -> Result<()> {
    const XATTR_MAX: usize = 65536;
    let (mut names, mut value) = ([0u8; XATTR_MAX], [0u8; XATTR_MAX]);
    let n = sys::flistxattr(from, &mut names)?;
    for name in names[..n].split_inclusive(|&b| b == 0) {
        let wanted = match name {
            b"security.capability\0" => true,
            _ => name.starts_with(b"user.") && !name.starts_with(b"user.overlay."),
        };
        if wanted {
            let len = sys::fgetxattr(from, Str::new(name)?, &mut value)?;
            sys::fsetxattr(to, Str::new(name)?, &value[..len])?;
        }
    }
    Ok(())
}
