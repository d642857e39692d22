//! What went wrong, for a person: what was attempted, on what, why, and the next step.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The result of everything in this crate that can fail, besides file operations, which give [`io::Result`] as
/// `std::fs` does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a sentence, its cause, and a hint. The fields are data; the faces print them each in its own way. `Debug`, which
/// is what `unwrap` shows, gives the sentence and the hint.
pub struct Error(Box<Inner>);

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
    /// A recipe: what it says, or a step of it.
    Recipe,
    /// A module of functions: what its file says, where it is from, or its process.
    Module,
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

    /// Says what the failed step was part of.
    #[allow(dead_code, reason = "used by what is behind features")]
    pub(crate) fn within(mut self, context: impl fmt::Display) -> Self {
        self.0.what = format!("{context}: {}", self.0.what);
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
            if let Some(errno) = errno_of(error) {
                return Some(errno);
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
            // What comes from a base names it already.
            Some(name) if !self.0.what.ends_with(name) => write!(f, ": {name}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.to_string();
        f.write_str(&said)?;
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            let text = cause.to_string();
            // An errno has its name in the sentence.
            if !said.contains(&text) && errno_of(cause).is_none() {
                write!(f, ": {text}")?;
                said += &text;
            }
            next = cause.source();
        }
        self.hint().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

/// The sentence is the same, and told once: what is below it is only the system's own error, if there is one.
impl From<rootlet_base::Error> for Error {
    fn from(error: rootlet_base::Error) -> Self {
        let kind = match error.kind() {
            // Another tier may do without one.
            rootlet_base::ErrorKind::UserNamespace => ErrorKind::Host,
            _ => ErrorKind::Base,
        };
        let converted = Self::new(kind, error.to_string());
        let converted = match error.hint() {
            Some(hint) => converted.with_hint(hint),
            None => converted,
        };
        match StdError::source(&error).and_then(errno_of) {
            Some(errno) => converted.caused_by(io::Error::from_raw_os_error(errno)),
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

fn errno_of(error: &(dyn StdError + 'static)) -> Option<i32> {
    error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error)
}

/// The name of an error's errno, as errno(3) has it.
pub(crate) fn errno_name(error: &io::Error) -> Option<&'static str> {
    error.raw_os_error().and_then(rootlet_kernel::errno_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_base_is_told_once() {
        let nowhere = rootlet_base::Store::open("/proc/nowhere").unwrap_err();
        let (sentence, hint) = (nowhere.to_string(), nowhere.hint().unwrap().to_owned());
        let error = Error::from(nowhere);
        assert_eq!(error.to_string(), sentence);
        assert!(sentence.ends_with(": ENOENT"), "{sentence}");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        assert_eq!(error.source().unwrap().to_string(), "No such file or directory (os error 2)");
        assert_eq!(format!("{error:?}"), format!("{sentence}\nhint: {hint}"));
    }
}
