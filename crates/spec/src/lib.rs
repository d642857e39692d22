//! What a run is, as pure data: no I/O, no system call, the same on every machine.
//!
//! Every face of rootlet (the command, the Rust builder, later Python and the readers of production's files) fills a
//! [`Spec`] and hands it to the library. Options are spelled as in `docker run` and `podman run`; each module here
//! reads the spelling of one subject, and every one of them answers with the same [`ParseError`].

pub mod caps;
pub mod duration;
pub mod env;
mod error;
mod fault;
mod image;
mod keep;
mod lenient;
pub mod limits;
pub mod mode;
pub mod mount;
pub mod net;
#[cfg(feature = "parity")]
pub mod parity;
#[cfg(feature = "functions")]
pub mod pipeline;
#[cfg(feature = "recipes")]
pub mod preset;
#[cfg(feature = "recipes")]
pub mod recipe;
mod security;
#[cfg(feature = "similar")]
pub mod similar;
pub mod size;
mod tier;
mod ulimit;
mod user;

pub use caps::Capabilities;
pub use env::EnvArg;
pub use error::{ParseError, printable};
pub use fault::Fault;
pub use image::{Healthcheck, ImageDefaults};
pub use keep::Keep;
pub use lenient::{Lenient, Memberships};
pub use limits::Limits;
pub use mount::{Access, Content, Entry, Mount, Rights, Volume};
pub use net::Net;
pub use security::SecurityOpt;
pub use tier::{Require, Tier};
pub use ulimit::Ulimit;
pub use user::{GroupSpec, User, UserSpec};

use serde::{Deserialize, Serialize};
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
    /// Which groups of the root's own `/etc/group` the user has.
    pub memberships: Memberships,
    /// Variables, in order; a later one wins over an earlier one of the same name.
    pub env: Vec<(String, String)>,
    /// Variables that are not wanted: those of the image (`--env NAME` of a variable that the caller does not have), and `HOME` and
    /// `HOSTNAME`.
    pub env_remove: Vec<String>,
    /// Work directory inside the root, absolute. A missing one is made, owned by root (the strict side).
    pub workdir: Option<String>,
    /// Host name inside; not said: `rootlet`.
    pub hostname: Option<String>,
    /// Bind mounts, tmpfs and volumes, in order.
    pub mounts: Vec<Mount>,
    /// The root is mounted read-only, with all of the base; [`mounts`](Self::mounts) are as they say.
    pub read_only: bool,
    /// Capabilities added to or dropped from docker's default set, in the order docker applies them: drop, then add.
    pub caps: Capabilities,
    /// Capabilities that are effective although the user is not root (`AmbientCapabilities=` of systemd).
    pub ambient: Vec<String>,
    /// A setuid program may raise its rights (the default is that it may not).
    pub allow_new_privileges: bool,
    /// No system call filter (`--security-opt seccomp=unconfined`).
    pub seccomp_unconfined: bool,
    /// Commands are traced, so that all that they are refused can be explained, also by the system call filter.
    pub explain: bool,
    /// The network the command sees.
    pub net: Net,
    /// Kernel parameters of the rootlet's own namespaces: `net.ipv4.ip_unprivileged_port_start` and its value.
    pub sysctls: Vec<(String, String)>,
    /// Where runtimes differ, and this is to be as the mild ones have it.
    pub lenient: Vec<Lenient>,
    /// Limits of the whole tree of processes.
    pub limits: Limits,
    /// Limits of each process, as setrlimit(2) has them.
    pub ulimits: Vec<Ulimit>,
    /// File mode creation mask; not said: 0022.
    pub umask: Option<u32>,
    /// How long a command may take: then the whole tree of processes is ended.
    pub timeout: Option<Duration>,
    /// Where the writable layer lives.
    pub writable: Writable,
    /// Which tier it is to be; not said: the strongest that the host allows.
    pub tier: Option<Tier>,
    /// What must not be missing.
    pub require: Vec<Require>,
    /// What is wrong with the root on purpose.
    pub faults: Vec<Fault>,
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

/// Reads `memory` or `disk`.
impl std::str::FromStr for Writable {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "memory" => Ok(Self::Memory),
            "disk" => Ok(Self::Disk),
            _ => Err(ParseError::new("place of the writable layer", text, "expected memory or disk")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_survives_json() {
        let spec = Spec {
            user: Some(UserSpec::Account(User::sam())),
            mounts: vec![Mount::Tmpfs { target: "/run".into(), size: None, mode: 0o755 }],
            timeout: Some(Duration::from_millis(1500)),
            ..Spec::default()
        };
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec);
        assert_eq!(serde_json::from_str::<Spec>("{}").unwrap(), Spec::default());
    }
}
