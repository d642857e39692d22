//! A base: what a rootlet's root is made from.

use crate::flat::{self, Copied, Flat};
use crate::resolve::Resolver;
use crate::store::{Content, Layer, LayerDir, Locked, Origin, Staging, Store};
use crate::{Digest, Result, unpack};
use rootlet_kernel::IdMap;
/// What an image's config says about running it. All empty for `host`, `dir:` and `tar:`.
pub use rootlet_spec::{Healthcheck, ImageDefaults as Defaults};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a rootlet's root is made from: read-only layers, shared by everybody. Cheap to clone.
///
/// While a handle to it lives, it holds a shared lock (flock(2)) on its content in the store, so that
/// [`Store::gc`] and [`Store::remove`], of this or another process, leave it alone.
#[derive(Clone, Debug)]
pub struct Base(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    id: String,
    content: Content,
    /// What it was found with.
    resolver: Resolver,
    held: Held,
    /// The copy that was made last of a directory: see [`Base::flat`].
    copied: Mutex<Copied>,
    /// The answer to the last [`Base::layer_paths`]: most callers have one map.
    paths: Mutex<Option<(IdMap, Vec<PathBuf>)>>,
}

/// What keeps the content of a base from being collected.
#[derive(Debug)]
#[allow(dead_code, reason = "most are held, not read")]
pub(crate) enum Held {
    /// Nothing: it is not in the store.
    Outside,
    /// A lock on the content.
    Content(Locked),
    /// The only handle to a snapshot without a name, which ends with it.
    Staged { parent: Base, staging: Staging },
}

/// What lies below the layers of a base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaseKind {
    /// This machine's own root.
    Host,
    /// A directory as it is; what the caller owns in it counts as root's.
    Directory(PathBuf),
    /// Nothing: the base is its layers.
    Layers,
}

impl Base {
    /// The base of that name (see [`BaseName`](crate::BaseName)), with the default options of a [`Resolver`].
    ///
    /// One that is in the store already costs a few small reads. Else it is pulled or read, which needs the
    /// features `registry` or `tarball`.
    pub fn resolve(name: &str, store: &Store) -> Result<Self> {
        Resolver::new(store).resolve(name)
    }

    pub(crate) fn new(resolver: &Resolver, name: String, id: String, content: Content, held: Held) -> Self {
        let resolver = resolver.clone();
        Self(Arc::new(Inner {
            name,
            id,
            content,
            resolver,
            held,
            copied: Mutex::default(),
            paths: Mutex::new(None),
        }))
    }

    /// The whole name: `docker.io/library/alpine:3.20`, `tar:/absolute/path`, `host`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What the base is, whatever its name: `sha256:…` over the layers' digests and the defaults; two bases
    /// with the same id make the same root. `host` and `dir:PATH` are their own description, since what is in
    /// them may change at any time.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// What a root made from it depends on now: the id, and for a directory also what that looks like. `None` for this machine's
    /// own root, which changes all the time.
    ///
    /// Errors: the directory cannot be read.
    pub fn fingerprint(&self) -> Result<Option<String>> {
        match self.kind() {
            BaseKind::Layers => Ok(Some(self.0.id.clone())),
            BaseKind::Directory(path) => Ok(Some(format!("{} {:x}", self.0.id, flat::look_of(path)?))),
            BaseKind::Host => Ok(None),
        }
    }

    /// What lies below the layers.
    pub fn kind(&self) -> &BaseKind {
        &self.0.content.bottom
    }

    /// What the image's config says.
    pub fn defaults(&self) -> &Defaults {
        &self.0.content.defaults
    }

    /// The store that it was resolved in.
    pub fn store(&self) -> &Store {
        &self.0.resolver.store
    }

    /// The unpacked layers for this id map, bottom first: absolute paths of directories that an overlay takes
    /// as lower layers, with `user.overlay.*` xattrs and whiteouts (mount it with `userxattr`). Where the store lies on
    /// overlayfs itself, whiteouts have the form that the kernel knows since Linux 6.8.
    ///
    /// For `host` there are none, for `dir:PATH` it is the path itself; the layers of snapshots of them
    /// follow. What is not unpacked for this map is unpacked now, once: other threads and processes that want
    /// it wait.
    ///
    /// Errors: a layer holds an id that the map lacks; its bytes are damaged or gone; the host allows no such
    /// user namespace; a limit is passed; the disk is full; a snapshot was made for another map.
    ///
    /// # Locking
    /// Exclusive on each layer while it is unpacked.
    pub fn layer_paths(&self, map: &IdMap) -> Result<Vec<PathBuf>> {
        let mut last = self.0.paths.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((of, paths)) = &*last
            && of == map
        {
            return Ok(paths.clone());
        }
        let paths = match &self.0.held {
            Held::Staged { parent, staging } => {
                unpack::check_staged(staging, map)?;
                let mut paths = parent.layer_paths(map)?;
                paths.push(staging.path().to_owned());
                paths
            }
            _ => {
                let bottom = match self.kind() {
                    BaseKind::Directory(path) => vec![path.clone()],
                    BaseKind::Host | BaseKind::Layers => Vec::new(),
                };
                unpack::layer_paths(self.name(), self.layers(), bottom, map, &self.0.resolver)?
            }
        };
        *last = Some((map.clone(), paths.clone()));
        Ok(paths)
    }

    /// The base as one tree with its true owners, for roots without mounts; only real root can make one. It is unpacked once; a
    /// directory is copied, and again when it looks different. Snapshots of a root without mounts are such trees themselves.
    ///
    /// Errors: this machine's own root is too much to be copied; a snapshot was made in a user namespace; and those of
    /// [`Base::layer_paths`].
    pub fn flat(&self) -> Result<Flat> {
        flat::flat(self)
    }

    pub(crate) fn copied(&self) -> MutexGuard<'_, Copied> {
        self.0.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn staging(&self) -> Option<&Staging> {
        match &self.0.held {
            Held::Staged { staging, .. } => Some(staging),
            _ => None,
        }
    }

    /// The directory of a layer that the store knows nothing of: that of a snapshot without a name.
    #[cfg(feature = "tarball")]
    pub(crate) fn staged(&self, layer: &Layer) -> Option<&Staging> {
        match &self.0.held {
            Held::Staged { staging, .. } if self.layers().last() == Some(layer) => Some(staging),
            Held::Staged { parent, .. } => parent.staged(layer),
            _ => None,
        }
    }

    /// Whether something lies in a sticky directory, such as /tmp, that not everybody may remove: as far as its layers, which are
    /// unpacked, say. Of what a rootlet wrote (a snapshot) it may be so.
    pub fn fills_sticky(&self) -> bool {
        let fills = |layer: &Layer| match layer.origin {
            Origin::Unpacked => true,
            _ => {
                let about = LayerDir::new(&self.0.resolver.store, layer.key).about();
                about.ok().flatten().is_none_or(|about| about.fills_sticky)
            }
        };
        self.is_staged() || self.layers().iter().any(fills)
    }

    /// The small blob that [`Base::set_note`] stored under this name beside the content of this base, by this or another
    /// process. `None` when there is none, or for `host`, `dir:` and snapshots without a name.
    pub fn note(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.note_file(name)?).ok()
    }

    /// Remembers a small blob about the content of this base under a name, in place of an older one. Does nothing for
    /// `host`, `dir:` and snapshots without a name, and where the store cannot be written: it is a cache.
    pub fn set_note(&self, name: &str, bytes: &[u8]) {
        if let Some(path) = self.note_file(name) {
            let _ = crate::store::write_atomically(&self.0.resolver.store.tmp(), &path, bytes);
        }
    }

    fn note_file(&self, name: &str) -> Option<PathBuf> {
        // What lies in a plain directory may change at any time; a layer on top of it may not.
        match &self.0.held {
            Held::Content(_) if self.layer_count() > 0 => {
                let id: Digest = self.0.id.parse().ok()?;
                // Names are of any length and hold anything.
                let file = format!("note-{}", Digest::of(name.as_bytes()).hex());
                Some(self.0.resolver.store.content_dir(id).join(file))
            }
            _ => None,
        }
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }

    pub(crate) fn content(&self) -> Content {
        self.0.content.clone()
    }

    /// How many layers lie on top of what [`Base::kind`] says: 0 for a plain `host` or `dir:PATH`.
    pub fn layer_count(&self) -> usize {
        self.layers().len()
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.0.content.layers
    }

    pub(crate) fn is_staged(&self) -> bool {
        matches!(self.0.held, Held::Staged { .. })
    }
}
