//! Roots without mounts: a base as one tree, and copies of it that cost as little as may be.
//!
//! ```text
//! contents/ID/                     (or the place of a snapshot, or of the copy of a directory)
//! ├── flat/root/                   the base's layers in one tree, with true owners; never written again
//! └── patterns/KEY/
//!     ├── root/                    hard links to that tree, and what every fresh root has besides: account, /dev, mount points
//!     └── USER/                    skeletons for one user
//!         ├── writable             the places that the user can change
//!         └── XXXX/root/           one root; its files are links, but those that the user could change are copies
//!             clean                it is as the pattern is: to be taken by the next
//!             ledger               the copies in it, and when each was last changed
//! ```
//!
//! Why a link is safe: the user owns none of these files and may write none of them, and nobody gains rights inside
//! (no_new_privs). Before anyone else acts, root above all, what that one could change is copied: file by file where
//! rootlet itself does it (the kernel crate's `links.rs`), all at once for a command ([`Skeleton::separate`]).
//!
//! So what a run can have changed is known: the places that its user may write, and names in them. Making these what they
//! were is all that a fresh root costs, as long as nobody else has changed anything; else the whole tree is looked through. Root
//! could change everything, and gets copies of all files: the ledger tells which of them are still what they were. A
//! skeleton is held by an exclusive lock, and `clean` is there only while nobody uses it: one that a killed process has
//! left is removed.
//!
//! Nor would a snapshot of btrfs be cheaper, where there is one: it costs more to make and to delete than a skeleton to make what it
//! was, and without CAP_SYS_ADMIN, so in every container that this is for, it cannot be deleted but file by file.

mod compare;
mod ledger;
mod make;
mod parallel;
mod pattern;
mod restore;
mod skeleton;
pub(crate) mod walk;

pub use compare::Difference;
pub use pattern::Pattern;
pub use skeleton::Skeleton;
pub(crate) use skeleton::sweep;

use crate::store::{LayerDir, Locked, NO_LOWER, Origin, Store, TmpDir};
use crate::{Base, BaseKind, Digest, Error, ErrorKind, Result, unpack};
use make::{Maker, Share};
use rootlet_kernel::IdMap;
use std::fs::DirBuilder;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walk::{Tree, list};

/// A base as one tree. It lives as long as the base that it was asked of.
#[derive(Clone, Debug)]
pub struct Flat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Where its patterns lie.
    home: PathBuf,
    tree: Tree,
    /// A copy of a directory goes with the last that uses it.
    _staged: Option<TmpDir>,
}

impl Flat {
    fn new(root: PathBuf, home: PathBuf, staged: Option<TmpDir>) -> Result<Self> {
        let tree =
            Tree::open(&root).map_err(|e| Error::io(format!("failed to open {}", root.display()), e))?;
        Ok(Self(Arc::new(Inner { root, home, tree, _staged: staged })))
    }

    /// Its root: to be read, never to be written.
    pub fn path(&self) -> &Path {
        &self.0.root
    }

    /// Whether something stands at `path`, as it is resolved inside.
    pub fn has(&self, path: &str) -> bool {
        self.0.tree.resolve(Path::new(path)).is_ok()
    }
}

/// The last copy of a directory, and what that looked like.
pub(crate) type Copied = Option<(u64, Flat)>;

/// The base as one tree: see [`Base::flat`].
pub(crate) fn flat(base: &Base) -> Result<Flat> {
    if let Some(staging) = base.staging() {
        unpack::check_staged(staging, &IdMap::identity())?;
        return Flat::new(staging.path().to_owned(), staging.home().to_owned(), None);
    }
    let store = base.store();
    if let Some(layer) = base.layers().last()
        && layer.origin == Origin::Unpacked
    {
        // A snapshot of such a root is a whole tree.
        let place = LayerDir::new(store, layer.key).find(&IdMap::identity(), NO_LOWER)?;
        let (_, root) = place.ok_or_else(|| unpack::other_map(base.name()))?;
        return Flat::new(root.clone(), root.parent().unwrap_or(&root).to_owned(), None);
    }
    match base.kind() {
        BaseKind::Layers => unpacked(base, store),
        BaseKind::Directory(path) => copied(base, store, path),
        BaseKind::Host => Err(Error::new(
            ErrorKind::Unsupported,
            "failed to copy this machine's own root: without mounts a base is copied, and that is too much of it",
        )
        .with_hint("use an image, a tarball (tar:FILE) or a directory (dir:PATH)")),
    }
}

/// # Locking
/// Exclusive on `locks/flat-ID` while it is unpacked.
fn unpacked(base: &Base, store: &Store) -> Result<Flat> {
    let id: Digest = base.id().parse()?;
    let (home, name) = (store.content_dir(id), format!("flat-{}", id.hex()));
    let (place, root) = (home.join("flat"), home.join("flat/root"));
    if !root.is_dir() {
        let _turn = Locked::exclusive(&store.lock_file(&name))?;
        if !root.is_dir() {
            let staging = store.stage_layer(&IdMap::identity())?;
            unpack::flatten(base.name(), base.layers(), base.resolver(), staging.path())?;
            staging.settle(&place)?;
        }
        let _ = std::fs::remove_file(store.lock_file(&name));
    }
    Flat::new(root, home, None)
}

/// The caller's own directory is neither linked to nor trusted to stay as it is: it is copied, and again when it looks different.
fn copied(base: &Base, store: &Store, path: &Path) -> Result<Flat> {
    let failed = |e| Error::io(format!("failed to copy the directory {}", path.display()), e);
    let from = Tree::open(path).map_err(failed)?;
    let looks = look(&from).map_err(failed)?;
    let mut last = base.copied();
    if let Some((looked, flat)) = &*last
        && *looked == looks
    {
        return Ok(flat.clone());
    }
    let staged = store.stage()?;
    let root = staged.path().join("root");
    DirBuilder::new().mode(0o700).create(&root).map_err(failed)?;
    let to = Tree::open(&root).map_err(failed)?;
    Maker::new(&from, &to, Share::Nothing).fill(PathBuf::new()).map_err(failed)?;
    // What a recipe has put on top of it.
    if !base.layers().is_empty() {
        unpack::flatten(base.name(), base.layers(), base.resolver(), &root)?;
    }
    let flat = Flat::new(root, staged.path().to_owned(), Some(staged))?;
    *last = Some((looks, flat.clone()));
    Ok(flat)
}

/// As [`look`], of a directory by its path.
pub(crate) fn look_of(path: &Path) -> Result<u64> {
    let failed = |e| Error::io(format!("failed to read the directory {}", path.display()), e);
    look(&Tree::open(path).map_err(failed)?).map_err(failed)
}

/// A number for what a tree looks like: it changes with every change in it, whoever makes it, since nobody sets the time of a
/// file's last change.
fn look(tree: &Tree) -> io::Result<u64> {
    use std::os::fd::AsFd;
    let mut hasher = DefaultHasher::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let directory = tree.directory(&path)?;
        path.hash(&mut hasher);
        for entry in list(directory.as_fd())? {
            let name = entry.name.as_c_str();
            let st = rustix::fs::statat(&directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
            (name, st.st_ino, st.st_mode, st.st_size, st.st_ctime, st.st_ctime_nsec).hash(&mut hasher);
            if entry.kind == rustix::fs::FileType::Directory {
                left.push(walk::below(&path, name));
            }
        }
    }
    Ok(hasher.finish())
}
