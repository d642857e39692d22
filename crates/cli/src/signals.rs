//! The signals that are passed on to the command.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// The window of the terminal changed its size.
pub const RESIZED: i32 = SIGWINCH;

const FORWARDED: [i32; 6] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];

/// Signals sent to this process, which no longer end it: they wait here until they are taken.
pub struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    /// Begins to catch. What the caller ignores (see [`ignored`]) stays ignored, so that nohup(1) keeps its meaning.
    pub fn catch(ignored: u64) -> io::Result<Self> {
        let wanted = FORWARDED.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let (read, write) = UnixStream::pair()?;
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, wanted)?;
        Ok(Self(delivery))
    }

    /// Catches changes of the window's size too.
    pub fn and_resizes(self) -> io::Result<Self> {
        self.0.handle().add_signal(RESIZED)?;
        Ok(self)
    }

    /// Those that came since the last call.
    pub fn take(&mut self) -> impl Iterator<Item = i32> + '_ {
        self.0.pending()
    }
}

/// Readable when a signal has come.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

/// The set of signals that this process was started to ignore, bit n-1 for signal n.
pub fn ignored() -> u64 {
    // One read: every run pays for this.
    let mut status = [0; 4096];
    let length = File::open("/proc/self/status").and_then(|mut file| file.read(&mut status)).unwrap_or(0);
    let status = String::from_utf8_lossy(&status[..length]);
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_and_hands_over() {
        let mut signals = Signals::catch(ignored()).unwrap();
        assert_eq!(signals.take().count(), 0);
        signal_hook::low_level::raise(SIGUSR1).unwrap();
        assert_eq!(signals.take().collect::<Vec<_>>(), [SIGUSR1]);
    }
}
