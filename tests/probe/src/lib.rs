//! What the probe prints, as types: the probe writes them, the tests read them.

pub mod attempt;
pub mod errno;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that a process can find out about itself and its surroundings: `probe facts`.
///
/// Everything is read from the kernel (`/proc`), nothing from `/etc`: a passwd entry says nothing about a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Real, effective, saved and file system user id.
    pub uids: [u32; 4],
    /// Real, effective, saved and file system group id.
    pub gids: [u32; 4],
    /// Supplementary groups, as the kernel lists them.
    pub groups: Vec<u32>,
    /// Capability sets.
    pub caps: Caps,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// Seccomp mode: 0 none, 2 filter.
    pub seccomp: u32,
    /// File mode creation mask.
    pub umask: u32,
    /// Lines of `/proc/self/limits`: name to soft and hard limit, as printed there.
    pub limits: BTreeMap<String, (String, String)>,
    /// Work directory; an error's name where it has none.
    pub cwd: String,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The words of the command line.
    pub arguments: Vec<String>,
    /// Host name.
    pub hostname: String,
    /// `ostype osrelease machine`.
    pub uname: String,
    /// Process ids.
    pub ids: Ids,
    /// Numbers of the signals that are ignored, but for SIGPIPE (13): Rust ignores it before any program can look.
    pub ignored: Vec<u32>,
    /// Numbers of the signals that are blocked.
    pub blocked: Vec<u32>,
    /// Open descriptors and what each is.
    pub descriptors: BTreeMap<u32, String>,
    /// Mounts in the order of the kernel's table.
    pub mounts: Vec<Mount>,
    /// Names in `/dev`.
    pub devices: Vec<String>,
    /// Namespaces by name (`mnt`, `pid`, …) and their identity.
    pub namespaces: BTreeMap<String, String>,
    /// Names of the network interfaces.
    pub interfaces: Vec<String>,
    /// Whether 127.0.0.1 can be reached.
    pub loopback: bool,
    /// The user namespace's id map, as `/proc/self/uid_map` has it.
    pub uid_map: Vec<[u32; 3]>,
    /// Likewise for groups.
    pub gid_map: Vec<[u32; 3]>,
}

/// Capability sets as bit masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Inheritable.
    pub inheritable: u64,
    /// Permitted.
    pub permitted: u64,
    /// Effective.
    pub effective: u64,
    /// Bounding.
    pub bounding: u64,
    /// Ambient.
    pub ambient: u64,
}

/// Who a process is among processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// Process.
    pub pid: u32,
    /// Parent.
    pub ppid: u32,
    /// Process group.
    pub pgid: u32,
    /// Session.
    pub sid: u32,
}

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where.
    pub target: String,
    /// Type of the file system.
    pub kind: String,
    /// Options of the mount and of the file system, joined by commas.
    pub options: String,
}

/// What may be done with a path: `probe can PATH…`. Each is `ok` or the name of an errno.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Can {
    /// Opening it for reading.
    pub read: String,
    /// Opening it for writing; nothing is written.
    pub write: String,
    /// Making a file in it, if it is a directory, or beside it.
    pub create: String,
    /// Removing that file again; `-` when none could be made.
    pub unlink: String,
    /// Owner, group and mode, following symlinks; absent when it cannot be looked at.
    pub stat: Option<Stat>,
}

/// Owner and mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, 07777.
    pub mode: u32,
}
