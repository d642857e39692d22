//! What is kept besides bases, each made once: `made/KIND/KEY`, a directory. It can be made again at any time.

use super::{Removed, Store, encode, entries, last_used, make_directories};
use crate::{Error, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

impl Store {
    /// The directory of a key, which `make` fills where it is not there yet. Another one who makes the same at once gets the first
    /// one's.
    ///
    /// # Errors
    /// What `make` says; the store cannot be written.
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
        match beside.settle(&place) {
            Err(_) if place.is_dir() => {}
            settled => settled?,
        }
        Ok(place)
    }

    /// The directory of a key, if it was made; it counts as used now.
    pub fn known_made(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let place = self.place_of(kind, key);
        File::open(&place).ok()?.set_modified(SystemTime::now()).ok()?;
        Some(place)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_made(&self, kind: &str, key: &str) -> Result<()> {
        let place = self.place_of(kind, key);
        match fs::remove_dir_all(&place) {
            Err(e) if place.exists() => Err(Error::io(format!("failed to remove {}", place.display()), e)),
            _ => Ok(()),
        }
    }

    /// Removes what was used last longer ago than `keep_recent`.
    pub(super) fn sweep_made(&self, keep_recent: Duration, removed: &mut Removed) -> Result<()> {
        for kind in entries(&self.path().join("made"))? {
            let old = |place: &PathBuf| last_used(place).elapsed().unwrap_or_default() >= keep_recent;
            for place in entries(&kind)?.into_iter().filter(old) {
                // Not as layers go: of what is in here nothing tells whose it is.
                let gone = fs::remove_dir_all(&place);
                removed.problems.extend(
                    gone.err().map(|e| Error::io(format!("failed to remove {}", place.display()), e)),
                );
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

        store.gc(GcOptions::default()).unwrap();
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "1");
        File::open(&place).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        store.gc(GcOptions::default()).unwrap();
        assert!(!place.exists());
    }
}
