//! How long what a function gave is kept, as its author says it.

use crate::{ParseError, duration};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long what a function gave may be given again instead of running it: `never`, `session`, or a length of time. The words, and
/// which lengths there are, are Dagger's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Option<String>", into = "String")]
pub enum Keep {
    /// It runs each time.
    #[default]
    Never,
    /// As long as one call lasts, or one connection of a script.
    Session,
    /// For others, too, from when it ran on.
    For(Duration),
}

/// The shortest that is kept for others.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest: a week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl FromStr for Keep {
    type Err = ParseError;

    /// Reads `never`, `session`, `5m`, `1h30m`; nothing is `never`, and so is `0s`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |reason: &str| ParseError::new("time to keep an answer", text, reason);
        match text {
            "" | "never" => return Ok(Self::Never),
            "session" => return Ok(Self::Session),
            _ => {}
        }
        let expected = "expected never, session, or a length of time such as 5m or 1h30m";
        match duration::parse(text).map_err(|_| wrong(expected))? {
            Duration::ZERO => Ok(Self::Never),
            long if long < SHORTEST => Err(wrong("it is at least 1s")),
            long if long > LONGEST => Err(wrong("it is at most 7 days, 168h")),
            long => Ok(Self::For(long)),
        }
    }
}

impl TryFrom<Option<String>> for Keep {
    type Error = ParseError;

    fn try_from(said: Option<String>) -> Result<Self, ParseError> {
        said.unwrap_or_default().parse()
    }
}

impl From<Keep> for String {
    fn from(keep: Keep) -> Self {
        keep.to_string()
    }
}

impl Keep {
    /// Whether it runs each time.
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Session => f.write_str("session"),
            Self::For(long) => f.write_str(&duration::format(*long)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for (text, keep) in [
            ("never", Keep::Never),
            ("session", Keep::Session),
            ("5m", Keep::For(Duration::from_secs(300))),
            ("1h30m", Keep::For(Duration::from_secs(5400))),
            ("168h", Keep::For(LONGEST)),
        ] {
            assert_eq!(text.parse::<Keep>().unwrap(), keep);
            assert_eq!(keep.to_string().parse::<Keep>().unwrap(), keep);
        }
        assert_eq!("".parse::<Keep>().unwrap(), Keep::Never);
        assert_eq!("0s".parse::<Keep>().unwrap(), Keep::Never);
        for text in ["forever", "Never", "5x", "-5m", "500ms", "168h1s", "5m ", "99999999999999h"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }
}
