//! The ordinary user that the tests run as, besides root.

use crate::Result;
use crate::shell::{command, quiet};
use std::fs;
use std::path::PathBuf;

const NAME: &str = "rootlet-test";
/// As many subordinate ids as distributions give to a new user: enough for every id of an image.
const SUBORDINATE: u32 = 65_536;

/// A line of `/etc/passwd`.
pub struct Account {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// The test user, made when it is not there, with subordinate ids.
pub fn ensure() -> Result<()> {
    if find().is_none() {
        quiet(&mut command("useradd", &["--create-home", "--user-group", "--shell", "/bin/sh", NAME]))?;
    }
    ensure_subordinate("/etc/subuid", "--add-subuids")?;
    ensure_subordinate("/etc/subgid", "--add-subgids")
}

/// The test user, when the machine has one.
pub fn find() -> Option<Account> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let [name, _, uid, gid, _, home, _] = line.split(':').collect::<Vec<_>>().try_into().ok()?;
        (name == NAME).then_some(())?;
        Some(Account { name: name.into(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into() })
    })
}

fn ensure_subordinate(file: &str, flag: &str) -> Result<()> {
    let text = fs::read_to_string(file).unwrap_or_default();
    if text.lines().any(|line| line.starts_with(&format!("{NAME}:"))) {
        return Ok(());
    }
    let first = first_free(&text);
    quiet(&mut command("usermod", &[flag, &format!("{first}-{}", first + SUBORDINATE - 1), NAME])).map(drop)
}

/// The first id behind all ranges given away so far.
fn first_free(subordinate: &str) -> u32 {
    let ends = subordinate.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(1).map(|number| number.parse::<u32>().ok());
        Some(fields.next()?? + fields.next()??)
    });
    ends.max().unwrap_or(0).max(100_000)
}

#[cfg(test)]
mod tests {
    use super::first_free;

    #[test]
    fn subordinate_ids_never_overlap() {
        assert_eq!(first_free(""), 100_000);
        assert_eq!(first_free("a:100000:65536\nb:300000:65536\nbroken\n"), 365_536);
    }
}
