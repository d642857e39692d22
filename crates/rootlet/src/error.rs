//! What went wrong, for a person: what was attempted, on what, why, and the next step.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The result of everything in this crate that can fail, besides file operations, which give [`io::Result`] as
/// `std::fs` does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a sentence, its cause, and a hint. The fields are data; the faces print them each in its own way.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Which sort of failure it was, for a program to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The base: its name, its layers, the store.
    Base,
    /// What was asked for contradicts itself or the root: an unknown user, a target that is not absolute.
    Spec,
    /// This host does not allow what is needed: no user namespaces, no subordinate ids.
    Host,
    /// A step of making the root failed.
    Setup,
    /// The program is not there (exit code 127 of a shell).
    CommandNotFound,
    /// The program is there but cannot be executed (126).
    CommandNotExecutable,
    /// The command could not be started for another reason.
    Command,
    /// The rootlet has ended.
    Ended,
    /// It took longer than was allowed.
    TimedOut,
    /// The system refused something else; the errno is in the source.
    Io,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, what: what.into(), hint: None, source: None }))
    }

    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::new(ErrorKind::Io, what).caused_by(source)
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Which sort of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do about it: a sentence without its full stop; `None` when there is nothing useful to say.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The errno below it, if the system refused.
    pub fn raw_os_error(&self) -> Option<i32> {
        let mut cause: Option<&(dyn StdError + 'static)> = StdError::source(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return io.raw_os_error();
            }
            cause = error.source();
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        match self.0.source.as_ref().and_then(|s| s.downcast_ref::<io::Error>()).and_then(errno_name) {
            Some(name) => write!(f, ": {name}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

impl From<rootlet_base::Error> for Error {
    fn from(error: rootlet_base::Error) -> Self {
        let converted = Self::new(ErrorKind::Base, error.to_string());
        let converted = match error.hint() {
            Some(hint) => converted.with_hint(hint),
            None => converted,
        };
        match StdError::source(&error) {
            Some(_) => converted.caused_by(error),
            None => converted,
        }
    }
}

impl From<rootlet_spec::ParseError> for Error {
    fn from(error: rootlet_spec::ParseError) -> Self {
        let converted = Self::new(ErrorKind::Spec, error.to_string());
        match error.hint() {
            Some(hint) => converted.with_hint(hint),
            None => converted,
        }
    }
}

/// So that `?` works in a function that returns [`io::Result`], as file operations do.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind =
            error.raw_os_error().map(io::Error::from_raw_os_error).map_or(io::ErrorKind::Other, |e| e.kind());
        io::Error::new(kind, error)
    }
}

/// The name of an error's errno, as errno(3) has it.
pub(crate) fn errno_name(error: &io::Error) -> Option<&'static str> {
    error.raw_os_error().and_then(rootlet_kernel::errno_name)
}
