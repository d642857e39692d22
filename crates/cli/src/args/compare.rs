//! What `compare` and `writes` take.

use super::{From, Root};
use clap::{Args, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a command as root and as production, and show what differs
///
/// The same command runs at the same time on fresh copies of the same base: as root, as production's user, as a random uid of group 0, and with a
/// read-only root. Tests are told by their names, as libtest, nextest, pytest, unittest, Go and TAP print them.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rootlet compare [OPTIONS] [--] [COMMAND]...")]
#[command(after_help = "\
Examples:
  rootlet compare -v .:/src:O -w /src -- pytest -v
  rootlet compare -r api --why -- api --self-test
  rootlet compare --side root --side production -- make check
  cargo test --config \"target.'cfg(all())'.runner=['rootlet', 'compare', '--project']\"

Exit status: 0 when production does as root does, 1 when it differs, 125 when rootlet itself failed.")]
pub struct Compare {
    #[command(flatten)]
    pub from: From,
    #[command(flatten)]
    pub root: Root,
    /// Show the project around the program, as `rootlet runner` does; the command is a program's path on this machine
    #[arg(long, help_heading = "Files")]
    pub project: bool,
    /// Only this side; may be repeated [default: all]
    #[arg(long, value_enum, value_name = "SIDE", help_heading = "Output")]
    pub side: Vec<SideName>,
    /// Say what each side was refused that root was not, and why, as `rootlet why` does; the command is traced
    #[arg(long, help_heading = "Output")]
    pub why: bool,
    /// Write all that was found to this file, as JSON; `-` is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// No progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Print help (-h is the host name, as in docker)
    #[arg(long, action = clap::ArgAction::HelpShort, help_heading = "Output")]
    help: Option<bool>,
    /// The command and its arguments; the image's own where none is given
    #[arg(trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideName {
    /// As root
    Root,
    /// As the user that is asked for
    Production,
    /// As a uid without an account, of group 0
    Random,
    /// As production, with a read-only root
    ReadOnly,
}

impl SideName {
    /// As the library names it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Production => "production",
            Self::Random => "random",
            Self::ReadOnly => "read-only",
        }
    }
}

/// List what a command needs to write, and the lines that grant it
///
/// It runs as production's user with a root that is writable. What it wrote is what a read-only root must have mounted.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rootlet writes [OPTIONS] [--] [COMMAND]...")]
#[command(after_help = "\
Examples:
  rootlet writes --base nginx:1.27 -- nginx -t
  rootlet writes -r api --format systemd -- api --self-test

Exit status: as that of `rootlet run`.")]
pub struct Writes {
    #[command(flatten)]
    pub from: From,
    #[command(flatten)]
    pub root: Root,
    /// Show the project around the program, as `rootlet runner` does; the command is a program's path on this machine
    #[arg(long, help_heading = "Files")]
    pub project: bool,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub format: Format,
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

/// How writes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The paths, and all the others
    Text,
    /// volumeMounts and volumes of a Pod
    Kubernetes,
    /// tmpfs of a service
    Compose,
    /// Options of docker run
    Docker,
    /// ReadWritePaths of a unit
    Systemd,
    /// Everything that was changed
    Json,
}
