//! pid 1 of a rootlet: it reaps, starts commands, and does what is asked of it inside. When the socket to the library
//! closes it ends, and the kernel ends everything else in its pid namespace.

use crate::exec::Command;
use crate::message::{Answer, Message};
use crate::sys::{self, Errno, Fd, PollFd, Result, Str, lit};
use crate::wire::{Reader, init, tell};
use crate::{exec, files, plain, setup, supervise, tree};
use core::cell::UnsafeCell;

/// Commands that run at the same time.
const MAX_COMMANDS: usize = 1024;
const SIGCHLD: u32 = 17;
const POLLIN: i16 = 1;

struct Commands {
    table: &'static mut [Command; MAX_COMMANDS],
    len: usize,
    /// Readable when a child has ended.
    signals: Fd,
}

/// Only what is used of it ever becomes memory.
struct Table(UnsafeCell<[Command; MAX_COMMANDS]>);

// SAFETY: one thread.
unsafe impl Sync for Table {}

static TABLE: Table =
    Table(UnsafeCell::new([Command { pid: 0, status: 0, last: false, traced: false }; MAX_COMMANDS]));

/// As pid 1 of a namespace, no signal reaches us but those we ask for and the host's SIGKILL; elsewhere we see to that. Threads
/// that are made later inherit it.
pub fn block_signals() {
    sys::set_signal(SIGCHLD as i32, 0);
    sys::set_signal_mask(u64::MAX);
}

pub fn run(socket: Fd, trees: &[Fd]) -> ! {
    let Ok(signals) = sys::signalfd(1 << (SIGCHLD - 1)) else { sys::exit(1) };
    // SAFETY: one thread, which comes here once.
    let mut commands = Commands { table: unsafe { &mut *TABLE.0.get() }, len: 0, signals };
    loop {
        let mut fds = [
            PollFd { fd: socket, events: POLLIN, revents: 0 },
            PollFd { fd: signals, events: POLLIN, revents: 0 },
        ];
        match sys::poll(&mut fds) {
            Ok(_) | Err(sys::EINTR) => {}
            Err(_) => sys::exit(1),
        }
        if fds[1].revents != 0 {
            let mut info = [0u8; 128];
            let _ = sys::read(signals, &mut info);
            commands.reap();
        }
        if fds[0].revents != 0 {
            match Message::receive(socket) {
                Ok(Some(mut message)) => serve(socket, &mut message, trees, &mut commands),
                _ => commands.end(),
            }
        }
    }
}

impl Commands {
    fn reap(&mut self) {
        while let Ok(Some((pid, code, status))) = sys::reap() {
            if self.ended(pid, code, status) {
                self.end();
            }
        }
    }

    /// Tells whoever waits for a command how it ended; whether the rootlet is to end with it.
    fn ended(&mut self, pid: i32, code: i32, status: i32) -> bool {
        let Some(i) = self.table[..self.len].iter().position(|c| c.pid == pid) else { return false };
        let mut told = [0u8; 8];
        told[..4].copy_from_slice(&code.to_ne_bytes());
        told[4..].copy_from_slice(&status.to_ne_bytes());
        // Nobody may be listening; that is the caller's choice.
        let _ = sys::write(self.table[i].status, &told);
        sys::close(self.table[i].status);
        self.len -= 1;
        let last = self.table[i].last;
        self.table[i] = self.table[self.len];
        last
    }

    /// Ends every other process of the rootlet, where the kernel does not do so by itself. Whoever waits for a command is not told
    /// how that ended, but that all has.
    fn end(&mut self) -> ! {
        if plain::is_plain() {
            plain::end_children(self.signals, |_| false, |_, _, _| {});
        }
        sys::exit(0)
    }

    /// Sends a signal to every process of the rootlet but this one.
    fn signal_all(&mut self, signal: i32) -> Result<()> {
        if !plain::is_plain() {
            return match sys::kill(-1, signal) {
                // ESRCH: nobody is there but us.
                Ok(_) | Err(sys::ESRCH) => Ok(()),
                Err(e) => Err(e),
            };
        }
        if signal == sys::SIGKILL {
            let signals = self.signals;
            plain::end_children(signals, |_| false, |pid, code, status| drop(self.ended(pid, code, status)));
            return Ok(());
        }
        plain::each_descendant(&mut |pid| drop(sys::kill(pid, signal)))
    }

    fn start(&mut self, message: &mut Message) -> core::result::Result<Command, exec::Failure> {
        if self.len == MAX_COMMANDS {
            return Err((crate::wire::exec::STEP_CLONE, sys::EAGAIN));
        }
        let command = exec::start(message)?;
        self.table[self.len] = command;
        self.len += 1;
        Ok(command)
    }

    /// Only what runs under a number that we gave out gets the signal: a number is never used again before it is reaped.
    fn kill(&self, fields: &mut Reader) -> Result<()> {
        let (Some(pid), Some(signal), Some(group)) = (fields.u32(), fields.u32(), fields.u32()) else {
            return Err(sys::EBADMSG);
        };
        let pid = pid as i32;
        if !self.table[..self.len].iter().any(|c| c.pid == pid) {
            return Err(sys::ESRCH);
        }
        // Every command leads its own session and group.
        sys::kill(if group != 0 { -pid } else { pid }, signal as i32).map(|_| ())
    }
}

fn serve(socket: Fd, message: &mut Message, trees: &[Fd], commands: &mut Commands) {
    let mut fields = message.fields();
    let mut answer = Answer::new(tell::ANSWER);
    let done = match message.kind {
        init::EXEC => match commands.start(message) {
            Ok(command) => {
                answer.u32(command.pid as u32);
                if command.traced { sys::pidfd_open(command.pid).map(Some) } else { Ok(None) }
            }
            Err((step, errno)) => {
                drop(answer);
                let _ = Answer::failed(tell::ANSWER, step, errno).send(socket);
                return;
            }
        },
        init::KILL => commands.kill(&mut fields).map(|()| None),
        init::KILL_ALL => match fields.u32() {
            Some(signal) => commands.signal_all(signal as i32).map(|()| None),
            None => Err(sys::EBADMSG),
        },
        init::TELL_TRACERS => {
            supervise::tell_tracers();
            Ok(None)
        }
        init::CONNECT => connect(&mut fields).map(Some),
        init::LISTEN => listen(&mut fields).map(Some),
        init::PTY => open_pty().map(|(fd, number)| {
            answer.u32(number);
            Some(fd)
        }),
        init::COPY_TREE => copy_tree(message, trees).map(|()| None),
        init::COUNT => count().map(|n| {
            answer.u32(n);
            None
        }),
        _ => {
            drop(answer);
            if !files::serve(socket, message, trees) {
                let _ = Answer::failed(tell::ANSWER, 0, sys::ENOSYS).send(socket);
            }
            return;
        }
    };
    match done {
        Ok(fd) => {
            let _ = answer.send_with(socket, fd);
            if let Some(fd) = fd {
                sys::close(fd);
            }
        }
        Err(errno) => {
            drop(answer);
            let _ = Answer::failed(tell::ANSWER, 0, errno).send(socket);
        }
    }
}

/// A socket to a port on loopback, made in here, where the port is. It does not wait: that is for whoever asked.
fn connect(fields: &mut Reader) -> Result<Fd> {
    let (Some(port), Some(family)) = (fields.u32(), fields.u32()) else { return Err(sys::EBADMSG) };
    const SOCK_STREAM: usize = 1;
    const AF_INET6: u32 = 10;
    let port = (port as u16).to_be_bytes();
    // struct sockaddr_in and sockaddr_in6: family, port, then 127.0.0.1, or flow information and ::1.
    let mut v4 = [0u8; 16];
    let mut v6 = [0u8; 28];
    let address: &mut [u8] = if family == AF_INET6 { &mut v6 } else { &mut v4 };
    address[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port);
    if family == AF_INET6 {
        address[23] = 1;
    } else {
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    }
    let fd = sys::socket(family as usize, SOCK_STREAM | sys::O_NONBLOCK)?;
    match sys::connect(fd, address) {
        // EINPROGRESS
        Ok(_) | Err(Errno(115)) => Ok(fd),
        Err(e) => {
            sys::close(fd);
            Err(e)
        }
    }
}

/// A socket that listens in here, whoever accepts.
fn listen(fields: &mut Reader) -> Result<Fd> {
    let (Some(port), Some(address)) = (fields.u32(), fields.u32()) else { return Err(sys::EBADMSG) };
    const SOCK_STREAM: usize = 1;
    const AF_INET: u16 = 2;
    const WAITING: usize = 128;
    // struct sockaddr_in: family, port, address.
    let mut place = [0u8; 16];
    place[..2].copy_from_slice(&AF_INET.to_ne_bytes());
    place[2..4].copy_from_slice(&(port as u16).to_be_bytes());
    place[4..8].copy_from_slice(&address.to_be_bytes());
    let fd = sys::socket(usize::from(AF_INET), SOCK_STREAM)?;
    match sys::bind(fd, &place).and_then(|_| sys::listen(fd, WAITING)) {
        Ok(_) => Ok(fd),
        Err(e) => {
            sys::close(fd);
            Err(e)
        }
    }
}

/// A pty of the rootlet's own devpts, so that /dev/pts/N and ttyname(3) mean the same inside.
fn open_pty() -> Result<(Fd, u32)> {
    const TIOCSPTLCK: usize = 0x4004_5431;
    const TIOCGPTN: usize = 0x8004_5430;
    let (dir, path, inside) = match plain::is_plain() {
        true => (plain::PTS, lit(c"ptmx"), 0),
        false => (sys::AT_FDCWD, lit(c"/dev/pts/ptmx"), setup::INSIDE),
    };
    let master = sys::openat2(dir, path, sys::O_RDWR | sys::O_NOCTTY, 0, inside)?;
    let (mut unlock, mut number) = (0u32, 0u32);
    let ready =
        sys::ioctl(master, TIOCSPTLCK, &mut unlock).and_then(|_| sys::ioctl(master, TIOCGPTN, &mut number));
    match ready {
        Ok(_) => Ok((master, number)),
        Err(e) => {
            sys::close(master);
            Err(e)
        }
    }
}

fn copy_tree(message: &mut Message, trees: &[Fd]) -> Result<()> {
    let target = message.take(0);
    let tree = message.fields().u32().and_then(|i| trees.get((i as usize).checked_sub(1)?).copied());
    let copied = match tree {
        Some(fd) if fd >= 0 => {
            sys::openat(fd, lit(c"."), sys::O_RDONLY | sys::O_DIRECTORY, 0).and_then(|from| {
                let copied = tree::copy(from, target);
                sys::close(from);
                copied
            })
        }
        _ => Err(sys::EINVAL),
    };
    sys::close(target);
    copied
}

/// The processes besides us: of this pid namespace, as /proc lists them, or those that come from us.
fn count() -> Result<u32> {
    if plain::is_plain() {
        let mut n = 0;
        return plain::each_descendant(&mut |_| n += 1).map(|()| n);
    }
    let proc =
        sys::openat2(sys::AT_FDCWD, lit(c"/proc"), sys::O_RDONLY | sys::O_DIRECTORY, 0, setup::INSIDE)?;
    // The host's /proc lists others, too.
    let ours = match setup::proc_is_the_hosts() {
        true => Some(sys::statx(proc, lit(c"self/ns/pid"), 0)?.ino),
        false => None,
    };
    let mut n = 0;
    let listed = tree::each_entry(proc, |name| {
        let is_process = name.bytes().iter().all(u8::is_ascii_digit);
        n += u32::from(is_process && ours.is_none_or(|ours| is_in(proc, name, ours)));
        Ok(())
    });
    sys::close(proc);
    listed.map(|()| n.saturating_sub(1))
}

fn is_in(proc: Fd, process: Str, pid_namespace: u64) -> bool {
    let Ok(dir) = sys::openat(proc, process, sys::O_PATH | sys::O_DIRECTORY, 0) else { return false };
    let found = sys::statx(dir, lit(c"ns/pid"), 0);
    sys::close(dir);
    found.is_ok_and(|found| found.ino == pid_namespace)
}
