//! From what is wanted to the operations that make it: pure, so that the same wish gives the same plan on every machine.

use rootlet_kernel::plan::{attributes, namespaces};
use rootlet_kernel::{Access, FileSystem, Filters, Op};
use rootlet_spec::{Fault, Net};
use std::collections::BTreeSet;
use std::path::Path;

/// All that a plan depends on. Places are those of the nursery's small tree (`/src/3`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    pub skin: String,
    /// Snapshots and layers of the root, topmost first.
    pub lowers: Vec<String>,
    pub parts: Vec<PlannedPart>,
    /// The place of a directory on disk for the writable layer; `None`: in memory.
    pub disk: Option<String>,
    pub mounts: Vec<PlannedMount>,
    /// Directories to be made where they are missing: path, mode, uid, gid.
    pub directories: Vec<(String, u32, u32, u32)>,
    /// `None`: the caller's.
    pub hostname: Option<String>,
    pub net: Net,
    /// Kernel parameters: paths below `/proc/sys`, values.
    pub sysctls: Vec<(String, String)>,
    pub read_only: bool,
    pub faults: Vec<Fault>,
    /// One id stands for all: the filters that have pid 1 asked.
    pub asking: Option<Filters>,
}

/// A part of a root that is put together.
#[derive(Clone, Debug)]
pub(crate) enum PlannedPart {
    /// A copy-on-write directory; its lowers, topmost first.
    Overlay(String, Vec<String>),
    /// A file.
    File(String, String),
    /// A tmpfs of this mode.
    Tmpfs(String, u32),
}

impl PlannedPart {
    fn target(&self) -> &str {
        match self {
            Self::Overlay(target, _) | Self::File(target, _) | Self::Tmpfs(target, _) => target,
        }
    }
}

/// A mount of the Spec, its source already at a place.
#[derive(Clone, Debug)]
pub(crate) enum PlannedMount {
    Bind {
        target: String,
        place: String,
        is_directory: bool,
        read_only: bool,
    },
    Overlay {
        target: String,
        place: String,
    },
    Tmpfs {
        target: String,
        size: Option<u64>,
        mode: u32,
    },
    Volume {
        target: String,
    },
    /// A fresh directory with this owner. `room`: which directory of the writable layer it is, shared by the mounts of a volume.
    Directory {
        target: String,
        room: usize,
        sub_path: String,
        owner: Owner,
        size: Option<u64>,
        read_only: bool,
    },
    Itself {
        target: String,
        access: Access,
        optional: bool,
    },
}

/// Mode, owner, group.
pub(crate) type Owner = (u32, u32, u32);

/// A copy-on-write area of the root: where it is, and its trees as file operations number them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// `""` is the root itself, else an absolute path without a trailing slash.
    pub target: String,
    pub upper: u32,
    /// Topmost first.
    pub lowers: Vec<u32>,
}

/// A plan, and what is to be known of its outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    pub namespaces: u64,
    pub ops: Vec<Op>,
    pub areas: Vec<Area>,
}

pub(crate) fn plan(inputs: &Inputs) -> Planned {
    let mut p = Planned { namespaces: namespaces::ALWAYS, ..Planned::default() };
    let full_disk = inputs.faults.contains(&Fault::FullDisk);
    if inputs.net != Net::Host {
        p.namespaces |= namespaces::NET;
    }
    // First, since the kernel looks through a new filter while the mounts are made.
    p.ops.extend(inputs.asking.clone().map(Op::Supervise));
    let up = match &inputs.disk {
        Some(place) => place.clone(),
        None => {
            p.ops.push(Op::UpperTmpfs("mode=0755".into()));
            "/up".into()
        }
    };
    root(&mut p, inputs, &up, full_disk);
    if inputs.read_only {
        // Now, since what the caller mounts over a part stays as writable as was asked.
        p.ops.extend(inputs.parts.iter().map(|part| Op::Hold(part.target().to_owned())));
    }
    system(&mut p, inputs);
    // Where the root is read-only by then, no directory can be made any more.
    let read_only = |mount: &PlannedMount| match mount {
        PlannedMount::Itself { target, access: Access::ReadOnly, .. } => Some(target.clone()),
        _ => None,
    };
    let read_only: Vec<String> = inputs.mounts.iter().filter_map(read_only).collect();
    for mount in &inputs.mounts {
        let (PlannedMount::Directory { target, .. } | PlannedMount::Volume { target }) = mount else {
            continue;
        };
        if read_only.iter().any(|place| Path::new(target).starts_with(place)) {
            p.ops.push(make(target));
        }
    }
    let mut rooms = BTreeSet::new();
    for (i, mount) in inputs.mounts.iter().enumerate() {
        match mount {
            PlannedMount::Overlay { target, place } => {
                p.ops.push(make(target));
                let top = Op::MakePlaceLike(format!("{up}/u{}", p.areas.len()), place.clone());
                let data = area(&mut p, target, std::slice::from_ref(place), &up, top);
                p.ops.push(Op::Overlay { target: target.clone(), data });
            }
            PlannedMount::Directory { target, room, sub_path, owner, size, read_only } => {
                let volume = Volume { target, owner: *owner, read_only: *read_only };
                match size {
                    Some(size) => volume.in_memory(&mut p.ops, *size),
                    None => volume.in_room(&mut p.ops, &mut rooms, format!("{up}/v{room}"), sub_path),
                }
            }
            _ => mount_op(&mut p.ops, mount, &format!("{up}/v{i}")),
        }
    }
    for (path, mode, uid, gid) in &inputs.directories {
        p.ops.push(Op::MakeDirectory { path: path.clone(), mode: *mode, uid: *uid, gid: *gid });
    }
    p.ops.extend(inputs.hostname.clone().map(Op::Hostname));
    if inputs.net == Net::Private {
        p.ops.push(Op::LoopbackUp);
    }
    p.ops.extend(inputs.sysctls.iter().map(|(path, value)| Op::Sysctl(path.clone(), value.clone())));
    for fault in &inputs.faults {
        match fault {
            Fault::ReadOnly(path) => {
                p.ops.push(Op::Itself { target: path.clone(), access: Access::ReadOnly, optional: false });
            }
            Fault::FullDisk => p.ops.push(Op::Fill),
            // What is not there is left out where it would be made.
            Fault::NoProc | Fault::NoNetwork => {}
        }
    }
    p.ops.push(Op::Enter);
    if inputs.read_only {
        p.ops.push(Op::ReadOnly);
    }
    p
}

/// The root and its parts.
fn root(p: &mut Planned, inputs: &Inputs, up: &str, full_disk: bool) {
    let lowers: Vec<String> =
        std::iter::once(inputs.skin.clone()).chain(inputs.lowers.iter().cloned()).collect();
    let data = area(p, "", &lowers, up, top(p, up));
    p.ops.push(Op::RootOverlay(data));
    for (i, part) in inputs.parts.iter().enumerate() {
        match part {
            PlannedPart::Overlay(target, lowers) => {
                let data = area(p, target, lowers, up, top(p, up));
                p.ops.push(Op::Overlay { target: target.clone(), data });
            }
            PlannedPart::File(target, place) => p.ops.push(bind(target, place, true)),
            // What is full is one file system, whichever directory of it is looked at.
            PlannedPart::Tmpfs(target, mode) if full_disk => {
                let place = format!("{up}/t{i}");
                p.ops.push(Op::MakePlace(place.clone(), *mode));
                p.ops.push(bind(target, &place, false));
            }
            PlannedPart::Tmpfs(target, mode) => p.ops.push(tmpfs(target, None, *mode, 0)),
        }
    }
}

/// The upper directory of the next area, as root's.
fn top(p: &Planned, up: &str) -> Op {
    Op::MakePlace(format!("{up}/u{}", p.areas.len()), 0o755)
}

/// The options of an overlay, whose own directories are made first (the upper one by `top`) and which stays open for the report.
fn area(p: &mut Planned, target: &str, lowers: &[String], up: &str, top: Op) -> String {
    let n = p.areas.len();
    let (upper, work) = (format!("{up}/u{n}"), format!("{up}/w{n}"));
    p.ops.push(top);
    p.ops.push(Op::MakePlace(work.clone(), 0o700));
    let mut tree = p.areas.iter().map(|a| 1 + a.lowers.len() as u32).sum::<u32>();
    let mut keep = |place: &str| {
        p.ops.push(Op::KeepOpen(place.to_owned()));
        tree += 1;
        tree
    };
    let (upper_tree, lower_trees) = (keep(&upper), lowers.iter().map(|place| keep(place)).collect());
    p.areas.push(Area { target: target.to_owned(), upper: upper_tree, lowers: lower_trees });
    // xino: an inode's number is the same in stat(2) and readdir(3), although its layers are different file systems.
    format!("lowerdir={},upperdir={upper},workdir={work},userxattr,xino=on", lowers.join(":"))
}

/// What every root has: /proc, /dev, a pty, shared memory (the runtime specification, config-linux).
fn system(p: &mut Planned, inputs: &Inputs) {
    let plain = attributes::NOSUID | attributes::NODEV | attributes::NOEXEC;
    if !inputs.faults.contains(&Fault::NoProc) {
        p.ops.push(file_system(FileSystem::Proc, "/proc", plain, vec![]));
    }
    p.ops.push(Op::Dev("/dev".into()));
    let mut options = vec![("ptmxmode", "0666"), ("mode", "0620")];
    if inputs.asking.is_none() {
        // tty, everywhere; one id has no such group.
        options.push(("gid", "5"));
    }
    let pts = attributes::NOSUID | attributes::NOEXEC;
    let options = options.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    p.ops.push(file_system(FileSystem::Devpts, "/dev/pts", pts, options));
    p.ops.push(tmpfs("/dev/shm", Some(64 << 20), 0o1777, attributes::NOEXEC));
}

fn file_system(kind: FileSystem, target: &str, attributes: u32, options: Vec<(String, String)>) -> Op {
    Op::FileSystem { kind, target: target.into(), attributes, options }
}

fn tmpfs(target: &str, size: Option<u64>, mode: u32, more: u32) -> Op {
    let mut options = vec![("mode".to_owned(), format!("{mode:o}"))];
    options.extend(size.map(|bytes| ("size".to_owned(), bytes.to_string())));
    file_system(FileSystem::Tmpfs, target, attributes::NOSUID | attributes::NODEV | more, options)
}

fn bind(target: &str, place: &str, read_only: bool) -> Op {
    Op::Bind {
        target: target.into(),
        place: place.into(),
        recursive: true,
        attributes: if read_only { attributes::RDONLY } else { 0 },
    }
}

fn make(target: &str) -> Op {
    Op::MakeDirectory { path: target.into(), mode: 0o755, uid: 0, gid: 0 }
}

/// A mount of a volume.
struct Volume<'a> {
    target: &'a str,
    owner: Owner,
    read_only: bool,
}

impl Volume<'_> {
    fn own(&self, outside: bool, path: &str) -> Op {
        let (mode, uid, gid) = self.owner;
        Op::Own { outside, path: path.into(), mode, uid, gid }
    }

    /// A file system of its own.
    fn in_memory(&self, ops: &mut Vec<Op>, size: u64) {
        ops.push(make(self.target));
        ops.push(tmpfs(self.target, Some(size), self.owner.0, 0));
        ops.push(self.own(false, self.target));
        if self.read_only {
            let (target, access) = (self.target.to_owned(), Access::ReadOnly);
            ops.push(Op::Itself { target, access, optional: false });
        }
    }

    /// A directory of the writable layer: the first mount of a volume makes it, and each makes what of its path is not there.
    fn in_room(&self, ops: &mut Vec<Op>, rooms: &mut BTreeSet<String>, room: String, sub_path: &str) {
        let mut place = room;
        for part in std::iter::once("").chain(sub_path.split('/').filter(|part| !part.is_empty())) {
            if !part.is_empty() {
                place = format!("{place}/{part}");
            }
            if rooms.insert(place.clone()) {
                ops.push(Op::MakePlace(place.clone(), 0o700));
                ops.push(self.own(true, &place));
            }
        }
        ops.push(make(self.target));
        ops.push(bind(self.target, &place, self.read_only));
    }
}

fn mount_op(ops: &mut Vec<Op>, mount: &PlannedMount, room: &str) {
    match mount {
        PlannedMount::Bind { target, place, is_directory, read_only } => {
            ops.push(if *is_directory { make(target) } else { Op::Touch(target.clone()) });
            ops.push(bind(target, place, *read_only));
        }
        PlannedMount::Overlay { .. } => unreachable!("an overlay is an area of the plan"),
        // docker's own options for --tmpfs.
        PlannedMount::Tmpfs { target, size, mode } => {
            ops.push(make(target));
            ops.push(tmpfs(target, *size, *mode, attributes::NOEXEC));
        }
        PlannedMount::Volume { target } => {
            ops.push(make(target));
            ops.push(Op::MakePlace(room.into(), 0o755));
            ops.push(Op::CopyOut { path: target.clone(), place: room.into() });
            ops.push(bind(target, room, false));
        }
        PlannedMount::Itself { target, access, optional } => {
            let (target, access) = (target.clone(), access.clone());
            ops.push(Op::Itself { target, access, optional: *optional });
        }
        PlannedMount::Directory { .. } => {}
    }
}

/// What an operation attempts, to follow "failed to".
pub(crate) fn describe(op: &Op) -> String {
    match op {
        Op::UpperTmpfs(_) => "mount a tmpfs for the writable layer".into(),
        Op::MakePlace(path, _) => format!("make the directory {path} of the writable layer"),
        Op::MakePlaceLike(path, _) => format!("make the directory {path} of the writable layer"),
        Op::RootOverlay(_) => "mount the overlay on /".into(),
        Op::Overlay { target, .. } => format!("mount an overlay on {target}"),
        Op::Bind { target, .. } => format!("bind a directory or file of the host on {target}"),
        Op::FileSystem { kind, target, .. } => {
            let kind = match kind {
                FileSystem::Tmpfs => "a tmpfs",
                FileSystem::Proc => "a procfs",
                FileSystem::Devpts => "a devpts",
            };
            format!("mount {kind} on {target}")
        }
        Op::Dev(target) => format!("move the prepared /dev to {target}"),
        Op::MakeDirectory { path, .. } => format!("make the directory {path}"),
        Op::Own { path, .. } => format!("set the owner and mode of the volume {path}"),
        Op::Itself { target, access, .. } => match access {
            Access::Writable => format!("keep {target} writable"),
            Access::ReadOnly => format!("make {target} read-only"),
            Access::Hidden(..) => format!("hide {target}"),
        },
        Op::Sysctl(path, value) => format!("write {value} to /{path}"),
        Op::Touch(path) => format!("make the file {path}, for something to be bound on"),
        Op::Hostname(_) => "set the host name".into(),
        Op::LoopbackUp => "bring loopback up".into(),
        Op::KeepOpen(place) => format!("open {place}"),
        Op::CopyOut { path, .. } => format!("copy what the base has at {path} into a volume"),
        Op::Enter => "change to the new root".into(),
        Op::Hold(target) => format!("open {target}, to be made read-only"),
        Op::Fill => "fill the writable layer".into(),
        Op::ReadOnly => "make the root read-only".into(),
        Op::Chroot { path, .. } => format!("change the root directory to {}", path.display()),
        Op::Supervise(_) => "have pid 1 asked about owners".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_root() {
        let inputs = Inputs {
            skin: "/src/2".into(),
            lowers: vec!["/src/1".into()],
            hostname: Some("rootlet".into()),
            ..Inputs::default()
        };
        let planned = plan(&inputs);
        let told: Vec<String> = planned.ops.iter().map(describe).collect();
        assert_eq!(
            told,
            [
                "mount a tmpfs for the writable layer",
                "make the directory /up/u0 of the writable layer",
                "make the directory /up/w0 of the writable layer",
                "open /up/u0",
                "open /src/2",
                "open /src/1",
                "mount the overlay on /",
                "mount a procfs on /proc",
                "move the prepared /dev to /dev",
                "mount a devpts on /dev/pts",
                "mount a tmpfs on /dev/shm",
                "set the host name",
                "change to the new root",
            ]
        );
        let data = "lowerdir=/src/2:/src/1,upperdir=/up/u0,workdir=/up/w0,userxattr,xino=on";
        assert!(planned.ops.contains(&Op::RootOverlay(data.into())));
        assert_eq!(planned.areas, [Area { target: String::new(), upper: 1, lowers: vec![2, 3] }]);
        assert_eq!(planned.namespaces & namespaces::NET, 0);
    }

    #[test]
    fn parts_are_areas_of_their_own() {
        let inputs = Inputs {
            skin: "/src/9".into(),
            parts: vec![
                PlannedPart::Overlay("/usr".into(), vec!["/src/1".into()]),
                PlannedPart::Overlay("/etc".into(), vec!["/src/9/etc".into(), "/src/2".into()]),
            ],
            net: Net::Private,
            read_only: true,
            ..Inputs::default()
        };
        let planned = plan(&inputs);
        let trees: Vec<_> =
            planned.areas.iter().map(|a| (a.target.as_str(), a.upper, a.lowers.len())).collect();
        assert_eq!(trees, [("", 1, 1), ("/usr", 3, 1), ("/etc", 5, 2)]);
        assert_eq!(planned.ops.last(), Some(&Op::ReadOnly));
        for part in ["/usr", "/etc"] {
            assert!(planned.ops.contains(&Op::Hold(part.into())), "{part}");
        }
        assert_ne!(planned.namespaces & namespaces::NET, 0);
    }
}
