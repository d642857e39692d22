//! The arguments as typed: the one definition that parsing, help, man pages and completions come from.
//!
//! Nothing here looks at the machine; [`crate::used`] turns this into what is run. What makes a help text or a line
//! of a man page is the doc comment of its field: one short sentence first.

pub mod compare;
pub mod functions;
mod recipes;
mod root;
mod run;
mod store;

use crate::later::Later;
use clap::{Args, Parser, Subcommand, ValueHint};
pub use recipes::{Build, LockArgs, Recipe, UpdateArgs};
pub use root::{From, Layer, Pull, RecipeFile, Root, StoreArg, When};
pub use run::{Cargo, CargoInit, Enter, Format, Run, Runner, Shell, Why};
use std::path::PathBuf;
pub use store::{Base, Export, Gc};

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
