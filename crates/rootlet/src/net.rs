//! Ports of a rootlet, from outside. The connection is made inside, by pid 1, and handed out: a service on port 80 of a
//! private network needs no port mapping.

use crate::{Error, ErrorKind, Result, Rootlet};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

impl Rootlet {
    /// Connects to a TCP port of the rootlet's loopback, 127.0.0.1 or ::1. (With the host's network these are the host's.)
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        self.connect_within(port, Duration::from_secs(10))
    }

    /// Listens on a TCP port of an IPv4 address of the rootlet, in its own network: what connects to it there is accepted here.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there.
    pub fn listen(&self, address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
        Ok(self.init().listen(address, port)?.into())
    }

    fn connect_within(&self, port: u16, timeout: Duration) -> io::Result<TcpStream> {
        match self.connect_to(port, false, timeout) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                // Whoever listens on ::1 alone is found there; else the first answer stands.
                self.connect_to(port, true, timeout).map_err(|_| e)
            }
            r => r,
        }
    }

    fn connect_to(&self, port: u16, v6: bool, timeout: Duration) -> io::Result<TcpStream> {
        let socket = self.init().connect(port, v6)?;
        finish(&socket, timeout)?;
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    /// Waits until somebody listens on a TCP port of the rootlet's loopback.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] after `timeout`.
    pub fn wait_for_port(&self, port: u16, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.connect_within(port, left.max(Duration::from_millis(1))) {
                Ok(_) => return Ok(()),
                Err(e)
                    if e.kind() == io::ErrorKind::ConnectionRefused
                        || e.kind() == io::ErrorKind::TimedOut => {}
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {
                    return Err(Error::new(ErrorKind::Ended, "the rootlet has ended").caused_by(e));
                }
                Err(e) => return Err(Error::io(format!("failed to connect to port {port}"), e)),
            }
            if Instant::now() >= end {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    format!("nobody listened on port {port} within {timeout:?}"),
                )
                .with_hint("the service may have failed to start: look at what it wrote"));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "nothing tells when a port is opened: it is tried ever less often"
            )]
            std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// Waits for a connection that is under way.
fn finish(socket: &OwnedFd, timeout: Duration) -> io::Result<()> {
    let end = Instant::now() + timeout;
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        match poll(&mut [PollFd::new(socket, PollFlags::OUT)], left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            r => {
                r?;
                break;
            }
        }
    }
    Ok(rustix::net::sockopt::socket_error(socket)??)
}
