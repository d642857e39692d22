//! What this host allows, and which ids a rootlet gets from it.

use crate::{Error, ErrorKind, Identity, Result};
use rootlet_base::BaseKind;
use rootlet_kernel::{IdMap, IdRange, OneId, StartError, SubIds};
use rootlet_spec::Tier;
use std::sync::OnceLock;

/// Where real root's rootlets have their ids: above those that systemd-nspawn hands out (0x80000 to 0x6fffffff, see
/// systemd's UIDS-GIDS), and below 2^31, which some tools take for negative.
const RESERVED: SubIds = SubIds { first: 0x7000_0000, count: SubIds::USUAL };

/// The caller, once looked up: neither changes while a process lives.
pub(crate) struct Caller {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
    uids: Option<SubIds>,
    gids: Option<SubIds>,
}

/// The caller of this process.
pub(crate) fn caller() -> &'static Caller {
    static CALLER: OnceLock<Caller> = OnceLock::new();
    CALLER.get_or_init(Caller::look_up)
}

impl Caller {
    fn look_up() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if uid == 0 {
            let (uids, gids) = (reserved("/proc/self/uid_map"), reserved("/proc/self/gid_map"));
            return Self { uid, gid, name: "root".into(), uids, gids };
        }
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        // Names of a directory service are not in the file; subuid(5) may then name the number.
        let passwd = read("/etc/passwd");
        let name = passwd
            .lines()
            .find(|line| line.split(':').nth(2).and_then(|f| f.parse().ok()) == Some(uid))
            .and_then(|line| line.split(':').next())
            .unwrap_or_default();
        let ids = |path| SubIds::from_table(&read(path), name, uid);
        Self { uid, gid, uids: ids("/etc/subuid"), gids: ids("/etc/subgid"), name: name.into() }
    }

    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether it has supplementary groups on the host.
    pub fn has_groups(&self) -> bool {
        rustix::process::getgroups().is_ok_and(|groups| !groups.is_empty())
    }

    pub fn sub_ids(&self) -> Option<(SubIds, SubIds)> {
        self.uids.zip(self.gids)
    }

    /// The id map for a production user on a base of this kind.
    ///
    /// An ordinary user's own id is the production user's inside, so that the project's files belong to both; on a
    /// directory that the user unpacked, it is root's, since what the user owns there would be root's in truth.
    pub fn id_map(&self, tier: Tier, kind: &BaseKind, who: &Identity) -> Result<IdMap> {
        let &Identity { uid, gid, .. } = who;
        if tier == Tier::OneId {
            if matches!(kind, BaseKind::Directory(_)) && uid != 0 {
                return Err(one_directory());
            }
            let one = OneId { uid, gid, groups: who.groups.clone() };
            return Ok(IdMap::one(one, self.uid, self.gid));
        }
        if tier == Tier::Chroot {
            return Ok(IdMap::identity());
        }
        let (Some(uids), Some(gids)) = (self.uids, self.gids) else { return Err(self.no_sub_ids()) };
        let groups = |ranges| with_groups(ranges, &who.groups);
        if self.uid == 0 {
            return Ok(IdMap::new(with_high(uids, uid), groups(with_high(gids, gid))));
        }
        if matches!(kind, BaseKind::Directory(_)) {
            let map = |ids: SubIds, own, high| {
                let mut ranges = ids.ranges(Some((0, own)));
                reach(&mut ranges, ids, high);
                ranges
            };
            return Ok(IdMap::new(map(uids, self.uid, uid), groups(map(gids, self.gid, gid))));
        }
        // Root's files are in every layer: root itself always keeps its subordinate id, or each layer would have to be
        // unpacked once more for it.
        let production = |id| if id == 0 { 1000 } else { id };
        Ok(IdMap::new(
            uids.ranges(Some((production(uid), self.uid))),
            groups(gids.ranges(Some((production(gid), self.gid)))),
        ))
    }

    fn no_sub_ids(&self) -> Error {
        if self.uid == 0 {
            return Error::new(
                ErrorKind::Host,
                "this process may map no ids but its own (see /proc/self/uid_map)",
            )
            .with_hint("give the container or user namespace that this runs in more ids");
        }
        let who = if self.name.is_empty() { self.uid.to_string() } else { self.name.clone() };
        Error::new(
            ErrorKind::Host,
            format!("the user {who} has no subordinate ids in /etc/subuid and /etc/subgid"),
        )
        .with_hint(format!("give it some: {}", crate::doctor::how_to_get_sub_ids()))
    }
}

/// The capabilities of this process that it can give away.
pub(crate) fn own_capabilities() -> u64 {
    static OWN: OnceLock<u64> = OnceLock::new();
    *OWN.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
        set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
    })
}

/// Whether this process may do what a root without mounts needs: change its root directory and its ids, and own files as it likes.
pub(crate) fn may_chroot() -> Result<()> {
    const NEEDED: [(&str, u32); 7] = [
        ("CHOWN", 0),
        ("DAC_OVERRIDE", 1),
        ("FOWNER", 3),
        ("SETGID", 6),
        ("SETUID", 7),
        ("SETPCAP", 8),
        ("SYS_CHROOT", 18),
    ];
    let own = own_capabilities();
    let lacks: Vec<_> = NEEDED.iter().filter(|(_, cap)| own & 1 << cap == 0).map(|(name, _)| *name).collect();
    if lacks.is_empty() {
        return match ["/proc/self/uid_map", "/proc/self/gid_map"].into_iter().all(maps_many) {
            true => Ok(()),
            false => Err(caller().no_sub_ids()),
        };
    }
    Err(Error::new(
        ErrorKind::Host,
        format!("failed to use the tier chroot: root lacks the capabilities {}", lacks.join(", ")),
    )
    .with_hint("start the container with docker's default capabilities; in Kubernetes, do not drop ALL"))
}

/// Whether a map has the ids that a system's files have.
fn maps_many(map: &str) -> bool {
    let text = std::fs::read_to_string(map).unwrap_or_default();
    let counts = text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u64::from(SubIds::USUAL) - 1
}

/// With one id, a directory's files could only be the user's own: to store other rights in them would change the directory.
fn one_directory() -> Error {
    Error::new(ErrorKind::Spec, "a directory as base needs more than one id, unless the user is root")
        .with_hint("pack it: `tar -C DIR -cf root.tar .`, then `--base tar:root.tar`; or --user root; or see `rootlet doctor`")
}

/// The reserved range where it is there to be given, else what a container leaves besides its own root.
fn reserved(map: &str) -> Option<SubIds> {
    let text = std::fs::read_to_string(map).ok()?;
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(|f| f.parse::<u32>().ok());
        let (inside, _, count) = (fields.next()??, fields.next()??, fields.next()??);
        Some((inside, count))
    });
    let mut widest: Option<SubIds> = None;
    for (inside, count) in ranges {
        if inside <= RESERVED.first
            && u64::from(inside) + u64::from(count) > u64::from(RESERVED.first) + 0x1_0001
        {
            return Some(RESERVED);
        }
        // Root itself is the caller.
        let own = u32::from(inside == 0);
        let rest = SubIds { first: inside + own, count: (count - own.min(count)).min(SubIds::USUAL) };
        if rest.count > widest.map_or(0, |w| w.count) {
            widest = Some(rest);
        }
    }
    widest
}

/// The range, and an id beyond it as the one that follows.
fn with_high(ids: SubIds, id: u32) -> Vec<IdRange> {
    let own = (id >= ids.count).then(|| (id, ids.first + ids.count));
    ids.ranges(own)
}

/// Gives a high id the last of the range.
fn reach(ranges: &mut Vec<IdRange>, ids: SubIds, id: u32) {
    let count = ids.count.min(SubIds::USUAL);
    if id < count || count < 2 {
        return;
    }
    if let Some(last) = ranges.last_mut() {
        last.count -= 1;
        ranges.push(IdRange { inside: id, outside: ids.first + count - 1, count: 1 });
    }
}

/// Supplementary groups beyond the range (a namespace's of OpenShift, say) as ids of it that nobody uses: between those of people
/// and those of systemd's dynamic users.
fn with_groups(mut ranges: Vec<IdRange>, groups: &[u32]) -> Vec<IdRange> {
    const UNUSED: u32 = 60_000;
    const MOST: usize = 64;
    let covers = |r: &IdRange, id: u32| id >= r.inside && id - r.inside < r.count;
    let mut lent = UNUSED;
    for &id in groups.iter().take(MOST) {
        if ranges.iter().any(|r| covers(r, id)) {
            continue;
        }
        lent -= 1;
        let Some(at) = ranges.iter().position(|r| covers(r, lent)) else { break };
        let IdRange { inside, outside, count } = ranges.remove(at);
        let below = lent - inside;
        let parts = [
            IdRange { inside, outside, count: below },
            IdRange { inside: lent + 1, outside: outside + below + 1, count: count - below - 1 },
            IdRange { inside: id, outside: outside + below, count: 1 },
        ];
        ranges.extend(parts.into_iter().filter(|r| r.count > 0));
    }
    ranges
}

/// What mends a host that makes user namespaces and gives them no power.
pub(crate) const NO_MOUNTS: &str = "mounts are refused by a security module (AppArmor, SELinux) or by the seccomp profile of a container around \
     this: see `rootlet doctor`";

/// Why no user namespace came to be, with what mends it.
pub(crate) fn explain(error: StartError) -> Error {
    let missing_tool =
        error.source.kind() == std::io::ErrorKind::NotFound && error.step.starts_with("run new");
    let passing = error.is_passing();
    let hint = if passing {
        "try again; the limits are in /proc/sys/kernel/pid_max, `ulimit -u`, `ulimit -n`, and the container's cgroup"
    } else if missing_tool {
        "install newuidmap and newgidmap: `apt-get install uidmap`, `dnf install shadow-utils`, `apk add shadow-uidmap`"
    } else if error.step.contains("newuidmap") || error.step.contains("newgidmap") {
        "the ranges in /etc/subuid and /etc/subgid must be the caller's, and newuidmap must keep its rights (no no_new_privs)"
    } else if error.step.contains("user namespace") {
        "allow user namespaces: check /proc/sys/user/max_user_namespaces, kernel.unprivileged_userns_clone (Debian), \
         kernel.apparmor_restrict_unprivileged_userns (Ubuntu), and the seccomp profile of a container around this"
    } else if matches!(error.source.raw_os_error(), Some(libc::EPERM | libc::EACCES)) {
        NO_MOUNTS
    } else {
        "run `rootlet doctor` to see what this host allows"
    };
    let what = error.to_string();
    let source = error.source;
    // Another tier would serve no better, or would serve worse for good.
    let kind = if passing { ErrorKind::Setup } else { ErrorKind::Host };
    Error::new(kind, what).caused_by(source).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(uid: u32, gid: u32) -> Identity {
        Identity { uid, gid, ..Identity::default() }
    }

    fn alice() -> Caller {
        let ids = Some(SubIds { first: 100_000, count: 65536 });
        Caller { uid: 1001, gid: 1002, name: "alice".into(), uids: ids, gids: ids }
    }

    #[test]
    fn high_groups_are_lent_ids_of_the_range() {
        let all = vec![IdRange { inside: 0, outside: 100_000, count: 65536 }];
        let map = IdMap::new(all.clone(), with_groups(all.clone(), &[5, 1_000_680_000, 7, 70_000]));
        assert_eq!(map.gid_outside(1_000_680_000), Some(159_999));
        assert_eq!(map.gid_outside(70_000), Some(159_998));
        assert_eq!((map.gid_outside(59_997), map.gid_outside(60_000)), (Some(159_997), Some(160_000)));
        assert_eq!(map.gid_outside(59_999), None);
        assert_eq!(with_groups(all.clone(), &[1, 2]), all);
        let few = vec![IdRange { inside: 0, outside: 5, count: 10 }];
        assert_eq!(with_groups(few.clone(), &[11]), few);
    }

    #[test]
    fn production_is_the_callers_own() {
        let map = alice().id_map(Tier::Exact, &BaseKind::Layers, &person(1000, 1000)).unwrap();
        assert_eq!((map.uid_outside(1000), map.gid_outside(1000)), (Some(1001), Some(1002)));
        assert_eq!((map.uid_outside(0), map.uid_outside(65535)), (Some(100_000), Some(165_535)));
        let high = alice().id_map(Tier::Exact, &BaseKind::Layers, &person(1_000_680_000, 0)).unwrap();
        assert_eq!((high.uid_outside(1_000_680_000), high.gid_outside(0)), (Some(1001), Some(100_000)));
    }

    #[test]
    fn in_a_directory_the_callers_is_roots() {
        let kind = BaseKind::Directory("/x".into());
        let map = alice().id_map(Tier::Exact, &kind, &person(1000, 1000)).unwrap();
        assert_eq!((map.uid_outside(0), map.uid_outside(1000)), (Some(1001), Some(101_000)));
        let high = alice().id_map(Tier::Exact, &kind, &person(1_000_680_000, 0)).unwrap();
        assert_eq!(high.uid_outside(1_000_680_000), Some(165_535));
        assert_eq!(high.uid_outside(65535), None);
    }

    #[test]
    fn real_root_never_gives_its_own_id() {
        let root = Caller { uid: 0, gid: 0, name: "root".into(), uids: Some(RESERVED), gids: Some(RESERVED) };
        let map = root.id_map(Tier::Exact, &BaseKind::Host, &person(1_000_680_000, 5)).unwrap();
        assert_eq!(map.uid_outside(0), Some(0x7000_0000));
        assert_eq!(map.uid_outside(1_000_680_000), Some(0x7001_0000));
    }
}
