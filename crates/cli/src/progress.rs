//! How far a pull is: a bar for each layer on a terminal, nothing elsewhere.

use crate::style::Style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rootlet::base::{Progress, Step};
use rootlet::spec::printable;
use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often something that says nothing is shown to be alive.
const TICK: Duration = Duration::from_millis(200);

/// Bars on standard error. None is made before there is something to show: most runs find their base in the store.
pub struct Bars {
    shown: bool,
    all: MultiProgress,
    one: Mutex<HashMap<(String, Step), ProgressBar>>,
}

impl Bars {
    /// With `quiet`, or where standard error is no terminal, only notes are shown, and with `quiet` not even these.
    pub fn new(quiet: bool) -> Option<Arc<Self>> {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        (!quiet).then(|| Arc::new(Self { shown: stderr().is_terminal(), all, one: Mutex::default() }))
    }

    /// Bars that are part of something larger, which is shown already.
    pub fn within(all: &MultiProgress) -> Arc<Self> {
        Arc::new(Self { shown: true, all: all.clone(), one: Mutex::default() })
    }

    fn with(&self, id: &str, step: Step, act: impl FnOnce(&ProgressBar)) {
        let bars = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.get(&(id.to_owned(), step)) {
            act(bar);
        }
    }
}

impl Progress for Bars {
    fn begin(&self, id: &str, step: Step, total: Option<u64>) {
        if !self.shown {
            return;
        }
        let mut bars = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        if bars.is_empty() && self.all.is_hidden() {
            self.all.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        let bar = self.all.add(ProgressBar::new(total.unwrap_or(0)).with_style(look(step, total.is_some())));
        if step == Step::SetUp {
            bar.enable_steady_tick(TICK);
        }
        bar.set_prefix(format!("{} {}", verb(step), short(id)));
        if let Some(earlier) = bars.insert((id.to_owned(), step), bar) {
            earlier.finish_and_clear();
        }
    }

    fn advance(&self, id: &str, step: Step, done: u64) {
        self.with(id, step, |bar| bar.set_position(done));
    }

    fn end(&self, id: &str, step: Step) {
        self.with(id, step, ProgressBar::finish_and_clear);
    }

    fn note(&self, text: &str) {
        let line = format!("{} {}", Style::of(&stderr()).hint("note:"), printable(text));
        // Above the bars, where there are some.
        self.all.suspend(|| eprintln!("{line}"));
    }
}

fn look(step: Step, total_known: bool) -> ProgressStyle {
    let template = match total_known {
        _ if step == Step::SetUp => "{prefix:24} {spinner} {elapsed}",
        true => "{prefix:24} {bar:30} {bytes:>10}/{total_bytes:<10} {bytes_per_sec}",
        false => "{prefix:24} {spinner} {bytes:>10} {bytes_per_sec}",
    };
    ProgressStyle::with_template(template).expect("the template is a constant").progress_chars("=> ")
}

fn verb(step: Step) -> &'static str {
    match step {
        Step::Download => "downloading",
        Step::Unpack => "unpacking",
        Step::Read => "reading",
        Step::Pack => "packing",
        Step::Upload => "uploading",
        Step::SetUp => "running",
    }
}

/// A digest by its first twelve digits, as docker shows it; of a path the end; all made safe.
fn short(id: &str) -> String {
    let id = match id.strip_prefix("sha256:") {
        Some(hex) => hex.get(..12).unwrap_or(hex),
        None => id.rsplit('/').next().unwrap_or(id),
    };
    printable(id).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_safe() {
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short("tar:/a/b/root.tar.gz"), "root.tar.gz");
        assert_eq!(short("x\x1b[2J"), "x\\x1b[2J");
    }
}
