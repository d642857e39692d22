//! How a host gives a rootlet its identity, and what a run insists on.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where the identity of a rootlet comes from, strongest first. The library takes the first that the host allows, found
/// out by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// A user namespace with all ids: real root's, or an ordinary user's subordinate ones. Owners and refusals are exact.
    Exact,
    /// A user namespace with one id. What others own is stored with the rights that the user has there, so that refusals
    /// are the kernel's all the same.
    OneId,
    /// Root that may make no namespaces, as in a plain container: chroot(2) and setuid(2) on a copy. Owners and refusals are
    /// exact; processes, mounts and the network are the host's.
    Chroot,
}

impl Tier {
    /// All of them, strongest first.
    pub const ALL: [Self; 3] = [Self::Exact, Self::OneId, Self::Chroot];
}

/// Reads `exact`, `one-id` or `chroot`.
impl FromStr for Tier {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|tier| tier.to_string() == text)
            .ok_or_else(|| ParseError::new("tier", text, "expected exact, one-id or chroot"))
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::OneId => "one-id",
            Self::Chroot => "chroot",
        })
    }
}

/// What a run insists on: without it, nothing is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// Every file has its true owner, and every refusal is production's.
    Exact,
    /// Mounts, processes and the host name are the rootlet's own.
    Namespaces,
    /// /proc is the rootlet's own.
    Proc,
    /// Nothing of what was asked for is left out.
    Everything,
}

impl Require {
    const ALL: [Self; 4] = [Self::Exact, Self::Namespaces, Self::Proc, Self::Everything];
}

/// Reads `exact`, `namespaces`, `proc` or `everything`.
impl FromStr for Require {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|require| require.to_string() == text).ok_or_else(|| {
            ParseError::new("requirement", text, "expected exact, namespaces, proc or everything")
        })
    }
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Namespaces => "namespaces",
            Self::Proc => "proc",
            Self::Everything => "everything",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
            assert_eq!(serde_json::to_string(&tier).unwrap(), format!("\"{tier}\""));
        }
        for require in Require::ALL {
            assert_eq!(require.to_string().parse(), Ok(require));
            assert_eq!(serde_json::to_string(&require).unwrap(), format!("\"{require}\""));
        }
        assert!("a".parse::<Tier>().is_err() && "".parse::<Require>().is_err());
    }
}
