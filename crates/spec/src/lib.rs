//! What a run is, as pure data: no I/O, no system call, the same on every machine.
//!
//! Every face of rootlet (the command, the Rust builder, later Python and the readers of production's files) fills a
//! [`Spec`] and hands it to the library. Options are spelled as in `docker run` and `podman run`.

mod user;

pub use user::{GroupSpec, User, UserSpec};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What a run is: which root, which user, what is mounted, which command, under which limits.
///
/// `None` and empty mean "not said": the base's own defaults (an image's config) come next, then rootlet's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Who runs the command. Not said: the image's user where it names one, else [`User::sam`].
    pub user: Option<UserSpec>,
    /// Supplementary groups, in the order given, besides those the root's own `/etc/group` gives a named user.
    pub groups: Vec<GroupSpec>,
    /// Variables, in order; a later one wins over an earlier one of the same name.
    pub env: Vec<(String, String)>,
    /// Work directory inside the root, absolute. A missing one is made, owned by root (the strict side).
    pub workdir: Option<String>,
    /// Host name inside; not said: `rootlet`.
    pub hostname: Option<String>,
    /// Bind mounts, tmpfs and volumes, in order.
    pub mounts: Vec<Mount>,
    /// The root itself is mounted read-only.
    pub read_only: bool,
    /// Capabilities added to or dropped from docker's default set, in the order docker applies them: drop, then add.
    pub caps: Capabilities,
    /// A setuid program may raise its rights (the default is that it may not).
    pub allow_new_privileges: bool,
    /// No system call filter (`--security-opt seccomp=unconfined`).
    pub seccomp_unconfined: bool,
    /// The network the command sees.
    pub net: Net,
    /// Limits of the whole tree of processes.
    pub limits: Limits,
    /// Limits of each process, as setrlimit(2) has them.
    pub ulimits: Vec<Ulimit>,
    /// File mode creation mask; not said: 0022.
    pub umask: Option<u32>,
    /// The whole tree of processes is ended after this long.
    pub timeout: Option<Duration>,
    /// Where the writable layer lives.
    pub writable: Writable,
    /// The image's entrypoint is replaced by this; `Some(vec![])` removes it.
    pub entrypoint: Option<Vec<String>>,
    /// The command and its arguments; empty: the base's own default command.
    pub command: Vec<String>,
}

/// Where the writable layer of a rootlet lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writable {
    /// In memory, gone with the rootlet (on disk where the kernel's tmpfs has no user xattrs: before Linux 6.6).
    #[default]
    Memory,
    /// On disk, below the store: for large writes, and for what is kept.
    Disk,
}

/// The network that a command sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Net {
    /// The host's: services that CI started stay reachable.
    #[default]
    Host,
    /// Its own, with loopback up: each rootlet has its own port 80 and 8080.
    Private,
    /// Its own, with nothing up.
    None,
}

/// Something mounted at a place of the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Mount {
    /// A directory or file of the host (`--volume HOST:TARGET[:ro]`).
    Bind {
        /// Absolute path on the host; it must exist.
        source: PathBuf,
        /// Absolute path inside.
        target: String,
        /// Refuse writes.
        read_only: bool,
    },
    /// An empty file system in memory (`--tmpfs TARGET[:size=64m,mode=1777]`).
    Tmpfs {
        /// Absolute path inside.
        target: String,
        /// Bytes; not said: half of the memory.
        size: Option<u64>,
        /// Permission bits; docker's default is 1777.
        mode: u32,
    },
    /// An anonymous volume: a fresh directory that holds a copy of what the base has at the target
    /// (`--volume TARGET`, an image's `VOLUME`).
    Volume {
        /// Absolute path inside.
        target: String,
    },
}

/// Changes to docker's default capability set. Names are without `CAP_`, in capitals; `ALL` stands for every one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Added after the drops.
    pub add: Vec<String>,
    /// Dropped first.
    pub drop: Vec<String>,
}

/// Limits of the whole tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u32>,
    /// Processors, `0.5` is half of one.
    pub cpus: Option<f64>,
}

/// One `--ulimit NAME=SOFT[:HARD]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Which, by the kernel's number (`RLIMIT_*` of `<sys/resource.h>`).
    pub resource: u32,
    /// Soft limit; `u64::MAX` is unlimited.
    pub soft: u64,
    /// Hard limit; `u64::MAX` is unlimited.
    pub hard: u64,
}
