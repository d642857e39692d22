//! A program of somebody else's that answers on a socket and does not outlive who started it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Starts a command that inherits one descriptor besides the standard streams, under the number that the variable `named` holds
/// for it. It is killed when the thread that calls this ends, so that nothing is left of it when we are killed ourselves.
///
/// # Errors
/// There is no such program, or it cannot be executed.
pub fn start_attached(mut command: Command, socket: OwnedFd, named: &str) -> io::Result<Child> {
    let (number, parent) = (socket.as_raw_fd(), std::process::id());
    command.env(named, number.to_string());
    let prepare = move || {
        let last = libc::c_uint::MAX;
        // SAFETY: system calls on numbers alone, which a child may make after a fork.
        unsafe {
            // Whatever this process or another thread of it left open to children is no business of this one's. Kernels before 5.11
            // do not know the flag; what is open there stays.
            libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, last, libc::CLOSE_RANGE_CLOEXEC);
            if libc::fcntl(number, libc::F_SETFD, 0) < 0
                || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0
            {
                return Err(io::Error::last_os_error());
            }
            // Whoever ended before this was asked for is not heard of.
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    };
    // SAFETY: `prepare` allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn one_socket_and_nothing_else_is_handed_over() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        // One that a careless parent left open.
        let other = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&other, rustix::io::FdFlags::empty()).unwrap();
        let mut command = Command::new("sh");
        // The list itself takes a descriptor, which is gone when they are counted.
        let count = "n=0; for fd in /proc/$$/fd/*; do [ ! -L $fd ] || n=$((n+1)); done; echo $n >&$SOCKET; exec sleep 1000";
        command.args(["-c", count]);
        let mut child = start_attached(command, theirs.into(), "SOCKET").unwrap();
        let mut said = [0; 2];
        ours.read_exact(&mut said).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // Three standard streams and the socket; dash keeps none of its own.
        assert_eq!(String::from_utf8_lossy(&said), "4\n");
        let (_, theirs) = UnixStream::pair().unwrap();
        let missing = start_attached(Command::new("/no/such/program"), theirs.into(), "SOCKET").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
