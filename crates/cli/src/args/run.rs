//! `run` and its kin: what starts a command in a root.

use super::root::{From, Layer, Root, StoreArg};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use rootlet_spec::{EnvArg, UserSpec, mount};
use std::ffi::OsString;
use std::path::PathBuf;

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
