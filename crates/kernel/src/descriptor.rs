//! Descriptors and their numbers.

use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A descriptor that is known by its inode. Somebody in this process may close all numbers (a test that does so is a test, too),
/// and the next files that are opened get them: then ours is gone, and theirs is left alone.
#[derive(Debug)]
pub(crate) struct Own {
    descriptor: ManuallyDrop<OwnedFd>,
    inode: Option<u64>,
}

impl Own {
    /// Whether the number is still that of our file.
    pub fn is_there(&self) -> bool {
        inode(&self.descriptor) == self.inode
    }
}

impl From<OwnedFd> for Own {
    fn from(descriptor: OwnedFd) -> Self {
        Self { inode: inode(&descriptor), descriptor: ManuallyDrop::new(descriptor) }
    }
}

impl Deref for Own {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.descriptor
    }
}

impl AsFd for Own {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.is_there() {
            // SAFETY: it is dropped here alone, and never used again.
            unsafe { ManuallyDrop::drop(&mut self.descriptor) }
        }
    }
}

fn inode(descriptor: &OwnedFd) -> Option<u64> {
    rustix::fs::fstat(descriptor).ok().map(|stat| stat.st_ino)
}

/// A duplicate of the descriptor of this number, never one of the standard streams: for callers that have numbers and no
/// owners, as other languages do.
///
/// # Errors
/// `EBADF` when nothing is open under this number.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) takes any number; whoever owns the descriptor keeps it.
    let new = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if new < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// As [`duplicate`], of a descriptor that this process was started with: what it starts itself does not get it.
///
/// # Errors
/// `EBADF` when nothing is open under this number.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    let own = duplicate(number)?;
    // SAFETY: as above.
    match unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } {
        0.. => Ok(own),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::duplicate;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_number_is_looked_up() {
        assert!(duplicate(0).unwrap().as_raw_fd() > 2);
        for nothing in [-1, i32::MAX] {
            assert_eq!(duplicate(nothing).unwrap_err().raw_os_error(), Some(libc::EBADF));
        }
    }
}
