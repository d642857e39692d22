//! Directories that last from one run to the next: [`Store::cache_directory`](rootlet_base::Store::cache_directory).

use super::state::{State, What};
use super::write::copy_in;
use super::{Engine, Result};
use crate::{Error, Rootlet, host};
use rootlet_base::{BaseKind, CacheDirectory, CacheUse};
use rootlet_spec::User;
use rootlet_spec::pipeline::CacheSharing;
use std::collections::BTreeMap;
use std::path::Path;

/// The caches of a container, by where they are mounted; held as long as a command runs.
#[derive(Default)]
pub(super) struct Caches(BTreeMap<String, CacheDirectory>);

impl Caches {
    pub fn at(&self, target: &str) -> Option<&Path> {
        self.0.get(target).map(CacheDirectory::path)
    }
}

impl Engine {
    /// Gives new caches what they begin with, and the owner who was asked for.
    pub(super) fn fill_caches(&self, root: &Rootlet, state: &State) -> Result<()> {
        for mounted in &state.mounts {
            let What::Cache { owner, source, .. } = &mounted.what else { continue };
            let path = &mounted.path;
            let failed = |e| Error::io(format!("failed to make the cache {path}"), e);
            if let Some(source) = source
                && root.read_dir(path).map_err(failed)?.is_empty()
            {
                copy_in(root, &self.place(source)?, path)?;
            }
            if let Some(owner) = owner {
                let (wanted, is) = (root.identity(owner)?, root.metadata(path).map_err(failed)?);
                if (is.uid(), is.gid()) != (wanted.uid, wanted.gid) {
                    root.chown(path, Some(wanted.uid), Some(wanted.gid)).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// The caches of a container; waits for those that one uses after the other.
    pub(super) fn caches(&self, state: &State) -> Result<Caches> {
        let mut wanted: Vec<(&str, CacheUse, &str)> = Vec::new();
        for mounted in &state.mounts {
            if let What::Cache { key, sharing, .. } = &mounted.what {
                let used = match sharing {
                    CacheSharing::Shared => CacheUse::Shared,
                    CacheSharing::Locked => CacheUse::Locked,
                    CacheSharing::Private => CacheUse::Private,
                };
                wanted.push((key, used, &mounted.path));
            }
        }
        // Everybody in the same order, so that nobody waits for each other.
        wanted.sort_by_key(|(key, ..)| *key);
        // Real root removes everything.
        let sam = User::sam();
        let sam = crate::Identity { uid: sam.uid, gid: sam.gid, ..crate::Identity::default() };
        let map = match crate::tier::likely() {
            Ok(tier) if !rustix::process::geteuid().is_root() => {
                Some(host::caller().id_map(tier, &BaseKind::Layers, &sam)?)
            }
            _ => None,
        };
        let mut caches = Caches::default();
        for (key, used, path) in wanted {
            let directory = self.0.resolver.store().cache_directory(key, used, map.as_ref())?;
            caches.0.insert(path.to_owned(), directory);
        }
        Ok(caches)
    }
}
