//! The operations that make a rootlet, as data. A plan is a list of them; a new pid 1 performs it in order.

use crate::Who;
use crate::wire::op;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Namespaces of a new rootlet (clone(2)).
pub mod namespaces {
    /// Mounts, process numbers, System V IPC and host name: every rootlet has its own.
    pub const ALWAYS: u64 = 0x0002_0000 | 0x2000_0000 | 0x0800_0000 | 0x0400_0000;
    /// A network of its own.
    pub const NET: u64 = 0x4000_0000;
}

/// Attributes of a mount (mount_setattr(2)).
pub mod attributes {
    /// Refuse writes.
    pub const RDONLY: u32 = 1;
    /// Ignore setuid bits and file capabilities.
    pub const NOSUID: u32 = 2;
    /// Ignore device nodes.
    pub const NODEV: u32 = 4;
    /// Refuse to execute.
    pub const NOEXEC: u32 = 8;
}

/// One operation. `target` and `path` are inside the new root, and resolved so that they cannot leave it; `place`s are
/// in the nursery's small tree: `/src/N`, `/up/…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A tmpfs at `/up`, for the writable layer; mount(2) options.
    UpperTmpfs(String),
    /// A directory of the small tree.
    MakePlace(String, u32),
    /// A directory of the small tree, with the owner and mode of another one there.
    MakePlaceLike(String, String),
    /// An overlay as the new root; mount(2) options.
    RootOverlay(String),
    /// An overlay at a target; mount(2) options.
    Overlay {
        /// Where.
        target: String,
        /// mount(2) options.
        data: String,
    },
    /// A place at a target.
    Bind {
        /// Where.
        target: String,
        /// What.
        place: String,
        /// With what is mounted below it.
        recursive: bool,
        /// [`attributes`].
        attributes: u32,
    },
    /// A new file system at a target.
    FileSystem {
        /// Which.
        kind: FileSystem,
        /// Where.
        target: String,
        /// [`attributes`].
        attributes: u32,
        /// Its options; at most eight.
        options: Vec<(String, String)>,
    },
    /// The prepared /dev.
    Dev(String),
    /// A directory, made where it is missing; missing parents are root's, 0755.
    MakeDirectory {
        /// Where.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Whose something is that an operation before has made.
    Own {
        /// A place of the small tree, not of the new root.
        outside: bool,
        /// Where.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// What lies at a target is mounted on itself, or hidden.
    Itself {
        /// Where.
        target: String,
        /// How.
        access: Access,
        /// Nothing is done where nothing lies.
        optional: bool,
    },
    /// A kernel parameter of the new root's namespaces: its path below `/proc/sys`, and its value.
    Sysctl(String, String),
    /// An empty file, made where it is missing.
    Touch(String),
    /// sethostname(2).
    Hostname(String),
    /// Loopback is brought up.
    LoopbackUp,
    /// A directory of the small tree stays open as the next tree (1, 2, …) that file operations can name.
    KeepOpen(String),
    /// What the root has in a directory is copied to a place.
    CopyOut {
        /// From where.
        path: String,
        /// To where.
        place: String,
    },
    /// The new root becomes `/`, and all else is let go of.
    Enter,
    /// What is mounted at a target is to become read-only with the root, whatever is mounted over it later.
    Hold(String),
    /// The root becomes read-only, and what is held.
    ReadOnly,
    /// A directory of the host becomes `/`, by chroot(2), for a nursery without namespaces. Before anybody but `user` changes
    /// a file that has other names and is not the user's, it becomes a file of its own.
    Chroot {
        /// Absolute, on the host.
        path: PathBuf,
        /// Whom the root is made for.
        user: Who,
    },
    /// The tmpfs at `/up` has no room left.
    Fill,
    /// Commands come under filters that have pid 1 asked about some calls.
    Supervise(Filters),
}

/// Arrays of `struct sock_filter`, for commands of one id. Where one is empty there are no such commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// For the user's.
    pub user: Vec<u8>,
    /// For the user's, once something of somebody else's may lie in a sticky directory.
    pub user_beside_others: Vec<u8>,
    /// Whether that is so from the beginning.
    pub beside_others: bool,
    /// For those of root, where that is not the user.
    pub root: Vec<u8>,
}

/// What becomes of something that is mounted on itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It stays writable when the root becomes read-only.
    Writable,
    /// It becomes read-only.
    ReadOnly,
    /// A directory or a file of the small tree stands in its place.
    Hidden(String, String),
}

/// File systems that are made anew for a rootlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// tmpfs(5).
    Tmpfs,
    /// proc(5).
    Proc,
    /// devpts.
    Devpts,
}

/// Operations, encoded for the nursery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    namespaces: u64,
    bytes: Vec<u8>,
}

impl Plan {
    /// Encodes `ops`, to be performed in `namespaces`.
    pub fn new<'a>(namespaces: u64, ops: impl IntoIterator<Item = &'a Op>) -> Self {
        let mut plan = Self { namespaces, bytes: Vec::with_capacity(1024) };
        ops.into_iter().for_each(|op| plan.push(op));
        plan
    }

    pub(crate) fn namespaces(&self) -> u64 {
        self.namespaces
    }

    pub(crate) fn operations(&self) -> &[u8] {
        &self.bytes
    }

    fn u32(&mut self, n: u32) -> &mut Self {
        self.bytes.extend_from_slice(&n.to_ne_bytes());
        self
    }

    fn text(&mut self, s: &str) -> &mut Self {
        self.raw(s.as_bytes())
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32);
        self.bytes.extend_from_slice(bytes);
        self.bytes.push(0);
        self
    }

    fn push(&mut self, op: &Op) {
        match op {
            Op::UpperTmpfs(data) => self.u32(op::UPPER_TMPFS).text(data),
            Op::MakePlace(path, mode) => self.u32(op::MKDIR_OUTSIDE).text(path).u32(*mode),
            Op::MakePlaceLike(path, like) => self.u32(op::MKDIR_LIKE).text(path).text(like),
            Op::RootOverlay(data) => self.u32(op::ROOT_OVERLAY).text(data),
            Op::Overlay { target, data } => self.u32(op::OVERLAY).text(target).text(data),
            Op::Bind { target, place, recursive, attributes } => {
                self.u32(op::BIND).text(target).text(place).u32((*recursive).into()).u32(*attributes)
            }
            Op::FileSystem { kind, target, attributes, options } => {
                let kind = match kind {
                    FileSystem::Tmpfs => op::TMPFS,
                    FileSystem::Proc => op::PROC,
                    FileSystem::Devpts => op::DEVPTS,
                };
                self.u32(kind).text(target).u32(*attributes).u32(options.len() as u32);
                options.iter().fold(self, |plan, (key, value)| plan.text(key).text(value))
            }
            Op::Dev(target) => self.u32(op::DEV).text(target),
            Op::MakeDirectory { path, mode, uid, gid } => {
                self.u32(op::MKDIR).text(path).u32(*mode).u32(*uid).u32(*gid)
            }
            Op::Own { outside, path, mode, uid, gid } => {
                self.u32(op::OWN).u32((*outside).into()).text(path).u32(*mode).u32(*uid).u32(*gid)
            }
            Op::Itself { target, access, optional } => {
                let (access, directory, file) = match access {
                    Access::Writable => (0, "", ""),
                    Access::ReadOnly => (1, "", ""),
                    Access::Hidden(directory, file) => (2, directory.as_str(), file.as_str()),
                };
                let plan = self.u32(op::ITSELF).text(target).u32(access).u32((*optional).into());
                plan.text(directory).text(file)
            }
            Op::Sysctl(path, value) => self.u32(op::SYSCTL).text(path).text(value),
            Op::Touch(path) => self.u32(op::TOUCH).text(path),
            Op::Hostname(name) => self.u32(op::HOSTNAME).text(name),
            Op::LoopbackUp => self.u32(op::LOOPBACK),
            Op::KeepOpen(place) => self.u32(op::KEEP_OPEN).text(place),
            Op::CopyOut { path, place } => self.u32(op::COPY_OUT).text(path).text(place),
            Op::Enter => self.u32(op::ENTER),
            Op::Hold(target) => self.u32(op::HOLD).text(target),
            Op::ReadOnly => self.u32(op::READ_ONLY),
            Op::Fill => self.u32(op::FILL),
            Op::Chroot { path, user } => {
                self.u32(op::CHROOT).raw(path.as_os_str().as_bytes());
                self.u32(user.uid).u32(user.gid).u32(user.groups.len() as u32);
                user.groups.iter().fold(self, |plan, &group| plan.u32(group))
            }
            Op::Supervise(f) => {
                self.u32(op::SUPERVISE).u32(f.beside_others.into());
                self.raw(&f.user).raw(&f.user_beside_others).raw(&f.root)
            }
        };
    }
}
