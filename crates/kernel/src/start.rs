//! Why a nursery could not start.

use std::fmt;
use std::io;

/// A step on the way to a user namespace failed.
#[derive(Debug)]
pub struct StartError {
    /// What was attempted, to follow "failed to": `make a user namespace`.
    pub step: String,
    /// Why.
    pub source: io::Error,
    /// What a tool (newuidmap) said.
    pub output: String,
}

impl StartError {
    pub(crate) fn new(step: &str, source: io::Error) -> Self {
        Self { step: step.into(), source, output: String::new() }
    }

    /// The nursery was killed (SIGKILL): it says nothing about the host.
    pub(crate) fn killed() -> Self {
        let killed = io::Error::new(io::ErrorKind::ConnectionAborted, "it was killed");
        Self::new("keep the nursery process", killed)
    }

    /// Whether it may go well the next time, for the host allows it: the nursery was killed, or there was no room for a process
    /// or a file.
    pub fn is_passing(&self) -> bool {
        let short = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE].map(Some);
        self.source.kind() == io::ErrorKind::ConnectionAborted || short.contains(&self.source.raw_os_error())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}", self.step)?;
        if !self.output.is_empty() {
            write!(f, " ({})", self.output)?;
        }
        Ok(())
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
