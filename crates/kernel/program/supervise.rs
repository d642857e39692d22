//! The calls that pid 1 is asked about (seccomp_unotify(2)), where one id stands for all: those whose answer depends on who
//! owns a file, and those that name ids which the kernel does not know here.
//!
//! Most are let through to the kernel. Between the look and the kernel's own, another thread may change what the call names:
//! then it meets what the kernel allows the one id, never more than the caller's rights.

use crate::fake;
use crate::gate::{self, Verdict};
use crate::owner;
use crate::path::Numbered;
use crate::setup;
use crate::sys::{self, Errno, Fd, Result, Str, call_numbers as nr};
use crate::tree::{self, PATH_MAX};
use crate::wire;
use core::sync::atomic::{AtomicBool, Ordering};

/// struct seccomp_notif, with the struct seccomp_data in it.
#[repr(C)]
#[derive(Default)]
pub struct Question {
    pub id: u64,
    pub pid: u32,
    flags: u32,
    call: i32,
    arch: u32,
    instruction: u64,
    pub args: [u64; 6],
}

/// struct seccomp_notif_resp.
#[repr(C)]
#[derive(Default)]
struct Reply {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// A question, who asks, and where the answer goes.
pub struct Call {
    question: Question,
    pub listener: Fd,
    /// Whoever is under the filter is root.
    pub root: bool,
}

impl core::ops::Deref for Call {
    type Target = Question;

    fn deref(&self) -> &Question {
        &self.question
    }
}

impl Call {
    /// Root, where the one id is a user's.
    pub fn is_nested_root(&self) -> bool {
        self.root && owner::one().is_some_and(|one| one.uid != 0)
    }
}

const RECEIVE: usize = 0xc050_2100;
const SEND: usize = 0xc018_2101;
const CONTINUE: u32 = 1;

/// Answers one question that is heard on `listener`. `root`: those under its filter are root.
pub fn answer(listener: Fd, root: bool) {
    let mut question = Question::default();
    // ENOENT: who asked has been killed meanwhile.
    if sys::ioctl(listener, RECEIVE, &mut question).is_err() {
        return;
    }
    let mut reply = Reply { id: question.id, ..Reply::default() };
    let root = root || owner::one().is_some_and(|one| one.uid == 0);
    let thread = question.pid;
    match decide(&Call { question, listener, root }) {
        Ok(Verdict::Kernel) => reply.flags = CONTINUE,
        Ok(Verdict::Done) => {}
        Ok(Verdict::Says(value)) => reply.value = value,
        Ok(Verdict::Answered) => return,
        Err(Errno(errno)) => {
            reply.error = -errno;
            tell_tracer(thread, errno);
        }
    }
    let _ = sys::ioctl(listener, SEND, &mut reply);
}

static TELLS_TRACERS: AtomicBool = AtomicBool::new(false);

pub fn tell_tracers() {
    TELLS_TRACERS.store(true, Ordering::Relaxed);
}

/// A tracer's filter is not asked about a call that pid 1 is asked about. The signal waits until the call has ended.
fn tell_tracer(thread: u32, errno: i32) {
    let refused = [sys::EPERM, sys::EACCES, sys::EROFS].contains(&Errno(errno));
    if refused && TELLS_TRACERS.load(Ordering::Relaxed) && !sys::asks_again() {
        let _ = sys::tkill(thread as i32, wire::TOLD_BY);
    }
}

const HERE: u32 = sys::AT_FDCWD as u32;
const NOFOLLOW: u32 = sys::AT_SYMLINK_NOFOLLOW as u32;

fn decide(q: &Call) -> Result<Verdict> {
    let (root, a) = (q.root, |i: usize| q.args[i] as u32);
    match q.call as usize {
        nr::FCHMOD => on_fd(q, a(0), |fd| gate::chmod(fd, a(1), root)),
        nr::FCHMODAT => on_path(q, a(0), 1, 0, |fd| gate::chmod(fd, a(2), root)),
        nr::FCHMODAT2 => on_path(q, a(0), 1, a(3), |fd| gate::chmod(fd, a(2), root)),
        nr::FCHOWN => on_fd(q, a(0), |fd| gate::chown(fd, a(1), a(2), root)),
        nr::FCHOWNAT => on_path(q, a(0), 1, a(4), |fd| gate::chown(fd, a(2), a(3), root)),
        nr::UTIMENSAT => set_times(q),
        nr::LINKAT => on_path(q, a(0), 1, link_flags(a(4)), |fd| gate::link(fd, root)),
        nr::UNLINKAT => remove(q, a(0), 1),
        nr::RENAMEAT => rename(q, (a(0), 1), (a(2), 3), 0),
        nr::RENAMEAT2 => rename(q, (a(0), 1), (a(2), 3), a(4)),
        nr::SETXATTR | nr::REMOVEXATTR => set_attribute(q, |f| on_path(q, HERE, 0, 0, f)),
        nr::LSETXATTR | nr::LREMOVEXATTR => set_attribute(q, |f| on_path(q, HERE, 0, NOFOLLOW, f)),
        nr::FSETXATTR | nr::FREMOVEXATTR => set_attribute(q, |f| on_fd(q, a(0), f)),
        nr::SETUID
        | nr::SETGID
        | nr::SETREUID
        | nr::SETREGID
        | nr::SETRESUID
        | nr::SETRESGID
        | nr::SETGROUPS => become_another(q),
        nr::GETGROUPS => get_groups(q),
        nr::OPENAT => open(q, a(0), 1, q.args[2], a(3)),
        nr::MKDIRAT => fake::make_directory(q, a(0), 1, a(2)),
        nr::FSTAT => fake::stat(q, 1, |f| on_fd(q, a(0), f)),
        nr::NEWFSTATAT => fake::stat(q, 2, |f| on_path(q, a(0), 1, a(3), f)),
        nr::STATX => fake::statx(q, |f| on_path(q, a(0), 1, a(2), f)),
        call => decide_old(call, q),
    }
}

/// The calls of long ago, which newer machines do without.
#[cfg(target_arch = "x86_64")]
fn decide_old(call: usize, q: &Call) -> Result<Verdict> {
    const CREATE_TO_WRITE: u64 = (sys::O_CREAT | sys::O_WRONLY | 0o1000) as u64;
    let (root, a) = (q.root, |i: usize| q.args[i] as u32);
    match call {
        nr::CHMOD => on_path(q, HERE, 0, 0, |fd| gate::chmod(fd, a(1), root)),
        nr::CHOWN => on_path(q, HERE, 0, 0, |fd| gate::chown(fd, a(1), a(2), root)),
        nr::LCHOWN => on_path(q, HERE, 0, NOFOLLOW, |fd| gate::chown(fd, a(1), a(2), root)),
        nr::UTIME | nr::UTIMES => on_path(q, HERE, 0, 0, |fd| gate::set_times(fd, q.args[1] == 0, root)),
        nr::FUTIMESAT => on_path(q, a(0), 1, 0, |fd| gate::set_times(fd, q.args[2] == 0, root)),
        nr::LINK => on_path(q, HERE, 0, NOFOLLOW, |fd| gate::link(fd, root)),
        nr::UNLINK | nr::RMDIR => remove(q, HERE, 0),
        nr::RENAME => rename(q, (HERE, 0), (HERE, 1), 0),
        nr::OPEN => open(q, HERE, 0, q.args[1], a(2)),
        nr::CREAT => fake::open(q, HERE, 0, CREATE_TO_WRITE, a(1)),
        nr::MKDIR => fake::make_directory(q, HERE, 0, a(1)),
        nr::STAT => fake::stat(q, 1, |f| on_path(q, HERE, 0, 0, f)),
        nr::LSTAT => fake::stat(q, 1, |f| on_path(q, HERE, 0, NOFOLLOW, f)),
        _ => Ok(Verdict::Kernel),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn decide_old(_: usize, _: &Call) -> Result<Verdict> {
    Ok(Verdict::Kernel)
}

fn remove(q: &Call, dir: u32, argument: usize) -> Result<Verdict> {
    on_parent(q, dir, argument, |dir, name| gate::remove(dir, name, q.root))
}

fn is_there(dir: Fd, name: Str) -> Result<Verdict> {
    let fd = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0)?;
    sys::close(fd);
    Ok(Verdict::Kernel)
}

/// What is moved goes from one directory, and what it replaces from the other. The kernel looks at them in this order.
fn rename(q: &Call, from: (u32, usize), to: (u32, usize), flags: u32) -> Result<Verdict> {
    const RENAME_NOREPLACE: u32 = 1;
    if flags & RENAME_NOREPLACE != 0 && on_parent(q, to.0, to.1, is_there).is_ok() {
        return Ok(Verdict::Kernel);
    }
    let movable = |dir: Fd, name: Str| {
        is_there(dir, name)?;
        if gate::is_writable(dir)? { gate::remove(dir, name, q.root) } else { Err(sys::EACCES) }
    };
    // EACCES and ENOENT are the kernel's to say.
    match on_parent(q, from.0, from.1, movable) {
        Err(sys::EACCES | sys::ENOENT) => return Ok(Verdict::Kernel),
        r => r?,
    };
    remove(q, to.0, to.1)
}

/// setxattr(2) and its kin.
fn set_attribute(
    q: &Call,
    find: impl FnOnce(&dyn Fn(Fd) -> Result<Verdict>) -> Result<Verdict>,
) -> Result<Verdict> {
    let mut name = [0; 256];
    let Some(name) = text(q, 1, &mut name) else { return Ok(Verdict::Kernel) };
    match gate::set_attribute(name.bytes())? {
        Verdict::Kernel if name.bytes().starts_with(b"user.") => find(&|fd| gate::mark(fd, q.root)),
        verdict => Ok(verdict),
    }
}

/// Asked for its O_CREAT where root asks, and for its O_NOATIME.
fn open(q: &Call, dir: u32, argument: usize, flags: u64, mode: u32) -> Result<Verdict> {
    if q.root {
        return fake::open(q, dir, argument, flags, mode);
    }
    let follow = if flags as usize & sys::O_NOFOLLOW != 0 { NOFOLLOW } else { 0 };
    on_path(q, dir, argument, follow, |fd| gate::open_without_a_trace(fd, flags as usize, false))
}

/// linkat(2) follows links when it is told to; everything else, when it is not told otherwise.
fn link_flags(flags: u32) -> u32 {
    const AT_SYMLINK_FOLLOW: u32 = 0x400;
    let nofollow = if flags & AT_SYMLINK_FOLLOW == 0 { sys::AT_SYMLINK_NOFOLLOW as u32 } else { 0 };
    flags & sys::AT_EMPTY_PATH as u32 | nofollow
}

/// What our /proc calls the process that we know as `pid`: the same, unless /proc is the host's own.
pub fn number_in_proc(pid: u32) -> u32 {
    if !setup::proc_is_the_hosts() {
        return pid;
    }
    let Ok(pidfd) = sys::pidfd_open(pid as i32) else { return pid };
    // pidfd_open(2): in the numbers of the /proc that it is read from.
    let info = Numbered::new(b"/proc/self/fdinfo/", pidfd as u32, b"");
    let number = read_number(info, b"Pid:\t", 10);
    sys::close(pidfd);
    number.unwrap_or(pid)
}

/// The number behind `label` in a file of /proc.
pub fn read_number(path: Numbered, label: &[u8], base: u32) -> Option<u32> {
    let fd = sys::openat(sys::AT_FDCWD, path.get().ok()?, sys::O_RDONLY, 0).ok()?;
    let mut text = [0; 512];
    let n = sys::read(fd, &mut text);
    sys::close(fd);
    let mut lines = text[..n.ok()?].split(|&b| b == b'\n');
    let digits = lines.find_map(|line| line.strip_prefix(label))?;
    digits.iter().try_fold(0u32, |n, d| {
        let digit = u32::from(d.wrapping_sub(b'0'));
        if digit < base { n.checked_mul(base)?.checked_add(digit) } else { None }
    })
}

/// A string of the one who asks. What cannot be read is for the kernel to refuse.
pub fn text<'a>(q: &Call, argument: usize, room: &'a mut [u8]) -> Option<Str<'a>> {
    let (address, mut len) = (q.args[argument], 0);
    while len < room.len() {
        let at = address + len as u64;
        // One page at a time: the next may not be there.
        let want = (4096 - at as usize % 4096).min(room.len() - len);
        let n = sys::read_memory(q.pid as i32, at, &mut room[len..len + want]).ok()?;
        if let Some(end) = room[len..len + n].iter().position(|&b| b == 0) {
            return Str::new(&room[..=len + end]).ok();
        }
        len += n;
        if n < want {
            return None;
        }
    }
    None
}

/// What a descriptor of the one who asks names; that may be a directory that paths begin at.
pub fn descriptor(q: &Call, fd: u32) -> Result<Fd> {
    let pid = number_in_proc(q.pid);
    let path = match fd as i32 {
        sys::AT_FDCWD => Numbered::new(b"/proc/", pid, b"/cwd"),
        _ => Numbered::nested(b"/proc/", pid, b"/fd/", fd),
    };
    sys::openat(sys::AT_FDCWD, path.get()?, sys::O_PATH, 0)
}

pub fn on_fd(q: &Call, fd: u32, f: impl FnOnce(Fd) -> Result<Verdict>) -> Result<Verdict> {
    let Ok(fd) = descriptor(q, fd) else { return Ok(Verdict::Kernel) };
    let verdict = f(fd);
    sys::close(fd);
    verdict
}

/// What a path of the one who asks names, found with his rights. What is not found is for the kernel to refuse.
pub fn on_path(
    q: &Call,
    dir: u32,
    argument: usize,
    flags: u32,
    f: impl FnOnce(Fd) -> Result<Verdict>,
) -> Result<Verdict> {
    if q.args[argument] == 0 && flags as usize & sys::AT_EMPTY_PATH != 0 {
        return on_fd(q, dir, f);
    }
    let mut room = [0; PATH_MAX];
    let Some(path) = text(q, argument, &mut room) else { return Ok(Verdict::Kernel) };
    if path.is_empty() {
        let itself = flags as usize & sys::AT_EMPTY_PATH != 0;
        return if itself { on_fd(q, dir, f) } else { Ok(Verdict::Kernel) };
    }
    let nofollow = if flags as usize & sys::AT_SYMLINK_NOFOLLOW != 0 { sys::O_NOFOLLOW } else { 0 };
    let Ok(fd) = resolve(q, dir, path, sys::O_PATH | nofollow) else { return Ok(Verdict::Kernel) };
    let verdict = f(fd);
    sys::close(fd);
    verdict
}

/// The directory and the last component of a path, likewise.
pub fn on_parent(
    q: &Call,
    dir: u32,
    argument: usize,
    f: impl FnOnce(Fd, Str) -> Result<Verdict>,
) -> Result<Verdict> {
    let mut room = [0; PATH_MAX];
    let Some(path) = text(q, argument, &mut room) else { return Ok(Verdict::Kernel) };
    let found = tree::split(path, |parent, name| {
        resolve(q, dir, parent, sys::O_PATH | sys::O_DIRECTORY).map(|parent| {
            let verdict = f(parent, name);
            sys::close(parent);
            verdict
        })
    });
    found.unwrap_or(Ok(Verdict::Kernel))
}

/// What a path of the one who asks leads to, with his rights. Magic links of /proc lead where the process goes to whom they belong,
/// and pid 1 may follow its own: to the layers that all rootlets share. So none is followed, but for the descriptors of the one who asks.
pub fn resolve(q: &Call, dir: u32, path: Str, flags: usize) -> Result<Fd> {
    let (dir, path, scope) = match own_descriptor(path) {
        Some((fd, rest)) if rest.is_empty() => return descriptor(q, fd),
        Some((fd, rest)) => (descriptor(q, fd)?, rest, 0),
        None if path.bytes().first() == Some(&b'/') => {
            let root = Numbered::new(b"/proc/", number_in_proc(q.pid), b"/root");
            (sys::openat(sys::AT_FDCWD, root.get()?, sys::O_PATH, 0)?, path, sys::RESOLVE_IN_ROOT)
        }
        None => (descriptor(q, dir)?, path, 0),
    };
    let scope = scope | sys::RESOLVE_NO_MAGICLINKS;
    let found = owner::set_rights(q.root).and_then(|()| sys::openat2(dir, path, flags, 0, scope));
    let _ = owner::set_rights(true);
    sys::close(dir);
    found
}

/// The number in `/proc/self/fd/7` or `/dev/fd/7`, and what follows.
fn own_descriptor(path: Str) -> Option<(u32, Str)> {
    let places = [&b"/proc/self/fd/"[..], b"/proc/thread-self/fd/", b"/dev/fd/"];
    let start = places.into_iter().find(|start| path.bytes().starts_with(start))?.len();
    let digits = path.bytes()[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = path.bytes()[start..start + digits]
        .iter()
        .try_fold(0u32, |n, digit| n.checked_mul(10)?.checked_add(u32::from(digit - b'0')));
    let slashes = path.bytes()[start + digits..].iter().take_while(|&&byte| byte == b'/').count();
    let ends = start + digits == path.bytes().len();
    (digits > 0 && (ends || slashes > 0)).then_some((number?, path.skip(start + digits + slashes)))
}

/// utimensat(2): both times at once as they are, or at times of the caller's.
fn set_times(q: &Call) -> Result<Verdict> {
    const NOW: u64 = (1 << 30) - 1;
    const OMIT: u64 = (1 << 30) - 2;
    let mut times = [0; 32];
    let mut now = q.args[2] == 0;
    if !now && sys::read_memory(q.pid as i32, q.args[2], &mut times) == Ok(32) {
        let part = |at: usize| u64::from_ne_bytes(times[at..at + 8].try_into().unwrap_or_default());
        if part(8) == OMIT && part(24) == OMIT {
            return Ok(Verdict::Kernel);
        }
        now = part(8) == NOW && part(24) == NOW;
    }
    if q.args[1] == 0 {
        return on_fd(q, q.args[0] as u32, |fd| gate::set_times(fd, now, q.root));
    }
    on_path(q, q.args[0] as u32, 1, q.args[3] as u32, |fd| gate::set_times(fd, now, q.root))
}

/// setuid(2) and its kin. There is one id to become; who may become another is told that he did, as fakeroot(1) tells him.
fn become_another(q: &Call) -> Result<Verdict> {
    let Some(one) = owner::one() else { return Ok(Verdict::Kernel) };
    let call = q.call as usize;
    let own = match (q.root, call) {
        (true, _) => 0,
        (false, nr::SETGID | nr::SETREGID | nr::SETRESGID) => one.gid,
        (false, _) => one.uid,
    };
    let count = match call {
        nr::SETUID | nr::SETGID => 1,
        nr::SETREUID | nr::SETREGID => 2,
        nr::SETRESUID | nr::SETRESGID => 3,
        _ => 0,
    };
    let stays = |id: &u64| *id as u32 == own || *id as u32 == u32::MAX && count > 1;
    match count > 0 && q.args[..count].iter().all(stays) {
        true => Ok(Verdict::Kernel),
        false if q.root && may_be_faked(call) => Ok(Verdict::Says(0)),
        false => Err(sys::EPERM),
    }
}

/// Root is told that it became another where it is allowed to: pid 1 has the bounds that commands have.
fn may_be_faked(call: usize) -> bool {
    const CAP_SETGID: usize = 6;
    const CAP_SETUID: usize = 7;
    let uids = matches!(call, nr::SETUID | nr::SETREUID | nr::SETRESUID);
    sys::is_bounded_in(if uids { CAP_SETUID } else { CAP_SETGID })
}

/// The supplementary groups: the kernel knows those of the caller on the host, and cannot be told others.
fn get_groups(q: &Call) -> Result<Verdict> {
    let Some(one) = owner::one() else { return Ok(Verdict::Kernel) };
    let groups = if q.root { &[] } else { one.groups };
    let (room, count) = (q.args[0] as u32 as usize, groups.len());
    if room == 0 {
        return Ok(Verdict::Says(count as i64));
    }
    if room < count {
        return Err(sys::EINVAL);
    }
    for (i, group) in groups.iter().enumerate() {
        sys::write_memory(q.pid as i32, q.args[1] + 4 * i as u64, &group.to_ne_bytes())?;
    }
    Ok(Verdict::Says(count as i64))
}
