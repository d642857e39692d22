//! What was done once in a session is not done again.

use super::asked::{Askers, was_ended};
use rootlet_base::Digest;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A place for one answer; whoever asks meanwhile waits.
type Place<T> = Arc<(Arc<Askers>, Mutex<Option<T>>)>;

/// Answers by what they are answers to.
pub(super) struct Memo<T>(Mutex<HashMap<Digest, Place<T>>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Clone> Memo<T> {
    /// The answer for this key; made by the first who asks.
    pub fn get_or(&self, key: Digest, make: impl FnOnce() -> T) -> T {
        let made = self.get_or_try(key, || Ok::<T, std::convert::Infallible>(make()));
        made.unwrap_or_else(|never| match never {})
    }

    /// The same, of what may fail: that is not remembered, nor what was ended since nobody waited for it.
    pub fn get_or_try<E>(&self, key: Digest, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let place = lock(&self.0).entry(key).or_default().clone();
        let (askers, answer) = &*place;
        let _joined = askers.join();
        let mut answer = lock(answer);
        if let Some(known) = &*answer {
            return Ok(known.clone());
        }
        let made = make()?;
        if !was_ended() {
            *answer = Some(made.clone());
        }
        Ok(made)
    }

    /// The answer, if it is there or on its way.
    pub fn get(&self, key: Digest) -> Option<T> {
        let place = lock(&self.0).get(&key)?.clone();
        lock(&place.1).clone()
    }

    /// Forgets all.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// What plain data is known by.
pub(super) fn key(data: &impl Serialize) -> Digest {
    Digest::of(&serde_json::to_vec(data).expect("plain data has a JSON form"))
}
