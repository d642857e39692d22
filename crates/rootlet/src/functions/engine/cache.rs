//! Directories that last from one run to the next: `caches/` in the store.

use super::memo::key;
use super::state::{State, What};
use super::{Engine, Result};
use crate::Error;
use rootlet_base::Turn;
use rootlet_spec::pipeline::CacheSharing;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

impl Engine {
    /// Where a cache is on this machine; made where it is missing.
    pub(super) fn cache(&self, name: &str, sharing: CacheSharing) -> Result<PathBuf> {
        let own = match sharing {
            CacheSharing::Private => std::process::id(),
            CacheSharing::Shared | CacheSharing::Locked => 0,
        };
        let path = self.0.resolver.store().path().join("caches").join(key(&(name, own)).hex());
        if !path.is_dir() {
            let failed = |e| Error::io(format!("failed to make {}", path.display()), e);
            fs::create_dir_all(&path).map_err(failed)?;
            // Whoever runs inside writes there; nobody else comes here, since the store is the caller's alone.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).map_err(failed)?;
        }
        Ok(path)
    }

    /// Waits for the caches that one uses after the other.
    pub(super) fn take_turns(&self, state: &State) -> Result<Vec<Turn>> {
        let locked = |what: &What| match what {
            What::Cache { key, sharing: CacheSharing::Locked, .. } => Some(key.clone()),
            _ => None,
        };
        let mut keys: Vec<String> = state.mounts.iter().filter_map(|mounted| locked(&mounted.what)).collect();
        // Everybody in the same order, so that nobody waits for each other.
        keys.sort();
        keys.dedup();
        keys.iter().map(|name| Ok(self.0.resolver.turn(&format!("cache:{}", key(name).hex()))?)).collect()
    }
}
