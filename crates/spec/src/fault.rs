//! What is wrong with a root on purpose: how a program behaves when its disk is full, say, is seldom seen before production.

use crate::{ParseError, mount};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Something that is wrong with a root, for everybody in it, root too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing can be written any more: ENOSPC. (What was asked to be mounted is not full.)
    FullDisk,
    /// A directory or file of the base, absolute, and all below it: EROFS for who would write there.
    ReadOnly(String),
    /// /proc is an empty directory.
    NoProc,
    /// No network, not even loopback.
    NoNetwork,
}

/// Reads `full-disk`, `read-only:/PATH`, `no-proc` or `no-network`.
impl FromStr for Fault {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |reason: String| ParseError::new("fault", text, reason);
        match text.split_once(':') {
            Some(("read-only", path)) => Ok(Self::ReadOnly(mount::target(path).map_err(wrong)?.into())),
            None if text == "full-disk" => Ok(Self::FullDisk),
            None if text == "no-proc" => Ok(Self::NoProc),
            None if text == "no-network" => Ok(Self::NoNetwork),
            _ => Err(wrong("expected full-disk, read-only:/PATH, no-proc or no-network".into())),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FullDisk => f.write_str("full-disk"),
            Self::ReadOnly(path) => write!(f, "read-only:{path}"),
            Self::NoProc => f.write_str("no-proc"),
            Self::NoNetwork => f.write_str("no-network"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_written() {
        for text in ["full-disk", "read-only:/var/lib", "no-proc", "no-network"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in
            ["", "full", "read-only", "read-only:", "read-only:var", "read-only:/a/../b", "full-disk:1"]
        {
            assert!(text.parse::<Fault>().is_err(), "{text:?}");
        }
    }
}
