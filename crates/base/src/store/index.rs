//! `images/index.json`: what other tools see of the images that were pulled.

use super::record::read_json;
use super::{Locked, Store};
use crate::{Digest, Result};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;

const REF_NAME: &str = "org.opencontainers.image.ref.name";

impl Store {
    /// Puts an image into the index, in place of an older one of that name.
    ///
    /// # Locking
    /// Exclusive on `locks/index`.
    #[cfg_attr(not(feature = "registry"), allow(dead_code, reason = "only pulled images are listed"))]
    pub(crate) fn index_image(
        &self,
        name: &str,
        media_type: &str,
        digest: Digest,
        size: usize,
    ) -> Result<()> {
        self.change_index(|manifests| {
            manifests.retain(|entry| entry["annotations"][REF_NAME] != name);
            manifests.push(json!({
                "mediaType": media_type, "digest": digest, "size": size, "annotations": { REF_NAME: name },
            }));
        })
    }

    /// Leaves only these blobs in the index.
    ///
    /// # Locking
    /// Exclusive on `locks/index`.
    pub(super) fn sweep_index(&self, blobs: &HashSet<String>) -> Result<()> {
        self.change_index(|manifests| {
            manifests.retain(|entry| {
                let hex = entry["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
                hex.is_some_and(|hex| blobs.contains(hex))
            });
        })
    }

    fn change_index(&self, change: impl FnOnce(&mut Vec<Value>)) -> Result<()> {
        let _alone = Locked::exclusive(&self.lock_file("index"))?;
        let path = self.images().join("index.json");
        // It only shows others what there is: one that is lost or damaged is begun anew.
        let empty = || {
            let media_type = "application/vnd.oci.image.index.v1+json";
            json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [] })
        };
        let mut index: Value = read_json(&path)?.filter(Value::is_object).unwrap_or_else(empty);
        let before = index.clone();
        match &mut index["manifests"] {
            Value::Array(manifests) => change(manifests),
            other => {
                let mut manifests = Vec::new();
                change(&mut manifests);
                *other = Value::Array(manifests);
            }
        }
        if index != before { self.write_json(&path, &index) } else { Ok(()) }
    }

    /// Blobs on their way, named by their digest.
    pub(crate) fn partial(&self) -> PathBuf {
        self.images().join("partial")
    }
}
