//! The words of a call, function by function: each takes its own options, and the next name begins the next one.

use super::core::{self, CoreFunction};
use super::flags::Reader;
use super::{is_called, kebab};
use crate::args::functions::CallOptions;
use crate::failure::Failure;
use clap::{ArgMatches, Args as _, Command};
use rootlet::functions::schema::{Arg, Function, Object, Schema, Type};
use rootlet::spec::pipeline::{self, Call};
use rootlet::spec::similar::nearest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// What is to be called.
pub struct Chain {
    pub call: Call,
    /// Functions of the API upon what that gives.
    pub core: Vec<(CoreFunction, BTreeMap<String, Value>)>,
    /// What all of it gives.
    pub returns: Type,
}

/// What the words say.
pub enum Said {
    /// To be called.
    Chain(Box<Chain>),
    /// Help was asked for: this.
    Help(String),
}

/// What words are refused for.
pub enum Refused {
    /// An option.
    Option(Box<clap::Error>),
    /// Something else.
    Other(Failure),
}

/// What a level of words is about.
enum On<'a> {
    /// The main object is to be made, or an object has been given.
    Object(&'a Object),
    /// A type that the API knows.
    Core(String),
    /// Nothing can be called on it.
    Other(Type),
}

/// Something that can be called next.
enum Next<'a> {
    Function(&'a Function),
    Field(Type, String),
    Core(CoreFunction),
}

impl Next<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Function(function) => &function.name,
            Self::Field(_, name) => name,
            Self::Core(function) => &function.name,
        }
    }

    fn args(&self) -> &[Arg] {
        match self {
            Self::Function(function) => &function.args,
            Self::Field(..) => &[],
            Self::Core(function) => &function.args,
        }
    }

    fn doc(&self) -> &str {
        match self {
            Self::Function(function) => &function.doc,
            Self::Field(..) => "",
            Self::Core(function) => &function.doc,
        }
    }

    fn returns(&self) -> &Type {
        match self {
            Self::Function(function) => &function.returns,
            Self::Field(kind, _) => kind,
            Self::Core(function) => &function.returns,
        }
    }
}

/// Reads the words of a call. Options that every level takes end up in `options`.
pub fn read(
    program: &str,
    schema: &Schema,
    reader: &Reader,
    words: &[OsString],
    options: &mut CallOptions,
) -> Result<Said, Refused> {
    let main = schema.main_object();
    let doc = [schema.doc.as_str(), &main.doc].into_iter().find(|doc| !doc.is_empty()).unwrap_or_default();
    let mut line = vec![program.to_owned()];
    let mut on = On::Object(&main);
    let mut level = matches(&line, doc, &main.constructor, &on, reader, words, options)?;
    let Level::Said(matches_of, mut rest) = level else { return Ok(help(level)) };
    let constructor = reader.values(&main.constructor, &matches_of);
    let call = Call { module: String::new(), on: None, constructor, calls: Vec::new() };
    let mut chain = Chain { call, core: Vec::new(), returns: Type::Named(schema.main.clone()) };
    while let Some((name, words)) = rest {
        let next = find(schema, &on, &name)?;
        line.push(kebab(next.name()));
        on = after(schema, next.returns());
        level = matches(&line, next.doc(), next.args(), &on, reader, &words, options)?;
        let Level::Said(matches_of, more) = level else { return Ok(help(level)) };
        rest = more;
        let args = reader.values(next.args(), &matches_of);
        // On a list it is called on each.
        chain.returns = chain.returns.of_each(next.returns().clone());
        match next {
            Next::Core(function) => chain.core.push((function, args)),
            next => chain.call.calls.push(pipeline::Function { function: next.name().to_owned(), args }),
        }
    }
    Ok(Said::Chain(Box::new(chain)))
}

/// The words of one function.
enum Level {
    /// Its options, and the next function with its words.
    Said(ArgMatches, Option<(String, Vec<OsString>)>),
    Help(String),
}

fn help(level: Level) -> Said {
    match level {
        Level::Help(text) => Said::Help(text),
        Level::Said(..) => Said::Help(String::new()),
    }
}

fn matches(
    line: &[String],
    doc: &str,
    args: &[Arg],
    on: &On<'_>,
    reader: &Reader,
    words: &[OsString],
    options: &mut CallOptions,
) -> Result<Level, Refused> {
    let functions = offered(on);
    let mut command = Command::new(line.join(" "))
        .bin_name(line.join(" "))
        .about(doc.trim().to_owned())
        .no_binary_name(true)
        .allow_external_subcommands(true)
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .max_term_width(100)
        .override_usage(usage(line, !args.is_empty(), &functions))
        .args(args.iter().map(|arg| {
            let option = reader.option(arg);
            // Whoever asks for help does not know them yet; who does not is told by the module.
            if asks_help(words) { option.required(false) } else { option }
        }));
    if let Some(list) = listed(&functions) {
        command = command.after_help(list);
    }
    // A function's own name for something goes before the command's.
    let own = |long: Option<&str>| long.is_some_and(|long| args.iter().any(|arg| kebab(&arg.name) == long));
    let common = CallOptions::augment_args(Command::new(""));
    let shown = ["json", "output", "timeout", "quiet", "progress"];
    let common =
        common.get_arguments().filter(|arg| shown.contains(&arg.get_id().as_str()) && !own(arg.get_long()));
    command = command.args(common.cloned().map(|arg| arg.help_heading("Options")));
    if !own(Some("help")) {
        let help = clap::Arg::new("help").short('h').long("help").action(clap::ArgAction::HelpShort);
        command = command.arg(help.help("Print help").help_heading("Options"));
    }
    let mut matches = match command.try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Level::Help(error.render().to_string())),
        Err(error) => return Err(Refused::Option(Box::new(error))),
    };
    take(&mut matches, options, &own);
    let rest = matches
        .remove_subcommand()
        .map(|(name, mut inner)| (name, inner.remove_many::<OsString>("").into_iter().flatten().collect()));
    Ok(Level::Said(matches, rest))
}

fn asks_help(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--help" || word == "-h")
}

/// The options that every level takes, as far as they were said here.
fn take(matches: &mut ArgMatches, options: &mut CallOptions, own: &dyn Fn(Option<&str>) -> bool) {
    let said = |matches: &ArgMatches, id: &str| {
        !own(Some(id)) && matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    };
    if said(matches, "json") {
        options.json = true;
    }
    if said(matches, "quiet") {
        options.module.quiet = true;
    }
    if said(matches, "output") {
        options.output = matches.remove_one("output");
    }
    if said(matches, "timeout") {
        options.timeout = matches.remove_one("timeout");
    }
    if said(matches, "progress")
        && let Some(how) = matches.remove_one("progress")
    {
        options.module.progress = how;
    }
}

/// What a type is to the next level.
fn after<'a>(schema: &'a Schema, returns: &Type) -> On<'a> {
    match returns.element().name() {
        Some(name) => match schema.object(name) {
            Some(object) => On::Object(object),
            None if !core::functions(name).is_empty() => On::Core(name.to_owned()),
            None => On::Other(returns.clone()),
        },
        None => On::Other(returns.clone()),
    }
}

fn offered<'a>(on: &On<'a>) -> Vec<Next<'a>> {
    match on {
        On::Object(object) => {
            let functions = object.functions.iter().map(Next::Function);
            let fields =
                object.fields.iter().map(|field| Next::Field(field.kind.clone(), field.name.clone()));
            functions.chain(fields).collect()
        }
        On::Core(name) => core::functions(name).into_iter().map(Next::Core).collect(),
        On::Other(_) => Vec::new(),
    }
}

fn find<'a>(schema: &Schema, on: &On<'a>, name: &str) -> Result<Next<'a>, Refused> {
    let all = offered(on);
    let names: Vec<String> = all.iter().map(|next| kebab(next.name())).collect();
    let wanted = kebab(name);
    // What is called just so goes before what Dagger would call so.
    let exact = all.iter().position(|next| kebab(next.name()) == wanted);
    if let Some(at) = exact.or_else(|| all.iter().position(|next| is_called(next.name(), name))) {
        return Ok(all.into_iter().nth(at).expect("it was just found"));
    }
    let failure = match on {
        On::Other(kind) => {
            Failure::new(format!("nothing can be called on what gives {kind}: `{name}` is no function"))
        }
        On::Object(object) => {
            let of = if object.name == schema.main { &schema.name } else { &object.name };
            Failure::new(format!("{of} has no function `{name}`"))
        }
        On::Core(kind) => Failure::new(format!("a {kind} has no function `{name}`")),
    };
    Err(Refused::Other(match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if names.is_empty() => failure,
        None if names.len() <= 12 => failure.hint(format!("there are {}", names.join(", "))),
        None => failure.hint("--help lists them"),
    }))
}

fn usage(line: &[String], has_args: bool, functions: &[Next<'_>]) -> String {
    let args = if has_args { " [ARGUMENTS]" } else { "" };
    let next = if functions.is_empty() { "" } else { " [FUNCTION [ARGUMENTS]]..." };
    format!("{} [OPTIONS]{args}{next}", line.join(" "))
}

/// The functions that can follow, for the end of a help text.
fn listed(functions: &[Next<'_>]) -> Option<String> {
    let width = functions.iter().map(|next| next.name().len()).max()?;
    let lines = functions.iter().map(|next| {
        let first = next.doc().trim().lines().next().unwrap_or_default();
        format!("  {:width$}  {first}", kebab(next.name())).trim_end().to_owned()
    });
    Some(format!("Functions:\n{}", lines.collect::<Vec<_>>().join("\n")))
}
