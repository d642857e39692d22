//! `rootlet call`.

use super::core::Kind;
use super::flags::Reader;
use super::level::{self, Chain, Refused, Said};
use super::{Opened, described, enter, here, open_shown, show, told, tree, within};
use crate::args::functions::Call;
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::print;
use crate::style::Style;
use rootlet::functions::{Engine, Failed, FailedKind, Module, each};
use rootlet::spec::duration;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::io::{Write, stderr};
use std::time::Duration;

/// Calls a function. `program` is what the words before the options were.
pub fn call(args: Call, program: &str) -> Result<Outcome, Failure> {
    let Call { mut options, words } = args;
    if words.first().is_some_and(|word| word == "-h" || word == "--help") && options.module.module.is_none() {
        let found = here().and_then(|here| Ok(rootlet::functions::Project::find(&here)?));
        if found.is_err() {
            return general_help(program);
        }
    }
    // Progress is told as it was said before the first function: until the module is read nobody knows the words that follow.
    let progress = tree::progress(&options.module);
    let opened = open_shown(&options.module, &progress)?;
    let Some(schema) = described(&opened, options.timeout.or_else(|| said_later(&words)))? else {
        return Ok(late(&progress));
    };
    let reader = Reader::new(&here()?, &schema);
    let words = if words.is_empty() { vec!["--help".into()] } else { words };
    let mut chain = match level::read(program, &schema, &reader, &words, &mut options) {
        Ok(Said::Chain(chain)) => chain,
        Ok(Said::Help(text)) => return print(&text).map(|()| Outcome::SUCCESS),
        Err(Refused::Option(error)) => return Ok(crate::usage(&error)),
        Err(Refused::Other(failure)) => return Err(failure),
    };
    progress.silence(options.module.quiet);
    let terminal = chain.core.pop_if(|(function, _)| function.name == "terminal").map(|(_, args)| args);
    let Opened { module, engine, runtime } = opened;
    let (returns, inner) = (chain.returns.clone(), (module, engine.clone(), options.clone()));
    let is_for_terminal = terminal.is_some();
    let gives_files = chain.returns.element().name().is_some_and(show::is_exported);
    let done = within(options.timeout, &runtime, move || {
        let (module, engine, options) = inner;
        let value = perform(&module, &engine, *chain)?;
        if is_for_terminal {
            only_one(&value, "terminal")?;
            return Ok(value);
        }
        if options.output.is_some() && gives_files {
            only_one(&value, "--output")?;
        }
        each(value, &mut |value| show::finished(&engine, value, &options))
    });
    let outcome = match done {
        None => late(&progress),
        Some(Ok(value)) => {
            progress.end();
            if let Some(args) = terminal {
                return enter::enter(&engine, &value, &args);
            }
            engine.end();
            show::result(&value, &returns, &options)?;
            Outcome::SUCCESS
        }
        Some(Err(failed)) => {
            engine.end();
            complain(&told(&failed), &progress);
            status(&failed)
        }
    };
    Ok(outcome)
}

/// `--timeout` behind a function, which is not read before the module is: that may hang, too.
fn said_later(words: &[OsString]) -> Option<Duration> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let at = words.iter().position(|word| word.starts_with("--timeout"))?;
    let value = words[at].strip_prefix("--timeout=").or_else(|| words.get(at + 1).copied())?;
    duration::parse(value).ok()
}

fn late(progress: &tree::Progress) -> Outcome {
    complain(&Failure::new("the call took longer than it may").hint("--timeout says how long"), progress);
    Outcome::TimedOut
}

/// Who called wrongly is told apart from what failed.
fn status(failed: &Failed) -> Outcome {
    match failed.kind {
        FailedKind::Usage => Outcome::Failed,
        _ => Outcome::Exited(1),
    }
}

fn complain(failure: &Failure, progress: &tree::Progress) {
    progress.end();
    let _ = stderr().write_all(failure.text(Style::of(&stderr())).as_bytes());
}

/// What the module gives, and then what is called on that.
fn perform(module: &Module, engine: &Engine, chain: Chain) -> Result<Value, Failed> {
    let mut value = module.call(engine, &chain.call)?;
    for (function, args) in chain.core {
        if matches!(function.name.as_str(), "export" | "up") {
            only_one(&value, &function.name)?;
        }
        value = each(value, &mut |value| match function.kind {
            Kind::Ask => engine.ask(&function.name, &value, &absolute(&function.name, args.clone())),
            Kind::Step | Kind::Part => Ok(function.applied(value, args.clone())),
        })?;
    }
    Ok(value)
}

/// What would get in its own way is not done for all of a list.
pub(super) fn only_one(value: &Value, what: &str) -> Result<(), Failed> {
    match value.is_array() {
        true => {
            let failed = Failed::query(format!("`{what}` is for one: what is before it gives a list"));
            Err(Failed { kind: FailedKind::Usage, ..failed })
        }
        false => Ok(()),
    }
}

/// What is exported goes where the caller is, not where an engine would look.
fn absolute(name: &str, args: std::collections::BTreeMap<String, Value>) -> Map<String, Value> {
    let mut args: Map<String, Value> = args.into_iter().collect();
    if name == "export"
        && let (Some(Value::String(path)), Ok(here)) = (args.get_mut("path"), here())
    {
        *path = here.join(&*path).to_string_lossy().into_owned();
    }
    args
}

/// Help where there is no module.
fn general_help(program: &str) -> Result<Outcome, Failure> {
    use clap::CommandFactory;
    let mut command = crate::args::Cli::command();
    let call = command.find_subcommand_mut("call").map(|call| call.clone().bin_name(program.to_owned()));
    let text = call.map_or_else(String::new, |mut call| call.render_help().to_string());
    print(&text).map(|()| Outcome::SUCCESS)
}
