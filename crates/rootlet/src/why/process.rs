//! What a stopped process is: read from the host's /proc, its ids as they are inside.

use super::cause::{Asker, caps};
use std::fs;
use std::io::Read;
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

    /// The mounts that it sees. Where its root is a directory of the host, it sees the caller's, of which its own list has
    /// only those below.
    pub fn mounts(&self, base: &[u8]) -> Vec<Mount> {
        let read = |who: &str| fs::read_to_string(format!("/proc/{who}/mountinfo")).unwrap_or_default();
        match base {
            b"/" => read(&self.tid.to_string()).lines().filter_map(Mount::parse).collect(),
            base => {
                let base = String::from_utf8_lossy(base);
                read("self").lines().filter_map(|line| Mount::parse(line)?.seen_from(&base)).collect()
            }
        }
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

/// Whether it runs a program of 32 bits, by the class that elf(5) has it say. Where that may not be read, it is taken for one like most.
pub fn is_32_bit(tid: i32) -> bool {
    let mut class = [0; 5];
    let read =
        fs::File::open(format!("/proc/{tid}/exe")).and_then(|mut program| program.read_exact(&mut class));
    read.is_ok() && class == *b"\x7fELF\x01"
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

    /// As it is seen by who has this directory for a root.
    fn seen_from(mut self, base: &str) -> Option<Self> {
        let above = Self::of(base, std::slice::from_ref(&self)).is_some();
        self.place = match self.place.strip_prefix(base) {
            Some(below) if below.starts_with('/') => below.into(),
            _ if above => "/".into(),
            _ => return None,
        };
        Some(self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_seen_from_a_root_within() {
        let lines = [
            "1 0 8:1 / / rw - ext4 /dev/a rw",
            "2 1 0:9 / /root rw,noexec - tmpfs none rw",
            "3 2 0:9 / /root/store/r ro - tmpfs none rw",
            "4 2 0:9 / /root/store/r/proc ro - proc none rw",
            "5 1 0:9 / /rooty rw - tmpfs none rw",
        ];
        let mounts = |base: &str| -> Vec<Mount> {
            lines.iter().filter_map(|line| Mount::parse(line)?.seen_from(base)).collect()
        };
        let within = mounts("/root/store/x");
        assert!(within.iter().all(|mount| mount.place == "/") && within.len() == 2);
        assert!(Mount::of("/bin/cat", &within).unwrap().has("noexec"));
        let on_a_mount = mounts("/root/store/r");
        assert!(Mount::of("/bin/cat", &on_a_mount).unwrap().is_read_only());
        assert_eq!(Mount::of("/proc/1", &on_a_mount).unwrap().place, "/proc");
    }
}
