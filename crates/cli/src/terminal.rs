//! The caller's terminal while the command has one of its own.

use crate::signals::{RESIZED, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// What a terminal's line discipline takes for the end of the input: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// The terminal hands over every key as it is pressed, Ctrl-C too. Put back when dropped, also by a panic.
pub struct RawMode(Termios);

impl RawMode {
    /// `None` where standard input is no terminal.
    pub fn enter() -> io::Result<Option<Self>> {
        if !isatty(stdin()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing is left to be done when the terminal itself has gone.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Rows and columns of the caller's terminal; what docker takes where there is none.
pub fn size() -> (u16, u16) {
    let known = [stdout(), stdin()].into_iter().find_map(|fd| tcgetwinsize(fd).ok());
    known
        .filter(|size| size.ws_row > 0 && size.ws_col > 0)
        .map_or((24, 80), |size| (size.ws_row, size.ws_col))
}

/// Why waiting was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attended {
    /// The command ended.
    Ended,
    /// The deadline came first.
    TimedOut,
}

/// Waits until `ended` is readable, and meanwhile hands every signal to `forward` and, where the command has a
/// terminal, copies between that and the caller's.
pub fn attend(
    ended: BorrowedFd<'_>,
    signals: &mut Signals,
    tty: Option<&File>,
    deadline: Option<Instant>,
    mut forward: impl FnMut(i32),
) -> io::Result<Attended> {
    let mut copy = tty.map(Copy::new).transpose()?;
    loop {
        let ready = wait(ended, signals, copy.as_ref(), deadline)?;
        for signal in if ready.signal { signals.take().collect() } else { vec![] } {
            match &copy {
                Some(copy) if signal == RESIZED => copy.resize(),
                _ => forward(signal),
            }
        }
        if let Some(copy) = &mut copy {
            copy.step(&ready)?;
        }
        let over = ready.ended.then_some(Attended::Ended);
        let late =
            || deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Attended::TimedOut);
        if let Some(attended) = over.or_else(late) {
            return copy.map_or(Ok(()), |mut copy| copy.drain()).map(|()| attended);
        }
    }
}

/// What poll(2) found.
#[derive(Default)]
struct Ready {
    ended: bool,
    signal: bool,
    input: bool,
    output: bool,
    room: bool,
}

fn wait(
    ended: BorrowedFd<'_>,
    signals: &Signals,
    copy: Option<&Copy<'_>>,
    deadline: Option<Instant>,
) -> io::Result<Ready> {
    let mut fds = vec![PollFd::from_borrowed_fd(ended, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
    let (mut input, mut master) = (None, None);
    if let Some(copy) = copy {
        if copy.wants_input() {
            input = Some(fds.len());
            fds.push(PollFd::from_borrowed_fd(stdin(), PollFlags::IN));
        }
        if let Some(flags) = copy.wants_of_master() {
            master = Some(fds.len());
            fds.push(PollFd::new(copy.master, flags));
        }
    }
    // A deadline beyond what the kernel's clock holds never comes.
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    match poll(&mut fds, left.and_then(|left| Timespec::try_from(left).ok()).as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Ready { signal: true, ..Ready::default() }),
        Err(e) => return Err(e.into()),
    }
    let at = |index: Option<usize>| index.map_or(PollFlags::empty(), |index| fds[index].revents());
    let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
    Ok(Ready {
        ended: at(Some(0)).intersects(readable),
        signal: at(Some(1)).intersects(readable),
        input: at(input).intersects(readable | PollFlags::NVAL),
        output: at(master).intersects(readable),
        room: at(master).intersects(PollFlags::OUT),
    })
}

/// Copying between the caller's streams and the master side of the command's terminal. The master does not block:
/// a command that reads nothing must not keep its own output from being shown.
struct Copy<'a> {
    master: &'a File,
    /// Typed, and not yet taken by the command's terminal.
    pending: Vec<u8>,
    input_open: bool,
    master_open: bool,
}

impl<'a> Copy<'a> {
    fn new(master: &'a File) -> io::Result<Self> {
        fcntl_setfl(master, fcntl_getfl(master)? | OFlags::NONBLOCK)?;
        Ok(Self { master, pending: Vec::new(), input_open: true, master_open: true })
    }

    fn wants_input(&self) -> bool {
        self.input_open && self.master_open && self.pending.is_empty()
    }

    fn wants_of_master(&self) -> Option<PollFlags> {
        let room = if self.pending.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        self.master_open.then_some(PollFlags::IN | room)
    }

    fn resize(&self) {
        if let Ok(size) = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())) {
            // A terminal whose command has just gone needs no size.
            let _ = tcsetwinsize(self.master, size);
        }
    }

    fn step(&mut self, ready: &Ready) -> io::Result<()> {
        if ready.input {
            self.read_input();
        }
        if ready.input || ready.room {
            self.write_pending()?;
        }
        if ready.output {
            self.show()?;
        }
        Ok(())
    }

    fn read_input(&mut self) {
        let mut buffer = [0; 4096];
        match rustix::io::read(stdin(), &mut buffer) {
            Ok(0) => {
                self.pending.push(END_OF_INPUT);
                self.input_open = false;
            }
            Ok(n) => self.pending.extend(&buffer[..n]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Closed, or the background of a job shell: the command goes on without.
            Err(_) => self.input_open = false,
        }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match rustix::io::write(self.master, &self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::IO) => {
                    self.pending.clear();
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Shows one buffer of what the command wrote; whether there was any.
    fn show(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16384];
        match rustix::io::read(self.master, &mut buffer) {
            // EIO: the last process that had the terminal open has gone.
            Ok(0) | Err(Errno::IO) => {
                self.master_open = false;
                Ok(false)
            }
            Ok(n) => write_all(stdout(), &buffer[..n]).map(|()| true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// What the command wrote last, without waiting for processes that outlive it.
    fn drain(&mut self) -> io::Result<()> {
        while self.master_open && self.show()? {}
        Ok(())
    }
}

/// Writes to a stream of the caller's, which may have been set not to block by somebody else.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&to.as_fd(), PollFlags::OUT)], None);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
