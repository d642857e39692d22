//! What an owner may do to a file whatever its bits say, where one id stands for all: the kernel takes every file for the
//! user's, so it is decided here by the truth beside the file.

use crate::one_id::Owner;
use crate::owner::{self, OwnRights};
use crate::sys::{self, Errno, Fd, Result, Str, lit};

/// An id that is to stay as it is (chown(2)).
const SAME: u32 = u32::MAX;

/// What becomes of a call that is not refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel may do it.
    Kernel,
    /// It was done here.
    Done,
    /// It is said to be done, or to give this.
    Says(i64),
    /// It was answered already.
    Answered,
}

/// Whether a file is somebody else's.
fn foreign(truth: Option<Owner>) -> bool {
    owner::one().is_some_and(|one| truth.is_some_and(|truth| truth.uid != one.uid))
}

fn mode_of(fd: Fd) -> Result<u32> {
    Ok(u32::from(sys::fstat(fd)?.mode))
}

pub fn chmod(fd: Fd, mode: u32, root: bool) -> Result<Verdict> {
    let _rights = OwnRights::take();
    match owner::of(fd)? {
        truth if foreign(truth) && !root => Err(sys::EPERM),
        Some(truth) => owner::give(fd, Owner { mode: mode & 0o7777, ..truth }).map(|()| Verdict::Done),
        None => Ok(Verdict::Kernel),
    }
}

/// The kernel would know only of the one id: what it would refuse with EINVAL is refused as production does, or written down.
pub fn chown(fd: Fd, uid: u32, gid: u32, root: bool) -> Result<Verdict> {
    let _rights = OwnRights::take();
    let Some(one) = owner::one() else { return Ok(Verdict::Kernel) };
    if uid == SAME && gid == SAME {
        return Ok(Verdict::Kernel);
    }
    let stored = mode_of(fd)?;
    let own = Owner { uid: one.uid, gid: one.gid, mode: stored & 0o7777 };
    let old = owner::of(fd)?.unwrap_or(own);
    const CAP_CHOWN: usize = 0;
    let may = root && sys::is_bounded_in(CAP_CHOWN)
        || old.uid == one.uid && matches!(uid, SAME) | (uid == one.uid) && (gid == SAME || one.is_in(gid));
    if !may {
        return Err(sys::EPERM);
    }
    let mut new = old;
    if stored & sys::S_IFMT == sys::S_IFLNK {
        // No truth can be kept beside it.
        return Ok(Verdict::Says(0));
    }
    if uid != SAME {
        new.uid = uid;
    }
    if gid != SAME {
        new.gid = gid;
    }
    if stored & sys::S_IFMT != sys::S_IFDIR {
        // As the kernel: setuid goes, and setgid where it is no mark of mandatory locking.
        new.mode &= if new.mode & 0o010 != 0 { !0o6000 } else { !0o4000 };
    }
    owner::give(fd, new).map(|()| Verdict::Done)
}

/// utimensat(2). `now`: both times become now, which who may write may do as well.
pub fn set_times(fd: Fd, now: bool, root: bool) -> Result<Verdict> {
    let _rights = OwnRights::take();
    if root || !foreign(owner::of(fd)?) {
        return Ok(Verdict::Kernel);
    }
    match now {
        true if mode_of(fd)? & 0o200 != 0 => Ok(Verdict::Kernel),
        true => Err(sys::EACCES),
        false => Err(sys::EPERM),
    }
}

/// link(2) of a file of somebody else, where the host protects such (proc_sys_fs(5), protected_hardlinks).
pub fn link(fd: Fd, root: bool) -> Result<Verdict> {
    let _rights = OwnRights::take();
    if root || !foreign(owner::of(fd)?) || !protected_hardlinks() {
        return Ok(Verdict::Kernel);
    }
    let mode = mode_of(fd)?;
    let plain = mode & sys::S_IFMT == sys::S_IFREG && mode & 0o4000 == 0 && mode & 0o2010 != 0o2010;
    if plain && mode & 0o600 == 0o600 { Ok(Verdict::Kernel) } else { Err(sys::EPERM) }
}

fn protected_hardlinks() -> bool {
    let path = lit(c"/proc/sys/fs/protected_hardlinks");
    let Ok(fd) = sys::openat(sys::AT_FDCWD, path, sys::O_RDONLY, 0) else { return true };
    let mut value = [0];
    let read = sys::read(fd, &mut value);
    sys::close(fd);
    read.is_err() || value[0] != b'0'
}

/// Removing or renaming what `name` is in a directory that may be sticky (inode(7)).
pub fn remove(dir: Fd, name: Str, root: bool) -> Result<Verdict> {
    let _rights = OwnRights::take();
    let mode = mode_of(dir)?;
    // What may not be written at all is for the kernel to refuse, and it comes first.
    if root || mode & 0o1000 == 0 || mode & 0o300 != 0o300 || !foreign(owner::of(dir)?) {
        return Ok(Verdict::Kernel);
    }
    let Ok(fd) = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0) else { return Ok(Verdict::Kernel) };
    let truth = owner::of(fd);
    sys::close(fd);
    if foreign(truth?) { Err(sys::EPERM) } else { Ok(Verdict::Kernel) }
}

/// The attribute that holds the truth is nobody's inside.
pub fn set_attribute(name: &[u8]) -> Result<Verdict> {
    // ENOTSUP
    if name == crate::one_id::TRUTH.to_bytes() { Err(Errno(95)) } else { Ok(Verdict::Kernel) }
}

/// The owner that the library is told.
pub fn told(fd: Fd) -> Result<Option<Owner>> {
    let _rights = OwnRights::take();
    let truth = owner::of(fd)?;
    // Root's bits are as they are on disk.
    let root = owner::one().is_some_and(|one| one.uid == 0);
    match truth {
        Some(truth) if root => Ok(Some(Owner { mode: mode_of(fd)? & 0o7777, ..truth })),
        truth => Ok(truth),
    }
}
