//! A root without mounts shares the files that its user can never change with the base: they are hard links. Before anybody
//! else changes one, it becomes a file of its own, in its place.

use crate::copy;
use crate::path::Numbered;
use crate::plain;
use crate::sys::{self, Errno, Fd, Result, Statx, Str};
use crate::tree::{PATH_MAX, with_parent};
use crate::wire::Reader;
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicI32};

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

/// Whether whoever asks now may change what is shared with the base.
static ASKED_BY_ANOTHER: AtomicBool = AtomicBool::new(false);
/// What was about to be changed, and is shared.
static FOUND: AtomicI32 = AtomicI32::new(-1);
/// No errno of the kernel's: what was found is to be separated first.
const SHARED: Errno = Errno(4096);

/// Remembers who asks.
pub fn asked_by(uid: u32, gid: u32, groups: &[u32]) {
    // SAFETY: it is no longer written.
    let user = unsafe { &*USER.0.get() };
    let other = (user.uid, user.gid, &user.groups[..user.count]) != (uid, gid, groups);
    ASKED_BY_ANOTHER.store(plain::is_plain() && other, Relaxed);
}

/// How to open what is going to be written, without changing it, and whether it is to be emptied afterwards; `None` where that does
/// not matter.
pub fn careful(flags: usize) -> Option<(usize, bool)> {
    const O_ACCMODE: usize = 3;
    const O_TRUNC: usize = 0o1000;
    let (reads, empties) = (flags & O_ACCMODE == sys::O_RDONLY, flags & O_TRUNC != 0);
    if !ASKED_BY_ANOTHER.load(Relaxed) || (reads && !empties) {
        return None;
    }
    let writing = if reads { flags | sys::O_RDWR } else { flags };
    Some((writing & !O_TRUNC, empties))
}

/// Whether whoever asks may change what was opened. Else it is remembered, for [`separating`].
pub fn own(fd: Fd) -> Result<()> {
    if !ASKED_BY_ANOTHER.load(Relaxed) {
        return Ok(());
    }
    let st = sys::fstat(fd)?;
    // SAFETY: it is no longer written.
    let user = unsafe { &*USER.0.get() };
    let is_file = matches!(u32::from(st.mode) & sys::S_IFMT, sys::S_IFREG | sys::S_IFLNK);
    if !is_file || st.nlink < 2 || st.uid == user.uid {
        return Ok(());
    }
    FOUND.store(sys::dup(fd)?, Relaxed);
    Err(SHARED)
}

/// Does `f`, once more whenever it came upon what is shared, which is then a file of this root alone. What is looked at is what is
/// changed: a symlink that the user turns meanwhile leads to nothing else.
pub fn separating<T>(fields: Reader, f: impl Fn(&mut Reader) -> Result<T>) -> Result<T> {
    const PATIENCE: u32 = 100;
    for _ in 0..PATIENCE {
        match f(&mut fields.clone()) {
            Err(SHARED) => {
                let fd = FOUND.swap(-1, Relaxed);
                let separated = separate(fd);
                sys::close(fd);
                match separated {
                    // It has another name by now, or none: look again.
                    Ok(()) | Err(sys::EAGAIN | sys::ENOENT) => {}
                    Err(e) => return Err(e),
                }
            }
            r => return r,
        }
    }
    Err(sys::EAGAIN)
}

/// Makes what was opened a file of its own, in its place.
fn separate(fd: Fd) -> Result<()> {
    let st = sys::fstat(fd)?;
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
