//! A tree of files by its root's descriptor. Paths are relative to it and never followed through a symlink, so whatever a
//! run left in it leads nowhere else; each directory is opened anew, so its depth costs no descriptors.

use rootlet_kernel::Who;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// What readdir(3) says of an inode's number is not enough to tell two files apart.
    numbers_lie: bool,
}

/// What a directory has under a name.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: CString,
    pub ino: u64,
    pub kind: FileType,
}

impl Tree {
    pub fn open(path: &Path) -> io::Result<Self> {
        const OVERLAYFS: u64 = 0x794c_7630;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty())?;
        let numbers_lie = rustix::fs::fstatfs(&root)?.f_type as u64 == OVERLAYFS;
        Ok(Self { root, numbers_lie })
    }

    /// The directory `path`; the empty path is the root.
    pub fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(openat2(&self.root, path, flags, Mode::empty(), resolve)?)
    }

    /// The directory that holds `path`, and its name there.
    pub fn parent<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.directory(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Where `path`, resolved as inside, leads to: without symlinks, relative to the root.
    pub fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let found = openat2(&self.root, path, flags, Mode::empty(), inside)?;
        let (found, root) = (place_of(&found)?, place_of(&self.root)?);
        let relative = found.strip_prefix(&root).map_err(|_| io::ErrorKind::NotFound)?;
        Ok(relative.to_owned())
    }

    /// Whether two entries, of this tree and of `other`, are one file.
    pub fn is_same(&self, dir: BorrowedFd<'_>, entry: &Entry, other: BorrowedFd<'_>, its: &Entry) -> bool {
        if entry.ino != its.ino || entry.kind != its.kind {
            return false;
        }
        let identity = |dir, entry: &Entry| {
            statat(dir, entry.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
                .ok()
                .map(|st| (st.st_dev, st.st_ino))
        };
        !self.numbers_lie || identity(dir, entry).is_some_and(|one| Some(one) == identity(other, its))
    }
}

fn place_of(fd: &OwnedFd) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

pub(super) fn stat_of(dir: impl AsFd, name: &OsStr) -> io::Result<Option<Stat>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(st) => Ok(Some(st)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// What a directory holds, without `.` and `..`.
pub(crate) fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<Entry>> {
    let mut room = [MaybeUninit::<u8>::uninit(); 16 * 1024];
    let mut entries = Vec::new();
    let mut raw = RawDir::new(dir, &mut room);
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            kind = FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        }
        entries.push(Entry { name: name.to_owned(), ino: entry.ino(), kind });
    }
    Ok(entries)
}

/// `path` and one name more.
pub(crate) fn below(path: &Path, name: &CStr) -> PathBuf {
    path.join(OsStr::from_bytes(name.to_bytes()))
}

/// Whether this user could change a file or directory in any way: as its owner, or by a right to write. (A member of the
/// group whom only the others' rights would let write counts: more than enough is copied, never less.)
pub(super) fn may_change(who: &Who, st: &Stat) -> bool {
    let group = st.st_gid == who.gid || who.groups.contains(&st.st_gid);
    who.uid == 0 || st.st_uid == who.uid || st.st_mode & 0o002 != 0 || group && st.st_mode & 0o020 != 0
}

/// Removes what `name` is, and all below it. Trees deeper than any honest one are refused (`ELOOP`): a worker removes those.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &CStr, is_directory: bool) -> io::Result<()> {
    const MAX_DEPTH: u32 = 100;
    remove_level(dir, name, is_directory, MAX_DEPTH)
}

fn remove_level(dir: BorrowedFd<'_>, name: &CStr, is_directory: bool, left: u32) -> io::Result<()> {
    if !is_directory {
        return Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?);
    }
    if left == 0 {
        return Err(Errno::LOOP.into());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = openat(dir, name, flags, Mode::empty())?;
    for entry in list(inner.as_fd())? {
        remove_level(inner.as_fd(), &entry.name, entry.kind == FileType::Directory, left - 1)?;
    }
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}
