//! A running command, as `std::process::Child`.

use crate::why::Traced;
use crate::{Error, ErrorKind, Result};
use rootlet_kernel::{Ended, Init, Started};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A command that runs in a rootlet. Dropping it leaves it running; it ends with the rootlet at the latest.
#[derive(Debug)]
pub struct Child {
    init: Arc<Init>,
    started: Started,
    /// When its time is up, and how long that is.
    deadline: Option<(Instant, Duration)>,
    ended: Option<ExitStatus>,
    tty: Option<File>,
    /// Who wants to know of its end besides.
    traced: Option<Arc<Traced>>,
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
    pub(crate) fn new(init: Arc<Init>, started: Started, timeout: Option<Duration>) -> Self {
        let deadline = timeout.and_then(|timeout| Some((Instant::now().checked_add(timeout)?, timeout)));
        let (tty, traced, ended) = (None, None, None);
        Self { init, started, deadline, ended, tty, traced, stdin: None, stdout: None, stderr: None }
    }

    pub(crate) fn traced(self, traced: Arc<Traced>) -> Self {
        Self { traced: Some(traced), ..self }
    }

    pub(crate) fn on_tty(init: Arc<Init>, started: Started, timeout: Option<Duration>, master: File) -> Self {
        Self { tty: Some(master), ..Self::new(init, started, timeout) }
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
    /// [`ErrorKind::TimedOut`]: it did not end in [its time](crate::Command::timeout), and every process of the rootlet has been
    /// ended. [`ErrorKind::Ended`]: the rootlet ended before the command did.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        match self.wait_for(None)? {
            Some(status) => Ok(status),
            None => Err(self.out_of_time()),
        }
    }

    /// Its end, if it has come.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Waits for its end, but no longer than `timeout`: `None` when it still runs.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>> {
        match self.wait_for(Some(timeout))? {
            None if self.left() == Some(Duration::ZERO) => Err(self.out_of_time()),
            status => Ok(status),
        }
    }

    /// Waits no longer than is allowed, either way.
    fn wait_for(&mut self, timeout: Option<Duration>) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.ended {
            return Ok(Some(status));
        }
        let timeout = timeout.into_iter().chain(self.left()).min();
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
        if let Some(traced) = &self.traced {
            traced.ended(status.success());
        }
        Ok(Some(status))
    }

    /// How much of its time is left.
    fn left(&self) -> Option<Duration> {
        self.deadline.map(|(end, _)| end.saturating_duration_since(Instant::now()))
    }

    /// Its time is up: everything in the rootlet ends, for nobody knows what of it the command started.
    fn out_of_time(&mut self) -> Error {
        // It is said once. Whoever waits again waits for the end, which has been brought about.
        let allowed = self.deadline.take().map_or(Duration::ZERO, |(_, allowed)| allowed);
        let what = format!("the command did not end within {}", rootlet_spec::duration::format(allowed));
        let error = Error::new(ErrorKind::TimedOut, what);
        match self.init.kill_all(libc::SIGKILL) {
            // ESRCH: it has ended altogether.
            Err(e) if e.raw_os_error() != Some(libc::ESRCH) => error.caused_by(e),
            _ => error,
        }
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
    ///
    /// # Errors
    /// As [`wait`](Self::wait). What was written is then lost; who wants it reads [`stdout`](Self::stdout).
    pub fn wait_with_output(mut self) -> Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut pipes: Vec<(PipeReader, &mut Vec<u8>)> = Vec::new();
        pipes.extend(self.stdout.take().map(|pipe| (pipe, &mut stdout)));
        pipes.extend(self.stderr.take().map(|pipe| (pipe, &mut stderr)));
        let end = self.deadline.map(|(end, _)| end);
        match read_to_ends(pipes, end).map_err(|e| Error::io("failed to read what a command wrote", e))? {
            true => Ok(Output { status: self.wait()?, stdout, stderr }),
            false => Err(self.out_of_time()),
        }
    }
}

/// Reads pipes to their ends, whichever has something: a command that fills one must not wait for another. `false` when the
/// time was up before.
fn read_to_ends(mut pipes: Vec<(PipeReader, &mut Vec<u8>)>, end: Option<Instant>) -> io::Result<bool> {
    let mut buffer = [0u8; 16 * 1024];
    while !pipes.is_empty() {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds: Vec<_> = pipes.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::IN)).collect();
        match poll(&mut fds, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) => return Ok(false),
            r => r?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for i in (0..pipes.len()).rev().filter(|&i| ready[i]) {
            let (pipe, to) = &mut pipes[i];
            match pipe.read(&mut buffer)? {
                0 => drop(pipes.remove(i)),
                n => to.extend_from_slice(&buffer[..n]),
            }
        }
    }
    Ok(true)
}
