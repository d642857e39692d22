//! The one error of this crate: what was attempted, on what, why it failed, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was attempted, on what, and why it failed.
///
/// `Display` gives one sentence, with the errno's name when the system refused: `failed to read the layer
/// /x/y.tar: EACCES`. [`Error::hint`] says what to do, when there is something to do; it is data beside the
/// cause, so that each face prints it in its own way; `Debug`, which is what `unwrap` shows, gives both.
/// [`StdError::source`] is the system's own error, where there is one: all else is told by the sentence.
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
    /// The name of a base cannot be read.
    InvalidName,
    /// There is no such base, tag, file or directory.
    NotFound,
    /// The base is not in the store, and the network was not to be used.
    NotInStore,
    /// The registry wants credentials, or refused the ones it got.
    Unauthorized,
    /// The registry could not be reached, or the connection broke.
    Network,
    /// Bytes are not what their digest or format promises: wrong digest, truncated, damaged.
    Corrupt,
    /// A script that makes a root complete has failed.
    SetUp,
    /// Packages want what nobody has, or contradict each other.
    Unsolvable,
    /// A signature is wrong or expired, or its key is not known.
    Untrusted,
    /// A layer holds what no honest layer holds (`..`, a name with NUL, …).
    Hostile,
    /// A limit was passed: bytes, entries, ratio of compression.
    Limit,
    /// A file belongs to a user or group that the id map does not have.
    UnmappedId,
    /// It is unpacked for another id map and cannot be unpacked again.
    OtherIdMap,
    /// A feature of the build is missing, or a format is not known.
    Unsupported,
    /// The base is in use by a live rootlet.
    InUse,
    /// The disk is full, or a quota is used up.
    NoSpace,
    /// This host allows no user namespace with these ids.
    UserNamespace,
    /// A configuration file or variable cannot be used.
    Configuration,
    /// The system refused something else; the errno is in the source.
    Io,
}

impl Error {
    /// `what` is a sentence without its full stop, starting in lower case.
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, what: what.into(), hint: None, source: None }))
    }

    /// What a [`Setup`](crate::Setup) could not do.
    pub fn set_up(what: impl Into<String>, hint: Option<String>) -> Self {
        let error = Self::new(ErrorKind::SetUp, what);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// A step that the system refused.
    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        // An error of ours that travelled through `std::io::Read` comes out as it went in.
        match source.downcast::<Error>() {
            Ok(ours) => ours,
            Err(source) => Self::system(what.into(), source),
        }
    }

    fn system(what: String, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            _ => ErrorKind::Io,
        };
        let error = Self::new(kind, what).caused_by(source);
        match kind {
            ErrorKind::NoSpace => error.with_hint(
                "free some space (`rootlet gc` removes what is not in use), or set ROOTLET_STORE \
                    to a larger disk",
            ),
            _ => error,
        }
    }

    /// No process could be started in the user namespace of an id map.
    pub(crate) fn no_worker(source: rootlet_kernel::StartError) -> Self {
        Self::new(ErrorKind::UserNamespace, "failed to start a process in a user namespace")
            .caused_by(source)
            .with_hint("`rootlet doctor` says what this host lacks")
    }

    /// Says what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Gives the cause.
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says what the failed step was part of.
    #[allow(dead_code, reason = "used by the sources behind features")]
    pub(crate) fn within(mut self, context: impl fmt::Display) -> Self {
        self.0.what = format!("{context}: {}", self.0.what);
        self
    }

    /// Gives another kind, where the caller knows better what the failure means.
    #[allow(dead_code, reason = "used by the sources behind features")]
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        let mut said = self.0.what.clone();
        for cause in self.causes() {
            let text = match system(cause).and_then(io::Error::raw_os_error) {
                Some(errno) => Errno(errno).to_string(),
                None => cause.to_string(),
            };
            // Some errors tell their cause themselves.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said += &text;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.hint().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.causes().find_map(system).map(|system| system as _)
    }
}

impl Error {
    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first = self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        std::iter::successors(first, |&cause| cause.source())
    }
}

/// The system's own error, if it is one.
fn system<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    cause.downcast_ref::<io::Error>().filter(|cause| cause.raw_os_error().is_some())
}

/// Lets an [`Error`] pass through `std::io::Read`; `Error::io` takes it out again.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

/// An errno by its name, as strace prints it.
struct Errno(i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match rootlet_kernel::errno_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", io::Error::from_raw_os_error(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_whole_chain_once_and_errnos_by_name() {
        let refused = rootlet_kernel::StartError {
            step: "map ids with newuidmap".into(),
            source: io::Error::from_raw_os_error(1),
            output: "not allowed".into(),
        };
        let error = Error::no_worker(refused);
        assert_eq!(
            error.to_string(),
            "failed to start a process in a user namespace: failed to map ids with newuidmap (not allowed): EPERM"
        );
        assert_eq!(error.source().unwrap().to_string(), "Operation not permitted (os error 1)");
        assert_eq!(
            format!("{error:?}"),
            format!("{error}\nhint: `rootlet doctor` says what this host lacks")
        );
        let damaged = Error::new(ErrorKind::Corrupt, "damaged").caused_by(io::Error::other("why"));
        assert_eq!(damaged.to_string(), "damaged: why");
        assert!(damaged.source().is_none(), "nothing is left to be told");
        let full = Error::io("failed to write /x", io::Error::from_raw_os_error(28));
        assert_eq!(
            (full.kind(), full.to_string()),
            (ErrorKind::NoSpace, "failed to write /x: ENOSPC".into())
        );
        assert!(full.hint().unwrap().contains("rootlet gc"));
    }

    #[test]
    fn an_error_passes_through_a_reader() {
        let ours = Error::new(ErrorKind::Limit, "too much").with_hint("less");
        let again = Error::io("failed to read", io::Error::from(ours));
        assert_eq!(
            (again.kind(), again.to_string().as_str(), again.hint()),
            (ErrorKind::Limit, "too much", Some("less"))
        );
    }
}
