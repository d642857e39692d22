//! Which ids a user namespace maps: user_namespaces(7), subuid(5), newuidmap(1).

use crate::StartError;
use crate::one_id::User;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::process::{Command, Stdio};

/// The ids of a user namespace, for users and for groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdMap {
    /// Users, in ascending order of `inside`, without overlap.
    pub uids: Vec<IdRange>,
    /// Groups, likewise.
    pub gids: Vec<IdRange>,
    /// The ranges have one id, which stands for all: whose rights the files then have (see [`crate::one_id`]).
    pub one: Option<OneId>,
}

/// The user whom a map of one id is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OneId {
    /// User within.
    pub uid: u32,
    /// Group within.
    pub gid: u32,
    /// Supplementary groups, by the rights that they give.
    pub groups: Vec<u32>,
}

impl OneId {
    /// As rights are told from it.
    pub fn user(&self) -> User<'_> {
        User { uid: self.uid, gid: self.gid, groups: &self.groups }
    }
}

/// `count` ids from `inside` on, seen from within, are `outside` and following on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// First id within.
    pub inside: u32,
    /// First id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Ids of the host that a caller may give to a user namespace: `count` from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubIds {
    /// First id on the host.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// The host's number of `id`, when it lies in this range.
    pub fn outside_of(&self, id: u32) -> Option<u32> {
        (id >= self.inside && id - self.inside < self.count).then(|| self.outside + (id - self.inside))
    }

    fn inside_of(&self, id: u32) -> Option<u32> {
        (id >= self.outside && id - self.outside < self.count).then(|| self.inside + (id - self.outside))
    }
}

impl SubIds {
    /// As many ids as a root commonly holds; one more range than this is rarely handed out.
    pub const USUAL: u32 = 65536;

    /// The whole range, from 0 within. `own`: this id within is that id of the host instead.
    pub fn ranges(&self, own: Option<(u32, u32)>) -> Vec<IdRange> {
        let count = self.count.min(Self::USUAL);
        let all = IdRange { inside: 0, outside: self.first, count };
        let Some((inside, outside)) = own else { return vec![all] };
        let single = IdRange { inside, outside, count: 1 };
        if inside >= count {
            return vec![all, single];
        }
        let below = IdRange { count: inside, ..all };
        let above =
            IdRange { inside: inside + 1, outside: self.first + inside + 1, count: count - inside - 1 };
        [below, single, above].into_iter().filter(|r| r.count > 0).collect()
    }

    /// The widest range that `table` (the text of /etc/subuid or /etc/subgid) gives to the user called `name` or
    /// numbered `uid`. Lines that cannot be read are passed over, as newuidmap does.
    pub fn from_table(table: &str, name: &str, uid: u32) -> Option<Self> {
        table
            .lines()
            .filter_map(|line| {
                let mut fields = line.trim().split(':');
                let owner = fields.next()?;
                let (first, count): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
                let mine = (owner == name && !name.is_empty()) || owner.parse() == Ok(uid);
                (mine && count > 0 && first.checked_add(count).is_some()).then_some(Self { first, count })
            })
            .max_by_key(|ids| ids.count)
    }
}

impl IdMap {
    /// Every id is itself: no user namespace is needed for that, and a nursery with this map is in none.
    pub fn identity() -> Self {
        let all = vec![IdRange { inside: 0, outside: 0, count: u32::MAX }];
        Self::new(all.clone(), all)
    }

    /// Whether it is that of [`IdMap::identity`].
    pub fn is_identity(&self) -> bool {
        *self == Self::identity()
    }

    /// A map of ranges.
    pub fn new(uids: Vec<IdRange>, gids: Vec<IdRange>) -> Self {
        Self { uids, gids, one: None }
    }

    /// The map of one id: on the host it is the user `uid` and the group `gid`.
    pub fn one(one: OneId, uid: u32, gid: u32) -> Self {
        let range = |inside, outside| vec![IdRange { inside, outside, count: 1 }];
        Self { uids: range(one.uid, uid), gids: range(one.gid, gid), one: Some(one) }
    }

    /// The host's number of the user `uid` within; `None` when it is not mapped. Where one id stands for all, it is that one's.
    pub fn uid_outside(&self, uid: u32) -> Option<u32> {
        let uid = self.one.as_ref().map_or(uid, |one| one.uid);
        self.uids.iter().find_map(|r| r.outside_of(uid))
    }

    /// The number within of the host's user `uid`; `None` when it has none.
    pub fn uid_inside(&self, uid: u32) -> Option<u32> {
        self.uids.iter().find_map(|r| r.inside_of(uid))
    }

    /// The number within of the host's group `gid`; `None` when it has none.
    pub fn gid_inside(&self, gid: u32) -> Option<u32> {
        self.gids.iter().find_map(|r| r.inside_of(gid))
    }

    /// The host's number of the group `gid` within; `None` when it is not mapped.
    pub fn gid_outside(&self, gid: u32) -> Option<u32> {
        let gid = self.one.as_ref().map_or(gid, |one| one.gid);
        self.gids.iter().find_map(|r| r.outside_of(gid))
    }

    /// Gives the map to the user namespace of process `pid`: by writing it, as root or where it is the caller's own id alone,
    /// else by newuidmap and newgidmap, both at the same time.
    pub(crate) fn write(&self, pid: u32) -> Result<(), StartError> {
        if self.one.is_some() {
            // Who gives a group of his own must not be able to drop another one that keeps him out (user_namespaces(7)).
            write(pid, "setgroups", "deny".into())?;
        }
        if self.one.is_some() || rustix::process::geteuid().is_root() {
            write(pid, "uid_map", lines(&self.uids))?;
            return write(pid, "gid_map", lines(&self.gids));
        }
        // Each in a thread: whoever starts a program waits until it has begun, a quarter of what these take.
        std::thread::scope(|scope| {
            let groups =
                std::thread::Builder::new().spawn_scoped(scope, || tool("newgidmap", pid, &self.gids));
            let users = tool("newuidmap", pid, &self.uids);
            let groups = groups.map_err(|e| StartError::new("run newgidmap", e))?;
            groups.join().expect("it does not panic").and(users)
        })
    }
}

fn lines(ranges: &[IdRange]) -> String {
    ranges.iter().fold(String::new(), |mut lines, r| {
        let _ = writeln!(lines, "{} {} {}", r.inside, r.outside, r.count);
        lines
    })
}

fn write(pid: u32, file: &str, text: String) -> Result<(), StartError> {
    std::fs::write(format!("/proc/{pid}/{file}"), text)
        .map_err(|e| StartError::new(&format!("write the {file} of a user namespace"), e))
}

fn tool(name: &str, pid: u32, ranges: &[IdRange]) -> Result<(), StartError> {
    let mut command = Command::new(name);
    command.arg(pid.to_string());
    for r in ranges {
        command.args([r.inside.to_string(), r.outside.to_string(), r.count.to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| StartError::new(&format!("run {name}"), e))?;
    let step = format!("map ids with {name}");
    // What it says fits into the pipe. To read it first would be to be woken twice.
    let status = child.wait().map_err(|e| StartError::new(&step, e))?;
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr {
        let _ = stderr.read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(StartError { step, source: io::Error::from_raw_os_error(libc::EPERM), output: said })
}
