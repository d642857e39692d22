//! Directories that last from one run to the next, which commands write: `caches/KEY/root`.

use super::record::touch;
use super::staging::remove_tree;
use super::{Locked, MapRecord, Removed, Store, entries, last_used, make_directories};
use crate::{Digest, Error, Result};
use rootlet_kernel::IdMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory that lasts. While it is held, nobody removes it.
#[derive(Debug)]
pub struct CacheDirectory {
    path: PathBuf,
    _lock: Locked,
}

/// Who may use a directory that lasts at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// Everybody.
    Shared,
    /// One after the other.
    Locked,
    /// Each has one that nobody else uses now.
    Private,
}

impl CacheDirectory {
    /// Where it is: anybody who comes there may write it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store {
    /// The directory that lasts under a name; made where it is missing. `map` is that of who writes it, by which it is removed later.
    ///
    /// Errors: the store cannot be written.
    ///
    /// # Locking
    /// Shared or exclusive on the directory, as `used` says; waits for who holds it otherwise.
    pub fn cache_directory(&self, name: &str, used: CacheUse, map: Option<&IdMap>) -> Result<CacheDirectory> {
        for number in 0u32.. {
            let key = Digest::of(
                format!("{name} {}", if used == CacheUse::Private { number } else { 0 }).as_bytes(),
            );
            let home = self.path().join("caches").join(key.hex());
            let lock = loop {
                self.make_cache(&home, map)?;
                let lock = match used {
                    CacheUse::Shared => Locked::shared(&home)?,
                    CacheUse::Locked => Locked::directory(&home)?,
                    CacheUse::Private => Locked::try_exclusive(&home)?,
                };
                match lock {
                    // It was removed meanwhile.
                    None if used != CacheUse::Private || !home.exists() => {}
                    lock => break lock,
                }
            };
            if let Some(lock) = lock {
                touch(lock.file());
                return Ok(CacheDirectory { path: home.join("root"), _lock: lock });
            }
        }
        unreachable!("nobody holds so many")
    }

    fn make_cache(&self, home: &Path, map: Option<&IdMap>) -> Result<()> {
        let failed = |e| Error::io(format!("failed to make {}", home.display()), e);
        let root = home.join("root");
        if root.is_dir() {
            return Ok(());
        }
        make_directories(home).map_err(failed)?;
        if let Some(map) = map {
            self.write_json(&home.join("map.json"), &MapRecord::of(map))?;
        }
        match fs::create_dir(&root) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
            made => made.map_err(failed)?,
        }
        // Whoever runs inside writes there; nobody else comes here, since the store is the caller's alone.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).map_err(failed)
    }

    /// Removes the directories that nobody uses, nor has within `keep_recent`.
    pub(super) fn sweep_caches(&self, keep_recent: Duration, removed: &mut Removed) -> Result<()> {
        for home in entries(&self.path().join("caches"))? {
            if last_used(&home).elapsed().unwrap_or_default() < keep_recent {
                continue;
            }
            if let Some(lock) = Locked::try_exclusive(&home)? {
                let gone = self.set_aside(&home).and_then(|aside| remove_tree(&aside));
                removed.problems.extend(gone.err());
                drop(lock);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GcOptions;

    #[test]
    fn a_cache_stays_while_it_is_used_and_each_private_one_is_another() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("store")).unwrap();
        let everything = GcOptions { keep_recent: Duration::ZERO };
        let shared = store.cache_directory("a", CacheUse::Shared, None).unwrap();
        std::fs::write(shared.path().join("file"), "1").unwrap();
        let again = store.cache_directory("a", CacheUse::Shared, None).unwrap();
        assert_eq!(again.path(), shared.path());
        let private = [(), ()].map(|()| store.cache_directory("a", CacheUse::Private, None).unwrap());
        assert_ne!(private[0].path(), private[1].path());
        store.gc(everything).unwrap();
        assert!(shared.path().join("file").exists());
        let path = shared.path().to_owned();
        drop((shared, again, private));
        let removed = store.gc(everything).unwrap();
        assert!(!path.exists() && removed.problems.is_empty(), "{:?}", removed.problems);
    }
}
