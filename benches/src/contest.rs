//! Competitors that take turns. On a machine that others use too, only what ran in the same moments can be compared:
//! every round runs each competitor once, and the order turns with the rounds.

use crate::Result;
use std::time::{Duration, Instant};

/// Something that can be done again and again.
pub struct Competitor<'a> {
    name: String,
    /// Does it once, and says how long it took.
    act: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

impl<'a> Competitor<'a> {
    /// One that is timed from outside.
    pub fn new(name: impl Into<String>, mut act: impl FnMut() -> Result<()> + 'a) -> Self {
        Self::timed(name, move || {
            let begin = Instant::now();
            act()?;
            Ok(begin.elapsed())
        })
    }

    /// One that says itself how long it took.
    pub fn timed(name: impl Into<String>, act: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self { name: name.into(), act: Box::new(act) }
    }
}

/// Runs all competitors, round by round; the times of each, in the order in which they were given.
pub fn compete(rounds: usize, mut competitors: Vec<Competitor<'_>>) -> Result<Vec<Times>> {
    let mut times = vec![Vec::with_capacity(rounds); competitors.len()];
    // The first rounds fill caches and start what is started once.
    let warm_up = (rounds / 10).clamp(1, 20);
    for round in 0..warm_up + rounds {
        for turn in 0..competitors.len() {
            let i = (turn + round) % competitors.len();
            let competitor = &mut competitors[i];
            let took = (competitor.act)().map_err(|e| format!("{}: {e}", competitor.name))?;
            if round >= warm_up {
                times[i].push(took);
            }
        }
    }
    Ok(times.into_iter().map(Times::new).collect())
}

/// How long something took, many times.
#[derive(Clone, Debug)]
pub struct Times {
    sorted: Vec<Duration>,
}

impl Times {
    /// Of these measurements, at least one.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { sorted: times }
    }

    /// The same with each changed.
    pub fn map(&self, change: impl FnMut(Duration) -> Duration) -> Self {
        Self::new(self.sorted.iter().copied().map(change).collect())
    }

    /// The time that this part of all was under.
    pub fn quantile(&self, part: f64) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
    }

    /// The time in the middle.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }
}
