//! Who hears what is being done.

use std::time::Duration;

/// Hears of the steps of containers, from several threads. A step is told once it is done; nothing is told of one that was done before.
pub trait Hears: Send + Sync {
    /// A step begins. `id` is the same in the calls that follow; `what` is safe to print.
    fn begin(&self, id: u64, what: &str) {
        let _ = (id, what);
    }
    /// It has said something: bytes of its standard output or error, secrets taken out.
    fn said(&self, id: u64, bytes: &[u8]) {
        let _ = (id, bytes);
    }
    /// It is over.
    fn end(&self, id: u64, outcome: Outcome, took: Duration) {
        let _ = (id, outcome, took);
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was in the store.
    Cached,
    /// It failed.
    Failed,
}

/// Nobody hears.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Hears for Silent {}
