//! A tree of files on disk as a layer: a `dir:` base, or a snapshot.
//!
//! What overlayfs wrote into a snapshot becomes what layers have for it: a whiteout, an opaque directory. Owners are those
//! inside: see [`Owners`].

use crate::flat::walk::{Tree, below, list};
use crate::store::{Layer, LayerDir};
use crate::unpack::{Entry, inside, is_kept, show};
use crate::{Base, BaseKind, Error, ErrorKind, LayerWriter, PackedLayer, Result};
use rootlet_kernel::IdMap;
use rootlet_kernel::one_id::{FOREIGN_ATIME, Owner, TRUTH};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
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
    let tree = Tree::open(root).map_err(|e| failed(root, e))?;
    let writer = LayerWriter::begin(base.store())?;
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
        let failed = |e: io::Error| failed(&self.root.join(path), e);
        let file = File::from(self.tree.directory(path).map_err(failed)?);
        let st = rustix::fs::fstat(&file).map_err(|e| failed(e.into()))?;
        let mut entries = list(file.as_fd()).map_err(failed)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let name = path.as_os_str().as_bytes();
        let mut entry = self.entry(path, &st, Some(&file))?;
        entry.name = if name.is_empty() { b"./".to_vec() } else { [name, b"/"].concat() };
        self.append(&entry, &mut io::empty())?;
        if self.is_opaque(path, &file)? {
            self.writer.hide_lower(if name.is_empty() { b"." } else { name })?;
        }
        let (inner, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.kind == FileType::Directory);
        left.extend(inner.iter().rev().map(|entry| below(path, &entry.name)));
        others.iter().try_for_each(|entry| self.other(&below(path, &entry.name), file.as_fd(), &entry.name))
    }

    fn other(&mut self, path: &Path, directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let failed = |e: Errno| failed(&self.root.join(path), e.into());
        let st = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let bytes = path.as_os_str().as_bytes();
        let kind = FileType::from_raw_mode(st.st_mode);
        let from_inside = matches!(self.owners, Owners::Mapped(_));
        match kind {
            FileType::CharacterDevice if from_inside && st.st_rdev == 0 => return self.writer.remove(bytes),
            FileType::RegularFile | FileType::Symlink | FileType::Fifo => {}
            _ => {
                self.left_out += 1;
                return Ok(());
            }
        }
        if st.st_nlink > 1 {
            let known = self.links.entry((st.st_dev, st.st_ino)).or_insert_with(|| bytes.to_vec()).clone();
            if known != bytes {
                let mut link = self.entry(path, &st, None)?;
                (link.kind, link.link) = (EntryType::Link, known);
                return self.append(&link, &mut io::empty());
            }
        }
        match kind {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = File::from(openat(directory, name, flags, Mode::empty()).map_err(failed)?);
                let mut entry = self.entry(path, &st, Some(&file))?;
                (entry.kind, entry.size) = (EntryType::Regular, st.st_size as u64);
                self.append(&entry, &mut (&file).take(entry.size))
            }
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new()).map_err(failed)?;
                let mut entry = self.entry(path, &st, None)?;
                (entry.kind, entry.link) = (EntryType::Symlink, target.into_bytes());
                self.append(&entry, &mut io::empty())
            }
            _ => {
                let mut entry = self.entry(path, &st, None)?;
                entry.kind = EntryType::Fifo;
                self.append(&entry, &mut io::empty())
            }
        }
    }

    fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> Result<()> {
        self.writer
            .append_entry(entry, data)
            .map_err(|e| Error::io(format!("failed to pack `{}`", show(&entry.name)), e))
    }

    /// What is said of a file besides its contents; `file` where it can be opened. It passes for a directory.
    fn entry(&self, path: &Path, st: &Stat, file: Option<&File>) -> Result<Entry> {
        let all = file.map_or(Ok(Vec::new()), attributes).map_err(|e| failed(&self.root.join(path), e))?;
        let truth = all.iter().find(|(name, _)| name == TRUTH.to_bytes()).map(|(_, value)| value.as_slice());
        let Owner { uid, gid, mode } = self.owners.of(st, truth).ok_or_else(|| {
            Error::new(
                ErrorKind::UnmappedId,
                format!(
                    "{} belongs to {}:{}, whom the id map of the snapshot lacks",
                    self.root.join(path).display(),
                    st.st_uid,
                    st.st_gid
                ),
            )
        })?;
        let xattrs = all.into_iter().filter(|(name, _)| is_kept(name));
        Ok(Entry {
            name: path.as_os_str().as_bytes().to_vec(),
            link: Vec::new(),
            kind: EntryType::Directory,
            mode,
            uid: uid.into(),
            gid: gid.into(),
            mtime: (st.st_mtime, st.st_mtime_nsec as u32),
            xattrs: xattrs.map(portable).collect(),
            device: (0, 0),
            size: 0,
            holes: 0,
        })
    }

    fn is_opaque(&self, path: &Path, directory: &File) -> Result<bool> {
        let all = attributes(directory).map_err(|e| failed(&self.root.join(path), e))?;
        let marked = all.iter().any(|(name, value)| name == b"user.overlay.opaque" && value == b"y");
        Ok(marked && matches!(self.owners, Owners::Mapped(_)))
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
        let stored = Owner { uid: inside(&map.uids, st.st_uid)?, gid: inside(&map.gids, st.st_gid)?, mode };
        let foreign = (st.st_atime, st.st_atime_nsec as i64) == (FOREIGN_ATIME[0], FOREIGN_ATIME[1]);
        Some(match (&map.one, truth.and_then(Owner::from_bytes)) {
            (None, _) => stored,
            (Some(_), Some(truth)) => truth,
            (Some(_), None) if foreign => Owner { uid: 0, gid: 0, mode },
            (Some(_), None) => stored,
        })
    }
}

/// A capability that holds in one user namespace alone (version 3) is that of a root; in a layer it is any root's
/// (version 2).
fn portable((name, value): (Vec<u8>, Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    const VERSION: u32 = 0xff00_0000;
    let magic = value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    match magic {
        Some(magic)
            if name == b"security.capability" && magic & VERSION == 0x0300_0000 && value.len() == 24 =>
        {
            let magic = magic & !VERSION | 0x0200_0000;
            (name, [&magic.to_le_bytes(), &value[4..20]].concat())
        }
        _ => (name, value),
    }
}

/// Names and values, by name.
fn attributes(file: &File) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let length = match rustix::fs::flistxattr_query(file) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        length => length?,
    };
    let mut names = vec![0; length];
    let length = rustix::fs::flistxattr(file, names.as_mut_slice())?;
    names.truncate(length);
    let mut all = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if !is_kept(name) && name != TRUTH.to_bytes() && name != b"user.overlay.opaque" {
            continue;
        }
        let mut value = vec![0; 65536];
        let length = rustix::fs::fgetxattr(file, name, value.as_mut_slice())?;
        value.truncate(length);
        all.push((name.to_vec(), value));
    }
    all.sort();
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
