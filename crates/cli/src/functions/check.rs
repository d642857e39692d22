//! `rootlet check`: all functions that are checks, at once.

use super::{Opened, described, kebab, open, told, within};
use crate::args::functions::{Check, How, ModuleArgs};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::output::print;
use crate::style::Style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rootlet::functions::schema::Function;
use rootlet::functions::{Engine, Failed, Module, Runtime};
use rootlet::spec::pipeline::{self, Call};
use rootlet::spec::printable;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a check prints is shown where it fails, and of that the end.
const KEPT: usize = 64 << 10;

/// How a check went.
struct Verdict {
    name: String,
    took: Duration,
    failure: Option<Failed>,
    printed: Vec<u8>,
}

/// `rootlet check`.
pub fn check(args: Check) -> Result<Outcome, Failure> {
    let options = args.options;
    let opened = open(&options.module)?;
    let Some(schema) = described(&opened, options.timeout)? else { return Ok(late()) };
    let main = schema.main_object();
    let all: Vec<Function> = main.functions.iter().filter(|function| function.check).cloned().collect();
    let chosen: Vec<Function> =
        all.iter().filter(|one| is_chosen(&args.patterns, &one.name)).cloned().collect();
    if chosen.is_empty() {
        return Err(nothing(&schema.name, &all));
    }
    if args.list {
        let lines = chosen.iter().map(|one| vec![kebab(&one.name), first_line(&one.doc)]);
        return print(&crate::output::table(&lines.collect::<Vec<_>>())).map(|()| Outcome::SUCCESS);
    }
    let begun = Instant::now();
    let Opened { module, engine, runtime } = opened;
    let live = Arc::new(Live::new(&options.module, options.json));
    let (shown, ended, of_engine) = (live.clone(), runtime.clone(), engine.clone());
    let verdicts =
        within(options.timeout, &ended, move || all_of(&module, &engine, &runtime, &chosen, &shown));
    live.end();
    let Some(mut verdicts) = verdicts else { return Ok(late()) };
    of_engine.end();
    verdicts.sort_by(|a, b| a.name.cmp(&b.name));
    if options.json {
        print(&as_json(&verdicts))?;
    }
    Ok(summary(&verdicts, begun.elapsed(), options.module.quiet))
}

fn late() -> Outcome {
    let text = Failure::new("the checks took longer than they may").text(Style::of(&stderr()));
    let _ = stderr().write_all(text.as_bytes());
    Outcome::TimedOut
}

fn nothing(module: &str, all: &[Function]) -> Failure {
    let failure = Failure::new(format!("{module} has no such check"));
    match all {
        [] => Failure::new(format!("{module} has no checks"))
            .hint("a function becomes one by `@check` below `@function`"),
        all => failure.hint(format!(
            "it has {}",
            all.iter().map(|one| kebab(&one.name)).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// As many at once as there are processors, and half of that more, since some wait.
fn all_of(
    module: &Module,
    engine: &Engine,
    runtime: &Runtime,
    chosen: &[Function],
    live: &Live,
) -> Vec<Verdict> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..(threads + threads.div_ceil(2)).min(chosen.len()) {
            scope.spawn(|| {
                while let Some(function) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bar = live.begin(&function.name);
                    let verdict = one(module, engine, runtime, function);
                    live.over(bar, &verdict);
                    verdicts.lock().unwrap_or_else(PoisonError::into_inner).push(verdict);
                }
            });
        }
    });
    verdicts.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn one(module: &Module, engine: &Engine, runtime: &Runtime, function: &Function) -> Verdict {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let heard = printed.clone();
    let runtime = runtime.printing_to(Arc::new(move |bytes: &[u8]| {
        let mut kept = heard.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
    }));
    let begun = Instant::now();
    let failure = holds(&module.with_runtime(runtime), engine, function).err();
    let printed = std::mem::take(&mut *printed.lock().unwrap_or_else(PoisonError::into_inner));
    Verdict { name: kebab(&function.name), took: begun.elapsed(), failure, printed }
}

/// A check holds when it gives something, but for `false`; what it gives lazily has to be made.
fn holds(module: &Module, engine: &Engine, function: &Function) -> Result<(), Failed> {
    let called = pipeline::Function { function: function.name.clone(), args: BTreeMap::new() };
    let call = Call { module: String::new(), on: None, constructor: BTreeMap::new(), calls: vec![called] };
    let value = module.call(engine, &call)?;
    match value["$"].as_str() {
        Some("Container" | "Directory" | "File") => engine.ask("sync", &value, &Map::new()).map(drop),
        _ if value == Value::Bool(false) => Err(Failed::query("it says false")),
        _ => Ok(()),
    }
}

fn as_json(verdicts: &[Verdict]) -> String {
    let all: Vec<Value> = verdicts
        .iter()
        .map(|one| {
            json!({
                "name": one.name, "passed": one.failure.is_none(), "seconds": one.took.as_secs_f64(),
                "failure": one.failure, "output": String::from_utf8_lossy(&one.printed),
            })
        })
        .collect();
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

/// What failed and why, and how many did.
fn summary(verdicts: &[Verdict], took: Duration, quiet: bool) -> Outcome {
    let (style, mut text) = (Style::of(&stderr()), String::new());
    let failed: Vec<&Verdict> = verdicts.iter().filter(|one| one.failure.is_some()).collect();
    for one in &failed {
        text += &format!("\n{} {}\n", style.error("✘"), one.name);
        let said = String::from_utf8_lossy(&one.printed);
        said.lines().for_each(|line| text += &format!("  | {}\n", printable(line)));
        text += &one.failure.as_ref().map_or_else(String::new, |failed| told(failed).text(style));
    }
    if !quiet {
        let counts = match failed.len() {
            0 => style.good(&format!("{} passed", verdicts.len())),
            bad => format!("{} passed, {}", verdicts.len() - bad, style.error(&format!("{bad} failed"))),
        };
        text += &format!(
            "{}checks: {counts} in {:.2}s\n",
            if failed.is_empty() { "" } else { "\n" },
            took.as_secs_f64()
        );
    }
    let _ = stderr().write_all(text.as_bytes());
    if failed.is_empty() { Outcome::SUCCESS } else { Outcome::Exited(1) }
}

fn is_chosen(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(&kebab(pattern), &kebab(name)))
}

/// `*` is any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, rest)) => name.strip_prefix(begin).is_some_and(|left| {
            let mut ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.any(|at| fits(rest, &left[at..]))
        }),
    }
}

fn first_line(doc: &str) -> String {
    printable(doc.trim().lines().next().unwrap_or_default()).into_owned()
}

/// What is seen while they run: a line for each that has ended, and, on a terminal, those that run.
struct Live {
    tree: Option<MultiProgress>,
    lines: bool,
}

impl Live {
    fn new(args: &ModuleArgs, json: bool) -> Self {
        let on_terminal = stderr().is_terminal() && std::env::var_os("CI").is_none();
        let tree = !args.quiet && (args.progress == How::Tree || (args.progress == How::Auto && on_terminal));
        let tree = tree.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15)));
        Self { tree, lines: !json }
    }

    fn begin(&self, name: &str) -> Option<ProgressBar> {
        let look = ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:.dim}");
        let bar = self.tree.as_ref()?.add(ProgressBar::new_spinner().with_style(look.ok()?));
        bar.set_prefix(kebab(name));
        bar.enable_steady_tick(Duration::from_millis(100));
        Some(bar)
    }

    fn over(&self, bar: Option<ProgressBar>, verdict: &Verdict) {
        bar.inspect(ProgressBar::finish_and_clear);
        if !self.lines {
            return;
        }
        let style = Style::of(&std::io::stdout());
        let word = if verdict.failure.is_none() { style.good("ok    ") } else { style.error("failed") };
        let line = format!("{word} {} ({:.2}s)\n", verdict.name, verdict.took.as_secs_f64());
        // Whoever no longer reads them sees how it ended by the status.
        let write = || drop(print(&line));
        match &self.tree {
            Some(tree) => tree.suspend(write),
            None => write(),
        }
    }

    fn end(&self) {
        if let Some(tree) = &self.tree {
            let _ = tree.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*-check", "uid-check", true),
            ("*i*", "uid-check", true),
            ("*x*", "uid-check", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
