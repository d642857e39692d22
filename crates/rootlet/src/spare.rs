//! One rootlet ahead. Tests ask for the same root again and again: from the second time on, the next one is begun while
//! the command of this one runs, so that whoever asks finds it made.

use rootlet_kernel::{Coming, Init, Nursery, Plan, SpawnError};
use std::sync::{Mutex, PoisonError};

/// The rootlet that is ahead, of the plan that was asked for last.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Option<(Plan, Option<Coming>)>>);

impl Spare {
    /// A rootlet of `plan`: the one that is ahead, else a new one. Nobody waits for the next; where it fails, it does so
    /// again for whoever wants it.
    pub fn spawn(&self, nursery: &Nursery, plan: Plan) -> Result<Init, SpawnError> {
        let (again, coming) = self.take(&plan);
        // It may have been killed while it waited.
        let ahead = coming.and_then(|coming| nursery.finish(coming).ok()).filter(Init::is_alive);
        let init = match ahead {
            Some(init) => init,
            None => nursery.spawn(&plan)?,
        };
        self.refill(nursery, plan, again);
        Ok(init)
    }

    /// Whether `plan` is the one that was asked for last, and the rootlet of it.
    fn take(&self, plan: &Plan) -> (bool, Option<Coming>) {
        match &mut *self.lock() {
            Some((last, coming)) if last == plan => (true, coming.take()),
            _ => (false, None),
        }
    }

    fn refill(&self, nursery: &Nursery, plan: Plan, again: bool) {
        let mut ahead = self.lock();
        let is_there = ahead.as_ref().is_some_and(|(last, coming)| *last == plan && coming.is_some());
        if !is_there {
            let next = if again { nursery.begin(&plan).ok() } else { None };
            *ahead = Some((plan, next));
        }
    }

    /// Ends the one that is ahead.
    pub fn end(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Plan, Option<Coming>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
