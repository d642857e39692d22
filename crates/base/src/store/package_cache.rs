//! Packages that package managers fetched for themselves: `packages/KEY/PATH`, with the path that they had in the root, percent-encoded.
//!
//! Whoever is root in a build may have written them, so they are for those alone who verify what they take.

use super::{Removed, Store, encode, entries, last_used, make_directories};
use crate::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No file's name is longer on Linux.
const NAME_MAX: usize = 255;

/// What the package managers of one kind of root fetched. Any number of builds may use it at once: a file comes whole into its
/// place, and who reads one that goes away reads it to its end.
#[derive(Clone, Debug)]
pub struct PackageCache {
    store: Store,
    directory: PathBuf,
}

impl Store {
    /// The packages of one kind of root: `/usr/bin/dnf fedora 41`.
    pub fn package_cache(&self, of: &str) -> PackageCache {
        PackageCache { store: self.clone(), directory: self.path().join("packages").join(encode(of)) }
    }

    /// Removes the packages that came longer ago than `keep_recent`.
    pub(super) fn sweep_packages(&self, keep_recent: Duration, removed: &mut Removed) -> Result<()> {
        for directory in entries(&self.path().join("packages"))? {
            let old = |file: &PathBuf| last_used(file).elapsed().unwrap_or_default() >= keep_recent;
            for file in entries(&directory)?.into_iter().filter(old) {
                removed.file(&file);
            }
        }
        Ok(())
    }
}

impl PackageCache {
    /// Each package's path in the root and its file, the newest first.
    pub fn files(&self) -> impl Iterator<Item = (PathBuf, File)> {
        let mut files = entries(&self.directory).unwrap_or_default();
        files.sort_by_cached_key(|file| std::cmp::Reverse(last_used(file)));
        files.into_iter().filter_map(|file| Some((decode(&file)?, File::open(&file).ok()?)))
    }

    /// Keeps a package, in place of another one of the same path. One whose path is too long for a name is not kept.
    ///
    /// # Errors
    /// It cannot be read, or the store cannot be written.
    pub fn add(&self, path: &Path, from: &mut dyn Read) -> Result<()> {
        let Some(place) = self.place(path) else { return Ok(()) };
        let beside = self.store.stage()?;
        let file = beside.path().join("package");
        let written = File::create(&file)
            .and_then(|mut to| io::copy(from, &mut to))
            .and_then(|_| make_directories(&self.directory))
            .and_then(|()| fs::rename(&file, &place));
        written.map_err(|e| Error::io(format!("failed to keep the package {}", path.display()), e))
    }

    /// Forgets a package.
    pub fn remove(&self, path: &Path) {
        let _ = self.place(path).map(fs::remove_file);
    }

    fn place(&self, path: &Path) -> Option<PathBuf> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+~".contains(byte);
        let bytes = path.as_os_str().as_bytes().iter();
        let name: String = bytes
            .map(|byte| if plain(byte) { char::from(*byte).into() } else { format!("%{byte:02X}") })
            .collect();
        (name.len() <= NAME_MAX && path.is_absolute()).then(|| self.directory.join(name))
    }
}

/// The path that a file's name stands for.
fn decode(file: &Path) -> Option<PathBuf> {
    let mut rest = file.file_name()?.as_bytes();
    let mut path = Vec::new();
    while let [first, more @ ..] = rest {
        let (byte, after) = match (first, more) {
            (b'%', [high, low, after @ ..]) => {
                (u8::from_str_radix(std::str::from_utf8(&[*high, *low]).ok()?, 16).ok()?, after)
            }
            _ => (*first, more),
        };
        path.push(byte);
        rest = after;
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(path))).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GcOptions;
    use std::time::SystemTime;

    fn all(cache: &PackageCache) -> Vec<(String, String)> {
        let read =
            |(path, file): (PathBuf, File)| (path.display().to_string(), io::read_to_string(file).unwrap());
        cache.files().map(read).collect()
    }

    #[test]
    fn packages_are_kept_by_their_paths_and_collected_when_old() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(scratch.path().join("store")).unwrap();
        let cache = store.package_cache("/usr/bin/dnf fedora 41");
        assert_eq!(all(&cache), []);
        let (old, new) = ("/var/cache/a b/é%2F-1:2.rpm", "/var/cache/n.rpm");
        cache.add(Path::new(old), &mut "first".as_bytes()).unwrap();
        cache.add(Path::new(old), &mut "old".as_bytes()).unwrap();
        let file = entries(&cache.directory).unwrap().remove(0);
        File::open(file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        cache.add(Path::new(new), &mut "new".as_bytes()).unwrap();
        // Longer than a name may be.
        cache.add(&Path::new("/").join("x".repeat(255)), &mut "".as_bytes()).unwrap();
        assert_eq!(all(&cache), [(new.into(), "new".into()), (old.into(), "old".into())]);
        assert_eq!(all(&store.package_cache("/usr/bin/dnf fedora 42")), []);

        let removed = store.gc(GcOptions::default()).unwrap();
        assert_eq!((removed.blobs, removed.bytes), (1, 3));
        assert_eq!(all(&cache), [(new.into(), "new".into())]);
        cache.remove(Path::new(new));
        assert_eq!(all(&cache), []);
    }
}
