//! Without namespaces: what the kernel otherwise does for a rootlet by itself is done here. Its processes are found as
//! children of its first process, which orphans come to (PR_SET_CHILD_SUBREAPER), and ended one by one.
//!
//! What is needed of the host for that is opened before chroot(2), and closed in every command (`exec::prepare`).

use crate::listing::{MAX_DEPTH, each_entry};
use crate::path::Numbered;
use crate::sys::{self, Fd, PollFd, Result, SIGKILL, Str, lit};
use core::sync::atomic::{AtomicBool, Ordering};

/// The host's /proc and /dev/pts.
pub const PROC: Fd = 4;
pub const PTS: Fd = 5;

static PLAIN: AtomicBool = AtomicBool::new(false);

/// Whether this program was started to work without namespaces.
pub fn is_plain() -> bool {
    PLAIN.load(Ordering::Relaxed)
}

/// Where the descriptors of a new process begin that must not survive.
pub fn first_free() -> Fd {
    if is_plain() { PTS + 1 } else { PROC }
}

/// Opens what is kept, and has orphans come to this process. Descriptors from [`PROC`] on are free.
pub fn begin() -> Result<()> {
    PLAIN.store(true, Ordering::Relaxed);
    keep(lit(c"/proc"), PROC)?;
    match keep(lit(c"/dev/pts"), PTS) {
        // No terminals on this host: the number stays taken all the same.
        Err(sys::ENOENT) => keep(lit(c"/"), PTS)?,
        r => r?,
    }
    adopt_orphans()?;
    // Nobody may look into this process, nor into what is cloned of it.
    sys::prctl(4, 0, 0)?;
    // Without CAP_SYS_ADMIN, a filter is only for those who can gain nothing more (seccomp(2)).
    const PR_SET_NO_NEW_PRIVS: usize = 38;
    sys::prctl(PR_SET_NO_NEW_PRIVS, 1, 0).map(|_| ())
}

fn keep(path: Str, at: Fd) -> Result<()> {
    let fd = sys::openat(sys::AT_FDCWD, path, sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
    if fd != at {
        sys::dup_to(fd, at, sys::O_CLOEXEC)?;
        sys::close(fd);
    }
    Ok(())
}

/// It is not inherited: each first process asks for it.
pub fn adopt_orphans() -> Result<()> {
    const PR_SET_CHILD_SUBREAPER: usize = 36;
    sys::prctl(PR_SET_CHILD_SUBREAPER, 1, 0).map(|_| ())
}

/// Has the calling command end with its parent, whatever becomes of that. Changing ids undoes it, so it comes last.
pub fn end_with(parent: i32) -> Result<()> {
    const PR_SET_PDEATHSIG: usize = 1;
    sys::prctl(PR_SET_PDEATHSIG, SIGKILL as usize, 0)?;
    // It may have ended before.
    if sys::getppid() == parent { Ok(()) } else { Err(sys::ESRCH) }
}

/// Ends the children of this process but the `kept`, and what becomes its child by their end, until none is left. `signals` is
/// readable when a child ended; `ended` is told of each.
pub fn end_children(signals: Fd, kept: impl Fn(i32) -> bool, mut ended: impl FnMut(i32, i32, i32)) {
    const MILLISECOND: u64 = 1_000_000;
    loop {
        let mut found = false;
        let listed = each_child(sys::getpid(), |pid| {
            if !kept(pid) {
                found = true;
                end(pid);
            }
        });
        while let Ok(Some((pid, code, status))) = sys::reap() {
            ended(pid, code, status);
        }
        if !found || listed.is_err() {
            return;
        }
        // A list is not of one moment: another look is worth more than a signal that may not come.
        let _ = sys::poll_within(&mut [PollFd { fd: signals, events: 1, revents: 0 }], MILLISECOND);
        let _ = sys::read(signals, &mut [0u8; 128]);
    }
}

/// Ends a child, together with its process group: that is one step for the kernel, which no fork gets ahead of. The group is
/// wholly of this rootlet, since every command leads a session of its own, and its number is not used for another one
/// as long as the child, which nobody else waits for, is in it.
fn end(child: i32) {
    if let Ok(group) = sys::getpgid(child)
        && sys::getpgid(0).is_ok_and(|own| own != group)
    {
        let _ = sys::kill(-group, SIGKILL);
    }
    let _ = sys::kill(child, SIGKILL);
}

/// Calls `f` with every process that descends from this one, those who have ended but were not waited for among them.
pub fn each_descendant(f: &mut impl FnMut(i32)) -> Result<()> {
    descend(sys::getpid(), 0, f)
}

fn descend(parent: i32, depth: u32, f: &mut impl FnMut(i32)) -> Result<()> {
    let mut failed = Ok(());
    each_child(parent, |pid| {
        f(pid);
        if depth < MAX_DEPTH && failed.is_ok() {
            failed = match descend(pid, depth + 1, f) {
                // It has ended meanwhile.
                Err(sys::ENOENT | sys::ESRCH) => Ok(()),
                r => r,
            };
        }
    })?;
    failed
}

/// Calls `f` with the children of a process: each of its threads may have some.
fn each_child(parent: i32, mut f: impl FnMut(i32)) -> Result<()> {
    let path = Numbered::new(b"", parent as u32, b"/task");
    let threads = sys::openat(PROC, path.get()?, sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
    let listed = each_entry(threads, |thread| {
        let thread = to_number(thread.bytes()).ok_or(sys::EINVAL)?;
        let path = Numbered::new(b"", thread as u32, b"/children");
        let list = sys::openat(threads, path.get()?, sys::O_RDONLY, 0)?;
        let read = each_number(list, &mut f);
        sys::close(list);
        read
    });
    sys::close(threads);
    match listed {
        // A kernel without these lists (CONFIG_PROC_CHILDREN), or a thread that has ended.
        Err(sys::ENOENT) => search_children(parent, f),
        r => r,
    }
}

/// The numbers of a file, each followed by a space.
fn each_number(file: Fd, mut f: impl FnMut(i32)) -> Result<()> {
    let (mut room, mut number) = ([0u8; 1024], None::<i32>);
    loop {
        let n = sys::read(file, &mut room)?;
        for &byte in &room[..n] {
            match byte {
                b'0'..=b'9' => {
                    number = Some(number.unwrap_or(0).wrapping_mul(10).wrapping_add(i32::from(byte - b'0')))
                }
                _ => number.take().into_iter().for_each(&mut f),
            }
        }
        if n == 0 {
            number.into_iter().for_each(f);
            return Ok(());
        }
    }
}

/// Asks every process of the host who its parent is.
fn search_children(parent: i32, mut f: impl FnMut(i32)) -> Result<()> {
    let proc = sys::openat(PROC, lit(c"."), sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
    let searched = each_entry(proc, |name| {
        if let Some(pid) = to_number(name.bytes())
            && parent_of(pid) == Ok(parent)
        {
            f(pid);
        }
        Ok(())
    });
    sys::close(proc);
    searched
}

fn parent_of(pid: i32) -> Result<i32> {
    let path = Numbered::new(b"", pid as u32, b"/stat");
    let file = sys::openat(PROC, path.get()?, sys::O_RDONLY, 0)?;
    let mut stat = [0u8; 256];
    let n = sys::read(file, &mut stat);
    sys::close(file);
    // proc_pid_stat(5): number, (name), state, parent. A name may hold anything.
    let stat = &stat[..n?];
    let behind = stat.iter().rposition(|&b| b == b')').ok_or(sys::EINVAL)?;
    let mut fields = stat[behind..].split(|&b| b == b' ').skip(2);
    fields.next().and_then(to_number).ok_or(sys::EINVAL)
}

fn to_number(digits: &[u8]) -> Option<i32> {
    let number =
        |n: i32, &b: &u8| b.is_ascii_digit().then(|| n.wrapping_mul(10).wrapping_add(i32::from(b - b'0')));
    if digits.is_empty() { None } else { digits.iter().try_fold(0, number) }
}
