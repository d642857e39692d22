//! Making trees. Every path is resolved inside one directory, and nothing is remembered but the file that is being
//! written, so the size of a tree costs no memory.

pub use crate::copy::{copy, whiteouts};
pub use crate::listing::{Dirents, each_entry};
use crate::message::{Answer, Message};
use crate::owner;
use crate::read;
use crate::remove::empty_path;
pub use crate::remove::remove;
use crate::setup::INSIDE;
use crate::sys::{self, Fd, Result, Str, lit};
use crate::whiteout;
use crate::wire::{Reader, tell, tree as record};

pub const PATH_MAX: usize = 4096;

/// Calls `f` with the directory that holds the last component of `path`, and that component. Trailing slashes are
/// ignored. The parent is resolved inside `root`.
pub fn with_parent<T>(root: Fd, path: Str, f: impl FnOnce(Fd, Str) -> Result<T>) -> Result<T> {
    split(path, |parent, name| {
        let dir = sys::openat2(root, parent, sys::O_PATH | sys::O_DIRECTORY, 0, INSIDE)?;
        let result = f(dir, name);
        sys::close(dir);
        result
    })
}

/// Calls `f` with the path of the directory that holds the last component of `path`, and that component.
pub fn split<T>(path: Str, f: impl FnOnce(Str, Str) -> Result<T>) -> Result<T> {
    let bytes = trim_slashes(path.bytes());
    if bytes.is_empty() || bytes.len() >= PATH_MAX {
        return Err(if bytes.is_empty() { sys::EINVAL } else { sys::ENAMETOOLONG });
    }
    let mut room = [0u8; PATH_MAX + 1];
    room[..bytes.len()].copy_from_slice(bytes);
    let slash = bytes.iter().rposition(|&b| b == b'/');
    let mut parent = [0u8; PATH_MAX + 1];
    let parent_len = match slash {
        None => {
            parent[0] = b'.';
            1
        }
        Some(0) => {
            parent[0] = b'/';
            1
        }
        Some(i) => {
            parent[..i].copy_from_slice(&bytes[..i]);
            i
        }
    };
    let name_at = slash.map_or(0, |i| i + 1);
    f(Str::new(&parent[..=parent_len])?, Str::new(&room[name_at..=bytes.len()])?)
}

fn trim_slashes(mut bytes: &[u8]) -> &[u8] {
    while let Some((b'/', rest)) = bytes.split_last() {
        bytes = rest;
    }
    bytes
}

/// Makes the directories above the last component of `path` that are missing, as root's, 0755.
pub fn make_parents(root: Fd, path: Str) -> Result<()> {
    each_parent(path, |part| match sys::openat2(root, part, sys::O_PATH, 0, INSIDE) {
        Ok(fd) => {
            sys::close(fd);
            Ok(())
        }
        Err(sys::ENOENT) => with_parent(root, part, |dir, name| owner::make_directory(dir, name, 0o755)),
        Err(e) => Err(e),
    })
}

/// Calls `f` with the path of each directory above the last component of `path`, the outermost first.
fn each_parent(path: Str, f: impl Fn(Str) -> Result<()>) -> Result<()> {
    let bytes = trim_slashes(path.bytes());
    let mut room = [0u8; PATH_MAX + 1];
    if bytes.len() >= PATH_MAX {
        return Err(sys::ENAMETOOLONG);
    }
    for i in 1..bytes.len() {
        if bytes[i] != b'/' || bytes[i - 1] == b'/' {
            continue;
        }
        room[..i].copy_from_slice(&bytes[..i]);
        room[i] = 0;
        f(Str::new(&room[..=i])?)?;
    }
    Ok(())
}

/// Does `make`; where something stands in the way, removes that and does it again.
fn replacing<T>(dir: Fd, name: Str, make: impl Fn() -> Result<T>) -> Result<T> {
    match make() {
        Err(sys::EEXIST) => {
            remove(dir, name)?;
            make()
        }
        r => r,
    }
}

/// Makes entries below one directory, as they come.
pub struct Builder {
    root: Fd,
    file: Option<OpenFile>,
    name: Name,
}

/// What the last file is called, for who is told that its data could not be written; of a long name, the end.
struct Name {
    bytes: [u8; 256],
    length: usize,
}

impl Name {
    fn keep(&mut self, name: &[u8]) {
        let end = &name[name.len().saturating_sub(self.bytes.len())..];
        self.length = end.len();
        self.bytes[..end.len()].copy_from_slice(end);
    }
}

struct OpenFile {
    fd: Fd,
    left: u64,
    /// Seconds and nanoseconds of access and modification.
    times: [i64; 4],
    mode: u32,
    uid: u32,
    gid: u32,
    owned: bool,
}

struct Owner {
    mode: u32,
    uid: u32,
    gid: u32,
}

fn owner(fields: &mut Reader) -> Result<Owner> {
    match (fields.u32(), fields.u32(), fields.u32()) {
        (Some(mode), Some(uid), Some(gid)) => Ok(Owner { mode, uid, gid }),
        _ => Err(sys::EBADMSG),
    }
}

fn times(fields: &mut Reader) -> Result<[i64; 4]> {
    let (Some(sec), Some(nsec)) = (fields.u64(), fields.u32()) else { return Err(sys::EBADMSG) };
    let (sec, nsec) = (sec as i64, i64::from(nsec));
    Ok([sec, nsec, sec, nsec])
}

/// Modification, then access; in the order of utimensat(2).
fn both_times(fields: &mut Reader) -> Result<[i64; 4]> {
    let ([_, _, mtime, mtime_nsec], [_, _, atime, atime_nsec]) = (times(fields)?, times(fields)?);
    Ok([atime, atime_nsec, mtime, mtime_nsec])
}

fn string<'a>(fields: &mut Reader<'a>) -> Result<Str<'a>> {
    fields.c_str().ok_or(sys::EBADMSG).and_then(Str::new)
}

impl Builder {
    pub fn new(root: Fd) -> Self {
        Self { root, file: None, name: Name { bytes: [0; 256], length: 0 } }
    }

    /// Makes every entry of a message.
    pub fn entries(&mut self, mut fields: Reader) -> Result<()> {
        while !fields.is_empty() {
            self.entry(&mut fields)?;
        }
        Ok(())
    }

    /// Ends the file that is being written.
    pub fn finish(&mut self) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let done = file.own().and_then(|()| {
            if file.left > 0 { Err(sys::EBADMSG) } else { sys::futimens(file.fd, &file.times).map(|_| ()) }
        });
        sys::close(file.fd);
        done
    }

    fn entry(&mut self, fields: &mut Reader) -> Result<()> {
        let kind = fields.u32().ok_or(sys::EBADMSG)?;
        if kind != record::DATA && kind != record::XATTR {
            self.finish()?;
        }
        match kind {
            record::DIRECTORY => {
                let (path, o) = (string(fields)?, owner(fields)?);
                self.directory(path, &o)
            }
            record::FILE => {
                let (path, o, times) = (string(fields)?, owner(fields)?, times(fields)?);
                let left = fields.u64().ok_or(sys::EBADMSG)?;
                self.name.keep(path.bytes());
                let fd = self.make(path, |dir, name| {
                    let flags = sys::O_CREAT | sys::O_EXCL | sys::O_WRONLY | sys::O_NOFOLLOW;
                    sys::openat(dir, name, flags, 0o600)
                })?;
                self.file =
                    Some(OpenFile { fd, left, times, mode: o.mode, uid: o.uid, gid: o.gid, owned: false });
                Ok(())
            }
            record::DATA => {
                let data = fields.bytes().ok_or(sys::EBADMSG)?;
                let file = self.file.as_mut().ok_or(sys::EBADMSG)?;
                file.left = file.left.checked_sub(data.len() as u64).ok_or(sys::EBADMSG)?;
                sys::write_all(file.fd, data)
            }
            record::SYMLINK => {
                let (path, target, o, times) =
                    (string(fields)?, string(fields)?, owner(fields)?, both_times(fields)?);
                self.make(path, |dir, name| {
                    sys::symlinkat(target, dir, name)?;
                    sys::fchownat(dir, name, o.uid, o.gid, sys::AT_SYMLINK_NOFOLLOW)?;
                    sys::utimensat(dir, name, &times, sys::AT_SYMLINK_NOFOLLOW)
                })
                .map(|_| ())
            }
            record::HARD_LINK => {
                let (path, existing) = (string(fields)?, string(fields)?);
                let root = self.root;
                // Not `make`: replacing a file by a link to itself would remove it.
                make_parents(root, path)?;
                with_parent(root, existing, |from_dir, from| {
                    with_parent(root, path, |dir, name| hard_link(from_dir, from, dir, name))
                })
            }
            record::NODE => {
                let (path, o, times) = (string(fields)?, owner(fields)?, both_times(fields)?);
                if o.mode & sys::S_IFMT == sys::S_IFCHR {
                    return self.whiteout(path);
                }
                self.make(path, |dir, name| {
                    sys::mknodat(dir, name, o.mode, 0)?;
                    sys::fchownat(dir, name, o.uid, o.gid, sys::AT_SYMLINK_NOFOLLOW)?;
                    sys::fchmodat(dir, name, o.mode & 0o7777)?;
                    sys::utimensat(dir, name, &times, sys::AT_SYMLINK_NOFOLLOW).map(|_| ())
                })
            }
            record::XATTR => {
                let (path, name) = (string(fields)?, string(fields)?);
                let value = fields.bytes().ok_or(sys::EBADMSG)?;
                self.xattr(path, name, value)
            }
            record::TIMES => {
                let (path, times) = (string(fields)?, times(fields)?);
                let fd = self.open(path, sys::O_RDONLY | sys::O_DIRECTORY)?;
                let done = sys::futimens(fd, &times);
                sys::close(fd);
                done.map(|_| ())
            }
            _ => Err(sys::ENOSYS),
        }
    }

    fn open(&self, path: Str, flags: usize) -> Result<Fd> {
        let path = if path.is_empty() { lit(c".") } else { path };
        sys::openat2(self.root, path, flags | sys::O_NOFOLLOW, 0, INSIDE)
    }

    /// Makes one entry: its parents where they are missing, and in place of what is there.
    fn make<T>(&self, path: Str, f: impl Fn(Fd, Str) -> Result<T>) -> Result<T> {
        let attempt = || with_parent(self.root, path, |dir, name| replacing(dir, name, || f(dir, name)));
        match attempt() {
            Err(sys::ENOENT) => {
                make_parents(self.root, path)?;
                attempt()
            }
            r => r,
        }
    }

    fn directory(&self, path: Str, o: &Owner) -> Result<()> {
        let made = match self.open(path, sys::O_RDONLY | sys::O_DIRECTORY) {
            Ok(fd) => {
                let owned = sys::fchownat(fd, lit(c""), o.uid, o.gid, sys::AT_EMPTY_PATH)
                    .and_then(|_| sys::fchmod(fd, o.mode & 0o7777));
                sys::close(fd);
                owned
            }
            Err(sys::ENOENT | sys::ENOTDIR) => self.make(path, |dir, name| {
                sys::mkdirat(dir, name, 0o700)?;
                sys::fchownat(dir, name, o.uid, o.gid, sys::AT_SYMLINK_NOFOLLOW)?;
                sys::fchmodat(dir, name, o.mode & 0o7777)
            }),
            Err(errno) => Err(errno),
        };
        made.map(|_| ())
    }

    fn whiteout(&self, path: Str) -> Result<()> {
        if !self.make(path, whiteout::make)? {
            return Ok(());
        }
        let lead = |directory: Str| {
            let fd = self.open(directory, sys::O_RDONLY | sys::O_DIRECTORY)?;
            let led = whiteout::lead(fd);
            sys::close(fd);
            led
        };
        lead(lit(c""))?;
        each_parent(path, lead)
    }

    fn xattr(&mut self, path: Str, name: Str, value: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            // Behind the data and the owner: both of those clear file capabilities.
            file.own()?;
            return sys::fsetxattr(file.fd, name, value).map(|_| ());
        }
        let fd = self.open(path, sys::O_RDONLY | sys::O_DIRECTORY)?;
        let done = sys::fsetxattr(fd, name, value);
        sys::close(fd);
        done.map(|_| ())
    }
}

impl OpenFile {
    fn own(&mut self) -> Result<()> {
        if !self.owned && self.left == 0 {
            self.owned = true;
            sys::fchownat(self.fd, lit(c""), self.uid, self.gid, sys::AT_EMPTY_PATH)?;
            // Behind the owner, whose change clears setuid.
            sys::fchmod(self.fd, self.mode & 0o7777)?;
        }
        Ok(())
    }
}

fn hard_link(from_dir: Fd, from: Str, dir: Fd, name: Str) -> Result<()> {
    match sys::linkat(from_dir, from, dir, name) {
        Err(sys::EEXIST) => {
            let (a, b) = (
                sys::statx(from_dir, from, sys::AT_SYMLINK_NOFOLLOW)?,
                sys::statx(dir, name, sys::AT_SYMLINK_NOFOLLOW)?,
            );
            if a.ino == b.ino && (a.dev_major, a.dev_minor) == (b.dev_major, b.dev_minor) {
                return Ok(());
            }
            remove(dir, name)?;
            sys::linkat(from_dir, from, dir, name).map(|_| ())
        }
        r => r.map(|_| ()),
    }
}

/// A worker: makes and removes trees until the other side is gone.
pub fn worker(socket: Fd) -> ! {
    sys::set_name(lit(c"rootlet-worker"));
    let _ = Answer::new(tell::READY).send(socket);
    let mut stream: Option<Stream> = None;
    while let Ok(Some(mut message)) = Message::receive(socket) {
        match message.kind {
            record::BEGIN => stream = Some(Stream { builder: Builder::new(message.take(0)), failed: false }),
            record::EMPTY => {
                let dir = message.take(0);
                answer(socket, empty_path(dir), b"");
                sys::close(dir);
            }
            record::OPEN => {
                let dir = message.take(0);
                read::open(socket, dir, message.fields());
                sys::close(dir);
            }
            record::END => {
                if let Some(mut s) = stream.take() {
                    if !s.failed {
                        answer(socket, s.builder.finish(), b"");
                    }
                    sys::close(s.builder.root);
                }
            }
            _ => {
                if let Some(s) = stream.as_mut() {
                    s.entries(socket, message.fields());
                }
            }
        }
    }
    sys::exit(0)
}

struct Stream {
    builder: Builder,
    failed: bool,
}

impl Stream {
    /// Makes the entries of one message. The first failure is told at once; the rest of the stream is then ignored.
    fn entries(&mut self, socket: Fd, mut fields: Reader) {
        while !self.failed && !fields.is_empty() {
            let here = fields;
            if let Err(errno) = self.builder.entry(&mut fields) {
                self.failed = true;
                let mut at = here;
                let name = &self.builder.name;
                let path = match at.u32() {
                    Some(record::DATA) => Some(&name.bytes[..name.length]),
                    Some(_) => at.bytes(),
                    None => None,
                };
                answer(socket, Err(errno), path.unwrap_or(b""));
            }
        }
    }
}

fn answer(socket: Fd, done: Result<()>, path: &[u8]) {
    let mut answer = match done {
        Ok(()) => Answer::new(tell::ANSWER),
        Err(errno) => Answer::failed(tell::ANSWER, 0, errno),
    };
    answer.bytes(path);
    let _ = answer.send(socket);
}
