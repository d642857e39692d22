//! What all commands of a rootlet were refused: while a test runs, nobody knows which of them will matter.

use super::{Refusal, Tracing, Why};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A command that is traced, and how it ended as soon as whoever waits for it has heard.
#[derive(Debug)]
pub(crate) struct Traced {
    tracing: Tracing,
    succeeded: OnceLock<bool>,
}

impl Traced {
    /// Its end was heard of.
    pub fn ended(&self, succeeded: bool) {
        let _again = self.succeeded.set(succeeded);
    }
}

/// All commands of a rootlet, in the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Mutex<Vec<Arc<Traced>>>);

impl Gathered {
    pub fn add(&self, tracing: Tracing) -> Arc<Traced> {
        let traced = Arc::new(Traced { tracing, succeeded: OnceLock::new() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(traced.clone());
        traced
    }

    /// What made commands fail, that of the last one first; then what programs were prepared for. The same is told once.
    pub fn why(&self) -> Why {
        let commands = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = Why::default();
        for command in commands.iter().rev() {
            add(&mut all, command.tracing.why(command.succeeded.get().copied()));
        }
        all.refusals.sort_by_key(|refusal| refusal.handled);
        all
    }
}

fn add(all: &mut Why, one: Why) {
    for refusal in one.refusals {
        match all.refusals.iter_mut().find(|known| is_same(known, &refusal)) {
            Some(known) => {
                known.count += refusal.count;
                known.handled &= refusal.handled;
            }
            None => all.refusals.push(refusal),
        }
    }
    for sentence in one.not_seen {
        if !all.not_seen.contains(&sentence) {
            all.not_seen.push(sentence);
        }
    }
}

fn is_same(one: &Refusal, other: &Refusal) -> bool {
    let what = |r: &Refusal| (r.cause, r.who.fsuid);
    let words = |r: &Refusal| [r.program.clone(), r.call.clone(), r.errno.clone()];
    what(one) == what(other) && one.path == other.path && words(one) == words(other)
}
