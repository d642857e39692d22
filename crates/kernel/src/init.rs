//! A rootlet's pid 1, from outside: commands, files, ports.

use crate::descriptor::Own;
use crate::socket::{self, Message, Received};
use crate::wire::{Stat, exec, init};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::RecvFlags;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A live rootlet's pid 1. Dropping it ends every process of the rootlet.
#[derive(Debug)]
pub struct Init {
    socket: Own,
    /// Whose turn it is to ask.
    turn: Mutex<()>,
    pidfd: Own,
    /// The process that made it. A forked child of it has a copy of this, whose end is not the rootlet's.
    owner: u32,
    /// The kernel ends all of the rootlet with it: a pid namespace of its own.
    all_at_once: bool,
    ended: AtomicBool,
    proc_is_the_hosts: bool,
    writers: Mutex<Vec<Who>>,
    opened: Mutex<HashSet<u64>>,
}

/// The identity that a file operation is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Which tree a path is looked up in: 0 is the root, others are what the plan kept open, in its order.
pub type TreeNumber = u32;

/// A command as pid 1 starts it: everything is decided.
#[derive(Clone, Debug, Default)]
pub struct Exec {
    /// Who runs it.
    pub who: Who,
    /// File mode creation mask.
    pub umask: u32,
    /// Permitted and effective capabilities, bit n is capability n; for a user other than root also the ambient ones.
    pub effective: u64,
    /// Resource, soft and hard limit.
    pub rlimits: Vec<(u32, u64, u64)>,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privs: bool,
    /// The rootlet ends with the command.
    pub last: bool,
    /// Work directory; entered as the user.
    pub workdir: String,
    /// Arguments, the program's name first; without a slash it is looked up in `PATH` of `env`.
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value` each.
    pub env: Vec<Vec<u8>>,
}

/// Where a command's standard streams lead.
#[derive(Clone, Copy, Debug)]
pub enum Streams<'a> {
    /// Three descriptors.
    Given([BorrowedFd<'a>; 3]),
    /// The slave of a pty that [`Init::open_pty`] made.
    Pty(u32),
}

/// A command that was started.
#[derive(Debug)]
pub struct Started {
    /// Its process number inside.
    pub pid: u32,
    status: File,
}

/// A command that waits for its tracer.
#[derive(Debug)]
pub struct Waiting {
    started: Started,
    pid: i32,
    gate: File,
}

impl Waiting {
    /// Its process number on the host.
    pub fn host_pid(&self) -> i32 {
        self.pid
    }

    /// Lets it go on, and waits until it executes. Somebody traces it already.
    pub fn go(mut self) -> Result<Started, ExecError> {
        use std::io::Write;
        // EPIPE: it has failed before, and says why.
        let _ = self.gate.write_all(&[1]);
        told(&mut self.gate).map(|_| self.started)
    }
}

/// What a waiting command tells besides its failure.
enum Told {
    Ready,
    /// It has executed, or is gone.
    Nothing,
}

fn told(gate: &mut File) -> Result<Told, ExecError> {
    let mut told = [0u8; 8];
    match gate.read(&mut told).map_err(|source| ExecError { step: ExecStep::Trace, source })? {
        0 => Ok(Told::Nothing),
        8 => {
            let number = |at: usize| u32::from_ne_bytes([told[at], told[at + 1], told[at + 2], told[at + 3]]);
            let source = io::Error::from_raw_os_error(number(4) as i32);
            Err(ExecError { step: step(number(0)), source })
        }
        _ => Ok(Told::Ready),
    }
}

/// A command could not be started.
#[derive(Debug)]
pub struct ExecError {
    /// What failed.
    pub step: ExecStep,
    /// Why.
    pub source: io::Error,
}

/// The steps of starting a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecStep {
    /// Reaching pid 1: the rootlet is gone.
    Ask,
    /// A new process.
    Clone,
    /// Its streams or terminal.
    Terminal,
    /// A resource limit.
    Limit,
    /// Becoming the user.
    Identity,
    /// Giving up or keeping capabilities.
    Capabilities,
    /// Entering the work directory.
    Workdir,
    /// no_new_privs.
    Privileges,
    /// Coming under a tracer.
    Trace,
    /// Executing the program.
    Execute,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code.
    Exited(i32),
    /// By this signal; whether a core was dumped.
    Signaled(i32, bool),
    /// The rootlet ended before the command did.
    Lost,
}

impl Init {
    pub(crate) fn new(socket: Own, pidfd: Own, all_at_once: bool, proc_is_the_hosts: bool) -> Self {
        let (turn, owner, ended) = (Mutex::new(()), std::process::id(), AtomicBool::new(false));
        Self {
            socket,
            turn,
            pidfd,
            owner,
            all_at_once,
            ended,
            proc_is_the_hosts,
            writers: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    /// A question and its answer. One at a time: pid 1 answers in order.
    fn ask(&self, message: &Message, fds: &[BorrowedFd<'_>], large: bool) -> io::Result<Received> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = message.send(&self.socket, fds).and_then(|()| match large {
            true => socket::receive_large(&self.socket, RecvFlags::empty()),
            false => socket::receive(&self.socket, RecvFlags::empty()),
        });
        // A rootlet that has ended is "no such process", however the socket puts it.
        asked.map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                io::Error::from_raw_os_error(libc::ESRCH)
            }
            _ => e,
        })
    }

    fn change(&self, message: &Message) -> io::Result<()> {
        self.ask(message, &[], false)?.ok().map(drop)
    }

    /// Whether the rootlet could have no /proc of its own, and shows the host's.
    pub fn proc_is_the_hosts(&self) -> bool {
        self.proc_is_the_hosts
    }

    /// The process number of pid 1 on the host.
    pub fn host_pid(&self) -> io::Result<u32> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", self.pidfd.as_raw_fd()))?;
        info.lines()
            .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    }

    /// The process number on the host of what a pidfd names.
    fn pid_of(pidfd: BorrowedFd<'_>) -> io::Result<i32> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
        let mut lines = info.lines();
        let pid = lines.find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
        pid.filter(|pid| *pid > 0).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    }

    /// Starts a command that waits, before it executes, until somebody traces it: what the filter hands to a tracer fails without
    /// one. `filter` is an array of `struct sock_filter`.
    pub fn exec_traced(&self, e: &Exec, streams: Streams<'_>, filter: &[u8]) -> Result<Waiting, ExecError> {
        let fail = |step| move |source| ExecError { step, source };
        let (gate, theirs) = socket::pair().map_err(fail(ExecStep::Trace))?;
        let (started, pidfd) = self.start(e, streams, Some((filter, theirs.as_fd())))?;
        let pidfd = pidfd.ok_or_else(|| fail(ExecStep::Ask)(io::ErrorKind::InvalidData.into()))?;
        let pid = Self::pid_of(pidfd.as_fd()).map_err(fail(ExecStep::Trace))?;
        drop(theirs);
        let mut gate = File::from(gate);
        match told(&mut gate)? {
            Told::Ready => Ok(Waiting { started, pid, gate }),
            // It was killed.
            Told::Nothing => Err(fail(ExecStep::Trace)(io::Error::from_raw_os_error(libc::ESRCH))),
        }
    }

    /// Starts a command.
    pub fn exec(&self, e: &Exec, streams: Streams<'_>) -> Result<Started, ExecError> {
        self.start(e, streams, None).map(|(started, _)| started)
    }

    fn start(
        &self,
        e: &Exec,
        streams: Streams<'_>,
        traced: Option<(&[u8], BorrowedFd<'_>)>,
    ) -> Result<(Started, Option<OwnedFd>), ExecError> {
        let fail = |step| move |source| ExecError { step, source };
        let (status, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| fail(ExecStep::Ask)(e.into()))?;
        let mut fds = vec![theirs.as_fd()];
        let pty = match streams {
            Streams::Given(three) => {
                fds.extend(three);
                None
            }
            Streams::Pty(number) => Some(number),
        };
        fds.extend(traced.map(|(_, gate)| gate));
        let message = exec_message(e, pty, traced.map(|(filter, _)| filter));
        let mut answer = self.ask(&message, &fds, false).map_err(fail(ExecStep::Ask))?;
        if answer.errno != 0 {
            return Err(fail(step(answer.step))(io::Error::from_raw_os_error(answer.errno)));
        }
        let pidfd = answer.fd.take();
        Ok((Started { pid: answer.fields().u32().unwrap_or(0), status: status.into() }, pidfd))
    }

    /// Sends a signal to a command, or to its process group; `ESRCH` when it has ended.
    pub fn kill(&self, pid: u32, signal: i32, group: bool) -> io::Result<()> {
        self.change(Message::new(init::KILL).u32(pid).u32(signal as u32).u32(group.into()))
    }

    /// Sends a signal to every process of the rootlet.
    pub fn kill_all(&self, signal: i32) -> io::Result<()> {
        self.change(Message::new(init::KILL_ALL).u32(signal as u32))
    }

    /// From now on all commands are traced, and their tracers hear of what pid 1 refuses them ([`crate::trace::was_told`]).
    pub fn tell_tracers(&self) -> io::Result<()> {
        self.change(&Message::new(init::TELL_TRACERS))
    }

    /// How many processes there are besides pid 1.
    pub fn count(&self) -> io::Result<u32> {
        let answer = self.ask(&Message::new(init::COUNT), &[], false)?.ok()?;
        answer.fields().u32().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Who was to change files so far, by asking here.
    pub fn writers(&self) -> Vec<Who> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The inodes that were opened for writing here: whoever has such a file may go on writing when the rootlet has ended.
    pub fn opened(&self) -> HashSet<u64> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn writes(&self, who: &Who) {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if !writers.contains(who) {
            writers.push(who.clone());
        }
    }

    fn descriptor(&self, message: &Message) -> io::Result<(OwnedFd, Option<u32>)> {
        let mut answer = self.ask(message, &[], false)?.ok()?;
        let number = answer.fields().u32();
        let fd = answer.fd.take().ok_or(io::ErrorKind::InvalidData)?;
        Ok((fd, number))
    }

    /// A new pty of the rootlet: the master, and the slave's number.
    pub fn open_pty(&self) -> io::Result<(File, u32)> {
        let (fd, number) = self.descriptor(&Message::new(init::PTY))?;
        Ok((fd.into(), number.ok_or(io::ErrorKind::InvalidData)?))
    }

    /// A socket on its way to a port of loopback, not blocking; `v6`: of `::1`.
    pub fn connect(&self, port: u16, v6: bool) -> io::Result<OwnedFd> {
        let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
        Ok(self.descriptor(Message::new(init::CONNECT).u32(port.into()).u32(family as u32))?.0)
    }

    /// A socket that listens on a port of an IPv4 address of the rootlet's network.
    pub fn listen(&self, address: Ipv4Addr, port: u16) -> io::Result<OwnedFd> {
        let message = &mut Message::new(init::LISTEN);
        Ok(self.descriptor(message.u32(port.into()).u32(address.to_bits()))?.0)
    }

    /// Opens a file: `flags` and `mode` of open(2), the umask already applied. Never waits for the other end of a FIFO.
    pub fn open(&self, who: &Who, tree: TreeNumber, path: &[u8], flags: u32, mode: u32) -> io::Result<File> {
        let writes = flags as i32 & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) != libc::O_RDONLY;
        if writes {
            self.writes(who);
        }
        let mut message = question(init::OPEN, who);
        message.u32(tree).bytes(path).u32(flags).u32(mode);
        let file = File::from(self.descriptor(&message)?.0);
        if writes {
            let number = rustix::fs::fstat(&file)?.st_ino;
            self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        }
        Ok(file)
    }

    /// What a file is.
    pub fn stat(&self, who: &Who, tree: TreeNumber, path: &[u8], follow: bool) -> io::Result<Stat> {
        let mut message = question(init::STAT, who);
        message.u32(tree).bytes(path).u32(follow.into());
        let answer = self.ask(&message, &[], false)?.ok()?;
        answer.fields().stat().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// mkdir(2); with `parents`, missing parents too, and an existing directory is no error.
    pub fn mkdir(&self, who: &Who, path: &[u8], mode: u32, parents: bool) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::MKDIR, who).bytes(path).u32(mode).u32(parents.into()))
    }

    /// unlink(2), or rmdir(2) with `directory`.
    pub fn unlink(&self, who: &Who, path: &[u8], directory: bool) -> io::Result<()> {
        self.writes(who);
        let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
        self.change(question(init::UNLINK, who).bytes(path).u32(flags as u32))
    }

    /// Removes what is there and all below it.
    pub fn remove_all(&self, who: &Who, path: &[u8]) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::REMOVE_ALL, who).bytes(path))
    }

    /// rename(2).
    pub fn rename(&self, who: &Who, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::RENAME, who).bytes(from).bytes(to))
    }

    /// symlink(2): `path` will say `target`.
    pub fn symlink(&self, who: &Who, target: &[u8], path: &[u8]) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::SYMLINK, who).bytes(path).bytes(target))
    }

    /// link(2): `path` becomes another name of `existing`.
    pub fn hard_link(&self, who: &Who, existing: &[u8], path: &[u8]) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::LINK, who).bytes(path).bytes(existing))
    }

    /// chmod(2).
    pub fn chmod(&self, who: &Who, path: &[u8], mode: u32) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::CHMOD, who).bytes(path).u32(mode))
    }

    /// chown(2), or lchown(2) without `follow`; `u32::MAX` leaves an id as it is.
    pub fn chown(&self, who: &Who, path: &[u8], uid: u32, gid: u32, follow: bool) -> io::Result<()> {
        self.writes(who);
        self.change(question(init::CHOWN, who).bytes(path).u32(uid).u32(gid).u32(follow.into()))
    }

    /// utimensat(2): seconds and nanoseconds of access and modification.
    pub fn set_times(&self, who: &Who, path: &[u8], times: [i64; 4]) -> io::Result<()> {
        self.writes(who);
        let mut message = question(init::UTIMES, who);
        message.bytes(path);
        times.iter().for_each(|&t| {
            message.u64(t as u64);
        });
        self.change(&message)
    }

    /// What a symlink says.
    pub fn read_link(&self, who: &Who, tree: TreeNumber, path: &[u8]) -> io::Result<Vec<u8>> {
        self.bytes(question(init::READLINK, who).u32(tree).bytes(path))
    }

    /// The value of an extended attribute; `ENODATA` when there is none.
    pub fn get_xattr(&self, who: &Who, tree: TreeNumber, path: &[u8], name: &str) -> io::Result<Vec<u8>> {
        self.bytes(question(init::GETXATTR, who).u32(tree).bytes(path).bytes(name.as_bytes()))
    }

    fn bytes(&self, message: &Message) -> io::Result<Vec<u8>> {
        let answer = self.ask(message, &[], true)?.ok()?;
        answer.fields().bytes().map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Names and stats of what a directory holds, in the directory's own order. A stat whose mode is 0: the name is all
    /// that may be known.
    pub fn list(&self, who: &Who, tree: TreeNumber, path: &[u8]) -> io::Result<Vec<(Vec<u8>, Stat)>> {
        let mut entries = Vec::new();
        let mut cookie = 0;
        loop {
            let mut message = question(init::LIST, who);
            message.u32(tree).bytes(path).u64(cookie);
            let answer = self.ask(&message, &[], true)?.ok()?;
            let mut fields = answer.fields();
            cookie = fields.u64().ok_or(io::ErrorKind::InvalidData)?;
            while !fields.is_empty() {
                match (fields.bytes(), fields.stat()) {
                    (Some(name), Some(stat)) => entries.push((name.to_vec(), stat)),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            if cookie == 0 {
                return Ok(entries);
            }
        }
    }

    /// Copies a tree that the plan kept open into a directory of the host: owners, modes, times and what overlayfs
    /// needs.
    pub fn copy_tree(&self, tree: TreeNumber, to: BorrowedFd<'_>) -> io::Result<()> {
        self.ask(Message::new(init::COPY_TREE).u32(tree), &[to], false)?.ok().map(drop)
    }

    /// Whether pid 1 has not ended.
    pub fn is_alive(&self) -> bool {
        self.pidfd.is_there() && matches!(wait_readable(self.pidfd.as_fd(), Some(Duration::ZERO)), Ok(false))
    }

    /// Ends every process of the rootlet and waits until they are gone, for at most five seconds.
    pub fn end(&self) {
        if self.owner != std::process::id() || self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        // Who closed it has closed the socket, too, with which all ends.
        if !self.pidfd.is_there() {
            return;
        }
        if !self.all_at_once {
            // Without a namespace it ends the others itself. A copy of the socket may be open in a forked child of ours.
            let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
            if wait_readable(self.pidfd.as_fd(), Some(Duration::from_secs(60))).unwrap_or(true) {
                return;
            }
        }
        // ESRCH: it has ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = wait_readable(self.pidfd.as_fd(), Some(Duration::from_secs(5)));
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        self.end();
    }
}

impl Started {
    /// Waits for the end of the command; with a timeout, `None` when it has not ended by then.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Ended>> {
        if !wait_readable(self.status.as_fd(), timeout)? {
            return Ok(None);
        }
        let mut told = [0u8; 8];
        match (&self.status).read_exact(&mut told) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(Ended::Lost)),
            r => r?,
        }
        let number = |at: usize| i32::from_ne_bytes([told[at], told[at + 1], told[at + 2], told[at + 3]]);
        // si_code of waitid(2).
        Ok(Some(match number(0) {
            libc::CLD_EXITED => Ended::Exited(number(4)),
            libc::CLD_DUMPED => Ended::Signaled(number(4), true),
            _ => Ended::Signaled(number(4), false),
        }))
    }

    /// Readable when the command has ended: for a caller's own poll(2).
    pub fn status_fd(&self) -> BorrowedFd<'_> {
        self.status.as_fd()
    }
}

/// Waits until `fd` is readable or closed.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let end = timeout.map(|t| Instant::now() + t);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            r => return Ok(r? > 0),
        }
    }
}

fn question(kind: u32, who: &Who) -> Message {
    let mut message = Message::new(kind);
    message.u32(who.uid).u32(who.gid).u32(who.groups.len() as u32);
    who.groups.iter().for_each(|&g| {
        message.u32(g);
    });
    message
}

fn exec_message(e: &Exec, pty: Option<u32>, filter: Option<&[u8]>) -> Message {
    let mut flags = 0;
    if filter.is_some() {
        flags |= exec::TRACED;
    }
    if pty.is_some() {
        flags |= exec::PTY;
    }
    if e.no_new_privs {
        flags |= exec::NO_NEW_PRIVS;
    }
    if e.last {
        flags |= exec::LAST;
    }
    let mut m = Message::new(init::EXEC);
    m.u32(flags).u32(e.who.uid).u32(e.who.gid).u32(e.who.groups.len() as u32);
    e.who.groups.iter().for_each(|&g| {
        m.u32(g);
    });
    m.u32(e.umask).u64(e.effective).u32(e.rlimits.len() as u32);
    e.rlimits.iter().for_each(|&(resource, soft, hard)| {
        m.u32(resource).u64(soft).u64(hard);
    });
    m.bytes(e.workdir.as_bytes()).u32(pty.unwrap_or(0)).u32(e.argv.len() as u32);
    e.argv.iter().for_each(|s| {
        m.bytes(s);
    });
    m.u32(e.env.len() as u32);
    e.env.iter().for_each(|s| {
        m.bytes(s);
    });
    if let Some(filter) = filter {
        m.bytes(filter);
    }
    m
}

fn step(number: u32) -> ExecStep {
    match number {
        exec::STEP_CLONE => ExecStep::Clone,
        exec::STEP_TTY => ExecStep::Terminal,
        exec::STEP_RLIMIT => ExecStep::Limit,
        exec::STEP_IDENTITY => ExecStep::Identity,
        exec::STEP_CAPABILITIES => ExecStep::Capabilities,
        exec::STEP_WORKDIR => ExecStep::Workdir,
        exec::STEP_PRIVILEGES => ExecStep::Privileges,
        exec::STEP_EXEC => ExecStep::Execute,
        exec::STEP_TRACE => ExecStep::Trace,
        _ => ExecStep::Ask,
    }
}
