//! The arguments as typed: the one definition that parsing, help, man pages and completions come from.
//!
//! Nothing here looks at the machine; [`crate::used`] turns this into what is run. What makes a help text or a line
//! of a man page is the doc comment of its field: one short sentence first.

pub mod compare;
pub mod functions;

use crate::later::Later;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use rootlet_spec::{
    EnvArg, Fault, GroupSpec, Lenient, Mount, Net, Require, SecurityOpt, Tier, Ulimit, UserSpec, Volume,
    Writable,
};
use rootlet_spec::{caps, duration, limits, mode, mount, net};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A limit as typed, where 0 or -1 lifts it. (clap takes a plain `Option<Option<…>>` for something else.)
type Limit<T> = Option<T>;

/// Run tests in a fresh, private copy-on-write Linux root, as the user that production uses.
#[derive(Debug, Parser)]
#[command(name = "rootlet", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  rootlet run -- id                                  as sam (1000:1000), on a copy of this machine
  rootlet run --base alpine:3.20 -- ./test.sh        on an image, pulled once
  rootlet run -u 1000:0 --read-only -v .:/src -- make -C /src test
  rootlet shell --base debian:13-slim                look around; nothing stays

Exit status: the command's own, 128+N when signal N ended it, 124 after --timeout,
125 when rootlet itself failed, 126 not executable, 127 not found.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command in a fresh root
    Run(Later<Run>),
    /// Open a shell in a fresh root
    Shell(Later<Shell>),
    /// Run a command, or a shell, in a root that --keep kept
    Enter(Later<Enter>),
    /// Run a command as root and as production, and show what differs
    Compare(Later<compare::Compare>),
    /// List what a command needs to write, and the lines that grant it
    Writes(Later<compare::Writes>),
    /// Run a command, and say what it was refused and why
    Why(Later<Why>),
    /// Run what cargo, or Go, has just built, with its project around it
    Runner(Later<Runner>),
    Doctor(Doctor),
    Like(Like),
    Build(Build),
    /// Write down in rootlet.lock what the recipes are built from
    #[command(after_help = "What rootlet.lock says already stays, as far as it fits the recipes.")]
    Lock(LockArgs),
    /// Look for newer images, packages and modules than rootlet.lock and rootlet.json say
    Update(Later<UpdateArgs>),
    /// List recipes, and show what they do
    #[command(subcommand)]
    Recipe(Recipe),
    /// Have cargo run a project's tests in rootlets; also called as `cargo rootlet`
    #[command(subcommand)]
    Cargo(Cargo),
    /// Make a module of functions, with one to begin with
    Init(Later<functions::Init>),
    /// Have a module use another one: its objects are then `dag.NAME()`
    Install(Later<functions::Install>),
    /// Have a module use another one no longer
    Uninstall(Later<functions::Uninstall>),
    /// List the functions of a module
    Functions(Later<functions::Functions>),
    /// Call a function of a module, and functions on what it gives
    Call(Later<functions::Call>),
    /// Run all functions of a module that are checks
    Check(Later<functions::Check>),
    /// Answer the questions of a script
    #[command(hide = true)]
    Session(Later<functions::Session>),
    /// Pull, list, show and remove bases
    #[command(subcommand)]
    Base(Base),
    Export(Export),
    Gc(Gc),
    /// Print the completions for a shell
    #[command(after_help = "Example:\n  source <(rootlet completions bash)")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    #[command(hide = true)]
    Man {
        /// Directory; it is made where missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

/// Run a command in a fresh root
///
/// The root is a private copy-on-write view of the base. The command runs as the user that production would use, and
/// whatever it writes is gone when it ends. Standard input, output and error are the caller's own.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rootlet run [OPTIONS] [--] [COMMAND]...")]
#[command(after_help = "\
Examples:
  rootlet run -- sh -c 'id; echo hello > /etc/motd'
  rootlet run --base alpine:3.20 -u root -- apk add curl
  rootlet run -u app:10001:0 --read-only --tmpfs /tmp -v ./src:/src:ro -w /src -- pytest
  rootlet run --net private --cap-drop ALL --memory 256m --timeout 1m -- ./server-test

Exit status: the command's own, 128+N when signal N ended it, 124 after --timeout,
125 when rootlet itself failed, 126 not executable, 127 not found.")]
pub struct Run {
    #[command(flatten)]
    pub from: From,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub layer: Layer,
    /// Pass standard input (rootlet always does; accepted for the habit)
    #[arg(short, long, help_heading = "Output")]
    pub interactive: bool,
    /// Give the command a terminal of its own, as `docker run -it`
    #[arg(short, long, help_heading = "Output")]
    pub tty: bool,
    /// Keep the root on disk when the command has ended, for `rootlet enter`
    #[arg(long, help_heading = "Output")]
    pub keep: bool,
    /// Write a full report of the run to this file, as JSON; `-` is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Say what the command was refused and why, as `rootlet why` does
    #[arg(long, help_heading = "Output")]
    pub why: bool,
    /// No report after a failure, no progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Print help (-h is the host name, as in docker)
    #[arg(long, action = clap::ArgAction::HelpShort, help_heading = "Output")]
    help: Option<bool>,
    /// The command and its arguments; the image's own where none is given
    #[arg(trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// Run a command, and say what it was refused and why
///
/// It runs as with `rootlet run`, whose options are the same, and is traced. After its own output comes, for each refusal, which part of
/// which path refused it, whose that is, which right was missing, whether root would pass, and what to change.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rootlet why [OPTIONS] [--] [COMMAND]...")]
#[command(after_help = "\
Examples:
  rootlet why -- cat /etc/shadow
  rootlet why --base alpine:3.20 -u 10001:0 --read-only -- ./server-test
  rootlet why --format html --to why.html -- make test

Exit status: as that of `rootlet run`.")]
pub struct Why {
    #[command(flatten)]
    pub run: Run,
    /// How the explanation is written
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    pub format: Format,
    /// Write the explanation to this file (`-` is standard output), instead of to standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub to: Option<PathBuf>,
}

/// Forms of an explanation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// All of it, for programs
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, as code scanning takes it
    Sarif,
    /// One page, that needs no network
    Html,
}

/// Run what cargo, or Go, has just built, with its project around it
///
/// The project's directory and cargo's target directory are at their own places, copy-on-write: what is written there is gone, too,
/// but for what --writable names. Variables are the caller's, but for those that belong to a user (HOME, XDG_…, and PATH on another
/// base). `cargo rootlet init` has cargo use it.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rootlet runner [OPTIONS] [--] <PROGRAM> [ARGUMENT]...")]
#[command(after_help = "\
Examples:
  # .cargo/config.toml
  [target.'cfg(target_os = \"linux\")']
  runner = [\"rootlet\", \"runner\", \"-r\", \"api\", \"--user\", \"sam\"]

  go test -exec 'rootlet runner --base apt:trixie' ./...

Exit status: as that of `rootlet run`.")]
pub struct Runner {
    #[command(flatten)]
    pub from: From,
    #[command(flatten)]
    pub root: Root,
    /// A directory whose changes last; it is made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub writable: Vec<PathBuf>,
    /// Keep the root on disk when the program has ended, for `rootlet enter`
    #[arg(long, help_heading = "Output")]
    pub keep: bool,
    /// No report after a failure, no progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Print help (-h is the host name, as in docker)
    #[arg(long, action = clap::ArgAction::HelpShort, help_heading = "Output")]
    help: Option<bool>,
    /// The program, by its path on this machine, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// What a project's cargo is told.
#[derive(Debug, Subcommand)]
pub enum Cargo {
    /// Make rootlet the runner of this project: its tests, benches and `cargo run`
    #[command(after_help = "\
Examples:
  cargo rootlet init                     as sam, on a copy of this machine
  cargo rootlet init -- -r api -u 1000   what follows -- is what `rootlet runner` takes
  cargo rootlet init --nextest           for cargo nextest alone: each test has a root of its own")]
    Init(CargoInit),
}

/// What `cargo rootlet init` takes.
#[derive(Debug, Args)]
pub struct CargoInit {
    /// Write a wrapper script into .config/nextest.toml, instead of a runner into .cargo/config.toml
    #[arg(long)]
    pub nextest: bool,
    /// Options of `rootlet runner`
    #[arg(last = true, value_name = "OPTION")]
    pub runner: Vec<String>,
}

/// Open a shell in a fresh root
///
/// The same root as `rootlet run` gives, with a terminal. What you change is gone when you leave, unless --keep.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "\
Examples:
  rootlet shell
  rootlet shell --base alpine:3.20 --user root")]
pub struct Shell {
    #[command(flatten)]
    pub from: From,
    #[command(flatten)]
    pub root: Root,
    #[command(flatten)]
    pub layer: Layer,
    /// Keep the root on disk when the shell has ended, for `rootlet enter`
    #[arg(long, help_heading = "Output")]
    pub keep: bool,
    /// No report after a failure, no progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Print help (-h is the host name, as in docker)
    #[arg(long, action = clap::ArgAction::HelpShort, help_heading = "Output")]
    help: Option<bool>,
}

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

/// Run a command, or a shell, in a root that --keep kept
///
/// It has the user, mounts and limits that it had. What was kept stays as it was: each time starts from it, and what is
/// done is gone when it ends, unless --keep.
#[derive(Debug, Args)]
#[command(override_usage = "rootlet enter [OPTIONS] <ID> [--] [COMMAND]...")]
#[command(after_help = "\
Examples:
  rootlet enter 8f3a61c2b09e
  rootlet enter --user root 8f3a61c2b09e -- cat /var/log/app.log

`rootlet base rm snapshot:kept-ID` removes it; `rootlet gc` does when it was not used for some time.")]
pub struct Enter {
    /// What --keep printed
    pub id: String,
    /// The command and its arguments; a shell where none is given
    #[arg(trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// Another user than the root's own, by name or number
    #[arg(short, long, value_name = "USER")]
    pub user: Option<UserSpec>,
    /// Set a variable; NAME alone takes the caller's value
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<EnvArg>,
    /// Another work directory; it must be there
    #[arg(short, long, value_name = "DIR", value_parser = mount::parse_workdir)]
    pub workdir: Option<String>,
    /// Give the command a terminal of its own (a shell on a terminal always has one)
    #[arg(short, long)]
    pub tty: bool,
    /// Pass standard input (rootlet always does; accepted for the habit)
    #[arg(short, long)]
    pub interactive: bool,
    /// Keep this root too
    #[arg(long)]
    pub keep: bool,
    /// No report after a failure
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// Say what this host allows, and how to get what it lacks
///
/// Exits with 0 if rootlets can run here, else with 125.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print the same as JSON
    #[arg(long)]
    pub json: bool,
    /// Run the commands that mend what is missing, with sudo
    #[arg(long)]
    pub fix: bool,
}

/// Say what is understood of a file that deploys a program, and what is not
///
/// Kubernetes (also what helm template and kustomize build print), Dockerfile, Compose, a unit of systemd, an image's config. What
/// is not carried over is listed with its line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rootlet like deploy/api.yaml
  helm template ./chart | rootlet like -#api
  rootlet run --like deploy/api.yaml -- ./test.sh")]
pub struct Like {
    /// FILE, or FILE#NAME for one of several; `-` is standard input, `openshift` its restricted profile
    #[arg(required = true, value_name = "FILE[#NAME]", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Build recipes of the project's rootlet.toml
///
/// Each step of a recipe is done once and kept: what was not changed is found in the store. Prints the id and the name of each.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rootlet build             all of them\n  rootlet build api\n  rootlet run -r api -- ./test.sh"
)]
pub struct Build {
    /// Which ones [default: all]
    #[arg(value_name = "RECIPE")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub recipes: RecipeFile,
    #[command(flatten)]
    pub pull: Pull,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// What `lock` and `update` take.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// The file of recipes [default: rootlet.toml, here or in a directory above]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// What `update` takes besides.
#[derive(Debug, Args)]
#[command(after_help = "\
Beside a rootlet.toml it looks for newer images and packages, beside a rootlet.json or dagger.json for newer commits of modules.")]
pub struct UpdateArgs {
    #[command(flatten)]
    pub lock: LockArgs,
    /// Only these modules [default: all]
    #[arg(value_name = "MODULE", conflicts_with = "file")]
    pub modules: Vec<String>,
    /// The module's directory [default: the one of rootlet.json or dagger.json, here or above]
    #[arg(short, long = "mod", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub module: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Recipe {
    /// List the recipes of the project
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        recipes: RecipeFile,
    },
    /// Show the steps of a recipe, and which of them would be done
    Show {
        /// Its name
        name: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        recipes: RecipeFile,
        #[command(flatten)]
        store: StoreArg,
    },
}

#[derive(Debug, Subcommand)]
pub enum Base {
    /// Get bases into the store
    #[command(after_help = "Example:\n  rootlet base pull alpine:3.20 debian:13-slim")]
    Pull {
        /// What `run --base` takes
        #[arg(required = true, value_name = "BASE")]
        bases: Vec<String>,
        /// Which of an image's platforms, such as linux/arm64 [default: this machine's]
        #[arg(long, value_name = "OS/ARCH")]
        platform: Option<String>,
        /// No progress
        #[arg(short, long)]
        quiet: bool,
        #[command(flatten)]
        store: StoreArg,
    },
    /// List the bases of the store
    #[command(visible_alias = "ls")]
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArg,
    },
    /// Show a base: its layers, and the user, variables and command it sets
    Show {
        /// What `run --base` takes
        base: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArg,
    },
    /// Remove bases from the store; one that is in use stays
    Rm {
        /// As `rootlet base list` prints them
        #[arg(required = true, value_name = "BASE")]
        bases: Vec<String>,
        #[command(flatten)]
        store: StoreArg,
    },
}

/// Hand a base to other tools: docker, podman, skopeo, tar
///
/// Prints the digest of the image's manifest; of docker-archive: the image's id, and of tar: the digest of the file. The same
/// base gives the same bytes. A file, a tag or an image that is there already is replaced when all is written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rootlet export alpine:3.20 --to docker://localhost:5000/alpine:3.20
  rootlet export snapshot:warm --to oci:./images:warm
  rootlet export dir:./rootfs --to docker-archive:-:me/root:1 | docker load
  rootlet export tar:rootfs.tar.xz --to tar:flat.tar")]
pub struct Export {
    /// A recipe of the project's rootlet.toml, else what `run --base` takes
    #[arg(value_name = "BASE")]
    pub base: String,
    #[command(flatten)]
    pub recipes: RecipeFile,
    /// oci:PATH[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], tar:FILE, or [docker://]HOST/NAME:TAG
    ///
    /// oci: an OCI image layout, a directory that is made or added to. tar: the whole root as one tar. docker://: a registry.
    /// A FILE - is standard output, and the digest is not printed then.
    #[arg(long, value_name = "TARGET")]
    pub to: String,
    #[command(flatten)]
    pub pull: Pull,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// Remove what is neither in use nor recent from the store
///
/// Bases that were not used for some time go, then the layers and downloads that no other base needs, and what killed
/// runs left half-made.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rootlet gc\n  rootlet gc --keep 0        only what is in use stays")]
pub struct Gc {
    /// Keep what was used within this time
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "14d")]
    pub keep: Duration,
    #[command(flatten)]
    pub store: StoreArg,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn run(words: &[&str]) -> Run {
        match Cli::try_parse_from(["rootlet", "run"].iter().chain(words)).unwrap().command {
            Command::Run(run) => *run.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_the_command_is_the_commands() {
        assert_eq!(run(&["--", "ls", "-u", "x"]).command, ["ls", "-u", "x"]);
        assert_eq!(run(&["ls", "--user", "x", "--", "-v"]).command, ["ls", "--user", "x", "--", "-v"]);
        assert_eq!(run(&["-it", "sh", "--help"]).command, ["sh", "--help"]);
        assert_eq!(run(&["--", "-odd"]).command, ["-odd"]);
        assert!(run(&[]).command.is_empty());
        // A mistyped option is not taken for the command.
        assert!(Cli::try_parse_from(["rootlet", "run", "--usr", "x", "ls"]).is_err());
    }

    #[test]
    fn has_dockers_short_options() {
        let run = run(&[
            "-it", "-u", "1:2", "-e", "A=b", "-eC", "-w", "/w", "-v/t", "-h", "box", "-m", "64m", "-q",
        ]);
        assert!(run.interactive && run.tty && run.quiet);
        assert_eq!(run.root.user, Some("1:2".parse().unwrap()));
        assert_eq!(run.root.env.len(), 2);
        assert_eq!(run.root.workdir.as_deref(), Some("/w"));
        assert_eq!(run.root.volume.len(), 1);
        assert_eq!(run.root.hostname.as_deref(), Some("box"));
        assert_eq!(run.root.memory, Some(Some(64 << 20)));
    }

    #[test]
    fn limits_can_be_lifted() {
        let run = run(&["--pids-limit", "-1", "--memory=0", "--cpus", "0", "x"]);
        assert_eq!(
            (run.root.pids_limit, run.root.memory, run.root.cpus),
            (Some(None), Some(None), Some(None))
        );
    }

    #[test]
    fn offline_and_pull_contradict_each_other() {
        assert!(Cli::try_parse_from(["rootlet", "run", "--offline", "--pull", "always", "x"]).is_err());
        assert!(run(&["--offline", "x"]).from.pull.offline);
    }
}
