//! What is kept besides bases, each made once: `made/KIND/KEY`, a directory. It can be made again at any time.

use super::staging::remove_tree;
use super::{Locked, Removed, Store, encode, entries, last_used, make_directories};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// What is in use, by where it is.
pub(super) type InUse = Mutex<HashMap<PathBuf, Locked>>;

impl Store {
    /// The directory of a key, which `make` fills where it is not there yet. Another one who makes the same at once gets the first
    /// one's. It stays as long as this store is open.
    ///
    /// # Errors
    /// What `make` says; the store cannot be written.
    ///
    /// # Locking
    /// Shared on `locks/gc`, while what was made finds its place; shared on that, as long as the store is open.
    pub fn made<E: From<Error>>(
        &self,
        kind: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        if let Some(known) = self.known_made(kind, key) {
            return Ok(known);
        }
        let mut beside = self.stage()?;
        make(beside.path())?;
        let place = self.place_of(kind, key);
        let parent = place.parent().unwrap_or(self.path());
        make_directories(parent).map_err(|e| Error::io(format!("failed to make {}", parent.display()), e))?;
        // Nobody collects it before it is in use.
        let _sweep = Locked::shared_or_made(&self.lock_file("gc"))?;
        match beside.settle(&place) {
            Err(_) if place.is_dir() => {}
            settled => settled?,
        }
        match self.known_made(kind, key) {
            Some(place) => Ok(place),
            None => {
                let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
                Err(Error::io(format!("failed to use {}", place.display()), gone).into())
            }
        }
    }

    /// The directory of a key, if it was made; it counts as used now, and stays as long as this store is open.
    ///
    /// # Locking
    /// Shared on it, as long as the store is open; waits for who is about to remove it.
    pub fn known_made(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let place = self.place_of(kind, key);
        let mut in_use = self.in_use();
        if !in_use.contains_key(&place) {
            in_use.insert(place.clone(), Locked::shared(&place).ok()??);
        }
        in_use.get(&place)?.file().set_modified(SystemTime::now()).ok()?;
        Some(place)
    }

    /// Forgets it: it is out of the way at once, for others as well.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_made(&self, kind: &str, key: &str) -> Result<()> {
        let place = self.place_of(kind, key);
        self.in_use().remove(&place);
        match self.set_aside(&place) {
            Ok(aside) => remove_tree(&aside),
            Err(e) if place.exists() => Err(e),
            Err(_) => Ok(()),
        }
    }

    fn in_use(&self) -> MutexGuard<'_, HashMap<PathBuf, Locked>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what nobody uses, nor has within `keep_recent`.
    ///
    /// # Locking
    /// Exclusive on each, until it is out of the way.
    pub(super) fn sweep_made(&self, keep_recent: Duration, removed: &mut Removed) -> Result<()> {
        for kind in entries(&self.path().join("made"))? {
            let old = |place: &PathBuf| last_used(place).elapsed().unwrap_or_default() >= keep_recent;
            for place in entries(&kind)?.into_iter().filter(old) {
                // Somebody may have used it since it was looked at.
                let Some(_lock) = Locked::try_exclusive(&place)?.filter(|_| old(&place)) else { continue };
                let gone = self.set_aside(&place).and_then(|aside| remove_tree(&aside));
                removed.problems.extend(gone.err());
            }
        }
        Ok(())
    }

    fn place_of(&self, kind: &str, key: &str) -> PathBuf {
        self.path().join("made").join(encode(kind)).join(encode(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, GcOptions};
    use std::fs::{self, File};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[test]
    fn it_is_made_once_and_collected_when_old() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(scratch.path().join("store")).unwrap();
        let make = |directory: &Path| -> Result<()> {
            fs::write(directory.join("file"), "1").unwrap();
            Ok(())
        };
        let place = store.made("kind", "a/b", make).unwrap();
        assert_eq!(store.made("kind", "a/b", |_| -> Result<()> { panic!("made twice") }).unwrap(), place);
        let refused = |_: &Path| Err(Error::new(ErrorKind::NotFound, "no"));
        assert!(store.made("kind", "other", refused).is_err());
        assert_eq!(store.known_made("kind", "other"), None);
        assert_eq!(entries(&store.tmp()).unwrap(), [""; 0].map(PathBuf::from));

        let other = Store::open(store.path()).unwrap();
        let collects = || other.gc(GcOptions::default()).unwrap();
        collects();
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "1");
        File::open(&place).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        // It is in use.
        collects();
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "1");
        drop(store);
        collects();
        assert!(!place.exists());
    }

    #[test]
    fn what_is_in_use_is_never_collected() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("store");
        let all = GcOptions { keep_recent: Duration::ZERO };
        let make = |directory: &Path| -> Result<()> {
            fs::write(directory.join("file"), "1").unwrap();
            Ok(())
        };
        let store = Store::open(&path).unwrap();
        let over = AtomicBool::new(false);
        let (made, users) = (AtomicUsize::new(0), 2);
        std::thread::scope(|scope| {
            let uses = || {
                // Until it was collected in between, however long the others are not let run.
                let collected = || made.load(Ordering::Relaxed) > users;
                for _ in (0..100_000).take_while(|round| *round < 200 || !collected()) {
                    let store = Store::open(&path).unwrap();
                    let counted = |directory: &Path| {
                        made.fetch_add(1, Ordering::Relaxed);
                        make(directory)
                    };
                    let place = store.made("kind", "key", counted).unwrap();
                    assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "1");
                    std::thread::yield_now();
                    assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "1");
                }
            };
            let using: Vec<_> = (0..users).map(|_| scope.spawn(uses)).collect();
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert!(store.gc(all).unwrap().problems.is_empty());
                }
            });
            let done: Vec<_> = using.into_iter().map(|user| user.join()).collect();
            over.store(true, Ordering::Relaxed);
            done.into_iter().for_each(|user| user.unwrap());
        });
        // It was collected all the same, in between.
        assert!(made.into_inner() > users);
    }
}
