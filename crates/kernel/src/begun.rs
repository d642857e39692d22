//! The nursery's process, from its start to the moment when its id maps are written.

use crate::descriptor::Own;
use crate::init::wait_readable;
use crate::nursery::Bounds;
use crate::socket::{self, Message, Received};
use crate::wire::{ask, hello};
use crate::{IdMap, StartError};
use rustix::net::RecvFlags;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The program, as build.rs made it.
static PROGRAM: &[u8; parse(env!("ROOTLET_NURSERY_SIZE"))] =
    include_bytes!(concat!(env!("OUT_DIR"), "/nursery"));

const fn parse(digits: &str) -> usize {
    let digits = digits.as_bytes();
    let (mut n, mut i) = (0, 0);
    while i < digits.len() {
        n = n * 10 + (digits[i] - b'0') as usize;
        i += 1;
    }
    n
}

/// A nursery that was told its bounds and not its ids. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Begun {
    socket: Own,
    child: Mutex<Child>,
    /// It makes no namespaces.
    plain: bool,
    pass: u64,
    /// The process that made it: a forked child of it inherits the socket, and must not use it.
    owner: u32,
}

impl Begun {
    pub fn new(bounds: Bounds, plain: bool) -> Result<Self, StartError> {
        let (socket, theirs) = socket::pair().map_err(|e| StartError::new("make a socket pair", e))?;
        let child = Mutex::new(execute(theirs, plain)?);
        let mut pass = [0; 8];
        rustix::rand::getrandom(&mut pass, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| StartError::new("get random bytes", e.into()))?;
        let pass = u64::from_ne_bytes(pass);
        let begun = Self { socket: socket.into(), child, plain, pass, owner: std::process::id() };
        begun.confine(bounds)?;
        Ok(begun)
    }

    fn confine(&self, bounds: Bounds) -> Result<(), StartError> {
        let (pass, Bounds { capabilities, filter }) = (self.pass, bounds);
        let filter = filter.map(|make| make(capabilities, pass)).unwrap_or_default();
        let mut message = Message::new(ask::CONFINE);
        match message.u64(capabilities).u64(pass).bytes(&filter).send(&self.socket, &[]) {
            // It may have ended already, where it may make no user namespace. Its own words say why, and are heard next.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            sent => sent.map_err(|error| self.blame(died(error))),
        }
    }

    /// Writes its id maps, so that it goes on: its user namespace, if it is in one of its own.
    pub fn map(&self, map: &IdMap) -> Result<Option<File>, StartError> {
        if self.plain {
            Message::new(ask::MAPPED).send(&self.socket, &[]).map_err(died)?;
            return Ok(None);
        }
        let unshared = socket::receive(&self.socket, RecvFlags::empty()).map_err(died)?;
        if unshared.errno != 0 {
            return Err(failed_step(&unshared));
        }
        let pid = self.pid();
        let user_namespace = File::open(format!("/proc/{pid}/ns/user"))
            .map_err(|e| StartError::new("open the nursery's user namespace", e))?;
        // When it has ended meanwhile, its own words say why.
        let last_words = |error| match socket::receive(&self.socket, RecvFlags::DONTWAIT) {
            Ok(message) if message.errno != 0 => failed_step(&message),
            _ => error,
        };
        map.write(pid).map_err(last_words)?;
        let mut mapped = Message::new(ask::MAPPED);
        if let Some(one) = &map.one {
            mapped.u32(one.uid).u32(one.gid).u32(one.groups.len() as u32);
            one.groups.iter().for_each(|&group| {
                mapped.u32(group);
            });
        }
        mapped.send(&self.socket, &[]).map_err(|e| last_words(died(e)))?;
        Ok(Some(user_namespace))
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub fn pass(&self) -> u64 {
        self.pass
    }

    /// Whether this process began it, not one that it was forked from.
    pub fn is_ours(&self) -> bool {
        self.owner == std::process::id()
    }

    /// Whether it runs and can be talked to: somebody may have closed all descriptors of this process, and the number of the
    /// socket may be another file's by now.
    pub fn is_alive(&self) -> bool {
        self.socket.is_there() && matches!(self.child().try_wait(), Ok(None))
    }

    /// What a step that failed has failed of: when somebody has killed the process meanwhile, of that.
    pub fn blame(&self, error: StartError) -> StartError {
        if self.was_killed() { StartError::killed() } else { error }
    }

    /// One that lives ends when nobody can ask it any more; one that was killed may not have noticed yet. How it ended tells.
    fn was_killed(&self) -> bool {
        let mut child = self.child();
        let _ = self.hang_up(&child);
        let ended = child.try_wait().ok().flatten();
        ended.is_some_and(|status| status.signal() == Some(libc::SIGKILL))
    }

    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Ends it and waits until it is gone.
    pub fn end(&self) {
        if !self.is_ours() {
            return;
        }
        let mut child = self.child();
        if self.plain && self.hang_up(&child) {
            let _ = child.wait();
        } else if !self.plain {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Lets it know that nobody asks any more; whether it has ended. Without namespaces it ends what a first process that was killed
    /// has left, and stays as long as a rootlet lives: then nobody waits for it.
    fn hang_up(&self, child: &Child) -> bool {
        const PATIENCE: Duration = Duration::from_secs(5);
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        let pid = rustix::process::Pid::from_child(child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        pidfd.is_ok_and(|pidfd| wait_readable(pidfd.as_fd(), Some(PATIENCE)).unwrap_or(false))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn failed_step(told: &Received) -> StartError {
    let step = hello::STEP_NAMES.get(told.step as usize).copied().unwrap_or("start");
    StartError::new(step, io::Error::from_raw_os_error(told.errno))
}

pub(crate) fn died(error: io::Error) -> StartError {
    StartError::new("hear from the nursery", error)
}

/// Starts the program from a memfd, with `socket` as its standard input and an empty environment. The standard library
/// spawns like vfork(2), so the size of the calling process does not matter. It lets go of our output by itself.
fn execute(socket: OwnedFd, plain: bool) -> Result<Child, StartError> {
    let program = program().map_err(|e| StartError::new("write the nursery's program to memory", e))?;
    Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()))
        .args(plain.then_some("plain"))
        .env_clear()
        .stdin(Stdio::from(socket))
        .spawn()
        .map_err(|e| StartError::new("execute the nursery's program", e))
}

/// A sealed memfd: nothing that runs inside a rootlet could change the program, even if it found a way to its file.
fn program() -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags};
    // MFD_EXEC is asked for where `vm.memfd_noexec` is 1, and unknown before Linux 6.3.
    let exec = MemfdFlags::from_bits_retain(0x10);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create("rootlet-nursery", flags | exec)
        .or_else(|_| rustix::fs::memfd_create("rootlet-nursery", flags))?;
    let mut file = File::from(fd);
    file.write_all(PROGRAM)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    // Executing what is open for writing would be ETXTBSY: open it anew, for reading.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(File::open(path)?.into())
}
