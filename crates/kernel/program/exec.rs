//! Starting a command: a child that shares pid 1's memory until it executes (vfork), so that a command costs what a
//! spawn costs; and that tells which step failed by writing it there.

use crate::launch;
use crate::message::Message;
use crate::owner;
use crate::path::Numbered;
use crate::plain;
use crate::setup::INSIDE;
use crate::sys::{self, Errno, Fd, Result, Str, lit};
use crate::traced;
use crate::wire::{Reader, exec};
use core::cell::UnsafeCell;

/// The most arguments and variables together. ARG_MAX bounds their bytes (execve(2)).
const MAX_POINTERS: usize = 65536;
const MAX_GROUPS: usize = 1024;
const STACK: usize = 64 * 1024;

/// Only what is used of it ever becomes memory.
#[repr(align(16))]
struct Room {
    pointers: UnsafeCell<[*const u8; MAX_POINTERS]>,
    groups: UnsafeCell<[u32; MAX_GROUPS]>,
    stack: UnsafeCell<[u8; STACK]>,
}

// SAFETY: one thread, and one command is started at a time.
unsafe impl Sync for Room {}

static ROOM: Room = Room {
    pointers: UnsafeCell::new([core::ptr::null(); MAX_POINTERS]),
    groups: UnsafeCell::new([0; MAX_GROUPS]),
    stack: UnsafeCell::new([0; STACK]),
};

/// What failed: the step (`wire::exec::STEP_*`) and why.
pub type Failure = (u32, Errno);

pub struct Exec<'a> {
    flags: u32,
    uid: u32,
    gid: u32,
    groups: &'a [u32],
    umask: u32,
    effective: u64,
    rlimits: Reader<'a>,
    rlimit_count: u32,
    workdir: Str<'a>,
    pty: u32,
    argv: &'a [*const u8],
    envp: &'a [*const u8],
    path: &'a [u8],
    stdio: [Fd; 3],
    parent: i32,
    failed: Option<Failure>,
    pid: i32,
    /// For a traced command: the socket on which it waits, and its filter.
    traced: Option<(Fd, &'a [u8])>,
}

/// A command that was started.
#[derive(Clone, Copy)]
pub struct Command {
    pub pid: i32,
    /// The pipe on which its end is to be told.
    pub status: Fd,
    /// The rootlet ends with it.
    pub last: bool,
    /// Whoever asked is to trace it, and wants to know it by a pidfd.
    pub traced: bool,
}

/// Starts the command of an `EXEC` message.
pub fn start(message: &mut Message) -> core::result::Result<Command, Failure> {
    let status = message.take(0);
    let stdio = [message.take(1), message.take(2), message.take(3)];
    let gate = message.take(4);
    let result = match read(message, stdio, gate) {
        Some(mut exec) => run(&mut exec).map(|pid| (pid, exec.flags)),
        None => Err((exec::STEP_MESSAGE, sys::EBADMSG)),
    };
    for fd in stdio.into_iter().chain([gate]).filter(|&fd| fd >= 0) {
        sys::close(fd);
    }
    match result {
        Ok((pid, flags)) => {
            let (last, traced) = (flags & exec::LAST != 0, flags & exec::TRACED != 0);
            Ok(Command { pid, status, last, traced })
        }
        Err(failure) => {
            sys::close(status);
            Err(failure)
        }
    }
}

fn read(message: &Message, stdio: [Fd; 3], gate: Fd) -> Option<Exec<'static>> {
    let mut fields = message.fields();
    let f = &mut fields;
    let (flags, uid, gid) = (f.u32()?, f.u32()?, f.u32()?);
    let n = f.u32()? as usize;
    // SAFETY: one thread; the references end before the next command is read.
    let (groups, pointers) = unsafe { (&mut *ROOM.groups.get(), &mut *ROOM.pointers.get()) };
    let groups = groups.get_mut(..n)?;
    for group in groups.iter_mut() {
        *group = f.u32()?;
    }
    let (umask, effective) = (f.u32()?, f.u64()?);
    let rlimit_count = f.u32()?;
    let rlimits = *f;
    for _ in 0..rlimit_count {
        let _ = (f.u32()?, f.u64()?, f.u64()?);
    }
    let workdir = Str::new(f.c_str()?).ok()?;
    let pty = f.u32()?;

    // Both lists end in a null pointer, and stand one behind the other.
    let mut used = 0;
    let mut list = |f: &mut Reader<'static>| {
        let n = f.u32()? as usize;
        let begin = used;
        for _ in 0..n {
            *pointers.get_mut(used)? = f.c_str()?.as_ptr();
            used += 1;
        }
        *pointers.get_mut(used)? = core::ptr::null();
        used += 1;
        Some((begin, used))
    };
    let argv = list(f)?;
    let mut variables = *f;
    let envp = list(f)?;
    if argv.1 - argv.0 < 2 {
        return None;
    }
    let mut path: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for _ in 0..variables.u32()? {
        if let Some(value) = variables.bytes()?.strip_prefix(b"PATH=") {
            path = value;
        }
    }
    let traced = match flags & exec::TRACED != 0 {
        // On a terminal no streams come before it.
        true => Some((if gate >= 0 { gate } else { stdio[0] }, f.bytes()?)),
        false => None,
    };
    let pointers: &'static [*const u8; MAX_POINTERS] = pointers;
    Some(Exec {
        flags,
        uid,
        gid,
        groups,
        umask,
        effective,
        rlimits,
        rlimit_count,
        workdir,
        pty,
        argv: &pointers[argv.0..argv.1],
        envp: &pointers[envp.0..envp.1],
        path,
        stdio,
        parent: sys::getpid(),
        failed: None,
        pid: 0,
        traced,
    })
}

fn run(exec: &mut Exec) -> core::result::Result<i32, Failure> {
    let nested_root = is_nested_root(exec);
    if !launch::start_elsewhere(exec, nested_root).map_err(|e| (exec::STEP_CLONE, e))? {
        clone_and_execute(exec);
    }
    // The child wrote through the pointer while we were stopped.
    match core::hint::black_box(exec) {
        Exec { failed: Some(failure), .. } => Err(*failure),
        Exec { pid, .. } => Ok(*pid),
    }
}

/// The part that is done under the filters which the command is to be under.
pub fn clone_and_execute(exec: &mut Exec) {
    if let Some((gate, filter)) = exec.traced {
        let namespaces = if is_nested_root(exec) { sys::CLONE_NEWUSER } else { 0 };
        match traced::fork(namespaces, gate, filter, exec, prepare_and_execute) {
            Ok(pid) => exec.pid = pid,
            Err(errno) => exec.failed = Some((exec::STEP_CLONE, errno)),
        }
        return;
    }
    // SAFETY: one thread at a time, and the last child on this stack has executed or ended.
    let stack = unsafe { &mut *ROOM.stack.get() };
    let namespaces = if is_nested_root(exec) { sys::CLONE_NEWUSER } else { 0 };
    match sys::clone_vfork(namespaces, stack, child, (&raw mut *exec).cast()) {
        Ok(pid) => exec.pid = pid as i32,
        Err(errno) => exec.failed = Some((exec::STEP_CLONE, errno)),
    }
}

extern "C" fn child(arg: *mut u8) -> ! {
    // SAFETY: `run` passes its `Exec` and is stopped until this child is gone from the memory.
    let exec = unsafe { &mut *arg.cast::<Exec>() };
    let failed = prepare_and_execute(exec);
    exec.failed = Some(failed);
    sys::exit(127)
}

fn prepare_and_execute(e: &Exec) -> Failure {
    match prepare(e) {
        Ok(()) => (exec::STEP_EXEC, execute(e)),
        Err(failure) => failure,
    }
}

fn at<T>(step: u32, result: Result<T>) -> core::result::Result<T, Failure> {
    result.map_err(|errno| (step, errno))
}

/// The order matters: what needs rights comes before they are given up, and the work directory is entered with the
/// rights that the command has, when every descriptor of ours is already closed.
fn prepare(e: &Exec) -> core::result::Result<(), Failure> {
    let _ = sys::setsid();
    if e.flags & exec::PTY != 0 {
        at(exec::STEP_TTY, take_terminal(e))?;
    } else {
        for (new, &old) in e.stdio.iter().enumerate() {
            at(exec::STEP_TTY, sys::dup_to(old, new as Fd, 0))?;
        }
    }
    match e.traced {
        Some((gate, filter)) => at(exec::STEP_TRACE, traced::wait(gate, filter))?,
        None => at(exec::STEP_CLONE, sys::close_from(3)).map(|_| ())?,
    }

    let mut rlimits = e.rlimits;
    for _ in 0..e.rlimit_count {
        if let (Some(resource), Some(soft), Some(hard)) = (rlimits.u32(), rlimits.u64(), rlimits.u64()) {
            at(exec::STEP_RLIMIT, sys::setrlimit(resource, soft, hard))?;
        }
    }
    sys::umask(e.umask);

    become_user(e)?;
    at(exec::STEP_WORKDIR, sys::chdir(e.workdir))?;
    if e.flags & exec::NO_NEW_PRIVS != 0 {
        const PR_SET_NO_NEW_PRIVS: usize = 38;
        at(exec::STEP_PRIVILEGES, sys::prctl(PR_SET_NO_NEW_PRIVS, 1, 0))?;
    }
    if plain::is_plain() {
        at(exec::STEP_PRIVILEGES, plain::end_with(e.parent))?;
    }
    if e.traced.is_some() {
        at(exec::STEP_TRACE, traced::show())?;
    }
    // What the nursery ignores, a command must not.
    sys::set_signal(13, 0);
    sys::set_signal(17, 0);
    sys::set_signal_mask(0);
    Ok(())
}

fn become_user(e: &Exec) -> core::result::Result<(), Failure> {
    const PR_CAP_AMBIENT: usize = 47;
    let keep = e.uid != 0 && e.effective != 0;
    match owner::one() {
        None => take_ids(e, keep)?,
        Some(one) if one.uid == e.uid => {}
        Some(one) if e.uid == 0 => at(exec::STEP_IDENTITY, become_nested_root(one.uid, one.gid))?,
        Some(_) => return Err((exec::STEP_IDENTITY, sys::EINVAL)),
    }
    let inheritable = if keep { e.effective } else { 0 };
    at(exec::STEP_CAPABILITIES, sys::capset(e.effective, e.effective, inheritable))?;
    if keep {
        for cap in 0..64 {
            if e.effective & 1 << cap != 0 {
                at(exec::STEP_CAPABILITIES, sys::prctl(PR_CAP_AMBIENT, 2, cap))?;
            }
        }
    }
    Ok(())
}

fn take_ids(e: &Exec, keep: bool) -> core::result::Result<(), Failure> {
    const PR_SET_KEEPCAPS: usize = 8;
    at(exec::STEP_IDENTITY, sys::setgroups(e.groups))?;
    at(exec::STEP_IDENTITY, sys::setresgid(e.gid))?;
    if keep {
        at(exec::STEP_CAPABILITIES, sys::prctl(PR_SET_KEEPCAPS, 1, 0))?;
    }
    at(exec::STEP_IDENTITY, sys::setresuid(e.uid)).map(|_| ())
}

/// Root, where the one id is a user's: it gets a user namespace of its own, in which that id is 0.
fn is_nested_root(e: &Exec) -> bool {
    e.uid == 0 && owner::one().is_some_and(|one| one.uid != 0)
}

fn become_nested_root(uid: u32, gid: u32) -> Result<()> {
    const PR_SET_DUMPABLE: usize = 4;
    // Who may not be looked into may not write its own maps either. The memory is pid 1's still.
    sys::prctl(PR_SET_DUMPABLE, 1, 0)?;
    let written = write_file(lit(c"/proc/self/setgroups"), b"deny")
        .and_then(|()| write_map(lit(c"/proc/self/uid_map"), uid))
        .and_then(|()| write_map(lit(c"/proc/self/gid_map"), gid));
    sys::prctl(PR_SET_DUMPABLE, 0, 0)?;
    written?;
    sys::setresgid(0)?;
    sys::setresuid(0).map(|_| ())
}

/// `0 ID 1`: the id of the namespace around is 0 in this one.
fn write_map(path: Str, id: u32) -> Result<()> {
    write_file(path, Numbered::new(b"0 ", id, b" 1").get()?.bytes())
}

fn write_file(path: Str, bytes: &[u8]) -> Result<()> {
    let fd = sys::openat2(sys::AT_FDCWD, path, sys::O_WRONLY, 0, INSIDE)?;
    let written = sys::write(fd, bytes);
    sys::close(fd);
    written.map(|_| ())
}

fn take_terminal(e: &Exec) -> Result<()> {
    const TIOCSCTTY: usize = 0x540e;
    // Without namespaces the terminal is one of the host's, and has no name inside.
    let (dir, before, inside): (_, &[u8], _) = match plain::is_plain() {
        true => (plain::PTS, b"", 0),
        false => (sys::AT_FDCWD, b"/dev/pts/", INSIDE),
    };
    let path = Numbered::new(before, e.pty, b"");
    let slave = sys::openat2(dir, path.get()?, sys::O_RDWR | sys::O_NOCTTY, 0, inside)?;
    // As grantpt(3) leaves it for whoever runs on it.
    if owner::one().is_none() {
        sys::fchownat(slave, lit(c""), e.uid, u32::MAX, sys::AT_EMPTY_PATH)?;
    }
    sys::ioctl_number(slave, TIOCSCTTY, 0)?;
    for fd in 0..3 {
        sys::dup_to(slave, fd, 0)?;
    }
    Ok(())
}

/// execvpe(3), without its fall-back to a shell: a script needs its `#!` line, as in a container.
fn execute(e: &Exec) -> Errno {
    // SAFETY: `read` has checked that there is at least one argument, and each ends in NUL.
    let name = unsafe { core::ffi::CStr::from_ptr(e.argv[0].cast()) }.to_bytes_with_nul();
    let Ok(program) = Str::new(name) else { return sys::EINVAL };
    if program.is_empty() {
        return sys::ENOENT;
    }
    if program.bytes().contains(&b'/') {
        return sys::execve(program, e.argv, e.envp);
    }
    let mut refused = None;
    for dir in e.path.split(|&b| b == b':') {
        let mut room = [0u8; 4096];
        let dir = if dir.is_empty() { b"." } else { dir };
        let Some(place) = room.get_mut(..dir.len() + 1 + name.len()) else { continue };
        place[..dir.len()].copy_from_slice(dir);
        place[dir.len()] = b'/';
        place[dir.len() + 1..].copy_from_slice(name);
        let Ok(path) = Str::new(place) else { continue };
        match sys::execve(path, e.argv, e.envp) {
            sys::ENOENT | sys::ENOTDIR => {
                // A script whose interpreter is missing is ENOENT too: the search goes on, as the shells' does.
            }
            sys::EACCES => refused = Some(sys::EACCES),
            errno => return errno,
        }
    }
    refused.unwrap_or(sys::ENOENT)
}
