//! What root is told and given where one id stands for all, as fakeroot(1) does it: owners as they would be, and files that
//! are root's because root made them.

use crate::gate::{self, Verdict};
use crate::one_id::Owner;
use crate::owner;
use crate::path::Numbered;
use crate::supervise::{Call, number_in_proc, on_parent, read_number, resolve, text};
use crate::sys::{self, Fd, Result};
use crate::tree::PATH_MAX;

/// The owner of a file as root is to see it; `None` where the kernel says the same.
fn seen(call: &Call, fd: Fd) -> Result<Option<Owner>> {
    let truth = gate::told(fd)?;
    if truth.is_some() || !call.is_nested_root() {
        return Ok(truth);
    }
    // The kernel shows the user's files as root's, in root's own namespace; ours shows them as they are.
    let st = sys::fstat(fd)?;
    Ok(Some(Owner { uid: st.uid, gid: st.gid, mode: u32::from(st.mode) & 0o7777 }))
}

/// Where struct stat has mode, owner and group, and how long it is.
#[cfg(target_arch = "x86_64")]
const STAT: ([usize; 3], usize) = ([24, 28, 32], 144);
#[cfg(target_arch = "aarch64")]
const STAT: ([usize; 3], usize) = ([16, 24, 28], 128);
/// Likewise struct statx.
const STATX: [usize; 3] = [28, 20, 24];

/// stat(2) of what `find` finds; the place for the answer is in argument `place`.
pub fn stat(
    call: &Call,
    place: usize,
    find: impl FnOnce(&dyn Fn(Fd) -> Result<Verdict>) -> Result<Verdict>,
) -> Result<Verdict> {
    find(&|fd| {
        let Some(owner) = seen(call, fd)? else { return Ok(Verdict::Kernel) };
        let mut room = [0; 256];
        sys::raw_stat(fd, &mut room)?;
        tell(call, call.args[place], &mut room[..STAT.1], STAT.0, owner)
    })
}

/// statx(2) of what `find` finds.
pub fn statx(
    call: &Call,
    find: impl FnOnce(&dyn Fn(Fd) -> Result<Verdict>) -> Result<Verdict>,
) -> Result<Verdict> {
    find(&|fd| {
        let Some(owner) = seen(call, fd)? else { return Ok(Verdict::Kernel) };
        let mut room = [0; 256];
        sys::raw_statx(fd, call.args[3] as u32, &mut room)?;
        tell(call, call.args[4], &mut room, STATX, owner)
    })
}

/// Writes what was found, with its true owner, where the caller wants it.
fn tell(call: &Call, address: u64, room: &mut [u8], at: [usize; 3], owner: Owner) -> Result<Verdict> {
    let [mode, uid, gid] = at;
    // The type stands above the bits; both structures have room for them in the first two bytes.
    let bits = u16::from_ne_bytes([room[mode], room[mode + 1]]) & 0o170000 | owner.mode as u16;
    room[mode..mode + 2].copy_from_slice(&bits.to_ne_bytes());
    room[uid..uid + 4].copy_from_slice(&owner.uid.to_ne_bytes());
    room[gid..gid + 4].copy_from_slice(&owner.gid.to_ne_bytes());
    match sys::write_memory(call.pid as i32, address, room)? {
        n if n == room.len() => Ok(Verdict::Done),
        // EFAULT
        _ => Err(sys::Errno(14)),
    }
}

/// open(2) with O_CREAT: a file that is there is the kernel's to open; one that is not is made here, and handed over.
pub fn open(call: &Call, dir: u32, argument: usize, flags: u64, mode: u32) -> Result<Verdict> {
    let flags = flags as u32 as usize;
    let mut room = [0; PATH_MAX];
    let Some(path) = text(call, argument, &mut room) else { return Ok(Verdict::Kernel) };
    if let Ok(there) = resolve(call, dir, path, sys::O_PATH) {
        sys::close(there);
        return Ok(Verdict::Kernel);
    }
    on_parent(call, dir, argument, |dir, name| {
        let (owner, _) = made_in(call, dir, mode)?;
        let fd = match sys::openat(dir, name, flags | sys::O_EXCL | sys::O_NOFOLLOW, owner.mode) {
            // A symlink that leads nowhere yet.
            Err(sys::EEXIST) => return Ok(Verdict::Kernel),
            r => r?,
        };
        let handed = owner::give(fd, owner).and_then(|()| hand_over(call, fd, flags));
        sys::close(fd);
        handed
    })
}

/// Gives a descriptor of ours to the one who asks, as the answer (Linux 5.14).
fn hand_over(call: &Call, fd: Fd, flags: usize) -> Result<Verdict> {
    /// struct seccomp_notif_addfd.
    #[repr(C)]
    struct AddFd {
        id: u64,
        flags: u32,
        ours: u32,
        theirs: u32,
        their_flags: u32,
    }
    const ADD_FD: usize = 0x4018_2103;
    const SEND: u32 = 2;
    let their_flags = (flags & sys::O_CLOEXEC) as u32;
    let mut add = AddFd { id: call.id, flags: SEND, ours: fd as u32, theirs: 0, their_flags };
    sys::ioctl(call.listener, ADD_FD, &mut add).map(|_| Verdict::Answered)
}

pub fn make_directory(call: &Call, dir: u32, argument: usize, mode: u32) -> Result<Verdict> {
    on_parent(call, dir, argument, |dir, name| {
        let (owner, inherits) = made_in(call, dir, mode)?;
        sys::mkdirat(dir, name, 0o700)?;
        let made = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0)?;
        let given = owner::give(made, Owner { mode: owner.mode | inherits, ..owner });
        sys::close(made);
        given.map(|()| Verdict::Done)
    })
}

/// Whose something is that root makes in a directory (inode(7)): of the directory's group, where that has the setgid bit,
/// which a directory inherits.
fn made_in(call: &Call, dir: Fd, mode: u32) -> Result<(Owner, u32)> {
    let mode = mode & 0o7777 & !umask(call);
    let parent = seen(call, dir)?;
    Ok(match parent.filter(|parent| parent.mode & 0o2000 != 0) {
        Some(parent) => (Owner { uid: 0, gid: parent.gid, mode }, 0o2000),
        None => (Owner { uid: 0, gid: 0, mode }, 0),
    })
}

fn umask(call: &Call) -> u32 {
    let status = Numbered::new(b"/proc/", number_in_proc(call.pid), b"/status");
    read_number(status, b"Umask:\t", 8).unwrap_or(0o022)
}
