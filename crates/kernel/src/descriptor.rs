//! Descriptors that come as mere numbers.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

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
