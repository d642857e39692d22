//! Making and removing trees of files with owners that only a user namespace has.
//!
//! A [`Worker`] is a small process inside the user namespace. The caller parses (a tar, say) in safe code and streams
//! plain entries; the worker makes them below one directory and cannot leave it: every path is resolved with
//! openat2(2) `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`.

use crate::IdMap;
use std::io::{self, Read};
use std::path::Path;

/// A process in the user namespace of an [`IdMap`] that makes and removes trees.
#[derive(Debug)]
pub struct Worker {}

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

impl Worker {
    /// Starts one. Errors: the host allows no user namespace, newuidmap is missing or refuses, …
    pub fn start(map: &IdMap) -> io::Result<Worker> {
        let _ = map;
        unimplemented!()
    }

    /// A writer of entries below `directory`, which exists, is empty and is writable by the caller.
    pub fn writer(&mut self, directory: &Path) -> io::Result<TreeWriter<'_>> {
        let _ = directory;
        unimplemented!()
    }

    /// Removes `path` and all below it, whoever owns it. Nothing there is no error.
    pub fn remove(&mut self, path: &Path) -> Result<(), TreeError> {
        let _ = path;
        unimplemented!()
    }
}

/// A stream of entries. Paths are relative, `/`-separated bytes without `..`, empty or `.` components (`b""` is the root
/// of the tree itself, for [`TreeWriter::directory`] alone). Missing parents are made, 0755 root. What stands in an
/// entry's place is replaced, except that a directory on a directory only takes the new metadata. Calls may return an
/// error of an *earlier* entry: the stream is not answered one by one.
#[derive(Debug)]
pub struct TreeWriter<'a> {
    _worker: &'a mut Worker,
}

impl TreeWriter<'_> {
    /// A directory. Its mtime is set when the stream ends.
    pub fn directory(&mut self, _path: &[u8], _meta: &Meta) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// A regular file of exactly `size` bytes read from `data`; fewer is an error.
    pub fn file(&mut self, _path: &[u8], _meta: &Meta, _size: u64, _data: &mut dyn Read) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// A symlink; `meta.mode` is ignored.
    pub fn symlink(&mut self, _path: &[u8], _target: &[u8], _meta: &Meta) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// A hard link to `existing`, a path of the same tree. Symlinks in `existing`'s last component are not followed.
    pub fn hard_link(&mut self, _path: &[u8], _existing: &[u8]) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// A FIFO or a socket's name.
    pub fn node(&mut self, _path: &[u8], _kind: NodeKind, _meta: &Meta) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// Hides `path` of the layers below (overlayfs: a character device 0/0).
    pub fn whiteout(&mut self, _path: &[u8]) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// Hides all that the layers below have in the directory `path` (overlayfs: xattr `user.overlay.opaque`).
    pub fn opaque(&mut self, _path: &[u8]) -> Result<(), TreeError> {
        unimplemented!()
    }
    /// Ends the stream: directory times are set, and the first error of any entry is returned.
    pub fn finish(self) -> Result<(), TreeError> {
        unimplemented!()
    }
}
