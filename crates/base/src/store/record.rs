//! What the store writes down, as JSON.

use super::{Locked, Store, write_atomically};
use crate::base::{BaseKind, Defaults};
use crate::{Digest, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// `bases/NAME.json`: what a name stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NameRecord {
    /// The name, whole.
    pub name: String,
    /// Its content.
    pub content: Digest,
    /// How it was made: `pulled from …`, `snapshot of …`.
    pub how: String,
    /// Seconds since 1970.
    pub when: u64,
    /// Digest of the manifest or index that the name led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// The file that the name led to, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
}

/// Enough of a file to see that it is unchanged without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub size: u64,
    pub inode: u64,
    pub device: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Likewise: it cannot be set back by a program.
    pub ctime: (i64, i64),
}

impl Stamp {
    /// The stamp of a file.
    #[cfg_attr(not(feature = "tarball"), allow(dead_code, reason = "only files are stamped"))]
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let m = fs::metadata(path).map_err(|e| Error::io(format!("failed to read {}", path.display()), e))?;
        Ok(Self {
            size: m.size(),
            inode: m.ino(),
            device: m.dev(),
            mtime: (m.mtime(), m.mtime_nsec()),
            ctime: (m.ctime(), m.ctime_nsec()),
        })
    }
}

/// `contents/ID/content.json`: layers and defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// What lies below the layers.
    pub bottom: BaseKind,
    /// Bottom first.
    pub layers: Vec<Layer>,
    /// The image's config.
    pub defaults: Defaults,
    /// Blobs of the images layout that belong to it besides the layers: manifest, config, index.
    #[serde(default)]
    pub documents: Vec<Digest>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    /// Its name in the store: the diff id, or the digest of the tarball as it is.
    pub key: Digest,
    /// Digest of the uncompressed tar, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
    /// Where its bytes are.
    pub origin: Origin,
}

/// Where a layer's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// A blob of the store.
    Blob { digest: Digest, size: u64 },
    /// A file outside the store, whose bytes have this digest.
    File { path: PathBuf, digest: Digest },
    /// Nowhere: it was made unpacked, for one id map.
    Unpacked,
}

impl Content {
    /// The id: a digest over what a root made from it depends on.
    pub(crate) fn id(&self) -> Digest {
        let keys: Vec<Digest> = self.layers.iter().map(|layer| layer.key).collect();
        let text = serde_json::to_vec(&("rootlet content 1", &self.bottom, keys, &self.defaults));
        Digest::of(&text.expect("plain data has a JSON form"))
    }
}

impl Store {
    /// Writes the content when it is not there, and holds it.
    ///
    /// # Locking
    /// Shared on `locks/gc` for a moment, so that a sweep sees it or has ended; then shared on the content,
    /// until the result is dropped.
    pub(crate) fn hold_new_content(&self, content: &Content) -> Result<Locked> {
        self.sweep_tmp();
        let _sweep = Locked::shared_or_made(&self.lock_file("gc"))?;
        let directory = self.content_dir(content.id());
        let held = loop {
            super::make_directories(&directory)
                .map_err(|e| Error::io(format!("failed to make {}", directory.display()), e))?;
            // Removing a content takes the exclusive lock only, so it may be gone again.
            if let Some(held) = Locked::shared(&directory)? {
                break held;
            }
        };
        // The same content may be known with files outside that are gone by now: the newest way to its bytes
        // wins.
        let path = directory.join("content.json");
        let known: Option<Content> = read_json(&path)?;
        if known.is_none_or(|known| known.layers != content.layers || known.documents != content.documents) {
            self.write_json(&path, content)?;
        }
        touch(held.file());
        Ok(held)
    }

    /// Reads and holds the content; `None` when it is not there or is damaged.
    ///
    /// # Locking
    /// Shared on the content, until the result is dropped.
    pub(crate) fn hold_content(&self, id: Digest) -> Result<Option<(Content, Locked)>> {
        let directory = self.content_dir(id);
        let Some(held) = Locked::shared(&directory)? else { return Ok(None) };
        let Some(content) = read_json(&directory.join("content.json"))? else { return Ok(None) };
        touch(held.file());
        Ok(Some((content, held)))
    }

    /// What a name stands for; `None` when it is not known or its record is damaged.
    pub(crate) fn name_record(&self, name: &str) -> Result<Option<NameRecord>> {
        Ok(read_json(&self.base_file(name))?.filter(|record: &NameRecord| record.name == name))
    }

    /// Gives `name` a meaning.
    ///
    /// # Locking
    /// Shared on `locks/gc` for a moment, so that a sweep does not take it for the older one.
    pub(crate) fn write_name(&self, record: &NameRecord) -> Result<()> {
        let _sweep = Locked::shared_or_made(&self.lock_file("gc"))?;
        self.write_json(&self.base_file(&record.name), record)
    }

    /// Writes JSON beside `path` and renames it.
    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value).expect("plain data has a JSON form");
        bytes.push(b'\n');
        write_atomically(&self.tmp(), path, &bytes)
            .map_err(|e| Error::io(format!("failed to write {}", path.display()), e))
    }
}

/// Reads JSON of the store; `None` when there is none, or it is damaged: the store is a cache, and what it
/// cannot read it makes anew.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(format!("failed to read {}", path.display()), e)),
    }
}

/// Marks a content or a tree as used now. To the hour is enough, and spares most runs the write.
pub(super) fn touch(directory: &File) {
    let now = SystemTime::now();
    let stale = directory
        .metadata()
        .and_then(|m| m.modified())
        .is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > Duration::from_secs(3600)));
    if stale {
        let _ = directory.set_times(FileTimes::new().set_modified(now));
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
