//! A root without mounts shares the files that its user can never change with the base: they are hard links. Before anybody
//! else changes one, it becomes a file of its own, in its place.

use crate::copy;
use crate::path::Numbered;
use crate::plain;
use crate::setup::INSIDE;
use crate::sys::{self, Fd, Result, Statx, Str};
use crate::tree::{PATH_MAX, with_parent};
use crate::wire::Reader;
use core::cell::UnsafeCell;

const MAX_GROUPS: usize = 1024;

/// Whom the root was made for.
struct User {
    uid: u32,
    gid: u32,
    groups: [u32; MAX_GROUPS],
    count: usize,
}

/// Only what is used of it ever becomes memory.
struct Room(UnsafeCell<User>);

// SAFETY: one thread; it is written once, before anything is asked.
unsafe impl Sync for Room {}

static USER: Room = Room(UnsafeCell::new(User { uid: 0, gid: 0, groups: [0; MAX_GROUPS], count: 0 }));

/// Reads who the user is that this root is made for.
pub fn belongs_to(fields: &mut Reader) -> Result<()> {
    // SAFETY: one thread, and nobody holds the other reference.
    let user = unsafe { &mut *USER.0.get() };
    let (Some(uid), Some(gid), Some(count)) = (fields.u32(), fields.u32(), fields.u32()) else {
        return Err(sys::EBADMSG);
    };
    (user.uid, user.gid, user.count) = (uid, gid, count as usize);
    for group in user.groups.get_mut(..count as usize).ok_or(sys::EINVAL)? {
        *group = fields.u32().ok_or(sys::EBADMSG)?;
    }
    Ok(())
}

/// Whether what this identity changes may be shared with the base.
pub fn may_share(uid: u32, gid: u32, groups: &[u32]) -> bool {
    // SAFETY: it is no longer written.
    let user = unsafe { &*USER.0.get() };
    plain::is_plain() && (user.uid, user.gid, &user.groups[..user.count]) != (uid, gid, groups)
}

/// Makes what `path` leads to a file of this root alone, if it is one of several names of a file that is not the user's. What is
/// not there, or cannot be told, is left to the call that comes next.
pub fn separate(path: Str, follow: bool) -> Result<()> {
    let flags = sys::O_PATH | if follow { 0 } else { sys::O_NOFOLLOW };
    let Ok(fd) = sys::openat2(sys::AT_FDCWD, path, flags, 0, INSIDE) else { return Ok(()) };
    let separated = separate_open(fd);
    sys::close(fd);
    separated
}

fn separate_open(fd: Fd) -> Result<()> {
    let st = sys::fstat(fd)?;
    // SAFETY: it is no longer written.
    let user = unsafe { &*USER.0.get() };
    let kind = u32::from(st.mode) & sys::S_IFMT;
    if !matches!(kind, sys::S_IFREG | sys::S_IFLNK) || st.nlink < 2 || st.uid == user.uid {
        return Ok(());
    }
    // The name it was found by, symlinks resolved, from our own root.
    let link = Numbered::new(b"self/fd/", fd as u32, b"");
    let mut room = [0u8; PATH_MAX + 1];
    let n = sys::readlinkat(plain::PROC, link.get()?, &mut room[..PATH_MAX])?;
    with_parent(sys::AT_FDCWD, Str::new(&room[..=n])?, |dir, name| {
        let there = sys::statx(dir, name, sys::AT_SYMLINK_NOFOLLOW)?;
        if there.ino == st.ino { replace(dir, name, &st) } else { Err(sys::EAGAIN) }
    })
}

fn replace(dir: Fd, name: Str, st: &Statx) -> Result<()> {
    let mut number = sys::getpid();
    loop {
        let beside = Numbered::new(b".rootlet-", number as u32, b"");
        let beside = beside.get()?;
        let made = copy::copy_one(dir, name, dir, beside, st);
        if made == Err(sys::EEXIST) {
            number = number.wrapping_add(1);
            continue;
        }
        let placed = made.and_then(|()| sys::renameat(dir, beside, dir, name).map(|_| ()));
        if placed.is_err() {
            let _ = sys::unlinkat(dir, beside, 0);
        }
        return placed;
    }
}
