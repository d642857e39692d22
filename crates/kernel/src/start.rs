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
