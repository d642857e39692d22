//! The nursery itself: it sits in the user namespace, in a small mount tree of its own, and clones what is asked for.
//!
//! The small tree is why the number of the host's mounts costs a rootlet nothing: a clone copies the mount namespace of
//! its parent, and this one holds a tmpfs, a /proc (which the kernel wants to see before it lets us mount another one),
//! the prepared /dev, and the sources:
//!
//! ```text
//! /proc  /dev  /src/ID (read-only layers, directories to bind)  /root (where a new root is built)  /up (its writable layer)
//! ```

use crate::message::{Answer, Message};
use crate::owner;
use crate::path::Numbered;
use crate::sys::{self, Errno, Fd, Result, Str, lit};
use crate::wire::{Reader, ask, hello, tell};
use crate::{family, plain, setup, tree};

/// The socket to the library, from the moment on at which the descriptors are in order.
pub const SOCKET: Fd = 3;

/// A step that failed, as `hello::STEP_NAMES` counts them.
pub type Step<T = ()> = core::result::Result<T, (u32, Errno)>;

pub fn at<T>(step: u32, result: Result<T>) -> Step<T> {
    result.map_err(|e| (step, e))
}

/// `plain`: without namespaces.
pub fn main(plain: bool) -> ! {
    if plain {
        if begun(start().and_then(|()| family::prepare())) {
            say_hello(0);
            family::serve()
        }
        sys::exit(0)
    }
    let Some(ready) = begun(start().and_then(|()| prepare())) else { sys::exit(0) };
    say_hello(ready.flags);
    while let Ok(Some(message)) = Message::receive(SOCKET) {
        serve(message, &ready);
    }
    sys::exit(0)
}

/// What failed is said, and ends it.
fn begun<T>(result: Step<T>) -> T {
    match result {
        Ok(ready) => ready,
        Err((step, errno)) => {
            let _ = Answer::failed(tell::HELLO, step, errno).send(SOCKET);
            sys::exit(1)
        }
    }
}

fn say_hello(flags: u32) {
    let mut answer = Answer::new(tell::HELLO);
    answer.u32(flags);
    let _ = answer.send(SOCKET);
}

struct Ready {
    flags: u32,
    /// The mount namespace with the host's whole tree, from which sources are taken, and the small one, to come back to.
    /// Real root has none: it hands mounts over, and a copy of all the host's is work for the kernel twice, when it is made
    /// and when it is removed.
    host: Option<(Fd, Fd)>,
}

fn start() -> Step {
    sys::set_name(lit(c"rootlet-nursery"));
    // Children are reaped by the kernel: whoever asked for one holds its pidfd. A pipe that nobody reads is no reason to
    // die. Everything else is as a fresh process has it.
    for signal in 1..=64 {
        sys::set_signal(signal, usize::from(signal == 13 || signal == 17));
    }
    sys::set_signal_mask(0);
    let _ = sys::setsid();
    sys::umask(0);
    // The library gave us the socket as standard input.
    at(9, sys::dup_to(0, SOCKET, 0o2000000))?;
    at(9, sys::close_from(SOCKET + 1)).map(|_| ())
}

/// Standard streams that lead nowhere.
pub fn null_streams() -> Step {
    let null = at(9, sys::openat(sys::AT_FDCWD, lit(c"/dev/null"), sys::O_RDWR, 0))?;
    for fd in 0..3 {
        at(9, sys::dup_to(null, fd, 0))?;
    }
    sys::close(null);
    Ok(())
}

/// `None` when the library went away meanwhile.
fn prepare() -> Step<Option<Ready>> {
    let is_root = sys::geteuid() == 0;
    // CLONE_NEWUSER must come before anything else: it is what gives us the right to the rest.
    if let Err(errno) = sys::unshare(sys::CLONE_NEWUSER) {
        let _ = Answer::failed(tell::UNSHARED, 0, errno).send(SOCKET);
        return Ok(None);
    }
    let _ = Answer::new(tell::UNSHARED).send(SOCKET);
    // While newuidmap runs, what needs no mapped ids is done. These clones of the host's mounts are ours from here on.
    at(1, sys::unshare(sys::CLONE_NEWNS))?;
    let host = if is_root { None } else { Some(at(1, own_mounts())?) };
    null_streams()?;
    let proc = at(3, sys::open_tree_clone(sys::AT_FDCWD, lit(c"/proc"), sys::AT_RECURSIVE))?;
    let mut nodes = [-1; NODES.len()];
    for (fd, (host_path, _)) in nodes.iter_mut().zip(NODES) {
        match sys::open_tree_clone(sys::AT_FDCWD, lit(host_path), 0) {
            Ok(node) => *fd = node,
            // A sparse /dev, as some containers have it, stays sparse.
            Err(sys::ENOENT) => {}
            Err(e) => return Err((6, e)),
        }
    }
    if host.is_some() {
        at(1, sys::unshare(sys::CLONE_NEWNS))?;
    }
    match Message::receive(SOCKET) {
        Ok(Some(m)) if m.kind == ask::CONFINE => confine(m.fields())?,
        _ => return Ok(None),
    }
    leave_host()?;

    match Message::receive(SOCKET) {
        Ok(Some(m)) if m.kind == ask::MAPPED => at(2, owner::set(m.fields()))?,
        _ => return Ok(None),
    }
    if owner::one().is_none() {
        at(2, sys::setresgid(0))?;
        at(2, sys::setresuid(0))?;
        at(2, sys::setgroups(&[]))?;
    }
    small_tree(proc)?;
    build_dev(&nodes)?;
    let host = match host {
        Some(host) => Some((host, at(1, own_mounts())?)),
        None => None,
    };
    let xattrs = sys::setxattr(lit(c"/src"), lit(c"user.overlay.probe"), b"y").is_ok();
    Ok(Some(Ready { flags: if xattrs { hello::TMPFS_XATTRS } else { 0 }, host }))
}

/// The mount namespace that this process is in.
fn own_mounts() -> Result<Fd> {
    sys::openat(sys::AT_FDCWD, lit(c"/proc/self/ns/mnt"), sys::O_RDONLY, 0)
}

/// Once here, not for each command: dropping capabilities and installing a filter would be a good part of what one costs.
pub fn confine(mut fields: Reader) -> Step {
    let (Some(capabilities), Some(pass), Some(filter)) = (fields.u64(), fields.u64(), fields.bytes()) else {
        return Err((10, sys::EBADMSG));
    };
    at(11, sys::bound_capabilities(capabilities))?;
    at(10, sys::install_filter(filter, pass))
}

/// Goes to an empty file system and lets go of the host's mounts, which takes the kernel its time.
fn leave_host() -> Step {
    let nothing = at(4, sys::fs_mount(lit(c"tmpfs"), &[(lit(c"mode"), lit(c"0555"))], 0))?;
    // Any directory will do to mount on: the old tree is let go of in the next line.
    at(5, sys::move_mount(nothing, sys::AT_FDCWD, lit(c"/proc")))?;
    sys::close(nothing);
    at(5, sys::chdir(lit(c"/proc")))?;
    at(5, sys::pivot_root(lit(c"."), lit(c".")))?;
    at(5, sys::umount(lit(c"."), sys::MNT_DETACH))?;
    at(5, sys::chdir(lit(c"/"))).map(|_| ())
}

/// On top of the empty file system, whose owner has no number in here.
fn small_tree(proc: Fd) -> Step {
    let tmpfs = at(4, sys::fs_mount(lit(c"tmpfs"), &[(lit(c"mode"), lit(c"0755"))], 0))?;
    at(5, sys::move_mount(tmpfs, sys::AT_FDCWD, lit(c"/")))?;
    at(5, sys::fchdir(tmpfs))?;
    at(5, sys::chroot(lit(c".")))?;
    sys::close(tmpfs);
    for path in [c"/proc", c"/dev", c"/src", c"/root", c"/up"] {
        at(8, sys::mkdirat(sys::AT_FDCWD, lit(path), 0o755))?;
    }
    at(3, sys::move_mount(proc, sys::AT_FDCWD, lit(c"/proc")))?;
    sys::close(proc);
    Ok(())
}

/// The device nodes of the runtime specification (OCI config-linux, "Default Devices"). A user namespace cannot make
/// them, so they are the host's, bound one by one.
const NODES: [(&core::ffi::CStr, &core::ffi::CStr); 6] = [
    (c"/dev/null", c"/dev/null"),
    (c"/dev/zero", c"/dev/zero"),
    (c"/dev/full", c"/dev/full"),
    (c"/dev/random", c"/dev/random"),
    (c"/dev/urandom", c"/dev/urandom"),
    (c"/dev/tty", c"/dev/tty"),
];

/// One /dev for all rootlets: each moves its own copy of these mounts into place, which is far cheaper than to build
/// them anew. The tmpfs below is shared by all, hence read-only; /dev/pts and /dev/shm are each rootlet's own.
fn build_dev(nodes: &[Fd; NODES.len()]) -> Step {
    let here = sys::AT_FDCWD;
    let dev = at(
        7,
        sys::fs_mount(lit(c"tmpfs"), &[(lit(c"mode"), lit(c"0755"))], u64::from(sys::MS_NOSUID as u32)),
    )?;
    at(7, sys::move_mount(dev, here, lit(c"/dev")))?;
    for (&node, (_, path)) in nodes.iter().zip(NODES) {
        if node >= 0 {
            at(7, sys::mknodat(here, lit(path), sys::S_IFREG | 0o666, 0))?;
            at(7, sys::move_mount(node, here, lit(path)))?;
            sys::close(node);
        }
    }
    for path in [c"/dev/pts", c"/dev/shm"] {
        at(7, sys::mkdirat(here, lit(path), 0o755))?;
    }
    let links = [
        (c"/proc/self/fd", c"/dev/fd"),
        (c"/proc/self/fd/0", c"/dev/stdin"),
        (c"/proc/self/fd/1", c"/dev/stdout"),
        (c"/proc/self/fd/2", c"/dev/stderr"),
        (c"pts/ptmx", c"/dev/ptmx"),
    ];
    for (target, path) in links {
        at(7, sys::symlinkat(lit(target), here, lit(path)))?;
    }
    at(7, sys::mount_setattr(dev, 0, sys::MOUNT_ATTR_RDONLY))?;
    sys::close(dev);
    Ok(())
}

fn serve(mut message: Message, ready: &Ready) {
    let mut fields = message.fields();
    let done = match message.kind {
        ask::SPAWN => return drop(spawn(&mut message, fields)),
        ask::WORKER => return drop(worker(&mut message)),
        ask::SOURCE_DROP => return drop_source(&mut fields),
        ask::SOURCE_PATH => source_path(&mut fields, ready),
        ask::SOURCE_MOUNT => {
            let mount = message.take(0);
            let done = fields.u32().ok_or(sys::EBADMSG).and_then(|id| attach(id, mount));
            sys::close(mount);
            done
        }
        ask::SOURCE_TREE => source_tree(&mut fields),
        ask::SOURCE_COPY => source_copy(&mut fields),
        _ => Err(sys::ENOSYS),
    };
    let answer = match done {
        Ok(()) => Answer::new(tell::ANSWER),
        Err(errno) => Answer::failed(tell::ANSWER, 0, errno),
    };
    let _ = answer.send(SOCKET);
}

fn source_place(id: u32) -> Numbered {
    Numbered::new(b"/src/", id, b"")
}

fn source_path(fields: &mut Reader, ready: &Ready) -> Result<()> {
    let (Some(id), Some(recursive), Some(path)) = (fields.u32(), fields.u32(), fields.c_str()) else {
        return Err(sys::EBADMSG);
    };
    let path = Str::new(path)?;
    let (host, small) = ready.host.ok_or(sys::ENOSYS)?;
    sys::setns(host, sys::CLONE_NEWNS)?;
    let flags = if recursive != 0 { sys::AT_RECURSIVE } else { 0 };
    let mount = sys::open_tree_clone(sys::AT_FDCWD, path, flags);
    sys::setns(small, sys::CLONE_NEWNS)?;
    let mount = mount?;
    let done = attach(id, mount);
    sys::close(mount);
    done
}

fn attach(id: u32, mount: Fd) -> Result<()> {
    let path = source_place(id);
    let path = path.get()?;
    if u32::from(sys::fstat(mount)?.mode) & sys::S_IFMT == sys::S_IFDIR {
        sys::mkdirat(sys::AT_FDCWD, path, 0o755)?;
    } else {
        sys::mknodat(sys::AT_FDCWD, path, sys::S_IFREG | 0o600, 0)?;
    }
    sys::move_mount(mount, sys::AT_FDCWD, path).map(|_| ())
}

fn source_tree(fields: &mut Reader) -> Result<()> {
    let id = fields.u32().ok_or(sys::EBADMSG)?;
    let path = source_place(id);
    sys::mkdirat(sys::AT_FDCWD, path.get()?, 0o755)?;
    let root = sys::openat(sys::AT_FDCWD, path.get()?, sys::O_PATH | sys::O_DIRECTORY, 0)?;
    let mut builder = tree::Builder::new(root);
    let built = builder.entries(*fields).and_then(|()| builder.finish());
    sys::close(root);
    built
}

fn source_copy(fields: &mut Reader) -> Result<()> {
    let (Some(id), Some(from), Some(whiteouts)) = (fields.u32(), fields.u32(), fields.u32()) else {
        return Err(sys::EBADMSG);
    };
    let (path, from) = (source_place(id), source_place(from));
    sys::mkdirat(sys::AT_FDCWD, path.get()?, 0o755)?;
    let flags = sys::O_RDONLY | sys::O_DIRECTORY;
    let from = sys::openat(sys::AT_FDCWD, from.get()?, flags, 0)?;
    let copied = sys::openat(sys::AT_FDCWD, path.get()?, flags, 0).and_then(|to| {
        let copied = if whiteouts == 1 { tree::whiteouts(from, to) } else { tree::copy(from, to) };
        sys::close(to);
        copied
    });
    sys::close(from);
    copied
}

/// Not answered: nobody waits for it, and there is nothing to be done where it fails.
fn drop_source(fields: &mut Reader) {
    let path = source_place(fields.u32().unwrap_or(0));
    if let Ok(path) = path.get() {
        let _ = sys::umount(path, sys::MNT_DETACH);
        let _ = tree::remove(sys::AT_FDCWD, path);
    }
}

/// The number of the new process.
pub fn spawn(message: &mut Message, mut fields: Reader) -> Option<i32> {
    let socket = message.take(0);
    let (mut namespaces, last) = (fields.u64().unwrap_or(0), fields.u32().unwrap_or(0) != 0);
    if last {
        // It takes our own mounts: nobody else needs them, and to copy and remove them takes the kernel its time.
        namespaces &= !sys::CLONE_NEWNS;
    }
    let cloned = match sys::clone(namespaces) {
        Ok(0) => {
            // The nursery's own socket is none of this process's business.
            let _ = sys::dup_to(socket, SOCKET, 0o2000000);
            let _ = sys::close_from(plain::first_free());
            setup::run(SOCKET, fields)
        }
        r => told(r, socket),
    };
    if last {
        sys::exit(0);
    }
    sys::close(socket);
    cloned
}

/// Who asked for a process is told why there is none.
fn told(cloned: Result, socket: Fd) -> Option<i32> {
    match cloned {
        Ok(pid) => Some(pid as i32),
        Err(errno) => {
            let _ = Answer::failed(tell::READY, u32::MAX, errno).send(socket);
            None
        }
    }
}

/// Likewise.
pub fn worker(message: &mut Message) -> Option<i32> {
    let socket = message.take(0);
    let cloned = match sys::clone(0) {
        Ok(0) => {
            let _ = sys::dup_to(socket, SOCKET, 0o2000000);
            let _ = sys::close_from(plain::first_free());
            tree::worker(SOCKET)
        }
        r => told(r, socket),
    };
    sys::close(socket);
    cloned
}
