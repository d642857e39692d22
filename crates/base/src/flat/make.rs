//! Making one tree after another: directories anew, files as hard links or copies.

use super::ledger::Ledger;
use super::parallel::in_parallel;
use super::walk::{Entry, Tree, below, list, may_change};
use rootlet_kernel::Who;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, fchmod, fchown, fstat, futimens, linkat,
    mkdirat, mknodat, openat, readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What becomes of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share<'a> {
    /// Linked: nobody acts in there.
    All,
    /// Linked, but what this user could change is copied.
    ButFor(&'a Who),
    /// Copied; devices are left out.
    Nothing,
}

/// Makes `to` like `from`.
pub(super) struct Maker<'a> {
    pub from: &'a Tree,
    pub to: &'a Tree,
    pub share: Share<'a>,
    cannot_link: AtomicBool,
    cannot_clone: AtomicBool,
    /// The topmost places that the user could change.
    writable: Mutex<Vec<PathBuf>>,
    /// What was copied.
    pub ledger: Ledger,
}

/// A directory that is there, and is to be filled.
struct Job {
    path: PathBuf,
    /// Something above it can be changed by the user.
    in_writable: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Maker<'a> {
    pub fn new(from: &'a Tree, to: &'a Tree, share: Share<'a>) -> Self {
        let (cannot_link, cannot_clone) = (AtomicBool::default(), AtomicBool::default());
        let ledger = Ledger::default();
        Self { from, to, share, cannot_link, cannot_clone, writable: Mutex::default(), ledger }
    }

    /// Likewise, when these copies were made before.
    pub fn knowing(self, ledger: Ledger) -> Self {
        Self { ledger, ..self }
    }

    /// Fills the directory `path`, which is there, and all below it, on every processor. Gives the topmost places that the user
    /// could change.
    pub fn fill(&self, path: PathBuf) -> io::Result<Vec<PathBuf>> {
        in_parallel(Job { path, in_writable: false }, |job, more| self.directory(&job, more))?;
        Ok(std::mem::take(&mut *lock(&self.writable)))
    }

    fn directory(&self, job: &Job, more: &mut Vec<Job>) -> io::Result<()> {
        let (from, to) = (self.from.directory(&job.path)?, self.to.directory(&job.path)?);
        let st = fstat(&from)?;
        let free = matches!(self.share, Share::ButFor(who) if may_change(who, &st));
        if free && !job.in_writable {
            lock(&self.writable).push(job.path.clone());
        }
        let in_writable = free || job.in_writable;
        for entry in list(from.as_fd())? {
            if entry.kind == FileType::Directory {
                mkdirat(&to, entry.name.as_c_str(), Mode::RWXU)?;
                more.push(Job { path: below(&job.path, &entry.name), in_writable });
            } else if self.entry(from.as_fd(), to.as_fd(), &entry)? && !in_writable {
                lock(&self.writable).push(below(&job.path, &entry.name));
            }
        }
        settle(from.as_fd(), to.as_fd(), &st)
    }

    /// Makes what is no directory; whether it is a copy that the user could change.
    pub fn entry(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, entry: &Entry) -> io::Result<bool> {
        let name = entry.name.as_c_str();
        if matches!(self.share, Share::All) && matches!(entry.kind, FileType::RegularFile | FileType::Symlink)
        {
            return self.link(from, to, name).map(|()| false);
        }
        let st = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match entry.kind {
            FileType::RegularFile | FileType::Symlink => match self.share {
                Share::ButFor(who) if !may_change(who, &st) => self.link(from, to, name).map(|()| false),
                // A symlink's mode is no right.
                Share::ButFor(who)
                    if entry.kind == FileType::Symlink && who.uid != 0 && st.st_uid != who.uid =>
                {
                    self.link(from, to, name).map(|()| false)
                }
                Share::ButFor(_) => {
                    self.copy(from, to, name, &st)?;
                    self.ledger.note(&st, &statat(to, name, AtFlags::SYMLINK_NOFOLLOW)?);
                    Ok(true)
                }
                _ => self.copy(from, to, name, &st).map(|()| true),
            },
            FileType::CharacterDevice | FileType::BlockDevice if matches!(self.share, Share::Nothing) => {
                Ok(false)
            }
            kind => {
                mknodat(to, name, kind, Mode::RUSR, st.st_rdev)?;
                settle_name(to, name, &st)?;
                rustix::fs::chmodat(to, name, Mode::from_raw_mode(st.st_mode & 0o7777), AtFlags::empty())?;
                Ok(matches!(self.share, Share::ButFor(who) if who.uid != 0 && st.st_uid == who.uid))
            }
        }
    }

    fn link(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        if !self.cannot_link.load(Ordering::Relaxed) {
            match linkat(from, name, to, name, AtFlags::empty()) {
                Ok(()) => return Ok(()),
                // The file has as many names as it can have.
                Err(Errno::MLINK) => {}
                // Another file system, or one without links.
                Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) => {
                    self.cannot_link.store(true, Ordering::Relaxed);
                }
                Err(e) => return Err(e.into()),
            }
        }
        self.copy(from, to, name, &statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// A file or symlink of its own.
    pub fn copy(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, st: &Stat) -> io::Result<()> {
        self.copy_as(from, name, to, name, st)
    }

    /// Likewise, under another name.
    pub fn copy_as(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        to: BorrowedFd<'_>,
        new: &CStr,
        st: &Stat,
    ) -> io::Result<()> {
        if FileType::from_raw_mode(st.st_mode) == FileType::Symlink {
            symlinkat(readlinkat(from, name, Vec::new())?.as_c_str(), to, new)?;
            return settle_name(to, new, st);
        }
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let source = File::from(openat(from, name, read, Mode::empty())?);
        let target = File::from(openat(to, new, write, Mode::RUSR | Mode::WUSR)?);
        self.contents(&source, &target)?;
        settle(source.as_fd(), target.as_fd(), st)
    }

    fn contents(&self, mut source: &File, mut target: &File) -> io::Result<()> {
        if !self.cannot_clone.load(Ordering::Relaxed) {
            match rustix::fs::ioctl_ficlone(target, source) {
                Ok(()) => return Ok(()),
                Err(_) => self.cannot_clone.store(true, Ordering::Relaxed),
            }
        }
        io::copy(&mut source, &mut target).map(drop)
    }
}

pub(super) fn ids(st: &Stat) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
    (Some(rustix::fs::Uid::from_raw(st.st_uid)), Some(rustix::fs::Gid::from_raw(st.st_gid)))
}

fn times(st: &Stat) -> Timestamps {
    let modified = Timespec { tv_sec: st.st_mtime as _, tv_nsec: st.st_mtime_nsec as _ };
    Timestamps { last_access: modified, last_modification: modified }
}

/// Gives an open file or directory what the other has besides its contents.
pub(super) fn settle(from: BorrowedFd<'_>, to: BorrowedFd<'_>, st: &Stat) -> io::Result<()> {
    let (uid, gid) = ids(st);
    fchown(to, uid, gid)?;
    // Behind the owner, whose change clears setuid, and not by mkdir(2): the caller's umask is not ours to change.
    fchmod(to, Mode::from_raw_mode(st.st_mode & 0o7777))?;
    attributes(from, to)?;
    Ok(futimens(to, &times(st))?)
}

fn settle_name(dir: BorrowedFd<'_>, name: &CStr, st: &Stat) -> io::Result<()> {
    let (uid, gid) = ids(st);
    rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(utimensat(dir, name, &times(st), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes the extended attributes the same, of those that a layer may have; no others are left that somebody inside could set.
pub(super) fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let of_a_layer = |name: &CString| name.as_bytes().starts_with(b"user.") || is_capability(name);
    let wanted: Vec<_> = names(from)?.into_iter().filter(of_a_layer).collect();
    let of_anybody = |name: &CString| of_a_layer(name) || name.as_bytes().starts_with(b"system.posix_acl_");
    for name in names(to)?.iter().filter(|name| of_anybody(name) && !wanted.contains(name)) {
        rustix::fs::fremovexattr(to, name.as_c_str())?;
    }
    for name in wanted {
        let mut value = vec![0; 65536];
        let length = rustix::fs::fgetxattr(from, name.as_c_str(), value.as_mut_slice())?;
        rustix::fs::fsetxattr(to, name.as_c_str(), &value[..length], rustix::fs::XattrFlags::empty())?;
    }
    Ok(())
}

fn is_capability(name: &CStr) -> bool {
    name.to_bytes() == b"security.capability"
}

fn names(of: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    // Most files have none, which is asked without a buffer.
    let length = match rustix::fs::flistxattr_query(of) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(e) => return Err(e.into()),
    };
    let mut room = vec![0u8; length];
    let length = if length == 0 { 0 } else { rustix::fs::flistxattr(of, room.as_mut_slice())? };
    let names = room[..length].split(|&b| b == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| CString::new(name).ok()).collect())
}
