//! Whiteouts: what hides a name of the layers below from overlayfs.
//!
//! One is a character device 0/0. In a tree that lies on overlayfs itself, as in a container without a volume, nobody may
//! make that: there it is overlayfs' other form, an empty file with the attribute `user.overlay.whiteout` in a directory
//! whose `user.overlay.opaque` is `x`. The kernel knows that form since Linux 6.8, but then cannot remove such a directory:
//! it takes the file for something that is left in it. So a layer with such files is mounted under a copy of them in
//! memory, where they are devices (`copy::whiteouts`), and all directories on the way to one have the attribute as well.

use crate::sys::{self, Fd, Result, Statx, Str, lit};

const WHITEOUT: Str = lit(c"user.overlay.whiteout");
/// `y`: all that the layers below have in this directory is hidden.
const OPAQUE: Str = lit(c"user.overlay.opaque");

/// Makes one, and tells whether it is a file. What has the name already is `EEXIST`.
pub fn make(dir: Fd, name: Str) -> Result<bool> {
    match sys::mknodat(dir, name, sys::S_IFCHR, 0) {
        Err(sys::EPERM) => make_file(dir, name).map(|()| true),
        made => made.map(|_| false),
    }
}

fn make_file(dir: Fd, name: Str) -> Result<()> {
    let file = sys::openat(dir, name, sys::O_CREAT | sys::O_EXCL | sys::O_WRONLY, 0o600)?;
    let marked = sys::fsetxattr(file, WHITEOUT, b"y");
    sys::close(file);
    marked?;
    // `dir` may be a mere place, which has no attributes.
    let open = sys::openat(dir, lit(c"."), sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
    let marked = lead(open);
    sys::close(open);
    marked
}

/// Marks an open directory as one on the way to a whiteout that is a file.
pub fn lead(dir: Fd) -> Result<()> {
    if leads(dir) { Ok(()) } else { sys::fsetxattr(dir, OPAQUE, b"x").map(|_| ()) }
}

/// Whether an open directory may be one on that way.
pub fn leads(dir: Fd) -> bool {
    sys::fgetxattr(dir, OPAQUE, &mut []).is_ok()
}

/// Has `to` hide all that it is to hide, as `from` does.
pub fn copy_opaque(from: Fd, to: Fd) -> Result<()> {
    let mut value = [0u8; 1];
    match sys::fgetxattr(from, OPAQUE, &mut value) {
        Ok(1) if value == *b"y" => sys::fsetxattr(to, OPAQUE, &value).map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether an entry, of which `st` tells, is a whiteout that is a file.
pub fn is_file(dir: Fd, name: Str, st: &Statx) -> Result<bool> {
    if u32::from(st.mode) & sys::S_IFMT != sys::S_IFREG || st.size != 0 {
        return Ok(false);
    }
    let file = sys::openat(dir, name, sys::O_RDONLY | sys::O_NOFOLLOW | sys::O_NONBLOCK, 0)?;
    let marked = sys::fgetxattr(file, WHITEOUT, &mut []).is_ok();
    sys::close(file);
    Ok(marked)
}
