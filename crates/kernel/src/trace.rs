//! Tracing processes: ptrace(2), and what is asked of a stopped one. Ptrace knows threads: whoever seizes a process is the only one
//! who may do the rest.

#[cfg_attr(not(target_arch = "x86_64"), path = "trace/no_detour.rs")]
pub mod detour;
mod interest;
#[cfg(target_arch = "x86_64")]
mod registers;

use crate::wire::TOLD_BY;
#[cfg(target_arch = "x86_64")]
use registers::Registers;
use std::ffi::c_void;
use std::io;

/// What a filter says with SECCOMP_RET_TRACE so that we know our own.
pub const OURS: u16 = 0x5257;
/// Likewise, of a call that is not to be made.
pub const REFUSED: u16 = 0x5258;
/// Likewise, of a call that a slot of [`detour`] has made before, for its result.
pub const MADE: u16 = 0x5259;

/// A stopped or ended thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A call of the filter is about to be made.
    Call,
    /// A call has been made.
    Made,
    /// A signal is about to be delivered.
    Signal(i32),
    /// It was stopped with its whole process.
    Group,
    /// It is new.
    New,
    /// It began another one, that is traced, too: its number, and whether they may share their memory.
    Began(i32, bool),
    /// It executed a program, and was the thread of this number.
    Executed(i32),
    /// It is about to end; told only where [`detour`] asked for it.
    Exits,
    /// It ended with this status of wait(2).
    Ended(i32),
}

fn ptrace(request: u32, pid: i32, address: usize, data: usize) -> io::Result<i64> {
    // SAFETY: the callers below pass numbers, or pointers to live memory with its size.
    let r = unsafe { libc::ptrace(request, pid, address as *mut c_void, data as *mut c_void) };
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r) }
}

/// Traces a process and all that comes from it; they are killed when the calling thread ends.
pub fn seize(pid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, pid, 0, OPTIONS as usize).map(drop)
}

const OPTIONS: i32 = libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACESECCOMP;

/// From now on its end is told before, too, and that of all that comes from it.
#[cfg(target_arch = "x86_64")]
fn also_tell_exit(pid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SETOPTIONS, pid, 0, (OPTIONS | libc::PTRACE_O_TRACEEXIT) as usize).map(drop)
}

/// Lets it run to its next stop, with a signal or none (0).
pub fn resume(pid: i32, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_CONT, pid, 0, signal as usize).map(drop)
}

/// Lets it run to the end of its call.
pub fn resume_to_end(pid: i32, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SYSCALL, pid, 0, signal as usize).map(drop)
}

/// Leaves it stopped with its process, until somebody continues that.
pub fn listen(pid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_LISTEN, pid, 0, 0).map(drop)
}

/// Waits for a stop of anybody whom the calling thread traces; `None` when there is nobody left.
pub fn wait() -> io::Result<Option<(i32, Stop)>> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is live.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        if pid > 0 {
            return Ok(Some((pid, stop(pid, status))));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
}

fn stop(pid: i32, status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended(status);
    }
    let signal = libc::WSTOPSIG(status);
    match (signal, status >> 16) {
        (signal, libc::PTRACE_EVENT_STOP) if signal != libc::SIGTRAP => Stop::Group,
        (_, libc::PTRACE_EVENT_STOP) => Stop::New,
        (_, libc::PTRACE_EVENT_SECCOMP) => Stop::Call,
        (_, libc::PTRACE_EVENT_EXEC) => Stop::Executed(message(pid).unwrap_or(pid as u64) as i32),
        (_, event @ (libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE)) => {
            message(pid).map_or(Stop::New, |new| Stop::Began(new as i32, event != libc::PTRACE_EVENT_FORK))
        }
        (_, libc::PTRACE_EVENT_EXIT) => Stop::Exits,
        (_, 0) if signal == libc::SIGTRAP | 0x80 => Stop::Made,
        (signal, 0) => Stop::Signal(signal),
        _ => Stop::New,
    }
}

/// What its stop is about, in a number.
fn message(pid: i32) -> io::Result<u64> {
    let mut told = 0u64;
    ptrace(libc::PTRACE_GETEVENTMSG, pid, 0, (&raw mut told) as usize)?;
    Ok(told)
}

/// What the filter says that handed us the call which is about to be made: [`OURS`], [`REFUSED`], or what the program's own says.
pub fn told(pid: i32) -> io::Result<u16> {
    message(pid).map(|data| data as u16)
}

/// A call: its number and arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// As the architecture numbers it.
    pub number: u64,
    /// As the registers have them.
    pub arguments: [u64; 6],
}

/// struct ptrace_syscall_info, as far as it is used.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Info {
    op: u8,
    _pad: [u8; 3],
    arch: u32,
    instruction: u64,
    stack: u64,
    /// At an entry: number and arguments. At an exit: result, and whether it is an error.
    words: [u64; 8],
}

fn info(pid: i32) -> io::Result<Info> {
    const PTRACE_GET_SYSCALL_INFO: u32 = 0x420e;
    let mut info = Info::default();
    ptrace(PTRACE_GET_SYSCALL_INFO, pid, size_of::<Info>(), (&raw mut info) as usize)?;
    Ok(info)
}

/// The call that is about to be made.
pub fn call(pid: i32) -> io::Result<Call> {
    let words = info(pid)?.words;
    let mut arguments = [0; 6];
    arguments.copy_from_slice(&words[1..7]);
    Ok(Call { number: words[0], arguments })
}

/// Whether the registers at the end of a call no longer hold all of its arguments, so that [`call`] has to be asked before.
pub const LOSES_ARGUMENTS: bool = cfg!(target_arch = "aarch64");

/// A call that has been made.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Where the registers still hold it.
    pub call: Call,
    /// A value, or an errno, negated.
    pub result: i64,
    /// The address of the next instruction.
    pub next: u64,
}

/// The call that has been made.
pub fn done(pid: i32) -> io::Result<Done> {
    #[cfg(target_arch = "x86_64")]
    {
        let now = Registers::read(pid)?;
        Ok(Done { call: now.call(), result: now.result(), next: now.next() })
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let now = info(pid)?;
        Ok(Done { call: Call::default(), result: now.words[0] as i64, next: now.instruction })
    }
}

/// Whether the signal that is about to be delivered is pid 1's news: that it has refused the call which has just ended.
pub fn was_told(pid: i32) -> io::Result<bool> {
    // SAFETY: a struct of numbers, for which zeros are a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    ptrace(libc::PTRACE_GETSIGINFO, pid, 0, (&raw mut info) as usize)?;
    // SAFETY: the kernel has written what a signal of this code has.
    Ok(info.si_signo == TOLD_BY && info.si_code == libc::SI_TKILL && unsafe { info.si_pid() } == 1)
}

/// Has the call that is about to be made not be made, but give this errno. Its exit is still seen.
#[cfg(target_arch = "x86_64")]
pub fn refuse(pid: i32, errno: i32) -> io::Result<()> {
    let mut registers = Registers::read(pid)?;
    registers.give(-i64::from(errno));
    registers.write(pid)
}

/// Likewise.
#[cfg(target_arch = "aarch64")]
pub fn refuse(pid: i32, errno: i32) -> io::Result<()> {
    const NT_PRSTATUS: usize = 1;
    const NT_ARM_SYSTEM_CALL: usize = 0x404;
    let mut number = -1i32;
    let mut place = libc::iovec { iov_base: (&raw mut number).cast(), iov_len: 4 };
    ptrace(libc::PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, (&raw mut place) as usize)?;
    let mut registers = [0u64; 34];
    let mut place = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: size_of_val(&registers) };
    ptrace(libc::PTRACE_GETREGSET, pid, NT_PRSTATUS, (&raw mut place) as usize)?;
    registers[0] = -(errno as i64) as u64;
    let mut place = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: size_of_val(&registers) };
    ptrace(libc::PTRACE_SETREGSET, pid, NT_PRSTATUS, (&raw mut place) as usize).map(drop)
}

/// Copies out of the memory of a traced process: as much as lies there in one piece.
pub fn read_memory(pid: i32, address: u64, room: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: room.len() };
    // SAFETY: `local` is `room`, which lives; the kernel checks the other.
    let n = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if n >= 0 {
        return Ok(n as usize);
    }
    match io::Error::last_os_error() {
        // Without CAP_SYS_PTRACE nobody may of a process that has become another user's, but its tracer word by word.
        e if matches!(e.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => peek(pid, address, room),
        e => Err(e),
    }
}

const WORD: usize = size_of::<u64>();

/// As [`read_memory`], slowly.
fn peek(pid: i32, address: u64, room: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < room.len() {
        let at = address + read as u64;
        let (start, within) = (at & !(WORD as u64 - 1), (at % WORD as u64) as usize);
        let word = match peek_word(pid, start) {
            Ok(word) => word,
            Err(_) if read > 0 => return Ok(read),
            Err(e) => return Err(e),
        };
        let bytes = &word[within..];
        let n = bytes.len().min(room.len() - read);
        room[read..read + n].copy_from_slice(&bytes[..n]);
        read += n;
    }
    Ok(read)
}

fn peek_word(pid: i32, address: u64) -> io::Result<[u8; WORD]> {
    let mut word = [0; WORD];
    // SAFETY: the kernel's own call, unlike the C library's, writes what it read to where the last argument points.
    let done = unsafe {
        libc::syscall(libc::SYS_ptrace, libc::PTRACE_PEEKDATA as usize, pid, address as usize, &raw mut word)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(word) }
}

/// Writes into the memory of a traced process, also where it may not itself: it gets pages of its own.
#[cfg(target_arch = "x86_64")]
fn poke(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        let at = address + written as u64;
        let (start, within) = (at & !(WORD as u64 - 1), (at % WORD as u64) as usize);
        let n = (WORD - within).min(bytes.len() - written);
        let mut word = peek_word(pid, start)?;
        word[within..within + n].copy_from_slice(&bytes[written..written + n]);
        ptrace(libc::PTRACE_POKEDATA, pid, start as usize, usize::from_ne_bytes(word))?;
        written += n;
    }
    Ok(())
}

/// A string of at most 4096 bytes, up to its NUL.
pub fn read_string(pid: i32, address: u64) -> Option<Vec<u8>> {
    let mut string = Vec::new();
    // Up to the end of a page, since the next one may not be there.
    while string.len() < 4096 {
        let at = address + string.len() as u64;
        let mut room = [0u8; 256];
        let n = (4096 - (at % 4096) as usize).min(room.len());
        let n = read_memory(pid, at, &mut room[..n]).ok().filter(|n| *n > 0)?;
        if let Some(end) = room[..n].iter().position(|&b| b == 0) {
            string.extend_from_slice(&room[..end]);
            return Some(string);
        }
        string.extend_from_slice(&room[..n]);
    }
    Some(string)
}

/// Ends a traced thread's process.
pub fn kill(pid: i32) {
    // SAFETY: numbers only.
    let _ = unsafe { libc::kill(pid, libc::SIGKILL) };
}
