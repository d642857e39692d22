//! The arguments of functions as typed. What a function takes itself is known when its module has been read: see [`crate::functions`].

use super::{Pull, StoreArg};
use clap::{Args, ValueEnum, ValueHint};
use rootlet_spec::duration;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Make a module of functions, with one to begin with
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rootlet init --sdk=python
  rootlet init --sdk=rust checks

The name is the directory's, where none is given. Nothing that is there is changed.")]
pub struct Init {
    /// What it is written in: python or rust
    #[arg(long, value_name = "SDK", default_value = "python")]
    pub sdk: String,
    /// Its name
    #[arg(value_name = "NAME")]
    pub positional: Option<String>,
    /// Its name, too
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where its code lies
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub source: Option<String>,
}

/// Have a module use another one: its objects are then `dag.NAME()`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rootlet install ../checks
  rootlet install github.com/OWNER/REPO/SUB@v1.2
  rootlet install rootlet:lib                      rootlet's own presets")]
pub struct Install {
    /// A path, or a git repository; its version is pinned to a commit
    #[arg(id = "what", value_name = "MODULE", value_hint = ValueHint::DirPath)]
    pub module: String,
    /// What it is called here [default: its own name]
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

/// Have a module use another one no longer
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Its name
    #[arg(id = "what", value_name = "MODULE")]
    pub module: String,
    #[command(flatten)]
    pub place: Place,
}

/// Look for newer commits of what a module uses
#[derive(Debug, Args)]
pub struct Update {
    /// Which ones [default: all]
    #[arg(value_name = "MODULE")]
    pub modules: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

/// Which module.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The module's directory [default: the one of rootlet.json or dagger.json, here or above]
    #[arg(short, long = "mod", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub module: Option<PathBuf>,
    #[command(flatten)]
    pub store: StoreArg,
}

/// List the functions of a module
#[derive(Debug, Args)]
pub struct Functions {
    /// Those of what these functions give, one after the other
    #[arg(value_name = "FUNCTION")]
    pub path: Vec<String>,
    /// Print what the module says of itself, as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub module: ModuleArgs,
}

/// Call a function of a module, and functions on what it gives
///
/// `rootlet call FUNCTION --help` says what it takes. Standard output has what the last function gives and nothing else.
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    override_usage = "rootlet call [OPTIONS] FUNCTION [ARGUMENTS] [FUNCTION [ARGUMENTS]]..."
)]
#[command(after_help = "\
Examples:
  rootlet call whoami-check
  rootlet call build --source=. file --path=/out export --path=./out
  rootlet call --json versions

Exit status: 0; 1 when the function failed; 124 after --timeout; 125 when it could not be called.")]
pub struct Call {
    #[command(flatten)]
    pub options: CallOptions,
    /// The module's own arguments, functions and theirs
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FUNCTION")]
    pub words: Vec<OsString>,
}

/// Options that a call takes before and behind each function.
#[derive(Clone, Debug, Args)]
pub struct CallOptions {
    #[command(flatten)]
    pub module: ModuleArgs,
    /// Print the result as JSON
    #[arg(short, long)]
    pub json: bool,
    /// Write the result to this file or directory
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// End all of it after this long, such as 30s
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}

/// Run all functions of a module that are checks
///
/// They run at once, as many as there are processors for. Standard output has a line for each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rootlet check
  rootlet check 'lint-*'

Exit status: 0; 1 when a check failed; 124 after --timeout; 125 when none could be called.")]
pub struct Check {
    /// Only those whose names fit one of these: `*` is any text
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// List them
    #[arg(short, long)]
    pub list: bool,
    #[command(flatten)]
    pub options: CheckOptions,
}

/// How checks are run.
#[derive(Debug, Args)]
pub struct CheckOptions {
    #[command(flatten)]
    pub module: ModuleArgs,
    /// Print the verdicts as JSON
    #[arg(long)]
    pub json: bool,
    /// End all of it after this long, such as 30s
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}

/// Answer the questions of a script, on a socket that is standard input
#[derive(Debug, Args)]
pub struct Session {
    #[command(flatten)]
    pub module: ModuleArgs,
}

/// Which module, and how it is run.
#[derive(Clone, Debug, Args)]
pub struct ModuleArgs {
    /// The module: a directory or a git repository [default: rootlet.json or dagger.json, here or above]
    #[arg(short, long = "mod", value_name = "MODULE", value_hint = ValueHint::DirPath)]
    pub module: Option<String>,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    /// How progress is shown: auto (a tree on a terminal), tree, plain
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto")]
    pub progress: How,
    #[command(flatten)]
    pub pull: Pull,
    #[command(flatten)]
    pub store: StoreArg,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// A tree on a terminal, plain lines elsewhere
    Auto,
    /// A tree
    Tree,
    /// Plain lines
    Plain,
}
