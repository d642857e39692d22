//! What a stopped process is: read from the host's /proc, its ids as they are inside.

use super::cause::{Asker, caps};
use std::fs;
use std::os::unix::ffi::OsStringExt;

/// A stopped thread.
#[derive(Debug)]
pub struct Process {
    tid: i32,
    /// The number of its process on the host.
    pub process: i32,
    /// And inside.
    pub inside: u32,
    /// What the thread calls itself.
    pub name: String,
    pub who: Asker,
}

/// Ranges of ids: inside, outside, how many.
struct Map(Vec<[u32; 3]>);

impl Map {
    fn read(tid: i32, file: &str) -> Self {
        let text = fs::read_to_string(format!("/proc/{tid}/{file}")).unwrap_or_default();
        let line = |line: &str| {
            let numbers: Vec<u32> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
            numbers.try_into().ok()
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// An id that has no number inside is shown as nobody's, as the kernel does.
    fn inside(&self, id: u32) -> u32 {
        let range = self.0.iter().find(|[_, outside, n]| id.wrapping_sub(*outside) < *n);
        range.map_or(65534, |[inside, outside, _]| inside + (id - outside))
    }
}

impl Process {
    pub fn read(tid: i32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let numbers = |name| -> Vec<u32> {
            field(name).unwrap_or("").split_whitespace().filter_map(|n| n.parse().ok()).collect()
        };
        let (uids, gids) = (Map::read(tid, "uid_map"), Map::read(tid, "gid_map"));
        let (uid, gid) = (numbers("Uid"), numbers("Gid"));
        let effective = u64::from_str_radix(field("CapEff")?, 16).ok()?;
        let who = Asker {
            uid: uids.inside(*uid.first()?),
            fsuid: uids.inside(*uid.get(3)?),
            fsgid: gids.inside(*gid.get(3)?),
            groups: numbers("Groups").into_iter().map(|group| gids.inside(group)).collect(),
            capabilities: caps::names(effective),
            no_new_privs: field("NoNewPrivs") == Some("1"),
            effective,
        };
        let process = field("Tgid")?.parse().ok()?;
        let inside = numbers("NStgid").last().copied().unwrap_or(process as u32);
        let name = field("Name").unwrap_or_default().to_owned();
        Some(Self { tid, process, inside, name, who })
    }

    /// The mounts that it sees.
    pub fn mounts(&self) -> Vec<Mount> {
        let text = fs::read_to_string(format!("/proc/{}/mountinfo", self.tid)).unwrap_or_default();
        text.lines().filter_map(Mount::parse).collect()
    }
}

/// Where a link of a process leads: `exe`, `cwd`, `fd/3`, `root`. `base` is where the root lies on the host: `/`, unless it is a
/// directory there.
pub fn link(tid: i32, name: &str, base: &[u8]) -> Option<Vec<u8>> {
    let mut path = fs::read_link(format!("/proc/{tid}/{name}")).ok()?.into_os_string().into_vec();
    if path.ends_with(b" (deleted)") {
        path.truncate(path.len() - 10);
    }
    if base != b"/" {
        path = path.strip_prefix(base)?.to_vec();
        if path.is_empty() {
            path.push(b'/');
        }
    }
    path.starts_with(b"/").then_some(path)
}

/// A line of /proc/PID/mountinfo.
#[derive(Clone, Debug)]
pub struct Mount {
    pub place: String,
    options: String,
    of_file_system: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let (place, options) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        Some(Self {
            place: place.replace("\\040", " "),
            options: options.into(),
            of_file_system: system.nth(2).unwrap_or("").into(),
        })
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|o| o == option)
    }

    pub fn is_read_only(&self) -> bool {
        self.has("ro") || self.of_file_system.split(',').any(|o| o == "ro")
    }

    /// The one on which a path lies.
    pub fn of<'a>(path: &str, mounts: &'a [Self]) -> Option<&'a Self> {
        let covers = |place: &str| {
            place == "/"
                || path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Of two at one place the later is seen.
        mounts.iter().filter(|mount| covers(&mount.place)).max_by_key(|mount| mount.place.len())
    }
}
