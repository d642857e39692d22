//! Who somebody is in a root: its own passwd(5) and group(5) decide, as they do for docker and Kubernetes. Pure.

use crate::{Error, ErrorKind, Result};
use rootlet_spec::{GroupSpec, Memberships, User, UserSpec, printable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who runs a command: what the process itself will have, not what a name promises.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account's name, if the root has one for the uid.
    pub name: Option<String>,
    /// Real, effective and saved user id.
    pub uid: u32,
    /// Real, effective and saved group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// `HOME`; `/` for a uid without an account.
    pub home: String,
    /// Login shell; `/bin/sh` for a uid without an account.
    pub shell: String,
}

/// As id(1) writes it, with the home: `uid=1000(sam) gid=1000 groups=none HOME=/home/sam`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().map(|name| format!("({})", printable(name))).unwrap_or_default();
        let groups: Vec<_> = self.groups.iter().map(u32::to_string).collect();
        let groups = if groups.is_empty() { "none".into() } else { groups.join(",") };
        write!(f, "uid={}{name} gid={} groups={groups} HOME={}", self.uid, self.gid, printable(&self.home))
    }
}

/// A line of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
    shell: &'a str,
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Lines that cannot be read are passed over: an image's file is whatever it is.
fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut f = line.split(':');
        let (name, _, uid, gid, _) = (f.next()?, f.next()?, f.next()?, f.next()?, f.next()?);
        let (home, shell) = (f.next()?, f.next().unwrap_or(""));
        Some(Account { name, uid: uid.parse().ok()?, gid: gid.parse().ok()?, home, shell })
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut f = line.split(':');
        let (name, _, gid) = (f.next()?, f.next()?, f.next()?);
        Some(Group { name, gid: gid.parse().ok()?, members: f.next().unwrap_or("") })
    })
}

/// The text of a root's account files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct AccountFiles {
    pub passwd: String,
    pub group: String,
    /// `None` when there is none, or none that may be read.
    pub shadow: Option<String>,
}

impl AccountFiles {
    /// The identity of `user`, with supplementary `more` groups.
    pub fn identify(
        &self,
        user: &UserSpec,
        more: &[GroupSpec],
        memberships: Memberships,
    ) -> Result<Identity> {
        let mut identity = match user {
            UserSpec::Account(user) => self.made(user),
            UserSpec::Name(name, group) => {
                let account =
                    accounts(&self.passwd).find(|a| a.name == name).ok_or_else(|| self.no_user(name))?;
                self.existing(&account, group.as_ref())?
            }
            UserSpec::Id(uid, group) => match accounts(&self.passwd).find(|a| a.uid == *uid) {
                Some(account) => self.existing(&account, group.as_ref())?,
                None => Identity {
                    uid: *uid,
                    gid: group.as_ref().map_or(Ok(0), |g| self.gid(g))?,
                    home: "/".into(),
                    shell: "/bin/sh".into(),
                    ..Identity::default()
                },
            },
        };
        if memberships != Memberships::UnlessSaid {
            identity.groups = match (&identity.name, memberships) {
                (Some(name), Memberships::Merge) => self.memberships(name, identity.gid),
                _ => Vec::new(),
            };
            identity.groups.insert(0, identity.gid);
        }
        for group in more {
            let gid = self.gid(group)?;
            if !identity.groups.contains(&gid) {
                identity.groups.push(gid);
            }
        }
        Ok(identity)
    }

    /// An account that the root will have (see [`AccountFiles::with_account`]).
    fn made(&self, user: &User) -> Identity {
        Identity {
            name: Some(user.name.clone()),
            uid: user.uid,
            gid: user.gid,
            groups: self.memberships(&user.name, user.gid),
            home: user.home.clone(),
            shell: user.shell.clone(),
        }
    }

    /// runc's rule: a group that is said stands alone, else the account's own and its memberships.
    fn existing(&self, account: &Account, group: Option<&GroupSpec>) -> Result<Identity> {
        let (gid, groups) = match group {
            Some(group) => (self.gid(group)?, Vec::new()),
            None => (account.gid, self.memberships(account.name, account.gid)),
        };
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.into() } else { text.into() };
        Ok(Identity {
            name: Some(account.name.into()),
            uid: account.uid,
            gid,
            groups,
            home: or(account.home, "/"),
            shell: or(account.shell, "/bin/sh"),
        })
    }

    fn memberships(&self, name: &str, gid: u32) -> Vec<u32> {
        let mut all: Vec<u32> = groups(&self.group)
            .filter(|g| g.gid != gid && g.members.split(',').any(|m| m == name))
            .map(|g| g.gid)
            .collect();
        all.dedup();
        all
    }

    fn gid(&self, group: &GroupSpec) -> Result<u32> {
        match group {
            GroupSpec::Id(gid) => Ok(*gid),
            GroupSpec::Name(name) => {
                groups(&self.group).find(|g| g.name == name).map(|g| g.gid).ok_or_else(|| {
                    let known: Vec<_> = groups(&self.group).map(|g| g.name.to_owned()).collect();
                    unknown("group", name, "/etc/group", &known).with_hint("give its number instead")
                })
            }
        }
    }

    fn no_user(&self, name: &str) -> Error {
        let known: Vec<_> = accounts(&self.passwd).map(|a| a.name.to_owned()).collect();
        let hint = format!("make the account with `--user {name}:1000:1000`, or give a number");
        unknown("user", name, "/etc/passwd", &known).with_hint(printable(&hint))
    }

    /// The files with this account in them: as its own line, in place of an account of the same name, and before any
    /// other with the same number, so that the number's name is this one. The password is locked. `None` when the
    /// account is there as it should be.
    pub fn with_account(&self, user: &User, groups_of: &[u32]) -> Option<AccountFiles> {
        let here = accounts(&self.passwd).find(|a| a.uid == user.uid);
        if here.is_some_and(|a| a.name == user.name && a.gid == user.gid && a.home == user.home) {
            return None;
        }
        let User { name, uid, gid, home, shell } = user;
        let passwd = insert(&self.passwd, name, *uid, &format!("{name}:x:{uid}:{gid}::{home}:{shell}"));
        // A uid is the account's own, and so is the group that bears its name; a group of others (gid 0) keeps its name.
        let others = *gid != *uid && groups(&self.group).any(|g| g.gid == *gid);
        let mut group = match others {
            true => self.group.clone(),
            false => insert(&self.group, name, *gid, &format!("{name}:x:{gid}:")),
        };
        group = join_groups(&group, name, groups_of);
        let shadow = self.shadow.as_deref().unwrap_or("root:*:19000:0:99999:7:::\n");
        let shadow = insert(shadow, name, u32::MAX, &format!("{name}:!:19000:0:99999:7:::"));
        Some(AccountFiles { passwd, group, shadow: Some(shadow) })
    }

    /// The number of a group by its name; a missing one is made, as addgroup(8) makes one of a system's.
    #[cfg(feature = "recipes")]
    pub fn group_or_new(&mut self, name: &str) -> u32 {
        self.gid_of(name).unwrap_or_else(|| {
            let taken = |gid: &u32| groups(&self.group).any(|g| g.gid == *gid);
            let gid = (100..1000).find(|gid| !taken(gid)).unwrap_or(1000);
            if !self.group.is_empty() && !self.group.ends_with('\n') {
                self.group.push('\n');
            }
            self.group += &format!("{name}:x:{gid}:\n");
            gid
        })
    }

    /// Makes an account a member of groups, by their numbers.
    #[cfg(feature = "recipes")]
    pub fn join(&mut self, name: &str, gids: &[u32]) {
        self.group = join_groups(&self.group, name, gids);
    }

    /// Whether there is an account of that name.
    pub fn has_user(&self, name: &str) -> bool {
        accounts(&self.passwd).any(|a| a.name == name)
    }

    /// The number of a group by its name.
    pub fn gid_of(&self, name: &str) -> Option<u32> {
        groups(&self.group).find(|g| g.name == name).map(|g| g.gid)
    }
}

fn unknown(what: &str, name: &str, file: &str, known: &[String]) -> Error {
    let name = printable(name);
    let few = known.iter().take(8).map(|n| printable(n).into_owned()).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "which has none".into() } else { format!("which has {few}") };
    Error::new(ErrorKind::Spec, format!("no {what} `{name}` in the root's {file}, {known}"))
}

/// `line` in place of the line of that name, and before the first line of that number.
fn insert(file: &str, name: &str, id: u32, line: &str) -> String {
    let mut out = String::with_capacity(file.len() + line.len() + 1);
    let mut done = false;
    for old in file.lines() {
        let mut fields = old.split(':');
        if fields.next() == Some(name) {
            continue;
        }
        if !done && fields.nth(1).and_then(|f| f.parse().ok()) == Some(id) {
            out.push_str(line);
            out.push('\n');
            done = true;
        }
        out.push_str(old);
        out.push('\n');
    }
    if !done {
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Adds `name` to the members of these groups, so that the files say what the process has.
fn join_groups(file: &str, name: &str, gids: &[u32]) -> String {
    let mut out = String::with_capacity(file.len() + 64);
    for line in file.lines() {
        out.push_str(line);
        let mut fields = line.split(':').skip(2);
        let gid: Option<u32> = fields.next().and_then(|f| f.parse().ok());
        if let (Some(gid), Some(members)) = (gid, fields.next())
            && gids.contains(&gid)
            && !members.split(',').any(|m| m == name)
        {
            if !members.is_empty() {
                out.push(',');
            }
            out.push_str(name);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> AccountFiles {
        AccountFiles {
            passwd: "root:x:0:0:root:/root:/bin/ash\nalice:x:1000:1000::/home/alice:/bin/sh\nbroken\n".into(),
            group: "root:x:0:\nwheel:x:10:root,alice\nalice:x:1000:\naudio:x:29:\n".into(),
            shadow: None,
        }
    }

    fn who(user: &str) -> Result<Identity> {
        files().identify(&user.parse().unwrap(), &[], Memberships::UnlessSaid)
    }

    #[test]
    fn names_and_numbers() {
        let alice = who("alice").unwrap();
        assert_eq!(
            (alice.uid, alice.gid, &*alice.groups, &*alice.home),
            (1000, 1000, &[10][..], "/home/alice")
        );
        assert_eq!(who("1000").unwrap(), alice);
        assert!(who("alice:audio").unwrap().groups.is_empty());
        assert_eq!(who("alice:audio").unwrap().gid, 29);
        let random = who("1000680000").unwrap();
        assert_eq!((random.uid, random.gid, &*random.home, random.name), (1_000_680_000, 0, "/", None));
        assert!(who("ghost").unwrap_err().to_string().contains("no user `ghost`"));
        assert!(who("alice:ghosts").unwrap_err().hint().is_some());
    }

    #[test]
    fn an_account_takes_its_number_over() {
        let sam = User::sam();
        let with = files().with_account(&sam, &[29]).unwrap();
        assert_eq!(accounts(&with.passwd).find(|a| a.uid == 1000).unwrap().name, "sam");
        assert!(with.passwd.contains("alice:x:1000"));
        assert!(with.group.contains("audio:x:29:sam\n"));
        assert!(with.shadow.as_ref().unwrap().contains("sam:!:"));
        assert_eq!(with.with_account(&sam, &[29]), None);
    }

    #[test]
    fn an_account_of_the_same_name_is_replaced() {
        let other = User::new("alice", 2000, 3000);
        let with = files().with_account(&other, &[]).unwrap();
        assert_eq!(accounts(&with.passwd).filter(|a| a.name == "alice").count(), 1);
        assert!(with.passwd.ends_with("alice:x:2000:3000::/home/alice:/bin/sh\n"));
        assert_eq!(groups(&with.group).find(|g| g.name == "alice").unwrap().gid, 3000);
    }

    #[test]
    fn an_identity_reads_as_id_writes_it() {
        let sam = Identity {
            name: Some("sam".into()),
            uid: 1000,
            gid: 1000,
            groups: vec![27, 100],
            home: "/home/sam".into(),
            ..Identity::default()
        };
        assert_eq!(sam.to_string(), "uid=1000(sam) gid=1000 groups=27,100 HOME=/home/sam");
        let nobody = Identity { uid: 5, name: Some("x\x1b".into()), home: "/".into(), ..Identity::default() };
        assert_eq!(nobody.to_string(), "uid=5(x\\x1b) gid=0 groups=none HOME=/");
    }
}
