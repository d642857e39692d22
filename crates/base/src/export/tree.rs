//! A tree of files on disk as a layer: a `dir:` base, or a snapshot.
//!
//! What overlayfs wrote into a snapshot becomes what layers have for it: a whiteout, an opaque directory. Owners are those
//! inside: see [`Owners`].

use crate::flat::walk::{below, list};
use crate::store::{Layer, LayerDir};
use crate::unpack::{TarEntry, is_kept, show};
use crate::{Base, BaseKind, Error, ErrorKind, LayerWriter, PackedLayer, Result};
use rootlet_kernel::one_id::{FOREIGN_ATIME, Owner, TRUTH};
use rootlet_kernel::{IdMap, Opened, Worker};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, fstat, openat2, readlinkat,
    utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::EntryType;

/// What lies below the layers of a base, as a layer; `None` where nothing does.
///
/// Errors: this machine's own root is not copied; a file may not be read.
pub(super) fn bottom(base: &Base) -> Result<Option<PackedLayer>> {
    match base.kind() {
        BaseKind::Layers => Ok(None),
        BaseKind::Directory(path) => pack(base, path, &Owners::Callers).map(Some),
        BaseKind::Host => Err(Error::new(
            ErrorKind::Unsupported,
            "this machine's own root is no base for others: it holds what is nobody's business, and changes while it is read",
        )
        .with_hint("export an image, a tarball (tar:FILE) or a directory (dir:PATH)")),
    }
}

/// A snapshot's own layer; whether it is a whole root, without the layers below.
///
/// Errors: it is not in the store any more; a file of it may not be read.
pub(super) fn snapshot(base: &Base, layer: &Layer) -> Result<(PackedLayer, bool)> {
    let (map, tree) = match base.staged(layer) {
        Some(staging) => (staging.map().clone(), staging.path().to_owned()),
        None => LayerDir::new(base.store(), layer.key).made()?.ok_or_else(|| {
            let what = format!("the snapshot's layer {} is not in the store", layer.key);
            Error::new(ErrorKind::NotFound, what)
        })?,
    };
    let whole = map == IdMap::identity();
    Ok((pack(base, &tree, &Owners::Mapped(map))?, whole))
}

/// Whose the files of a tree are.
enum Owners {
    /// What the caller owns is root's; the others keep their numbers.
    Callers,
    /// They were made inside, with these ids.
    Mapped(IdMap),
}

fn pack(base: &Base, root: &Path, owners: &Owners) -> Result<PackedLayer> {
    let open = || File::open(root).map_err(|e| failed(root, e));
    let worker = match owners {
        Owners::Callers => None,
        Owners::Mapped(map) => Some(Worker::start(map).map_err(Error::no_worker)?),
    };
    let writer = LayerWriter::begin(base.store())?;
    let tree = Tree { root: open()?, worker };
    let mut packer = Packer { root, tree, owners, writer, links: HashMap::new(), left_out: 0 };
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        packer.directory(&path, &mut left)?;
    }
    if packer.left_out > 0 {
        let note = format!("{}: {} devices and sockets were left out", base.name(), packer.left_out);
        base.resolver().progress.note(&note);
    }
    packer.writer.finish()
}

/// What is read: by us, or by somebody who may.
struct Tree {
    root: File,
    worker: Option<Worker>,
}

impl Tree {
    /// What is at `path`, with its attributes. Of what is neither file nor directory only its place is opened.
    fn open(&mut self, path: &Path, kind: FileType) -> io::Result<Opened> {
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let (flags, is_place) = match kind {
            FileType::Directory => (read | OFlags::DIRECTORY, false),
            FileType::RegularFile => (read, false),
            _ => (OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, true),
        };
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if let Some(worker) = &mut self.worker {
            return worker.open(&self.root, path.as_os_str().as_bytes(), flags);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        // The last part may be one, which is not followed then.
        let resolve = if is_place { ResolveFlags::BENEATH } else { resolve };
        let fd = openat2(&self.root, path, flags, Mode::empty(), resolve)?;
        let attributes = if is_place { Vec::new() } else { attributes(&fd)? };
        Ok(Opened { fd, attributes })
    }
}

struct Packer<'a> {
    root: &'a Path,
    tree: Tree,
    owners: &'a Owners,
    writer: LayerWriter,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    left_out: u64,
}

impl Packer<'_> {
    /// A directory and what is no directory in it, in the order of names; those that are come to what is left.
    fn directory(&mut self, path: &Path, left: &mut Vec<PathBuf>) -> Result<()> {
        let (opened, mut entry) = self.open(path, FileType::Directory)?;
        let name = path.as_os_str().as_bytes();
        entry.name = if name.is_empty() { b"./".to_vec() } else { [name, b"/"].concat() };
        self.append(&entry, &mut io::empty())?;
        let opaque = (b"user.overlay.opaque".to_vec(), b"y".to_vec());
        if self.tree.worker.is_some() && opened.attributes.contains(&opaque) {
            self.writer.hide_lower(if name.is_empty() { b"." } else { name })?;
        }
        let mut entries = list(opened.fd.as_fd()).map_err(|e| failed(&self.root.join(path), e))?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let (inner, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.kind == FileType::Directory);
        left.extend(inner.iter().rev().map(|entry| below(path, &entry.name)));
        others.iter().try_for_each(|entry| self.other(&below(path, &entry.name), entry.kind))
    }

    /// What is no directory.
    fn other(&mut self, path: &Path, kind: FileType) -> Result<()> {
        let at = |e: Errno| failed(&self.root.join(path), e.into());
        let (Opened { fd, .. }, mut entry) = self.open(path, kind)?;
        let st = fstat(&fd).map_err(at)?;
        match kind {
            // Overlayfs' mark of what was removed.
            FileType::CharacterDevice if self.tree.worker.is_some() && st.st_rdev == 0 => {
                return self.writer.remove(&entry.name);
            }
            FileType::RegularFile => (entry.kind, entry.size) = (EntryType::Regular, st.st_size as u64),
            FileType::Symlink => {
                let target = readlinkat(&fd, "", Vec::new()).map_err(at)?;
                self.unread(&fd, &st).map_err(at)?;
                (entry.kind, entry.link) = (EntryType::Symlink, target.into_bytes());
            }
            FileType::Fifo => entry.kind = EntryType::Fifo,
            _ => {
                self.left_out += 1;
                return Ok(());
            }
        }
        if st.st_nlink > 1 {
            let first = self.links.entry((st.st_dev, st.st_ino)).or_insert_with(|| entry.name.clone());
            if *first != entry.name {
                (entry.kind, entry.link, entry.size) = (EntryType::Link, first.clone(), 0);
                entry.xattrs.clear();
            }
        }
        let size = entry.size;
        self.append(&entry, &mut File::from(fd).take(size))
    }

    /// With one id, the time at which a symlink was read last tells whose it is: reading it is undone.
    fn unread(&self, fd: &OwnedFd, st: &Stat) -> rustix::io::Result<()> {
        match self.owners {
            Owners::Mapped(map) if map.one.is_some() => {
                let last_access = Timespec { tv_sec: st.st_atime as _, tv_nsec: st.st_atime_nsec as _ };
                let last_modification = Timespec { tv_sec: st.st_mtime as _, tv_nsec: st.st_mtime_nsec as _ };
                let times = Timestamps { last_access, last_modification };
                utimensat(fd, "", &times, AtFlags::EMPTY_PATH)
            }
            _ => Ok(()),
        }
    }

    /// Opens something; with what is said of it, as of a directory.
    fn open(&mut self, path: &Path, kind: FileType) -> Result<(Opened, TarEntry)> {
        let at = |e: io::Error| failed(&self.root.join(path), e);
        let opened = self.tree.open(path, kind).map_err(at)?;
        let st = fstat(&opened.fd).map_err(|e| at(e.into()))?;
        let entry = self.entry(path, &st, &opened.attributes)?;
        Ok((opened, entry))
    }

    fn append(&mut self, entry: &TarEntry, data: &mut dyn Read) -> Result<()> {
        self.writer
            .append_entry(entry, data)
            .map_err(|e| Error::io(format!("failed to pack `{}`", show(&entry.name)), e))
    }

    /// What is said of a file besides its contents.
    fn entry(&self, path: &Path, st: &Stat, attributes: &[(Vec<u8>, Vec<u8>)]) -> Result<TarEntry> {
        let truth = attributes.iter().find(|(name, _)| name == TRUTH.to_bytes());
        let truth = truth.map(|(_, value)| value.as_slice());
        let Owner { uid, gid, mode } = self.owners.of(st, truth).ok_or_else(|| {
            let (path, uid, gid) = (self.root.join(path), st.st_uid, st.st_gid);
            let what = format!("{} belongs to {uid}:{gid}, whom its id map lacks", path.display());
            Error::new(ErrorKind::UnmappedId, what)
        })?;
        let mut xattrs: Vec<_> = attributes.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        xattrs.sort();
        Ok(TarEntry {
            name: path.as_os_str().as_bytes().to_vec(),
            link: Vec::new(),
            kind: EntryType::Directory,
            mode,
            uid: uid.into(),
            gid: gid.into(),
            mtime: (st.st_mtime, st.st_mtime_nsec as u32),
            xattrs,
            device: (0, 0),
            size: 0,
            holes: 0,
        })
    }
}

impl Owners {
    /// Owner and mode as they are inside; `truth` is what the attribute says. `None`: nobody inside has this id.
    fn of(&self, st: &Stat, truth: Option<&[u8]>) -> Option<Owner> {
        let mode = st.st_mode & 0o7777;
        let map = match self {
            Self::Callers => {
                let own = |id, callers| if id == callers { 0 } else { id };
                let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
                return Some(Owner { uid: own(st.st_uid, uid), gid: own(st.st_gid, gid), mode });
            }
            Self::Mapped(map) => map,
        };
        let stored = Owner { uid: map.uid_inside(st.st_uid)?, gid: map.gid_inside(st.st_gid)?, mode };
        let foreign = (st.st_atime, st.st_atime_nsec as i64) == (FOREIGN_ATIME[0], FOREIGN_ATIME[1]);
        Some(match (&map.one, truth.and_then(Owner::from_bytes)) {
            (None, _) => stored,
            (Some(_), Some(truth)) => truth,
            (Some(_), None) if foreign => Owner { uid: 0, gid: 0, mode },
            (Some(_), None) => stored,
        })
    }
}

/// Names and values of those that a layer may have.
fn attributes(file: &OwnedFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let length = match rustix::fs::flistxattr_query(file) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        length => length?,
    };
    let mut names = vec![0; length];
    let length = rustix::fs::flistxattr(file, names.as_mut_slice())?;
    names.truncate(length);
    let mut all = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if !is_kept(name) {
            continue;
        }
        let mut value = vec![0; 65536];
        let length = rustix::fs::fgetxattr(file, name, value.as_mut_slice())?;
        value.truncate(length);
        all.push((name.to_vec(), value));
    }
    Ok(all)
}

fn failed(path: &Path, error: io::Error) -> Error {
    let refused = error.raw_os_error() == Some(Errno::ACCESS.raw_os_error());
    let error = Error::io(format!("failed to read {}", path.display()), error);
    match refused {
        true => error.with_hint("it belongs to another user: root can read and export it"),
        false => error,
    }
}
