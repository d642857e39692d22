//! Under the name `dagger` (a link to the command) it answers to what a user of Dagger types to make and call modules.

use super::{call, check, functions, init, install, uninstall, update};
use crate::args::functions::{Call, Check, Functions, Init, Install, Uninstall, Update};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::later::Later;
use clap::{Parser, Subcommand};
use rootlet::functions::Form;
use std::ffi::OsString;
use std::path::Path;

/// Make and call modules of functions, without a daemon
///
/// This is rootlet, called by the name `dagger`.
#[derive(Debug, Parser)]
#[command(name = "dagger", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a module of functions, with one to begin with
    #[command(
        override_usage = "dagger init [OPTIONS] [PATH]",
        after_help = "PATH is the module's directory, here where none is given; its name is the module's, unless --name."
    )]
    Init(Later<Init>),
    /// Have a module use another one
    Install(Later<Install>),
    /// Have a module use another one no longer
    Uninstall(Later<Uninstall>),
    /// Look for newer commits of what a module uses
    Update(Later<Update>),
    /// Call a function of a module
    Call(Later<Call>),
    /// List the functions of a module
    Functions(Later<Functions>),
    /// Run all functions of a module that are checks
    Check(Later<Check>),
    /// Print the version
    Version,
}

/// Whether the command was called by that name.
pub fn is_dagger(program: Option<&OsString>) -> bool {
    program.and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == "dagger")
}

/// All of it.
pub fn dagger(args: Vec<OsString>) -> Result<Result<Outcome, Failure>, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    Ok(perform(cli.command))
}

fn perform(command: Command) -> Result<Outcome, Failure> {
    match command {
        // Where rootlet takes a name, Dagger takes a directory.
        Command::Init(args) => {
            let directory = args.0.positional.clone();
            let args = Init { positional: None, ..*args.0 };
            init(&args, Form::Dagger, directory.as_deref().map(Path::new))?;
        }
        Command::Install(args) => install(&args.0)?,
        Command::Uninstall(args) => uninstall(&args.0)?,
        Command::Update(args) => update(&args.0)?,
        Command::Call(args) => return call(*args.0, "dagger call"),
        Command::Functions(args) => functions(&args.0)?,
        Command::Check(args) => return check(*args.0),
        Command::Version => crate::output::print(concat!("rootlet ", env!("CARGO_PKG_VERSION"), "\n"))?,
    }
    Ok(Outcome::SUCCESS)
}
