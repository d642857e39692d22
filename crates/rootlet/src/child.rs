//! A running command, as `std::process::Child`.

use crate::{Error, ErrorKind, Result};
use rootlet_kernel::{Ended, Init, Started};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::time::Duration;

/// A command that runs in a rootlet. Dropping it leaves it running; it ends with the rootlet at the latest.
#[derive(Debug)]
pub struct Child {
    init: Arc<Init>,
    started: Started,
    ended: Option<ExitStatus>,
    tty: Option<File>,
    /// The other end of its standard input, when that is a pipe.
    pub stdin: Option<PipeWriter>,
    /// The other end of its standard output, when that is a pipe.
    pub stdout: Option<PipeReader>,
    /// The other end of its standard error, when that is a pipe.
    pub stderr: Option<PipeReader>,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tty {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

impl Tty {
    /// Gives a terminal this size; whoever runs on it gets SIGWINCH.
    pub fn resize(&self, terminal: impl AsFd) -> io::Result<()> {
        let size = Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(terminal, size)?)
    }
}

impl Child {
    pub(crate) fn new(
        init: Arc<Init>,
        started: Started,
        stdin: Option<PipeWriter>,
        stdout: Option<PipeReader>,
        stderr: Option<PipeReader>,
    ) -> Self {
        Self { init, started, ended: None, tty: None, stdin, stdout, stderr }
    }

    pub(crate) fn on_tty(init: Arc<Init>, started: Started, master: File) -> Self {
        Self { tty: Some(master), ..Self::new(init, started, None, None, None) }
    }

    /// Its process number inside the rootlet.
    pub fn id(&self) -> u32 {
        self.started.pid
    }

    /// The other end of the terminal it runs on, if it does.
    pub fn tty(&self) -> Option<&File> {
        self.tty.as_ref()
    }

    /// Waits for its end. Standard input is closed first, as with std.
    ///
    /// # Errors
    /// [`ErrorKind::Ended`]: the rootlet ended before the command did.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        match self.wait_for(None)? {
            Some(status) => Ok(status),
            None => Err(Error::new(ErrorKind::Ended, "the rootlet ended before its command did")),
        }
    }

    /// Its end, if it has come.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.wait_for(Some(Duration::ZERO))
    }

    /// Waits for its end, but no longer than `timeout`: `None` when it still runs.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>> {
        self.wait_for(Some(timeout))
    }

    fn wait_for(&mut self, timeout: Option<Duration>) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.ended {
            return Ok(Some(status));
        }
        let ended = self.started.wait(timeout).map_err(|e| Error::io("failed to wait for a command", e))?;
        // As wait(2) encodes them.
        let status = match ended {
            None => return Ok(None),
            Some(Ended::Exited(code)) => ExitStatus::from_raw((code & 0xff) << 8),
            Some(Ended::Signaled(signal, core)) => ExitStatus::from_raw(signal | if core { 0x80 } else { 0 }),
            Some(Ended::Lost) => {
                return Err(Error::new(ErrorKind::Ended, "the rootlet ended before its command did"));
            }
        };
        self.ended = Some(status);
        Ok(Some(status))
    }

    /// Ends it with SIGKILL. It may have ended already.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(libc::SIGKILL)
    }

    /// Sends a signal to it alone. It may have ended already.
    pub fn signal(&mut self, signal: i32) -> Result<()> {
        self.send(signal, false)
    }

    /// Sends a signal to it and to what it started in its process group.
    pub fn signal_group(&mut self, signal: i32) -> Result<()> {
        self.send(signal, true)
    }

    fn send(&mut self, signal: i32, group: bool) -> Result<()> {
        match self.init.kill(self.started.pid, signal, group) {
            Err(e) if e.raw_os_error() != Some(libc::ESRCH) => {
                Err(Error::io("failed to signal a command", e))
            }
            _ => Ok(()),
        }
    }

    /// Readable when the command has ended: for a caller's own poll(2).
    pub fn ended_fd(&self) -> BorrowedFd<'_> {
        self.started.status_fd()
    }

    /// Waits for its end and gives what it wrote.
    pub fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let read = match (self.stdout.take(), self.stderr.take()) {
            (Some(mut out), None) => out.read_to_end(&mut stdout).map(drop),
            (None, Some(mut err)) => err.read_to_end(&mut stderr).map(drop),
            (Some(out), Some(err)) => read_both(out, &mut stdout, err, &mut stderr),
            (None, None) => Ok(()),
        };
        read.map_err(|e| Error::io("failed to read what a command wrote", e))?;
        let status = self.wait()?;
        Ok(Output { status, stdout, stderr })
    }
}

/// Reads two pipes to their ends, whichever has something: a command that fills one must not wait for the other.
fn read_both(
    mut out: PipeReader,
    to_out: &mut Vec<u8>,
    mut err: PipeReader,
    to_err: &mut Vec<u8>,
) -> io::Result<()> {
    let mut buffer = [0u8; 16 * 1024];
    loop {
        let mut fds = [PollFd::new(&out, PollFlags::IN), PollFd::new(&err, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            r => r?,
        };
        let ready = [!fds[0].revents().is_empty(), !fds[1].revents().is_empty()];
        if ready[0] {
            match out.read(&mut buffer)? {
                0 => return err.read_to_end(to_err).map(drop),
                n => to_out.extend_from_slice(&buffer[..n]),
            }
        }
        if ready[1] {
            match err.read(&mut buffer)? {
                0 => return out.read_to_end(to_out).map(drop),
                n => to_err.extend_from_slice(&buffer[..n]),
            }
        }
    }
}
