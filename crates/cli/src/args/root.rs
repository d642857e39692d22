//! What a root is and where it comes from: the options that several subcommands share.

use clap::{Args, ValueEnum, ValueHint};
use rootlet_spec::{
    EnvArg, Fault, GroupSpec, Lenient, Mount, Net, Require, SecurityOpt, Tier, Ulimit, UserSpec, Volume,
    Writable,
};
use rootlet_spec::{caps, duration, limits, mode, mount, net};
use std::path::PathBuf;
use std::time::Duration;

/// A limit as typed, where 0 or -1 lifts it. (clap takes a plain `Option<Option<…>>` for something else.)
type Limit<T> = Option<T>;

/// What a root is: options of `run` and `shell`, named as in `docker run` and `podman run`.
#[derive(Debug, Args)]
pub struct Root {
    /// Who runs the command: NAME, UID, either with :GROUP, or NAME:UID:GID [default: the image's, else sam:1000:1000]
    ///
    /// A NAME is looked up in the root's own passwd; NAME:UID:GID makes the account, with a home, where it is not there.
    /// `random:0` is a uid without an account, as OpenShift gives one.
    #[arg(short, long, value_name = "USER", help_heading = "User")]
    pub user: Option<UserSpec>,
    /// Add a supplementary group, by name or number
    #[arg(long, value_name = "GROUP", help_heading = "User")]
    pub group_add: Vec<GroupSpec>,
    /// Add a capability to docker's default set (only root's are effective)
    #[arg(long, value_name = "CAP", value_parser = caps::parse, help_heading = "User")]
    pub cap_add: Vec<String>,
    /// Drop a capability, or ALL
    #[arg(long, value_name = "CAP", value_parser = caps::parse, help_heading = "User")]
    pub cap_drop: Vec<String>,
    /// no-new-privileges (the default), no-new-privileges:false, or seccomp=unconfined
    #[arg(long, value_name = "OPTION", help_heading = "User")]
    pub security_opt: Vec<SecurityOpt>,
    /// How the host gives the identity: exact, one-id or chroot [default: $ROOTLET_TIER, else the strongest]
    ///
    /// exact: a user namespace with all ids. one-id: a user namespace with one id. chroot: for root in a container that allows
    /// no namespaces. `rootlet doctor` says which of them this host allows.
    #[arg(long, value_name = "TIER", help_heading = "User")]
    pub tier: Option<Tier>,
    /// Refuse to run without it: exact, namespaces, proc, everything
    ///
    /// exact: true owners, and production's refusals. namespaces: its own mounts and processes. proc: its own /proc.
    /// everything: nothing of what was asked for is left out.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', help_heading = "User")]
    pub require: Vec<Require>,
    /// Be as mild as some runtimes are: workdir, passwd, tmp, ports, groups
    ///
    /// workdir: a missing work directory is made as the user's. passwd: a uid without an account gets one. tmp: /tmp and /run are
    /// writable under --read-only. ports: those below 1024 are for everybody, with --net private. groups: the user has the
    /// groups of /etc/group although --user names one.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', help_heading = "User")]
    pub lenient: Vec<Lenient>,
    /// File mode creation mask, in octal [default: 0022]
    #[arg(long, value_name = "MASK", value_parser = mode::parse_umask, help_heading = "User")]
    pub umask: Option<u32>,

    /// Set a variable; NAME alone takes the caller's value
    #[arg(short, long, value_name = "NAME[=VALUE]", help_heading = "Process")]
    pub env: Vec<EnvArg>,
    /// Read variables from a file, a NAME=VALUE a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Process")]
    pub env_file: Vec<PathBuf>,
    /// Work directory inside; a missing one is made, owned by root
    #[arg(short, long, value_name = "DIR", value_parser = mount::parse_workdir, help_heading = "Process")]
    pub workdir: Option<String>,
    /// Replace the image's entrypoint; an empty one removes it
    #[arg(long, value_name = "PROGRAM", help_heading = "Process")]
    pub entrypoint: Option<String>,
    /// Host name inside [default: rootlet]
    #[arg(short = 'h', long, value_name = "NAME", value_parser = net::parse_hostname, help_heading = "Process")]
    pub hostname: Option<String>,
    /// The network: host, private (its own loopback and ports), none
    #[arg(
        long,
        visible_alias = "network",
        value_name = "NET",
        default_value = "host",
        help_heading = "Process"
    )]
    pub net: Net,

    /// Mount HOST at TARGET (a write there is real, with :O a copy's); TARGET alone is a fresh volume
    #[arg(short, long, value_name = "[HOST:]TARGET[:ro|:O]", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub volume: Vec<Volume>,
    /// Mount an empty file system in memory
    #[arg(long, value_name = "TARGET[:size=64m,mode=1777]", value_parser = mount::parse_tmpfs, help_heading = "Files")]
    pub tmpfs: Vec<Mount>,
    /// Mount the root read-only, /tmp too; only volumes, --tmpfs and /dev/shm are writable then, as in docker
    #[arg(long, help_heading = "Files")]
    pub read_only: bool,

    /// Break the root: full-disk, read-only:/PATH, no-proc or no-network
    ///
    /// How a program behaves then is seldom seen before production. Root inside is refused as well.
    #[arg(long, value_name = "FAULT", value_delimiter = ',', help_heading = "Files")]
    pub fault: Vec<Fault>,

    /// Memory of all processes together, such as 512m
    ///
    /// What is written counts, too, unless --writable is disk. Where no cgroup can be made it is the memory of each process,
    /// which the report says; `rootlet doctor` says how to get one.
    #[arg(short, long, value_name = "SIZE", value_parser = limits::parse_memory, help_heading = "Limits")]
    pub memory: Option<Limit<u64>>,
    /// Number of processes and threads
    ///
    /// Where no cgroup can be made, those of the user in all rootlets of one calling process count together.
    #[arg(long, value_name = "N", value_parser = limits::parse_pids, allow_negative_numbers = true, help_heading = "Limits")]
    pub pids_limit: Option<Limit<u32>>,
    /// Processors, such as 1.5
    ///
    /// Not limited where no cgroup can be made.
    #[arg(long, value_name = "N", value_parser = limits::parse_cpus, help_heading = "Limits")]
    pub cpus: Option<Limit<f64>>,
    /// A limit of each process, such as nofile=1024:2048
    #[arg(long, value_name = "NAME=SOFT[:HARD]", help_heading = "Limits")]
    pub ulimit: Vec<Ulimit>,
    /// End the command and all it started after this long, such as 30s or 1m30s
    #[arg(long, value_name = "TIME", value_parser = duration::parse, help_heading = "Limits")]
    pub timeout: Option<Duration>,
}

/// Where the writable layer is.
#[derive(Debug, Args)]
pub struct Layer {
    /// Where what the command writes is held: memory or disk
    #[arg(long, value_name = "WHERE", default_value = "memory", help_heading = "Files")]
    pub writable: Writable,
}

/// Where the root comes from.
#[derive(Debug, Args)]
pub struct From {
    /// As this file deploys it: Kubernetes, Dockerfile, Compose, systemd unit, image config; `-`, `openshift`
    ///
    /// The user, groups, capabilities, mounts, variables and limits are those of the file, which other options go before. Where
    /// it has several containers, services or stages, #NAME says which one. Without --base, the root is the file's image.
    /// `rootlet like FILE` says what is understood.
    #[arg(long, value_name = "FILE[#NAME]", allow_hyphen_values = true, value_hint = ValueHint::FilePath, help_heading = "Base")]
    pub like: Vec<String>,
    /// Run the pod's init containers before, on the same root; what they leave in its volumes is there then
    #[arg(long, requires = "like", help_heading = "Base")]
    pub init_containers: bool,
    /// host, dir:PATH, tar:PATH, oci:PATH[:TAG], archive:PATH[:TAG], apt:SUITE, apk:RELEASE, or an image such as alpine:3.20
    /// [default: the image of --like, else host]
    #[arg(long, value_name = "BASE", help_heading = "Base")]
    pub base: Option<String>,
    /// A recipe of the project's rootlet.toml; what is missing of it is built
    #[arg(short, long, value_name = "NAME", conflicts_with = "base", help_heading = "Base")]
    pub recipe: Option<String>,
    /// A recipe of rootlet's own, such as debian_user
    #[arg(long, value_name = "NAME", conflicts_with_all = ["base", "recipe"], help_heading = "Base")]
    pub preset: Option<String>,
    #[command(flatten)]
    pub recipes: RecipeFile,
    #[command(flatten)]
    pub pull: Pull,
    #[command(flatten)]
    pub store: StoreArg,
}

/// Which file of recipes.
#[derive(Debug, Args)]
pub struct RecipeFile {
    /// The file of recipes [default: rootlet.toml, here or in a directory above]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Base")]
    pub file: Option<PathBuf>,
    /// Refuse what rootlet.lock does not say
    #[arg(long, help_heading = "Base")]
    pub locked: bool,
}

/// How an image gets into the store.
#[derive(Clone, Debug, Args)]
pub struct Pull {
    /// When to ask the registry
    #[arg(long, value_enum, value_name = "WHEN", default_value = "missing", help_heading = "Base")]
    pub pull: When,
    /// Use only what is in the store; the same as --pull never
    #[arg(long, conflicts_with = "pull", help_heading = "Base")]
    pub offline: bool,
    /// Which of an image's platforms, such as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH", help_heading = "Base")]
    pub platform: Option<String>,
}

/// When the registry is asked for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// The image is not in the store
    Missing,
    /// Each time, to see whether the tag has moved
    Always,
    /// Not at all
    Never,
}

/// Which store.
#[derive(Clone, Debug, Args)]
pub struct StoreArg {
    /// Where bases are stored [default: $ROOTLET_STORE, else ~/.cache/rootlet]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Base")]
    pub store: Option<PathBuf>,
}
