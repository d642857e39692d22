//! What was done once in a session is not done again.

use rootlet_base::Digest;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A place for one answer; whoever asks meanwhile waits.
type Place<T> = Arc<Mutex<Option<T>>>;

/// Answers by what they are answers to.
pub(super) struct Memo<T>(Mutex<HashMap<Digest, Place<T>>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Memo<T> {
    /// The answer for this key; made by the first who asks.
    pub fn get_or(&self, key: Digest, make: impl FnOnce() -> T) -> T {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.get_or_insert_with(make).clone()
    }

    /// The same, of what may fail: that is not remembered.
    pub fn get_or_try<E>(&self, key: Digest, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match &*place {
            Some(known) => Ok(known.clone()),
            None => Ok(place.insert(make()?).clone()),
        }
    }

    /// The answer, if it is there or on its way.
    pub fn get(&self, key: Digest) -> Option<T> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key)?.clone();
        place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What plain data is known by.
pub(super) fn key(data: &impl Serialize) -> Digest {
    Digest::of(&serde_json::to_vec(data).expect("plain data has a JSON form"))
}
