//! What is in the store, and taking it out again.

use super::record::read_json;
use super::staging::remove_tree;
use super::{About, Content, LayerDir, Locked, NameRecord, Origin, Store, unique};
use crate::base::{BaseKind, Defaults};
use crate::{BaseName, Digest, Error, ErrorKind, Result};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A base of the store.
#[derive(Clone, Debug)]
pub struct BaseInfo {
    /// The whole name.
    pub name: String,
    /// What it is: see [`Base::id`](crate::Base::id).
    pub id: String,
    /// What lies below its layers.
    pub kind: BaseKind,
    /// How it was made: `pulled from …`, `snapshot of …`.
    pub how: String,
    /// When.
    pub made: SystemTime,
    /// When it was last resolved, to the hour.
    pub last_used: SystemTime,
    /// Whether a live [`Base`](crate::Base), of any process, holds it now.
    pub in_use: bool,
    /// What the image's config says.
    pub defaults: Defaults,
    /// Its layers, bottom first.
    pub layers: Vec<LayerInfo>,
}

/// A layer of a base of the store.
#[derive(Clone, Debug)]
pub struct LayerInfo {
    /// Diff id, or the digest of the tarball.
    pub digest: Digest,
    /// Bytes as they are stored, packed; `None` when they are not: a snapshot's, or a file outside that is
    /// gone.
    pub packed: Option<u64>,
    /// Bytes of its files; `None` before it is unpacked.
    pub unpacked: Option<u64>,
    /// For how many id maps it is unpacked.
    pub copies: usize,
    /// Device nodes that were left out.
    pub devices: u64,
}

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
    /// Packed layers and documents.
    pub blobs: usize,
    /// Bytes of all of it, about.
    pub bytes: u64,
    /// What could not be removed, and why. It is no longer part of the store, and is tried again the next
    /// time.
    pub problems: Vec<Error>,
}

impl Store {
    /// All bases, by name.
    ///
    /// Errors: the store cannot be read.
    pub fn list(&self) -> Result<Vec<BaseInfo>> {
        let mut all: Vec<BaseInfo> =
            self.names()?.into_iter().filter_map(|record| self.info(record)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// One base, by any name that [`Base::resolve`](crate::Base::resolve) takes.
    ///
    /// Errors: the store has no base of that name.
    pub fn show(&self, name: &str) -> Result<BaseInfo> {
        self.find(name)?.and_then(|record| self.info(record)).ok_or_else(|| self.unknown(name))
    }

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
            match Locked::try_exclusive(&content)? {
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
    /// names, then what killed processes left.
    ///
    /// Errors: the store cannot be read. What cannot be removed is told in [`Removed::problems`].
    ///
    /// # Locking
    /// Exclusive on `locks/gc`, and on each content that is removed.
    pub fn gc(&self, options: GcOptions) -> Result<Removed> {
        let _alone = Locked::exclusive(&self.lock_file("gc"))?;
        let mut removed = Removed::default();
        for content in entries(&self.path().join("contents"))? {
            let recent = last_used(&content).elapsed().unwrap_or_default() < options.keep_recent;
            let damaged = !content.join("content.json").is_file();
            if (!recent || damaged)
                && let Some(lock) = Locked::try_exclusive(&content)?
            {
                self.discard(&content, lock, &mut removed);
            }
        }
        self.sweep(&mut removed)?;
        self.sweep_tmp();
        Ok(removed)
    }

    /// Removes names without content, and layers and blobs that no content names.
    fn sweep(&self, removed: &mut Removed) -> Result<()> {
        for record in self.names()? {
            if !self.content_dir(record.content).exists() {
                let _ = fs::remove_file(self.base_file(&record.name));
                removed.names.push(record.name);
            }
        }
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
                let size = fs::metadata(&path).map_or(0, |m| m.len());
                match fs::remove_file(&path) {
                    Ok(()) => {
                        removed.blobs += 1;
                        removed.bytes += size;
                    }
                    Err(e) => {
                        removed.problems.push(Error::io(format!("failed to remove {}", path.display()), e))
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a content out of the store: whoever waits for its lock finds it gone.
    fn discard(&self, content: &Path, lock: Locked, removed: &mut Removed) {
        let aside = self.tmp().join(unique());
        if let Err(e) = fs::rename(content, &aside).and_then(|()| fs::remove_dir_all(&aside)) {
            removed.problems.push(Error::io(format!("failed to remove {}", content.display()), e));
        }
        drop(lock);
    }

    /// Takes a layer out of the store: each of its trees is moved aside, so that none is seen half removed.
    fn discard_layer(&self, layer: &Path, removed: &mut Removed) {
        let about: About = read_json(&layer.join("about.json")).ok().flatten().unwrap_or_default();
        for tree in entries(layer).unwrap_or_default().iter().filter(|path| path.is_dir()) {
            let aside = self.tmp().join(unique());
            let gone = fs::rename(tree, &aside)
                .map_err(|e| Error::io(format!("failed to remove {}", tree.display()), e))
                .and_then(|()| remove_tree(&aside));
            match gone {
                Ok(()) => {
                    removed.layers += 1;
                    removed.bytes += about.bytes;
                }
                Err(e) => removed.problems.push(e),
            }
        }
        let _ = fs::remove_file(layer.join("about.json"));
        let _ = fs::remove_dir(layer);
    }

    fn names(&self) -> Result<Vec<NameRecord>> {
        let mut records = Vec::new();
        for path in entries(&self.path().join("bases"))? {
            records.extend(read_json::<NameRecord>(&path)?);
        }
        Ok(records)
    }

    /// By the name as the store has it, or by one that means the same. A path need not exist any more.
    fn find(&self, name: &str) -> Result<Option<NameRecord>> {
        if let Some(record) = self.name_record(name)? {
            return Ok(Some(record));
        }
        let parsed: BaseName = name.parse()?;
        let name = parsed.clone().absolute().unwrap_or(parsed).to_string();
        self.name_record(&name)
    }

    fn unknown(&self, name: &str) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!("failed to find the base `{name}` in the store {}", self.path().display()),
        )
        .with_hint("`rootlet base list` shows what there is")
    }

    fn info(&self, record: NameRecord) -> Option<BaseInfo> {
        let directory = self.content_dir(record.content);
        let content: Content = read_json(&directory.join("content.json")).ok().flatten()?;
        let in_use = matches!(Locked::try_exclusive(&directory), Ok(None)) && directory.exists();
        Some(BaseInfo {
            name: record.name,
            id: record.content.to_string(),
            kind: content.bottom,
            how: record.how,
            made: SystemTime::UNIX_EPOCH + Duration::from_secs(record.when),
            last_used: last_used(&directory),
            in_use,
            defaults: content.defaults,
            layers: content.layers.iter().map(|layer| self.layer_info(layer.key, &layer.origin)).collect(),
        })
    }

    fn layer_info(&self, key: Digest, origin: &Origin) -> LayerInfo {
        let place = LayerDir::new(self, key);
        let about = place.about().ok().flatten();
        let packed = match origin {
            Origin::Blob { digest, .. } => fs::metadata(self.blob_file(*digest)).ok(),
            Origin::File { path, .. } => fs::metadata(path).ok(),
            Origin::Unpacked => None,
        };
        LayerInfo {
            digest: key,
            packed: packed.map(|m| m.len()),
            unpacked: about.as_ref().map(|about| about.bytes),
            copies: entries(place.path()).unwrap_or_default().iter().filter(|path| path.is_dir()).count(),
            devices: about.map_or(0, |about| about.devices),
        }
    }
}

fn last_used(content: &Path) -> SystemTime {
    fs::metadata(content).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is in a directory; nothing when it is not there.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io(format!("failed to read {}", directory.display()), e);
    match fs::read_dir(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(failed(e)),
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect(),
    }
}
