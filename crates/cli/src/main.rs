//! The `rootlet` command: the only part of rootlet that prints or exits.

mod args;
mod cargo;
mod compare;
mod docs;
mod doctor;
mod exit;
mod export;
mod failure;
mod functions;
mod later;
mod like;
mod output;
mod progress;
mod recipe;
mod report;
mod run;
mod runner;
mod signals;
mod store;
mod style;
mod terminal;
mod used;
mod why;

use args::{Cli, Command};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use exit::Outcome;
use failure::Failure;
use rootlet::Rootlet;
use rootlet_spec::{ParseError, Spec};
use std::error::Error;
use std::ffi::OsString;
use std::io::{Write, stderr};
use std::process::ExitCode;
use style::Style;

fn main() -> ExitCode {
    // A bug of rootlet is rootlet's own failure, never mistaken for the command's status.
    let outcome = std::panic::catch_unwind(|| invoke(std::env::args_os().collect()));
    outcome.unwrap_or(Outcome::Failed).into()
}

fn invoke(args: Vec<OsString>) -> Outcome {
    foresee(&args);
    let done = match functions::is_dagger(args.first()) {
        true => functions::dagger(args),
        false => Cli::try_parse_from(args).map(|cli| perform(cli.command)),
    };
    wait_for_helpers();
    match done {
        Ok(done) => done.unwrap_or_else(|failure| complain(&failure)),
        Err(error) => usage(&error),
    }
}

/// Begins what a run waits for before its options are read, which takes as long as the half of it. Most ask for the usual
/// ids and rights; what begins here for those that do not is in vain.
fn foresee(args: &[OsString]) {
    let runs = args
        .get(1)
        .is_some_and(|command| ["run", "why", "shell", "runner"].iter().any(|known| command == known));
    // Directories have other ids, and production has others of its own.
    let others = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        arg.contains("dir:") || arg.starts_with("--like")
    };
    if runs && !args.iter().any(others) {
        Rootlet::foresee("host", &Spec::default());
    }
}

fn perform(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Run(args) => return run::run(*args.0),
        Command::Shell(args) => return run::shell(*args.0),
        Command::Compare(args) => return compare::compare(*args.0),
        Command::Writes(args) => return compare::writes(*args.0),
        Command::Why(args) => return run::why(*args.0),
        Command::Runner(args) => return runner::runner(*args.0),
        Command::Enter(args) => return run::enter(*args.0),
        Command::Doctor(args) => return doctor::doctor(&args),
        Command::Like(args) => like::like(&args)?,
        Command::Build(args) => recipe::build(&args)?,
        Command::Lock(args) => recipe::lock(&args, false)?,
        Command::Update(args) => update(*args.0)?,
        Command::Recipe(command) => recipe::recipe(command)?,
        Command::Cargo(command) => cargo::cargo(&command)?,
        Command::Init(args) => functions::init(&args.0, rootlet::functions::Form::Rootlet, None)?,
        Command::Install(args) => functions::install(&args.0)?,
        Command::Uninstall(args) => functions::uninstall(&args.0)?,
        Command::Functions(args) => functions::functions(&args.0)?,
        Command::Call(args) => return functions::call(*args.0, "rootlet call"),
        Command::Check(args) => return functions::check(*args.0),
        Command::Session(args) => return functions::session(&args.0),
        Command::Base(command) => store::base(command)?,
        Command::Export(args) => export::export(&args)?,
        Command::Gc(args) => store::gc(&args)?,
        Command::Completions { shell } => docs::completions(shell)?,
        Command::Man { dir } => docs::man(&dir)?,
    }
    Ok(Outcome::SUCCESS)
}

/// Of recipes, of modules, or of both, whichever is there.
fn update(args: args::UpdateArgs) -> Result<(), Failure> {
    let args::UpdateArgs { lock, modules, module } = args;
    let named = !modules.is_empty() || module.is_some();
    let of_modules = named || (lock.file.is_none() && functions::is_near());
    let of_recipes = !named && (!of_modules || recipe::is_near());
    if of_modules {
        let place = args::functions::Place { module, store: lock.store.clone() };
        functions::update(&args::functions::Update { modules, place })?;
    }
    if of_recipes {
        recipe::lock(&lock, true)?;
    }
    Ok(())
}

/// Where pid 1 of a container waits for nobody, as `sleep` does not, whoever ends after us stays there for good.
fn wait_for_helpers() {
    use rustix::process::{WaitOptions, wait};
    Rootlet::end_helpers();
    while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
}

fn complain(failure: &Failure) -> Outcome {
    // Without standard error nobody is there to be told that.
    let _ = stderr().write_all(failure.text(Style::of(&stderr())).as_bytes());
    Outcome::Failed
}

/// Help that was asked for is no failure; all else is, and says so like every other failure.
pub(crate) fn usage(error: &clap::Error) -> Outcome {
    if !error.use_stderr() {
        let _ = error.print();
        return Outcome::SUCCESS;
    }
    let refused = error.source().and_then(|source| source.downcast_ref::<ParseError>());
    match (error.kind(), refused, error.get(ContextKind::InvalidArg)) {
        (ErrorKind::ValueValidation, Some(refused), Some(ContextValue::String(option))) => {
            let option = option.split(' ').next().unwrap_or_default();
            complain(&Failure::from(refused.clone()).before(option))
        }
        _ => {
            let _ = error.print();
            Outcome::Failed
        }
    }
}
