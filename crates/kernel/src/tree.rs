//! Making and removing trees of files with owners that only a user namespace has.
//!
//! A [`Worker`] is a small process inside the user namespace. The caller parses (a tar, say) in safe code and streams
//! plain entries; the worker makes them below one directory and cannot leave it: every path is resolved with
//! openat2(2) `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`.

use crate::idmap::OneId;
use crate::nursery::Nursery;
use crate::one_id::{FOREIGN_ATIME, Owner, TRUTH};
use crate::socket::{self, Message, Received};
use crate::wire::{DATAGRAM, tree as record};
use crate::{IdMap, StartError};
use rustix::fs::{Mode, OFlags};
use rustix::net::RecvFlags;
use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A process in the user namespace of an [`IdMap`] that makes and removes trees. It ends with its handle.
#[derive(Debug)]
pub struct Worker {
    socket: OwnedFd,
    nursery: Arc<Nursery>,
}

/// Owner, mode, time and extended attributes of an entry, as seen from inside the user namespace.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Permission bits, 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes: name without NUL, value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Special files. Real device nodes cannot be made in a user namespace (EPERM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A FIFO.
    Fifo,
    /// A socket's name.
    Socket,
}

/// A step of the worker failed.
#[derive(Debug)]
pub struct TreeError {
    /// Path of the entry that failed, relative to the tree.
    pub path: Vec<u8>,
    /// Why: `source.raw_os_error()` is the errno.
    pub source: io::Error,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to make or remove `{}`", self.path.escape_ascii())
    }
}

impl std::error::Error for TreeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

fn tree_error(path: &[u8]) -> impl FnOnce(io::Error) -> TreeError {
    move |source| TreeError { path: path.to_vec(), source }
}

impl Worker {
    /// Starts one. Errors: the host allows no user namespace, newuidmap is missing or refuses, …
    pub fn start(map: &IdMap) -> Result<Worker, StartError> {
        let nursery = Nursery::shared(map, crate::Bounds::NONE)?;
        nursery.worker().map_err(|e| StartError::new("start a worker", e))
    }

    pub(crate) fn new(socket: OwnedFd, nursery: Arc<Nursery>) -> Self {
        Self { socket, nursery }
    }

    /// A writer of entries below `directory`, which the caller has just made. It becomes the namespace's root's.
    pub fn writer(&mut self, directory: &Path) -> io::Result<TreeWriter<'_>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(directory, flags, Mode::empty())?;
        if rustix::process::geteuid().is_root() {
            // Real root's own directory belongs to nobody in there; an ordinary user's belongs to an id that is mapped.
            let map = self.nursery.map();
            std::os::unix::fs::chown(directory, map.uid_outside(0), map.gid_outside(0))?;
        }
        Message::new(record::BEGIN).send(&self.socket, &[fd.as_fd()])?;
        let tree = Tree::for_ids(self.nursery.map());
        Ok(TreeWriter { worker: self, tree, directories: Vec::new(), failed: false })
    }

    /// Removes `path` and all below it, whoever owns it. Nothing there is no error.
    pub fn remove(&mut self, path: &Path) -> Result<(), TreeError> {
        self.remove_path(path).map_err(tree_error(path.as_os_str().as_bytes()))
    }

    fn remove_path(&mut self, path: &Path) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return std::fs::remove_file(path),
            Err(e) => return Err(e.into()),
        };
        // Only the owners of what it holds can empty it; only the owner of its parent, which is the caller, can remove it.
        Message::new(record::EMPTY).send(&self.socket, &[fd.as_fd()])?;
        socket::receive_large(&self.socket, RecvFlags::empty())?.ok()?;
        std::fs::remove_dir(path)
    }
}

/// A small tree as data: entries that are made in one go. Owners are as seen from inside.
#[derive(Debug)]
pub struct Tree {
    message: Message,
    one: Option<OneId>,
}

impl Tree {
    /// An empty one, for a user namespace with these ids.
    pub fn for_ids(map: &IdMap) -> Self {
        Self { message: Message::new(ENTRIES), one: map.one.clone() }
    }

    pub(crate) fn records(&self) -> &[u8] {
        self.message.fields_so_far()
    }

    /// What stands for it: two trees with the same bytes are the same.
    pub fn bytes(&self) -> &[u8] {
        self.records()
    }

    /// A directory; an existing one only takes owner and mode. The empty path is the root of the tree.
    pub fn directory(&mut self, path: &str, mode: u32, uid: u32, gid: u32) -> &mut Self {
        self.directory_record(path.as_bytes(), &Meta { mode, uid, gid, ..Meta::default() });
        self
    }

    /// A file with these bytes, last modified at the beginning of 1970: so two such trees are equal.
    pub fn file(&mut self, path: &str, mode: u32, uid: u32, gid: u32, data: &[u8]) -> &mut Self {
        let meta = Meta { mode, uid, gid, ..Meta::default() };
        self.file_record(path.as_bytes(), &meta, data.len() as u64);
        for part in data.chunks(DATAGRAM / 2) {
            self.message.u32(record::DATA).bytes(part);
        }
        self.truth_record(path.as_bytes(), &meta);
        self
    }

    /// A symlink, owned by root.
    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        self.symlink_record(path.as_bytes(), target.as_bytes(), &Meta::default());
        self
    }

    fn directory_record(&mut self, path: &[u8], meta: &Meta) {
        let Owner { uid, gid, mode } = self.stored(meta.mode, meta);
        self.message.u32(record::DIRECTORY).bytes(path).u32(mode).u32(uid).u32(gid);
        self.truth_record(path, meta);
    }

    /// Its truth follows behind its data.
    fn file_record(&mut self, path: &[u8], meta: &Meta, size: u64) {
        self.owned(record::FILE, path, meta.mode, meta).u64(size);
    }

    fn symlink_record(&mut self, path: &[u8], target: &[u8], meta: &Meta) {
        let (sec, nsec) = meta.mtime;
        let (Owner { uid, gid, .. }, atime) = (self.stored(0, meta), self.atime(meta));
        self.message.u32(record::SYMLINK).bytes(path).bytes(target).u32(0).u32(uid).u32(gid);
        self.message.u64(sec as u64).u32(nsec).u64(atime.0 as u64).u32(atime.1);
    }

    /// Only of what is neither file nor directory; see [`FOREIGN_ATIME`].
    fn atime(&self, meta: &Meta) -> (i64, u32) {
        match &self.one {
            Some(one) if one.uid != meta.uid => (FOREIGN_ATIME[0], FOREIGN_ATIME[1] as u32),
            _ => meta.mtime,
        }
    }

    fn owned(&mut self, kind: u32, path: &[u8], mode: u32, meta: &Meta) -> &mut Message {
        let (sec, nsec) = meta.mtime;
        let Owner { uid, gid, mode } = self.stored(mode, meta);
        self.message.u32(kind).bytes(path).u32(mode).u32(uid).u32(gid).u64(sec as u64).u32(nsec)
    }

    /// What a file of this owner has on disk. `mode` may bear the type.
    fn stored(&self, mode: u32, meta: &Meta) -> Owner {
        let owner = Owner { uid: meta.uid, gid: meta.gid, mode };
        match &self.one {
            Some(one) => {
                Owner { uid: one.uid, gid: one.gid, mode: mode & !0o7777 | one.user().stored_mode(owner) }
            }
            None => owner,
        }
    }

    /// Beside a file or directory whose owner is not the one id: who it is. (Nothing else takes attributes.)
    fn truth_record(&mut self, path: &[u8], meta: &Meta) {
        let owner = Owner { uid: meta.uid, gid: meta.gid, mode: meta.mode & 0o7777 };
        if self.one.as_ref().is_some_and(|one| !one.user().is_own(owner)) {
            self.message.u32(record::XATTR).bytes(path).bytes(TRUTH.to_bytes()).bytes(&owner.to_bytes());
        }
    }
}

/// A stream of entries. Paths are relative, `/`-separated bytes without `..`, empty or `.` components (`b""` is the root
/// of the tree itself, for [`TreeWriter::directory`] alone). Missing parents are made, 0755 root. What stands in an
/// entry's place is replaced, except that a directory on a directory only takes the new metadata. Calls may return an
/// error of an *earlier* entry: the stream is not answered one by one. A writer that is dropped without
/// [`TreeWriter::finish`] leaves a tree that is not complete.
#[derive(Debug)]
pub struct TreeWriter<'a> {
    worker: &'a mut Worker,
    tree: Tree,
    /// Their times are set last, when nothing is made in them any more.
    directories: Vec<(Vec<u8>, (i64, u32))>,
    failed: bool,
}

/// Kind of a message that carries entries.
const ENTRIES: u32 = 0;

impl TreeWriter<'_> {
    /// A directory. Its mtime is set when the stream ends.
    pub fn directory(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.make_room(path, 2 * path.len())?;
        self.directories.push((path.to_vec(), meta.mtime));
        self.tree.directory_record(path, meta);
        self.xattrs(path, meta)
    }

    /// A regular file of exactly `size` bytes read from `data`; fewer is an error (`UnexpectedEof`).
    pub fn file(
        &mut self,
        path: &[u8],
        meta: &Meta,
        size: u64,
        data: &mut dyn Read,
    ) -> Result<(), TreeError> {
        self.make_room(path, path.len())?;
        self.tree.file_record(path, meta, size);
        let mut left = size;
        let mut buffer = [0u8; 8192];
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = match data.read(&mut buffer[..want]) {
                Ok(0) => return Err(self.fail(path, io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.fail(path, e)),
            };
            self.make_room(path, n)?;
            self.tree.message.u32(record::DATA).bytes(&buffer[..n]);
            left -= n as u64;
        }
        self.make_room(path, path.len())?;
        self.tree.truth_record(path, meta);
        self.xattrs(path, meta)
    }

    /// All entries of a small tree.
    pub fn tree(&mut self, tree: &Tree) -> Result<(), TreeError> {
        self.flush(b"")?;
        self.tree.message.raw(tree.records());
        self.flush(b"")
    }

    /// A symlink; `meta.mode` is ignored.
    pub fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.make_room(path, path.len() + target.len())?;
        self.tree.symlink_record(path, target, meta);
        Ok(())
    }

    /// A hard link to `existing`, a path of the same tree. Symlinks in `existing`'s last component are not followed.
    pub fn hard_link(&mut self, path: &[u8], existing: &[u8]) -> Result<(), TreeError> {
        self.make_room(path, path.len() + existing.len())?;
        self.tree.message.u32(record::HARD_LINK).bytes(path).bytes(existing);
        Ok(())
    }

    /// A FIFO or a socket's name.
    pub fn node(&mut self, path: &[u8], kind: NodeKind, meta: &Meta) -> Result<(), TreeError> {
        self.make_room(path, path.len())?;
        let kind = match kind {
            NodeKind::Fifo => libc::S_IFIFO,
            NodeKind::Socket => libc::S_IFSOCK,
        };
        let atime = self.tree.atime(meta);
        let node = self.tree.owned(record::NODE, path, kind | meta.mode & 0o7777, meta);
        node.u64(atime.0 as u64).u32(atime.1);
        Ok(())
    }

    /// Hides `path` of the layers below (overlayfs: a whiteout, in the form that it can have there).
    pub fn whiteout(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.make_room(path, path.len())?;
        self.tree.owned(record::NODE, path, libc::S_IFCHR, &Meta::default()).u64(0).u32(0);
        Ok(())
    }

    /// Hides all that the layers below have in the directory `path`, which is made (0755 root) where it is missing
    /// (overlayfs: the attribute `user.overlay.opaque`).
    pub fn opaque(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.make_room(path, 3 * path.len())?;
        match self.directories.iter().find(|(known, _)| known == path).map(|(_, time)| *time) {
            // It ends the file that came before, which the attribute would else be taken for.
            Some((sec, nsec)) => {
                self.tree.message.u32(record::TIMES).bytes(path).u64(sec as u64).u32(nsec);
            }
            None => self.directory(path, &Meta { mode: 0o755, ..Meta::default() })?,
        }
        self.xattr(path, b"user.overlay.opaque", b"y")
    }

    /// Ends the stream: directory times are set, and the first error of any entry is returned.
    pub fn finish(mut self) -> Result<(), TreeError> {
        for (path, (sec, nsec)) in std::mem::take(&mut self.directories).into_iter().rev() {
            self.make_room(&path, path.len())?;
            self.tree.message.u32(record::TIMES).bytes(&path).u64(sec as u64).u32(nsec);
        }
        self.flush(b"")?;
        Message::new(record::END).send(&self.worker.socket, &[]).map_err(tree_error(b""))?;
        let answer =
            socket::receive_large(&self.worker.socket, RecvFlags::empty()).map_err(tree_error(b""))?;
        // The answer has come: there is nothing to wait for when this is dropped.
        self.failed = true;
        answered(answer)
    }

    fn xattrs(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        meta.xattrs.iter().try_for_each(|(name, value)| self.xattr(path, name, value))
    }

    fn xattr(&mut self, path: &[u8], name: &[u8], value: &[u8]) -> Result<(), TreeError> {
        self.make_room(path, path.len() + name.len() + value.len())?;
        self.tree.message.u32(record::XATTR).bytes(path).bytes(name).bytes(value);
        Ok(())
    }

    /// Sends what is there when an entry with `len` bytes of strings would not fit any more. An entry that fits into no
    /// datagram, an attribute of 64 KiB say, goes as a message of its own, in a memfd.
    fn make_room(&mut self, path: &[u8], len: usize) -> Result<(), TreeError> {
        const NUMBERS: usize = 192;
        if self.tree.message.len() + len + NUMBERS > DATAGRAM { self.flush(path) } else { Ok(()) }
    }

    fn flush(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.tree.message.send(&self.worker.socket, &[]).map_err(|e| self.fail(path, e))?;
        self.tree.message.clear();
        // The worker speaks before the end only when something failed.
        match socket::receive_large(&self.worker.socket, RecvFlags::DONTWAIT) {
            Ok(answer) => {
                self.end_early();
                answered(answer)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(self.fail(path, e)),
        }
    }

    /// The worker has answered this stream already: it only needs to know that it is over.
    fn end_early(&mut self) {
        self.failed = true;
        let _ = Message::new(record::END).send(&self.worker.socket, &[]);
    }

    /// Gives the stream up and makes the worker ready for the next.
    fn fail(&mut self, path: &[u8], source: io::Error) -> TreeError {
        self.abandon();
        TreeError { path: path.to_vec(), source }
    }

    fn abandon(&mut self) {
        if !self.failed {
            self.failed = true;
            if Message::new(record::END).send(&self.worker.socket, &[]).is_ok() {
                let _ = socket::receive_large(&self.worker.socket, RecvFlags::empty());
            }
        }
    }
}

impl Drop for TreeWriter<'_> {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn answered(answer: Received) -> Result<(), TreeError> {
    let path = answer.fields().bytes().unwrap_or(b"").to_vec();
    answer.ok().map(drop).map_err(|source| TreeError { path, source })
}
