//! What an owner may do to a file whatever its bits say, where one id stands for all: the kernel takes every file for the
//! user's, so it is decided here by the truth beside the file, which takes pid 1's own rights to read.

use crate::one_id::{Owner, User};
use crate::owner;
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
    match owner::of(fd)? {
        truth if foreign(truth) && !root => Err(sys::EPERM),
        Some(truth) => owner::give(fd, Owner { mode: mode & 0o7777, ..truth }).map(|()| Verdict::Done),
        None => Ok(Verdict::Kernel),
    }
}

/// The kernel would know only of the one id: what it would refuse with EINVAL is refused as production does, or written down.
pub fn chown(fd: Fd, uid: u32, gid: u32, root: bool) -> Result<Verdict> {
    let Some(one) = owner::one() else { return Ok(Verdict::Kernel) };
    let stored = mode_of(fd)?;
    let natural = Owner { uid: one.uid, gid: one.gid, mode: stored & 0o7777 };
    let truth = owner::of(fd)?;
    let old = truth.unwrap_or(natural);
    let drops = dropped_bits(&one, stored, old);
    if uid == SAME && gid == SAME {
        // What takes bits away is a change of the mode.
        return if foreign(truth) && !root && drops != 0 { Err(sys::EPERM) } else { Ok(Verdict::Kernel) };
    }
    if !may_chown(&one, old, uid, gid, root) {
        return Err(sys::EPERM);
    }
    let new = Owner {
        uid: if uid == SAME { old.uid } else { uid },
        gid: if gid == SAME { old.gid } else { gid },
        mode: old.mode & !drops,
    };
    if truth.is_none() && one.is_own(new) {
        return Ok(Verdict::Kernel);
    }
    owner::give(fd, new).map(|()| Verdict::Done)
}

fn may_chown(one: &User, old: Owner, uid: u32, gid: u32, root: bool) -> bool {
    const CAP_CHOWN: usize = 0;
    let to_itself = uid == SAME || uid == one.uid;
    let to_own_group = gid == SAME || gid == old.gid || one.is_in(gid);
    root && sys::is_bounded_in(CAP_CHOWN) || old.uid == one.uid && to_itself && to_own_group
}

/// The bits that chown(2) takes from a file: setuid, and setgid where it is no mark of mandatory locking, or the user is not in the
/// group.
fn dropped_bits(one: &User, stored: u32, old: Owner) -> u32 {
    if stored & sys::S_IFMT == sys::S_IFDIR {
        return 0;
    }
    let group = old.mode & 0o010 != 0 || !one.is_in(old.gid) && one.uid != 0;
    old.mode & if group { 0o6000 } else { 0o4000 }
}

/// utimensat(2). `now`: both times become now, which who may write may do as well.
pub fn set_times(fd: Fd, now: bool, root: bool) -> Result<Verdict> {
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
    // What may not be written at all is for the kernel to refuse, and it comes first.
    if root || mode_of(dir)? & 0o1000 == 0 || !is_writable(dir)? || !foreign(owner::of(dir)?) {
        return Ok(Verdict::Kernel);
    }
    let Ok(fd) = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0) else { return Ok(Verdict::Kernel) };
    let truth = owner::of(fd);
    sys::close(fd);
    if foreign(truth?) { Err(sys::EPERM) } else { Ok(Verdict::Kernel) }
}

/// Whether the user may make and remove names in a directory, but for its sticky bit.
pub fn is_writable(dir: Fd) -> Result<bool> {
    Ok(mode_of(dir)? & 0o300 == 0o300)
}

/// The attribute that holds the truth is nobody's inside.
pub fn set_attribute(name: &[u8]) -> Result<Verdict> {
    // ENOTSUP
    if name == crate::one_id::TRUTH.to_bytes() { Err(Errno(95)) } else { Ok(Verdict::Kernel) }
}

/// In a sticky directory, attributes too are its owner's (xattr(7)).
pub fn mark(fd: Fd, root: bool) -> Result<Verdict> {
    let mode = mode_of(fd)?;
    let sticky = mode & sys::S_IFMT == sys::S_IFDIR && mode & 0o1200 == 0o1200;
    if !root && sticky && foreign(owner::of(fd)?) { Err(sys::EPERM) } else { Ok(Verdict::Kernel) }
}

/// open(2) with O_NOATIME is its owner's; what may not be opened at all is for the kernel to refuse.
pub fn open_without_a_trace(fd: Fd, flags: usize, root: bool) -> Result<Verdict> {
    // O_RDONLY, O_WRONLY, O_RDWR.
    let wanted = [0o400, 0o200, 0o600, 0o600][flags & 3];
    let may = mode_of(fd)? & wanted == wanted;
    if !root && may && foreign(owner::of(fd)?) { Err(sys::EPERM) } else { Ok(Verdict::Kernel) }
}

/// The owner that the library is told.
pub fn told(fd: Fd) -> Result<Option<Owner>> {
    let truth = owner::of(fd)?;
    // Root's bits are as they are on disk.
    let root = owner::one().is_some_and(|one| one.uid == 0);
    match truth {
        Some(truth) if root => Ok(Some(Owner { mode: mode_of(fd)? & 0o7777, ..truth })),
        truth => Ok(truth),
    }
}
