//! What is being made: directories of `tmp/`.

use super::layers::{MapRecord, NO_LOWER};
use super::record::{now, read_json};
use super::{About, Layer, LayerDir, Locked, NameRecord, Origin, Store, unique};
use crate::base::{Base, Held};
use crate::name::snapshot_name;
use crate::{Digest, Error, ErrorKind, Result};
use rootlet_kernel::{IdMap, Worker};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory of `tmp/` of this process's own. Dropped, it is removed with all that is in it; a killed
/// process's is removed by the next one that makes one.
#[derive(Debug)]
pub(crate) struct TmpDir {
    path: PathBuf,
    /// `None` when the directory has found its place.
    lock: Option<Locked>,
}

impl Store {
    /// # Locking
    /// Exclusive on the directory, until it is dropped or settled.
    pub(crate) fn stage(&self) -> Result<TmpDir> {
        self.sweep_tmp();
        loop {
            let path = self.tmp().join(unique());
            let failed = |e| Error::io(format!("failed to make {}", path.display()), e);
            DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
            // The mode of mkdir(2) is subject to the caller's umask, which may leave too little to open it.
            match fs::set_permissions(&path, Permissions::from_mode(0o700)) {
                // Another's sweep may have taken it for a leftover, until it is locked.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                set => set.map_err(failed)?,
            }
            if let Some(lock) = Locked::directory(&path)? {
                return Ok(TmpDir { path, lock: Some(lock) });
            }
        }
    }

    /// Removes what killed processes left in `tmp/`. What cannot be removed stays for the next time.
    ///
    /// # Locking
    /// Exclusive on each leftover; what is locked is skipped.
    pub(crate) fn sweep_tmp(&self) {
        let Ok(entries) = self.tmp().read_dir() else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if let Ok(Some(_lock)) = Locked::try_exclusive(&path) {
                let _ = remove_tree(&path);
            }
        }
    }
}

impl TmpDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it to `place`, whose parent exists.
    pub(crate) fn settle(&mut self, place: &Path) -> Result<()> {
        fs::rename(&self.path, place)
            .map_err(|e| Error::io(format!("failed to move a layer to {}", place.display()), e))?;
        self.lock = None;
        Ok(())
    }
}

impl Drop for TmpDir {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What cannot be removed now is removed by the next sweep.
            let _ = remove_tree(&self.path);
        }
    }
}

/// A private directory of the store in which the tree of a layer is made. Dropped, it is removed with all
/// that is in it, whoever owns that; a killed process's is removed by the next one that stages something.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    directory: TmpDir,
    tree: PathBuf,
    map: IdMap,
}

impl Store {
    /// A fresh directory for the tree of a layer that is made with the ids of `map`.
    ///
    /// Errors: the store cannot be written.
    ///
    /// # Locking
    /// Exclusive on the directory, until it is dropped or adopted.
    pub fn stage_layer(&self, map: &IdMap) -> Result<Staging> {
        let directory = self.stage()?;
        let tree = directory.path().join("root");
        self.write_json(&directory.path().join("map.json"), &MapRecord::of(map))?;
        DirBuilder::new()
            .create(&tree)
            .and_then(|()| fs::set_permissions(&tree, Permissions::from_mode(0o755)))
            .map_err(|e| Error::io(format!("failed to make {}", tree.display()), e))?;
        Ok(Staging { store: self.clone(), directory, tree, map: map.clone() })
    }
}

impl Staging {
    /// The empty directory in which the tree is to be made: it becomes the layer's root.
    pub fn path(&self) -> &Path {
        &self.tree
    }

    /// The directory around it.
    pub(crate) fn home(&self) -> &Path {
        self.directory.path()
    }

    /// Makes a base of `parent`'s layers with this one on top. It is bound to the id map of this staging,
    /// which [`Base::layer_paths`] checks.
    ///
    /// With a `name` the base stays in the store as `snapshot:NAME`, in place of an older one of that name.
    /// Without, it is gone when the last handle to it is.
    ///
    /// Errors: the name cannot be one; the parent is itself a snapshot without a name, and this one has one;
    /// the store cannot be written.
    pub fn adopt(self, parent: &Base, name: Option<&str>) -> Result<Base> {
        let key = Digest::of(unique().as_bytes());
        let mut content = parent.content();
        content.layers.push(Layer { key, diff_id: None, origin: Origin::Unpacked });
        let id = content.id();
        let store = self.store.clone();
        let Some(name) = name else {
            let held = Held::Staged { parent: parent.clone(), staging: self };
            let name = format!("snapshot of {}", parent.name());
            return Ok(Base::new(parent.resolver(), name, id.to_string(), content, held));
        };
        let name = snapshot_name(name)?;
        if parent.is_staged() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "failed to keep the snapshot `{name}`: the snapshot that it was made from has no \
                    name itself"
                ),
            )
            .with_hint("give that one a name, too"));
        }
        let held = store.hold_new_content(&content)?;
        let place = LayerDir::new(&store, key);
        // Without a user namespace it is a whole root, not what differs (see `flat`).
        let whole = self.map == IdMap::identity();
        let about = About { whole_map: true, hides_lower: whole, ..About::default() };
        place.write_about(&store, &about)?;
        let place = place.serving(&about, &self.map, NO_LOWER)?;
        self.settle(&place)?;
        let name = format!("snapshot:{name}");
        let how = format!("snapshot of {}", parent.name());
        store.write_name(&NameRecord {
            name: name.clone(),
            content: id,
            how,
            when: now(),
            manifest: None,
            stamp: None,
        })?;
        Ok(Base::new(parent.resolver(), name, id.to_string(), content, Held::Content(held)))
    }

    /// Gives the tree its place among the layers.
    pub(crate) fn settle(mut self, place: &Path) -> Result<()> {
        self.directory.settle(place)
    }

    pub(crate) fn map(&self) -> &IdMap {
        &self.map
    }
}

/// Removes what stands in `tmp/`: a directory with a tree in it, or a small file.
///
/// The tree goes first, so that the id map, which tells how to remove it, stays as long as it is needed. It is
/// removed from inside a user namespace like the one that made it: its files have owners there, and the worker
/// removes a tree of any depth, where [`fs::remove_dir_all`] runs out of descriptors or overflows the stack.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let failed_to = |path: &Path| format!("failed to remove {}", path.display());
    let failed = |e| Error::io(failed_to(path), e);
    let gone = |result: io::Result<()>| match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if fs::symlink_metadata(path).is_ok_and(|m| !m.is_dir()) {
        return gone(fs::remove_file(path)).map_err(failed);
    }
    let tree = path.join("root");
    let map = match read_json::<MapRecord>(&path.join("map.json")) {
        Ok(Some(map)) => Some(map.to_map()),
        // Trees without mounts are of true owners.
        _ if rustix::process::geteuid().is_root() => Some(IdMap::identity()),
        _ => None,
    };
    for whole in ["flat", "patterns"].map(|name| path.join(name)).iter().filter(|whole| whole.is_dir()) {
        Worker::start(&IdMap::identity())
            .map_err(|e| Error::no_worker(e).within(failed_to(whole)))
            .and_then(|mut worker| worker.remove(whole).map_err(|e| failed(e.source)))?;
    }
    if let Some(map) = map.filter(|_| fs::symlink_metadata(&tree).is_ok()) {
        let removed = Worker::start(&map)
            .map_err(|e| {
                let hint =
                    "subordinate ids that were this user's may be so no longer: then let root remove it";
                Error::no_worker(e).within(failed_to(path)).with_hint(hint)
            })
            .and_then(|mut worker| worker.remove(&tree).map_err(|e| failed(e.source)));
        if let Err(why) = removed {
            // What is this user's own can go anyway.
            gone(fs::remove_dir_all(&tree)).map_err(|_| why)?;
        }
    }
    gone(fs::remove_dir_all(path)).map_err(failed)
}
