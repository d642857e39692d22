//! Progress: a tree on a terminal, plain lines elsewhere. All of it goes to standard error.

use crate::args::functions::{How, ModuleArgs};
use crate::style::Style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rootlet::functions::{Hears, Outcome, Printed, Silent};
use rootlet::spec::printable;
use std::collections::HashMap;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a step that says nothing is shown to be alive.
const TICK: Duration = Duration::from_millis(100);

/// Whoever tells how far a call is.
pub struct Progress {
    shown: Option<Arc<Shown>>,
}

/// Steps that are shown.
pub struct Shown {
    tree: Option<MultiProgress>,
    silent: AtomicBool,
    steps: Mutex<HashMap<u64, Step>>,
}

struct Step {
    what: String,
    bar: Option<ProgressBar>,
    /// Of a line that is not finished.
    rest: String,
}

/// As it is asked for.
pub fn progress(args: &ModuleArgs) -> Progress {
    let tree = match args.progress {
        How::Auto => stderr().is_terminal() && std::env::var_os("CI").is_none(),
        How::Tree => true,
        How::Plain => false,
    };
    let tree = tree.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15)));
    let shown = Shown { tree, silent: AtomicBool::new(false), steps: Mutex::default() };
    Progress { shown: (!args.quiet).then(|| Arc::new(shown)) }
}

impl Progress {
    /// Whoever hears of the steps.
    pub fn hears(&self) -> Arc<dyn Hears> {
        match &self.shown {
            Some(shown) => shown.clone(),
            None => Arc::new(Silent),
        }
    }

    /// The tree, for what is shown in it besides.
    pub fn tree(&self) -> Option<&MultiProgress> {
        self.shown.as_ref()?.tree.as_ref()
    }

    /// Where what modules print goes: above a tree, else straight to standard error.
    pub fn printed(&self) -> Option<Printed> {
        let shown = self.shown.clone()?;
        shown.tree.as_ref()?;
        Some(Arc::new(move |bytes| {
            let write = || drop(stderr().write_all(bytes));
            match &shown.tree {
                Some(tree) => tree.suspend(write),
                None => write(),
            }
        }))
    }

    /// It was said later that nothing is to be shown.
    pub fn silence(&self, quiet: bool) {
        if let Some(shown) = &self.shown {
            shown.silent.store(quiet, Ordering::Relaxed);
        }
    }

    /// Nothing is shown any more.
    pub fn end(&self) {
        if let Some(shown) = &self.shown {
            shown.silent.store(true, Ordering::Relaxed);
            shown.steps().drain().filter_map(|(_, step)| step.bar).for_each(|bar| bar.finish_and_clear());
        }
    }
}

impl Shown {
    fn steps(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Step>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// A line above the tree, if there is one. Nobody has to read it.
    fn line(&self, text: &str) {
        let write = || drop(writeln!(stderr(), "{text}"));
        match &self.tree {
            Some(tree) => tree.suspend(write),
            None => write(),
        }
    }
}

impl Hears for Shown {
    fn begin(&self, id: u64, what: &str) {
        if self.is_silent() {
            return;
        }
        let what = printable(what).into_owned();
        let bar = self.tree.as_ref().map(|tree| {
            let look =
                ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:.dim} {wide_msg:.dim}");
            let bar =
                tree.add(ProgressBar::new_spinner().with_style(look.expect("the template is a constant")));
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(TICK);
            bar
        });
        if bar.is_none() {
            self.line(&format!("{id}: {what}"));
        }
        self.steps().insert(id, Step { what, bar, rest: String::new() });
    }

    fn said(&self, id: u64, bytes: &[u8]) {
        let mut steps = self.steps();
        let Some(step) = steps.get_mut(&id).filter(|_| !self.is_silent()) else { return };
        step.rest += &String::from_utf8_lossy(bytes);
        let Some(end) = step.rest.rfind('\n') else { return };
        let whole: String = step.rest.drain(..=end).collect();
        match &step.bar {
            // The last line says most.
            Some(bar) => {
                bar.set_message(whole.lines().next_back().map(printable).unwrap_or_default().into_owned())
            }
            None => whole.lines().for_each(|line| self.line(&format!("{id}: | {}", printable(line)))),
        }
    }

    fn end(&self, id: u64, outcome: Outcome, took: Duration) {
        let Some(step) = self.steps().remove(&id) else { return };
        let style = Style::of(&stderr());
        let (sign, word) = match outcome {
            Outcome::Done => (style.good("✔"), format!("{:.1}s", took.as_secs_f64())),
            Outcome::Cached => (style.good("✔"), "cached".to_owned()),
            Outcome::Failed => (style.error("✘"), format!("failed after {:.1}s", took.as_secs_f64())),
        };
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
        }
        if self.is_silent() {
            return;
        }
        match step.bar {
            Some(_) => self.line(&format!("{sign} {} {word}", step.what)),
            None => {
                if !step.rest.is_empty() {
                    self.line(&format!("{id}: | {}", printable(&step.rest)));
                }
                self.line(&format!(
                    "{id}: {}",
                    if outcome == Outcome::Done { format!("done in {word}") } else { word }
                ));
            }
        }
    }
}
