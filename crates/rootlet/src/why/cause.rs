//! Why something was refused, as data.

use serde::Serialize;

/// Numbers of linux/capability.h.
pub(super) mod caps {
    pub const CHOWN: u32 = 0;
    pub const DAC_OVERRIDE: u32 = 1;
    pub const DAC_READ_SEARCH: u32 = 2;
    pub const FOWNER: u32 = 3;
    pub const KILL: u32 = 5;
    pub const SETGID: u32 = 6;
    pub const SETUID: u32 = 7;
    pub const SETPCAP: u32 = 8;
    pub const NET_BIND_SERVICE: u32 = 10;
    pub const NET_RAW: u32 = 13;
    pub const SYS_MODULE: u32 = 16;
    #[cfg(target_arch = "x86_64")]
    pub const SYS_RAWIO: u32 = 17;
    pub const SYS_CHROOT: u32 = 18;
    pub const SYS_PTRACE: u32 = 19;
    pub const SYS_ADMIN: u32 = 21;
    pub const SYS_BOOT: u32 = 22;
    pub const SYS_NICE: u32 = 23;
    pub const SYS_RESOURCE: u32 = 24;
    pub const SYS_TIME: u32 = 25;
    pub const SYS_TTY_CONFIG: u32 = 26;
    pub const MKNOD: u32 = 27;
    pub const SETFCAP: u32 = 31;
    pub const SYSLOG: u32 = 34;

    /// The names of a set, without `CAP_`.
    pub fn names(set: u64) -> Vec<String> {
        (0..64).filter(|cap| set & 1 << cap != 0).map(name).collect()
    }

    pub fn name(cap: u32) -> String {
        rootlet_spec::caps::NAMES.get(cap as usize).map_or_else(|| cap.to_string(), |name| (*name).to_owned())
    }
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The permission bits do not let this user do it.
    Mode,
    /// An access control list does not.
    Acl,
    /// Only the owner may do it.
    Ownership,
    /// The directory is sticky: only the owner of a file, or of the directory, may take it away.
    Sticky,
    /// The file system is read-only there.
    ReadOnly,
    /// Programs on that file system are not executed.
    NoExec,
    /// What is to be executed is a directory, or something else that is no file.
    NoProgram,
    /// A capability is missing.
    MissingCapability,
    /// The runtime's system call filter (seccomp).
    Filter,
    /// A port below `net.ipv4.ip_unprivileged_port_start`.
    Port,
    /// A setuid or setgid program, or one with file capabilities, gains nothing, because no_new_privs is set.
    NoNewPrivs,
    /// An id that this root cannot have: no rights of root's reach what belongs to it.
    UnmappedId,
    /// The process belongs to somebody else.
    OtherUser,
    /// The uid has no entry in /etc/passwd.
    NoEntry,
    /// The program itself looks at the owner, or the mode, and goes no further.
    Insists,
    /// The home directory is not there.
    NoHome,
    /// The program is running, and cannot be written.
    Busy,
    /// The explanation itself is in the way: a process has one tracer at most.
    Traced,
    /// Production lets its root do it, and a rootlet cannot.
    NotReproduced,
    /// None of those that are known here.
    Unknown,
}

/// The smallest change that lets it through, as lines for each way to deploy; empty where it is not in that file's power.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fixes {
    /// Lines of a Dockerfile.
    pub dockerfile: String,
    /// YAML of a pod.
    pub kubernetes: String,
    /// YAML of a service.
    pub compose: String,
    /// Lines of a unit.
    pub systemd: String,
}

impl Fixes {
    /// Those that there are, each with what it is for.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("Dockerfile", &self.dockerfile),
            ("Kubernetes", &self.kubernetes),
            ("Compose", &self.compose),
            ("systemd", &self.systemd),
        ];
        all.into_iter().map(|(name, fix)| (name, fix.as_str())).filter(|(_, fix)| !fix.is_empty())
    }
}

/// A part of a path, as it is inside the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its own path, symlinks before it resolved.
    pub path: String,
    /// `directory`, `file`, `symlink`, `socket`, `fifo`, `device`, or `missing`.
    pub kind: &'static str,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// What a symlink says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its access control list, as getfacl(1) would abbreviate it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl: Option<String>,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asker {
    /// Real user id.
    pub uid: u32,
    /// The one that files are asked for with.
    pub fsuid: u32,
    /// The group that files are asked for with.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective capabilities.
    pub capabilities: Vec<String>,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    #[serde(skip)]
    pub(super) effective: u64,
}

/// A refusal, with all others that are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The program's path.
    pub program: String,
    /// What the thread calls itself (comm).
    pub name: String,
    /// The first process that was refused this; its number inside.
    pub pid: u32,
    /// The call, as strace(1) prints it.
    pub call: String,
    /// What came back, by its name; empty where the call itself went well.
    pub errno: String,
    /// The path, absolute, as the program named it.
    pub path: Option<String>,
    /// Its parts, as far as they are there.
    pub components: Vec<Component>,
    /// Which of them refused.
    pub refused_by: Option<Component>,
    /// Who asked.
    pub who: Asker,
    /// The right that was missing: `write`, `search`, `CAP_CHOWN`.
    pub missing: String,
    /// Why.
    pub cause: Cause,
    /// Whether root would have been let through, with the capabilities that it has in this root; `None` where that could not be found out.
    pub root_would_pass: Option<bool>,
    /// How often.
    pub count: u64,
    /// The program, or whoever started it, went on: it was prepared for this.
    pub handled: bool,
    /// What to change.
    pub fixes: Fixes,
}
