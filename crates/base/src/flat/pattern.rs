//! What every fresh root of one kind looks like: the base, and on it what rootlet itself puts there.

use super::Flat;
use super::make::{Maker, Share};
use super::walk::{Tree, list, remove};
use crate::store::{Locked, Store};
use crate::{Digest, Error, Result};
use rootlet_kernel::{IdMap, Worker};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chmodat, makedev, mknodat, open};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The pattern of fresh roots.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    flat: Flat,
    place: PathBuf,
    tree: Tree,
}

/// The device nodes of the runtime specification (OCI config-linux, "Default Devices").
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

impl Flat {
    /// The pattern of this base with the small tree `skin` laid on it and nothing left in the directories `empty`, where
    /// `/dev` gets its devices. It is made when it is not there.
    ///
    /// # Locking
    /// Exclusive on `locks/pattern-KEY` while it is made.
    pub fn pattern(&self, store: &Store, skin: &rootlet_kernel::Tree, empty: &[String]) -> Result<Pattern> {
        let key = Digest::of(&[b"1\0", empty.join("\0").as_bytes(), b"\0\0", skin.bytes()].concat());
        let key = &key.hex()[..16];
        let patterns = self.0.home.join("patterns");
        let place = patterns.join(key);
        let root = place.join("root");
        let failed = |e| Error::io(format!("failed to make {}", place.display()), e);
        if !root.is_dir() {
            let lock = store.lock_file(&format!("pattern-{key}"));
            let _turn = Locked::exclusive(&lock)?;
            if !root.is_dir() {
                DirBuilder::new().mode(0o700).recursive(true).create(&patterns).map_err(failed)?;
                let mut staged = store.stage()?;
                let staged_root = staged.path().join("root");
                DirBuilder::new().mode(0o700).create(&staged_root).map_err(failed)?;
                self.draw(&staged_root, skin, empty).map_err(failed)?;
                staged.settle(&place)?;
            }
            let _ = std::fs::remove_file(lock);
        }
        let tree = Tree::open(&root).map_err(failed)?;
        Ok(Pattern(Arc::new(Inner { store: store.clone(), flat: self.clone(), place, tree })))
    }

    fn draw(&self, root: &Path, skin: &rootlet_kernel::Tree, empty: &[String]) -> io::Result<()> {
        let tree = Tree::open(root)?;
        Maker::new(&self.0.tree, &tree, Share::All).fill(PathBuf::new())?;
        for directory in empty {
            let Ok(directory) = tree.resolve(Path::new(directory)) else { continue };
            let directory = tree.directory(&directory)?;
            for entry in list(directory.as_fd())? {
                remove(directory.as_fd(), &entry.name, entry.kind == FileType::Directory)?;
            }
        }
        let mut worker = Worker::start(&IdMap::identity()).map_err(io::Error::other)?;
        let mut writer = worker.writer(root)?;
        writer.tree(skin).and_then(|()| writer.finish()).map_err(|e| e.source)?;
        devices(&tree)
    }
}

/// Makes the devices that this process may make. Without a null device, a file is better than nothing.
fn devices(tree: &Tree) -> io::Result<()> {
    let dev = tree.directory(Path::new("dev"))?;
    for (name, major, minor) in DEVICES {
        let device = makedev(major, minor);
        let made = match mknodat(&dev, name, FileType::CharacterDevice, Mode::RUSR, device) {
            Err(rustix::io::Errno::PERM) if name == "null" => {
                mknodat(&dev, name, FileType::RegularFile, Mode::RUSR, 0)
            }
            made => made,
        };
        match made {
            Ok(()) => chmodat(&dev, name, Mode::from_raw_mode(0o666), AtFlags::empty())?,
            Err(rustix::io::Errno::PERM) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

impl Pattern {
    /// Whether its devices are devices: they could be made, and lie on a file system where they work.
    pub fn has_devices(&self) -> bool {
        let null = self.path().join("dev/null");
        let opened = open(&null, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let is_device = rustix::fs::statat(CWD, &null, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|st| FileType::from_raw_mode(st.st_mode) == FileType::CharacterDevice);
        opened.is_ok() && is_device
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.place.join("root")
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.0.tree
    }

    pub(super) fn flat(&self) -> &Tree {
        &self.0.flat.0.tree
    }

    pub(super) fn place(&self) -> &Path {
        &self.0.place
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }
}
