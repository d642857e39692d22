use serde::{Deserialize, Serialize};

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
