//! The refusals so far: each once, counted, and what became of the process that got it.

use super::cause::Refusal;
use std::collections::{BTreeSet, HashMap};

/// Different refusals that are kept; what comes after is counted.
const MAX: usize = 1000;
/// What a process that failed was refused in so many of its last calls is taken for the reason.
const NEAR: u64 = 64;
/// What a process was refused in so many of its last calls is what it is still busy with.
const SOON: u64 = 8;
/// Who uses these does without where they are refused, as they are in most containers.
const OPTIONAL: &[&str] = &["io_uring_setup", "get_mempolicy", "set_mempolicy", "mbind", "move_pages"];
/// The last refusals of a process that are remembered until it ends.
const REMEMBERED: usize = 64;

/// What is the same in refusals that are told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub program: Vec<u8>,
    /// Of the thread.
    pub name: String,
    pub call: u64,
    pub errno: i32,
    pub paths: Vec<Vec<u8>>,
    pub detail: u64,
}

/// The refusals of a command.
#[derive(Debug, Default)]
pub struct Log {
    refusals: Vec<(Refusal, Fate)>,
    index: HashMap<Key, usize>,
    /// By process: which refusal, by which thread, in its how manyth call; `u64::MAX`: it bears on all that the process does.
    open: HashMap<i32, Vec<(usize, i32, u64)>>,
    /// By process: what it looked at and may not have liked, by which thread, in its how manyth call.
    looked: HashMap<i32, (Refusal, i32, u64)>,
    not_kept: u64,
    not_seen: BTreeSet<String>,
    blind: bool,
    over: bool,
}

/// What became of the process that was refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It failed so many calls later.
    Failed(u64),
    /// The command ended before it, so that nobody saw what it made of it.
    Unseen(u64),
    /// It ended well, or went on to the end of the command.
    WentOn,
}

impl Log {
    /// Counts one that is known already.
    pub fn again(&mut self, key: &Key, process: i32, tid: i32, calls: u64) -> bool {
        let Some(&at) = self.index.get(key) else { return false };
        self.refusals[at].0.count += 1;
        self.remember(at, process, tid, calls);
        true
    }

    pub fn is_full(&mut self) -> bool {
        if self.refusals.len() < MAX {
            return false;
        }
        self.not_kept += 1;
        true
    }

    pub fn add(&mut self, key: Key, refusal: Refusal, process: i32, tid: i32, calls: u64) {
        let at = self.refusals.len();
        self.refusals.push((refusal, Fate::WentOn));
        self.index.insert(key, at);
        self.remember(at, process, tid, calls);
    }

    /// The command has ended, or its tracer has; `calls` says how many a thread that is left has made.
    pub fn end(&mut self, calls: impl Fn(i32) -> Option<u64>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        for (at, by, call) in self.open.values().flatten() {
            if let Some(since) =
                calls(*by).and_then(|calls| calls.checked_sub(*call)).filter(|since| *since < SOON)
            {
                let fate = &mut self.refusals[*at].1;
                *fate = (*fate).min(Fate::Unseen(since));
            }
        }
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What this explanation cannot see.
    pub fn not_seen(&mut self, what: String) {
        if self.not_seen.len() < 100 {
            self.not_seen.insert(what);
        }
    }

    /// Nobody here may see which program a process runs.
    pub fn blind(&mut self) {
        self.blind = true;
    }

    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// A process looked at what it may not like; it went well.
    pub fn looked(&mut self, refusal: Refusal, process: i32, tid: i32, calls: u64) {
        self.looked.insert(process, (refusal, tid, calls));
    }

    fn remember(&mut self, at: usize, process: i32, tid: i32, calls: u64) {
        let open = self.open.entry(process).or_default();
        open.retain(|(known, ..)| *known != at);
        if open.len() == REMEMBERED {
            open.remove(0);
        }
        open.push((at, tid, calls));
    }

    /// A thread ended, after so many calls; with its first one, the process.
    pub fn ended(&mut self, tid: i32, calls: u64, failed: bool) {
        let looked = self.looked.remove(&tid).filter(|(_, by, at)| *by == tid && calls <= at + NEAR);
        let Some(open) = self.open.remove(&tid) else {
            // Nobody refused it anything.
            let looked = looked.filter(|_| failed && self.refusals.len() < MAX);
            self.refusals.extend(looked.map(|(refusal, ..)| (refusal, Fate::Failed(0))));
            return;
        };
        if !failed {
            return;
        }
        // Another thread's calls are not comparable; what it was refused is near.
        let since = |by: i32, at: u64| match at {
            u64::MAX => 0,
            _ if by != tid => 1,
            at => 1 + calls.saturating_sub(at),
        };
        let did_without = |at: usize, by: i32, call: u64| {
            let name = self.refusals[at].0.call.split('(').next().unwrap_or_default();
            OPTIONAL.contains(&name) && (by != tid || since(by, call) > SOON)
        };
        let open: Vec<_> = open.into_iter().filter(|&(at, by, call)| !did_without(at, by, call)).collect();
        let nearest =
            open.iter().map(|&(_, by, at)| since(by, at)).filter(|since| *since > 0).min().unwrap_or(0);
        for (at, by, call) in open {
            let since = since(by, call);
            if since <= NEAR || since == nearest {
                let fate = &mut self.refusals[at].1;
                *fate = (*fate).min(Fate::Failed(since));
            }
        }
    }

    /// All of them, those that made the command fail first, the last of these before the others; and what was not seen.
    pub fn told(&self, failed: bool) -> (Vec<Refusal>, Vec<String>) {
        let explains = |fate: &Fate| matches!(fate, Fate::Failed(_));
        let is_explained = self.refusals.iter().any(|(_, fate)| explains(fate));
        // What is not known to be the reason is told as one where there is no other.
        let since = |fate: &Fate| match fate {
            Fate::Failed(since) => Some(*since),
            Fate::Unseen(since) if !is_explained => Some(*since),
            _ => None,
        };
        let mut all: Vec<_> = self.refusals.iter().enumerate().collect();
        all.sort_by_key(|(i, (_, fate))| match since(fate).filter(|_| failed) {
            Some(since) => (0, since, usize::MAX - i),
            None => (1, 0, *i),
        });
        let refusals = all.into_iter().map(|(_, (refusal, fate))| {
            let mut refusal = refusal.clone();
            refusal.handled = !failed || since(fate).is_none();
            refusal
        });
        let mut not_seen: Vec<String> = self.not_seen.iter().cloned().collect();
        if self.not_kept > 0 {
            not_seen.push(format!("{} refusals beyond the first {MAX} different ones", self.not_kept));
        }
        (refusals.collect(), not_seen)
    }
}
