//! Taking things out of the store again.

use super::record::read_json;
use super::staging::remove_tree;
use super::{About, Content, Locked, Origin, Store, entries, last_used, unique};
use crate::{Digest, Error, ErrorKind, Result};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What [`Store::gc`] keeps besides what is in use.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// What was resolved within this time. 14 days; zero keeps only what is in use.
    pub keep_recent: Duration,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { keep_recent: Duration::from_secs(14 * 24 * 3600) }
    }
}

/// What was removed.
#[derive(Debug, Default)]
pub struct Removed {
    /// Names of bases.
    pub names: Vec<String>,
    /// Unpacked layers.
    pub layers: usize,
    /// Packed layers, documents and packages.
    pub blobs: usize,
    /// Bytes of all of it, about.
    pub bytes: u64,
    /// What could not be removed, and why. It is no longer part of the store, and is tried again the next
    /// time.
    pub problems: Vec<Error>,
}

impl Store {
    /// Takes a name out of the store, and what no other name needs.
    ///
    /// Errors: the store has no base of that name, or a live [`Base`](crate::Base) holds it.
    ///
    /// # Locking
    /// Exclusive on `locks/gc` and on the content.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        let _alone = Locked::exclusive(&self.lock_file("gc"))?;
        let record = self.find(name)?.ok_or_else(|| self.unknown(name))?;
        let shared =
            self.names()?.iter().any(|other| other.content == record.content && other.name != record.name);
        let mut removed = Removed::default();
        if !shared {
            let content = self.content_dir(record.content);
            match in_a_moment(&content)? {
                Some(lock) => self.discard(&content, lock, &mut removed),
                None if content.exists() => {
                    return Err(Error::new(
                        ErrorKind::InUse,
                        format!("failed to remove the base `{name}`: it is in use"),
                    )
                    .with_hint("it can be removed when the rootlets made from it have ended"));
                }
                None => {}
            }
        }
        let _ = fs::remove_file(self.base_file(&record.name));
        removed.names.push(record.name);
        self.sweep(&mut removed)?;
        Ok(removed)
    }

    /// Removes what is neither in use nor recent: bases, then the layers and blobs that none of the others
    /// names, the kept rootlets whose snapshot is gone, and what killed processes left. A layer that stays is
    /// left for those id maps alone that it was used with lately.
    ///
    /// Errors: the store cannot be read. What cannot be removed is told in [`Removed::problems`].
    ///
    /// # Locking
    /// Exclusive on `locks/gc`, and on each content that nobody uses, for a moment or until it is removed.
    pub fn gc(&self, options: GcOptions) -> Result<Removed> {
        let _alone = Locked::exclusive(&self.lock_file("gc"))?;
        let mut removed = Removed::default();
        let (mut in_use, mut unused) = (HashSet::new(), Vec::new());
        for content in entries(&self.path().join("contents"))? {
            let recent = last_used(&content).elapsed().unwrap_or_default() < options.keep_recent;
            let known: Option<Content> = read_json(&content.join("content.json"))?;
            match (Locked::try_exclusive(&content)?, known) {
                (None, known) => {
                    in_use.extend(known.iter().flat_map(|known| &known.layers).map(|l| l.key.hex()))
                }
                // Held, so that nobody begins to use its layers.
                (Some(lock), Some(_)) if recent => unused.push(lock),
                (Some(lock), _) => self.discard(&content, lock, &mut removed),
            }
        }
        let stale = self.set_aside_stale(&in_use, options.keep_recent, &mut removed)?;
        drop(unused);
        for (aside, bytes) in stale {
            removed.count(remove_tree(&aside), bytes);
        }
        self.sweep(&mut removed)?;
        self.sweep_packages(options.keep_recent, &mut removed)?;
        self.sweep_caches(options.keep_recent, &mut removed)?;
        self.sweep_made(options.keep_recent, &mut removed)?;
        self.sweep_tmp();
        let layers = entries(&self.path().join("layers"))?.into_iter();
        let snapshots = layers.flat_map(|layer| entries(&layer).unwrap_or_default());
        for home in entries(&self.path().join("contents"))?.into_iter().chain(snapshots) {
            crate::flat::sweep(&home, options.keep_recent, &mut removed.problems);
        }
        Ok(removed)
    }

    /// Moves aside the trees of layers that no id map was used with lately: they are left when subordinate ids
    /// or the production user change. The one that was used last stays, since its bytes may be nowhere else.
    fn set_aside_stale(
        &self,
        in_use: &HashSet<String>,
        keep_recent: Duration,
        removed: &mut Removed,
    ) -> Result<Vec<(PathBuf, u64)>> {
        let mut aside = Vec::new();
        let unused = |layer: &PathBuf| !in_use.contains(&file_name(layer));
        for layer in entries(&self.path().join("layers"))?.into_iter().filter(unused) {
            let mut trees = entries(&layer)?;
            trees.retain(|path| path.is_dir());
            trees.sort_by_key(|tree| last_used(tree));
            trees.pop();
            trees.retain(|tree| last_used(tree).elapsed().unwrap_or_default() >= keep_recent);
            for tree in trees {
                match self.set_aside(&tree) {
                    Ok(tree) => aside.push((tree, About::of(&layer).bytes)),
                    Err(e) => removed.problems.push(e),
                }
            }
        }
        Ok(aside)
    }

    /// Moves what is to be removed out of the way, so that nobody sees it half removed.
    pub(super) fn set_aside(&self, path: &Path) -> Result<PathBuf> {
        let aside = self.tmp().join(unique());
        fs::rename(path, &aside).map_err(|e| Error::io(format!("failed to remove {}", path.display()), e))?;
        Ok(aside)
    }

    /// Removes names without content, kept rootlets without a name, and layers and blobs that no content names.
    fn sweep(&self, removed: &mut Removed) -> Result<()> {
        for record in self.names()? {
            if !self.content_dir(record.content).exists() {
                let _ = fs::remove_file(self.base_file(&record.name));
                removed.names.push(record.name);
            }
        }
        self.sweep_kept()?;
        let (mut layers, mut blobs) = (HashSet::new(), HashSet::new());
        for directory in entries(&self.path().join("contents"))? {
            let Some(content) = read_json::<Content>(&directory.join("content.json"))? else { continue };
            for layer in &content.layers {
                layers.insert(layer.key.hex());
                if let Origin::Blob { digest, .. } = layer.origin {
                    blobs.insert(digest.hex());
                }
            }
            blobs.extend(content.documents.iter().map(Digest::hex));
        }
        for path in entries(&self.path().join("layers"))?
            .into_iter()
            .filter(|path| !layers.contains(&file_name(path)))
        {
            self.discard_layer(&path, removed);
        }
        self.sweep_index(&blobs)?;
        for directory in [self.images().join("blobs/sha256"), self.partial()] {
            for path in entries(&directory)?.into_iter().filter(|path| !blobs.contains(&file_name(path))) {
                removed.file(&path);
            }
        }
        Ok(())
    }

    /// Takes a content out of the store: whoever waits for its lock finds it gone.
    fn discard(&self, content: &Path, lock: Locked, removed: &mut Removed) {
        let gone = self.set_aside(content).and_then(|aside| remove_tree(&aside));
        removed.problems.extend(gone.err());
        drop(lock);
    }

    /// Takes a layer out of the store, with all of its trees.
    fn discard_layer(&self, layer: &Path, removed: &mut Removed) {
        let bytes = About::of(layer).bytes;
        for tree in entries(layer).unwrap_or_default().iter().filter(|path| path.is_dir()) {
            removed.count(self.set_aside(tree).and_then(|aside| remove_tree(&aside)), bytes);
        }
        let _ = fs::remove_file(layer.join("about.json"));
        let _ = fs::remove_dir(layer);
    }
}

impl Removed {
    /// Removes a file.
    pub(super) fn file(&mut self, path: &Path) {
        let size = fs::metadata(path).map_or(0, |m| m.len());
        match fs::remove_file(path) {
            Ok(()) => {
                self.blobs += 1;
                self.bytes += size;
            }
            Err(e) => self.problems.push(Error::io(format!("failed to remove {}", path.display()), e)),
        }
    }

    fn count(&mut self, gone: Result<()>, bytes: u64) {
        match gone {
            Ok(()) => {
                self.layers += 1;
                self.bytes += bytes;
            }
            Err(e) => self.problems.push(e),
        }
    }
}

/// The exclusive lock, where those who hold another one are none but children that have not executed their program yet: until then a
/// child has all that its parent had open, a base that the parent gave up meanwhile as well. That takes a moment, and whoever uses
/// the base keeps it longer.
#[expect(clippy::disallowed_methods, reason = "flock(2) has no deadline")]
fn in_a_moment(path: &Path) -> Result<Option<Locked>> {
    const MOMENT: Duration = Duration::from_millis(200);
    let since = Instant::now();
    loop {
        match Locked::try_exclusive(path)? {
            None if path.exists() && since.elapsed() < MOMENT => {
                std::thread::sleep(Duration::from_millis(2));
            }
            found => return Ok(found),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
