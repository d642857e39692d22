//! Mounts that only real root can make for a rootlet, in the caller's own mount namespace and without a trace in it.

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A detached copy of the mount at `path`, as it is. With `recursive`, what is mounted below comes too.
///
/// # Errors
/// `EPERM` for anyone but real root.
pub fn clone(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(CWD, path, flags)?)
}

/// A detached copy of the mount at `path`, whose files have the owners that `user_namespace` maps: what is 0 on disk is
/// 0 inside (mount_setattr(2), `MOUNT_ATTR_IDMAP`). With `recursive`, what is mounted below comes too.
///
/// # Errors
/// `EPERM` for anyone but real root; `EINVAL` where a file system does not support it (overlayfs, older NFS, FUSE).
pub fn clone_idmapped(path: &Path, user_namespace: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let mount = clone(path, recursive)?;
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: user_namespace.as_raw_fd() as u64,
    };
    let at = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the descriptors are open, the path is a NUL-terminated literal, and `attr` lives through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            at,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(mount) } else { Err(io::Error::last_os_error()) }
}
