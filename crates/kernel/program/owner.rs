//! Who owns what, where one id stands for all (`one_id.rs`). Everywhere else the kernel knows it.

use crate::one_id::{self, Owner, User};
use crate::path::Numbered;
use crate::plain;
use crate::sys::{self, Errno, Fd, Result, Str, lit};
use crate::wire::Reader;
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64};

const MAX_GROUPS: usize = 1024;

/// The one id, from the moment on when the nursery is told: its rootlets inherit it.
struct One {
    is_set: bool,
    uid: u32,
    gid: u32,
    count: usize,
    groups: [u32; MAX_GROUPS],
}

struct Room(UnsafeCell<One>);

// SAFETY: one thread.
unsafe impl Sync for Room {}

static ONE: Room =
    Room(UnsafeCell::new(One { is_set: false, uid: 0, gid: 0, count: 0, groups: [0; MAX_GROUPS] }));

/// Takes the one id from a message: user, group, number of groups, groups. Nothing there: there are many.
pub fn set(mut fields: Reader) -> Result<()> {
    if fields.is_empty() {
        return Ok(());
    }
    // SAFETY: one thread; nobody has asked for it yet.
    let one = unsafe { &mut *ONE.0.get() };
    let (Some(uid), Some(gid), Some(n)) = (fields.u32(), fields.u32(), fields.u32()) else {
        return Err(sys::EBADMSG);
    };
    for group in one.groups.get_mut(..n as usize).ok_or(sys::EINVAL)? {
        *group = fields.u32().ok_or(sys::EBADMSG)?;
    }
    (one.is_set, one.uid, one.gid, one.count) = (true, uid, gid, n as usize);
    Ok(())
}

/// The one id; `None` where there are many.
pub fn one() -> Option<User<'static>> {
    // SAFETY: one thread, and `set` was before.
    let one = unsafe { &*ONE.0.get() };
    one.is_set.then(|| User { uid: one.uid, gid: one.gid, groups: &one.groups[..one.count] })
}

/// Everything that root of a user namespace may do.
const ALL: u64 = (1 << 41) - 1;

/// Whether pid 1 acts for the user now.
static LOWERED: AtomicBool = AtomicBool::new(false);

/// Leaves pid 1 the rights of the one id alone: what it does for the user, it does without its own.
pub fn lower_rights() -> Result<()> {
    sys::capset(0, ALL, 0)?;
    LOWERED.store(true, Relaxed);
    Ok(())
}

pub fn raise_rights() {
    let _ = sys::capset(ALL, ALL, 0);
    LOWERED.store(false, Relaxed);
}

fn truth() -> Str<'static> {
    lit(one_id::TRUTH)
}

/// Whose a file is, where it is not the one id's. `fd` may be one that can only be named.
pub fn of(fd: Fd) -> Result<Option<Owner>> {
    if one().is_none() {
        return Ok(None);
    }
    let mut value = [0; 12];
    let read = match sys::getxattr(Numbered::of_fd(fd).get()?, truth(), &mut value) {
        // A rootlet that is asked for facts has no /proc. Directories are open to another way.
        Err(sys::ENOENT) => of_directory(fd, &mut value),
        r => r,
    };
    match read {
        Ok(n) => Ok(Owner::from_bytes(&value[..n])),
        // ENODATA, ENOTSUP, EPERM: it has none, or can have none; and who has a longer one (ERANGE) did not get it from us.
        Err(Errno(61 | 95 | 34) | sys::EPERM) => of_special(fd),
        Err(e) => Err(e),
    }
}

/// Symlinks and the like, which take no attributes, are marked by their time of access.
fn of_special(fd: Fd) -> Result<Option<Owner>> {
    let st = sys::fstat(fd)?;
    let (mode, atime) = (u32::from(st.mode), [st.atime[0] as i64, (st.atime[1] & 0xffff_ffff) as i64]);
    let special = !matches!(mode & sys::S_IFMT, sys::S_IFREG | sys::S_IFDIR);
    let foreign = special && atime == one_id::FOREIGN_ATIME;
    Ok(foreign.then_some(Owner { uid: 0, gid: 0, mode: mode & 0o7777 }))
}

fn of_directory(fd: Fd, value: &mut [u8]) -> Result {
    let opened = match sys::openat(fd, lit(c"."), sys::O_RDONLY | sys::O_DIRECTORY, 0) {
        // ENODATA
        Err(sys::ENOTDIR) => return Err(Errno(61)),
        r => r?,
    };
    let read = sys::fgetxattr(opened, truth(), value);
    sys::close(opened);
    read
}

/// Mounts of the caller's own directories, whose files stay as they are: what is made there is the caller's, whoever makes it.
static HOSTS: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// What is below `fd` is the caller's. (Of more than there is room for, what root makes is marked as root's.)
pub fn add_the_hosts(fd: Fd) -> Result<()> {
    let id = sys::fstat(fd)?.mnt_id;
    if let Some(place) = HOSTS.iter().find(|place| place.load(Relaxed) == 0) {
        place.store(id, Relaxed);
    }
    Ok(())
}

fn is_the_hosts(mount: u64) -> bool {
    HOSTS.iter().any(|known| known.load(Relaxed) == mount)
}

/// Gives a file an owner and a mode.
pub fn give(fd: Fd, owner: Owner) -> Result<()> {
    let Some(one) = one() else {
        sys::fchownat(fd, lit(c""), owner.uid, owner.gid, sys::AT_EMPTY_PATH)?;
        return chmod(fd, owner.mode);
    };
    let st = sys::fstat(fd)?;
    if is_the_hosts(st.mnt_id) {
        return Ok(());
    }
    let kind = u32::from(st.mode) & sys::S_IFMT;
    if kind != sys::S_IFLNK {
        chmod(fd, one.stored_mode(owner))?;
    }
    if !matches!(kind, sys::S_IFREG | sys::S_IFDIR) {
        return mark_special(fd, owner.uid != one.uid);
    }
    if !one.is_own(owner) {
        return write_truth(fd, owner);
    }
    match sys::removexattr(Numbered::of_fd(fd).get()?, truth()) {
        // ENODATA, ENOTSUP.
        Err(Errno(61 | 95) | sys::EPERM) => Ok(()),
        r => r.map(|_| ()),
    }
}

fn mark_special(fd: Fd, foreign: bool) -> Result<()> {
    const OMIT: i64 = (1 << 30) - 2;
    const NOW: i64 = (1 << 30) - 1;
    let [seconds, nanoseconds] = if foreign { one_id::FOREIGN_ATIME } else { [0, NOW] };
    let times = [seconds, nanoseconds, 0, OMIT];
    sys::utimensat(fd, lit(c""), &times, sys::AT_EMPTY_PATH).map(|_| ())
}

/// chmod(2) of what a descriptor names that may be one that can only be named.
pub fn chmod(fd: Fd, mode: u32) -> Result<()> {
    let done = match sys::fchmod_path(fd, mode) {
        // Before Linux 6.6, and where an older filter of docker's does not know the call: the way through
        // /proc, whose last link is the only magic one.
        Err(sys::ENOSYS | sys::EPERM) if plain::is_plain() => {
            sys::fchmodat(plain::PROC, Numbered::new(b"self/fd/", fd as u32, b"").get()?, mode)
        }
        Err(sys::ENOSYS) => sys::fchmodat(sys::AT_FDCWD, Numbered::of_fd(fd).get()?, mode),
        r => r,
    };
    done.map(|_| ())
}

/// A new directory, which is whoever's makes it: root's where nobody's rights were taken on.
pub fn make_directory(dir: Fd, name: Str, mode: u32) -> Result<()> {
    let Some(one) = one().filter(|_| acts_as_another_root()) else {
        return sys::mkdirat(dir, name, mode).map(|_| ());
    };
    let root = Owner { uid: 0, gid: 0, mode };
    sys::mkdirat(dir, name, one.stored_mode(root))?;
    let fd = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0)?;
    let written = match sys::fstat(fd) {
        Ok(st) if is_the_hosts(st.mnt_id) => chmod(fd, mode),
        Ok(_) => write_truth(fd, root),
        Err(e) => Err(e),
    };
    sys::close(fd);
    written
}

fn write_truth(fd: Fd, owner: Owner) -> Result<()> {
    match sys::setxattr(Numbered::of_fd(fd).get()?, truth(), &owner.to_bytes()) {
        // ENOTSUP: a file system that keeps none.
        Err(Errno(95) | sys::EPERM) => Ok(()),
        r => r.map(|_| ()),
    }
}

pub fn has_rights() -> bool {
    !LOWERED.load(Relaxed)
}

/// Pid 1's own rights, for as long as this lives: the truth may be read by nobody else.
pub struct OwnRights {
    lowered: bool,
}

impl OwnRights {
    pub fn take() -> Self {
        let lowered = !has_rights();
        if lowered {
            raise_rights();
        }
        Self { lowered }
    }
}

impl Drop for OwnRights {
    fn drop(&mut self) {
        if self.lowered {
            let _ = lower_rights();
        }
    }
}

/// Root, in a namespace whose one id is not root's.
pub fn acts_as_another_root() -> bool {
    one().is_some_and(|one| one.uid != 0) && has_rights()
}
