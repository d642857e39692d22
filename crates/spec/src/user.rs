//! Who runs the command: users and groups, as `--user` and `--group-add` write them.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who is asked for, as written; which account of the root it is, is found out when the root is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserSpec {
    /// `NAME` or `NAME:GROUP`: an account of the root's own `/etc/passwd`.
    Name(String, Option<GroupSpec>),
    /// `UID` or `UID:GROUP`: a number, with or without an account. The group of a uid that has no account is 0,
    /// as docker and Kubernetes do it.
    Id(u32, Option<GroupSpec>),
    /// `NAME:UID:GID`: this account is made in the root when it is not there.
    Account(User),
}

/// A group, by name of the root's own `/etc/group` or by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupSpec {
    /// By name.
    Name(String),
    /// By number.
    Id(u32),
}

/// An account that rootlet makes in the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Number of the primary group, which bears the user's name when it is made.
    pub gid: u32,
    /// Home directory; made, mode 0755, owned by the user.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

impl User {
    /// The default: `sam`, 1000:1000, `/home/sam`, `/bin/sh`.
    pub fn sam() -> Self {
        Self::new("sam", 1000, 1000)
    }

    /// An account with its home under `/home`.
    pub fn new(name: &str, uid: u32, gid: u32) -> Self {
        Self { name: name.into(), uid, gid, home: format!("/home/{name}"), shell: "/bin/sh".into() }
    }
}

const EXPECTED: &str = "expected NAME, UID, NAME:GROUP, UID:GROUP or NAME:UID:GID";

/// Reads `sam`, `sam:staff`, `1000`, `1000:0` or `sam:1000:1000`. What is all digits is a number.
impl FromStr for UserSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |reason: String| ParseError::new("user", text, reason);
        let mut parts = text.split(':');
        let user = parts.next().unwrap_or_default();
        let (second, third) = (parts.next(), parts.next());
        if user.is_empty() || parts.next().is_some() {
            return Err(wrong(EXPECTED.into()));
        }
        if let (Some(uid), Some(gid)) = (second, third) {
            let name = account_name(user).map_err(wrong)?;
            let uid = number(uid).ok_or_else(|| wrong(format!("`{uid}` is not a uid; {EXPECTED}")))?;
            let gid = number(gid).ok_or_else(|| wrong(format!("`{gid}` is not a gid; {EXPECTED}")))?;
            return Ok(Self::Account(User::new(name, uid, gid)));
        }
        let group = second.map(|group| named_or_number(group).map_err(wrong)).transpose()?;
        let group = group.map(|(name, id)| id.map_or(GroupSpec::Name(name), GroupSpec::Id));
        let (name, id) = named_or_number(user).map_err(wrong)?;
        Ok(match id {
            Some(uid) => Self::Id(uid, group),
            None => Self::Name(name, group),
        })
    }
}

/// Reads the name or the number of a group.
impl FromStr for GroupSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, id) = named_or_number(text).map_err(|reason| ParseError::new("group", text, reason))?;
        Ok(id.map_or(Self::Name(name), Self::Id))
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = match self {
            Self::Account(user) => return write!(f, "{}:{}:{}", user.name, user.uid, user.gid),
            Self::Name(name, group) => {
                f.write_str(name)?;
                group
            }
            Self::Id(uid, group) => {
                write!(f, "{uid}")?;
                group
            }
        };
        group.as_ref().map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

impl fmt::Display for GroupSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(gid) => write!(f, "{gid}"),
        }
    }
}

/// A name, or the number it is written as.
fn named_or_number(text: &str) -> Result<(String, Option<u32>), String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let id = number(text).ok_or_else(|| format!("`{text}` is above the highest id, 4294967294"))?;
        return Ok((String::new(), Some(id)));
    }
    account_name(text).map(|name| (name.into(), None))
}

/// The kernel keeps 4294967295, that is -1, for "no id".
fn number(text: &str) -> Option<u32> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&id| id != u32::MAX)
}

/// What may stand in `/etc/passwd`: much more than useradd(8) allows (directories of Windows domains give names
/// with spaces, dots and backslashes), but nothing that breaks the line or the path of a home.
fn account_name(name: &str) -> Result<&str, String> {
    let breaks = |c: char| c == ':' || c == '/' || c.is_control();
    match name {
        "" => Err("the name is empty".into()),
        "." | ".." => Err("a name cannot be `.` or `..`".into()),
        _ if name.starts_with('-') => Err("a name cannot start with `-`".into()),
        _ if name.len() > 256 => Err("a name has at most 256 bytes".into()),
        _ if name.contains(breaks) => Err("a name cannot hold `:`, `/` or control characters".into()),
        _ if name.bytes().all(|b| b.is_ascii_digit()) => Err("a name cannot be a number".into()),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(text: &str) -> UserSpec {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_docker_reads() {
        assert_eq!(user("root"), UserSpec::Name("root".into(), None));
        assert_eq!(user("sam:staff"), UserSpec::Name("sam".into(), Some(GroupSpec::Name("staff".into()))));
        assert_eq!(user("sam:50"), UserSpec::Name("sam".into(), Some(GroupSpec::Id(50))));
        assert_eq!(user("1000"), UserSpec::Id(1000, None));
        assert_eq!(user("1000:0"), UserSpec::Id(1000, Some(GroupSpec::Id(0))));
        assert_eq!(user("4294967294"), UserSpec::Id(4_294_967_294, None));
        assert_eq!(user("sam:1001:100"), UserSpec::Account(User::new("sam", 1001, 100)));
        assert_eq!(user("DOM\\first.last"), UserSpec::Name("DOM\\first.last".into(), None));
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        for text in [
            "",
            ":",
            ":0",
            "sam:",
            "a:b:c",
            "a:1:",
            "a:1:2:3",
            "1:2:3",
            "4294967295",
            "99999999999",
            "-u",
            "a/b",
            "..",
            "a:+1:2",
            "a\nb",
        ] {
            assert!(text.parse::<UserSpec>().is_err(), "{text:?}");
        }
        assert!("".parse::<GroupSpec>().is_err());
        assert_eq!(
            "sam:x:1".parse::<UserSpec>().unwrap_err().to_string(),
            "invalid user `sam:x:1`: `x` is not a uid; expected NAME, UID, NAME:GROUP, UID:GROUP or NAME:UID:GID"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<UserSpec>();
            let _ = text.parse::<GroupSpec>();
        }

        #[test]
        fn comes_back_as_written(text in "[a-z0-9]{1,5}(:[a-z0-9]{1,5}){0,2}") {
            if let Ok(user) = text.parse::<UserSpec>() {
                prop_assert_eq!(user.to_string().parse::<UserSpec>(), Ok(user));
            }
        }
    }
}
