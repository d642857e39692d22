//! What went wrong in a function, as it is told from one process to another.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A failure.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failed {
    /// Which sort.
    pub kind: FailedKind,
    /// What happened, for a person.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the module's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// Of a command.
    #[serde(flatten)]
    pub exec: Option<Box<ExecFailed>>,
}

/// Which sort of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailedKind {
    /// What was asked cannot be done.
    #[default]
    Query,
    /// A command did not end as it was to.
    Exec,
    /// The module's code raised something of its own.
    Raised,
    /// The module's function was called in a wrong way.
    Usage,
    /// The module's function gave something that cannot be told.
    Unserialisable,
}

/// A command that did not end as it was to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecFailed {
    /// Its words.
    pub command: Vec<String>,
    /// How it ended; 128 and more: by a signal.
    pub exit_code: i32,
    /// What it said.
    pub stdout: String,
    /// What it said on standard error.
    pub stderr: String,
}

impl Failed {
    /// Something that was asked and cannot be done.
    pub fn query(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// What the code of a module fails of.
    pub fn raised(what: impl fmt::Display) -> Self {
        Self { kind: FailedKind::Raised, ..Self::query(what.to_string()) }
    }

    /// With what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what the failed part was part of.
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What `unwrap`, and a `main` that fails, show.
impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(exec) = &self.exec {
            write!(f, "\n{}{}", exec.stdout, exec.stderr)?;
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for Failed {}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::raised(error)
    }
}

impl From<String> for Failed {
    fn from(message: String) -> Self {
        Self::raised(message)
    }
}

impl From<&str> for Failed {
    fn from(message: &str) -> Self {
        Self::raised(message)
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Failed {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::raised(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { hint: error.hint().map(str::to_owned), ..Self::query(error.to_string()) }
    }
}

impl From<rootlet_base::Error> for Failed {
    fn from(error: rootlet_base::Error) -> Self {
        Error::from(error).into()
    }
}
