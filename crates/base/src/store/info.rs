//! What is in the store.

use super::record::read_json;
use super::{Content, LayerDir, Locked, NameRecord, Origin, Store, entries, last_used};
use crate::base::{BaseKind, Defaults};
use crate::{BaseName, Digest, Error, ErrorKind, Result};
use std::fs;
use std::time::{Duration, SystemTime};

/// What the names of steps begin with.
const STEP: &str = "step:";

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

impl Store {
    /// All bases, by name; what only the steps of recipes are known by is left out.
    ///
    /// Errors: the store cannot be read.
    pub fn list(&self) -> Result<Vec<BaseInfo>> {
        let mut all: Vec<BaseInfo> = self
            .names()?
            .into_iter()
            .filter(|record| !record.name.starts_with(STEP))
            .filter_map(|record| self.info(record))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// One base, by any name that [`Base::resolve`](crate::Base::resolve) takes.
    ///
    /// Errors: the store has no base of that name.
    pub fn show(&self, name: &str) -> Result<BaseInfo> {
        self.find(name)?.and_then(|record| self.info(record)).ok_or_else(|| self.unknown(name))
    }

    /// What every name stands for, in no order.
    pub(crate) fn names(&self) -> Result<Vec<NameRecord>> {
        let mut records = Vec::new();
        for path in entries(&self.path().join("bases"))? {
            records.extend(read_json::<NameRecord>(&path)?);
        }
        Ok(records)
    }

    /// By the name as the store has it, or by one that means the same. A path need not exist any more.
    pub(super) fn find(&self, name: &str) -> Result<Option<NameRecord>> {
        if let Some(record) = self.name_record(name)? {
            return Ok(Some(record));
        }
        let parsed: BaseName = name.parse()?;
        let name = parsed.clone().absolute().unwrap_or(parsed).to_string();
        self.name_record(&name)
    }

    pub(super) fn unknown(&self, name: &str) -> Error {
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
