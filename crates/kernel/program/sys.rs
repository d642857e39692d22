//! System calls as the kernel has them: no errno variable, no cancellation, no allocation. A result is the value or the
//! errno. Only what the nursery needs, with the numbers of the two architectures it runs on.

pub use crate::numbers::call_numbers;
use crate::numbers::{nr, nr_new};
use core::arch::asm;

/// What the kernel refused with: errno(3), positive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

pub type Result<T = usize> = core::result::Result<T, Errno>;

pub const EPERM: Errno = Errno(1);
pub const ENOENT: Errno = Errno(2);
pub const ESRCH: Errno = Errno(3);
pub const E2BIG: Errno = Errno(7);
pub const EBADF: Errno = Errno(9);
pub const EINTR: Errno = Errno(4);
pub const EAGAIN: Errno = Errno(11);
pub const EACCES: Errno = Errno(13);
pub const EROFS: Errno = Errno(30);
pub const EEXIST: Errno = Errno(17);
pub const EXDEV: Errno = Errno(18);
pub const ENOTDIR: Errno = Errno(20);
pub const EINVAL: Errno = Errno(22);
pub const EMFILE: Errno = Errno(24);
pub const ENOSYS: Errno = Errno(38);
pub const ENOTEMPTY: Errno = Errno(39);
pub const ENAMETOOLONG: Errno = Errno(36);
pub const EBADMSG: Errno = Errno(74);
pub const EOPNOTSUPP: Errno = Errno(95);

/// One system call.
///
/// # Safety
/// The arguments must be what the call of that number expects: pointers to live memory of the right size.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn syscall(n: usize, a: [usize; 6]) -> Result {
    let r: isize;
    // SAFETY: the instruction clobbers rcx and r11 only; the caller answers for the arguments.
    unsafe {
        asm!("syscall", inlateout("rax") n => r, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3],
            in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    if r < 0 { Err(Errno(-r as i32)) } else { Ok(r as usize) }
}

/// One system call.
///
/// # Safety
/// The arguments must be what the call of that number expects: pointers to live memory of the right size.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn syscall(n: usize, a: [usize; 6]) -> Result {
    let r: isize;
    // SAFETY: the caller answers for the arguments.
    unsafe {
        asm!("svc 0", in("x8") n, inlateout("x0") a[0] => r, in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4],
            in("x5") a[5], options(nostack));
    }
    if r < 0 { Err(Errno(-r as i32)) } else { Ok(r as usize) }
}

/// A call whose arguments are all numbers, or pointers that this file has just taken from references.
macro_rules! call {
    ($n:expr $(, $a:expr)*) => {{
        const COUNT: usize = <[&str]>::len(&[$( stringify!($a) ),*]);
        let given: [usize; COUNT] = [$( $a as usize ),*];
        let mut args = [0, 0, 0, 0, 0, pass() as usize];
        args[..COUNT].copy_from_slice(&given);
        // SAFETY: every wrapper below takes references and slices, so the pointers live as long as the call, and strings
        // are checked to end in NUL.
        unsafe { syscall($n, args) }
    }};
}

/// The word that lets our own calls through the filters: calls that they refuse, or that pid 1 is asked about, take at most five
/// arguments, and the sixth register carries this.
static PASS: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

fn pass() -> u64 {
    PASS.load(core::sync::atomic::Ordering::Relaxed)
}

/// Installs the filter that this process and all that come from it are under, commands above all: once here, since
/// installing is a good part of what starting a command costs. `pass` is known to nobody inside: this memory cannot be read there.
pub fn install_filter(program: &[u8], pass: u64) -> Result<()> {
    PASS.store(pass, core::sync::atomic::Ordering::Relaxed);
    if program.is_empty() { Ok(()) } else { seccomp(program, 0).map(|_| ()) }
}

/// Installs the filter of a traced command.
pub fn install_tracing(program: &[u8]) -> Result<()> {
    seccomp(program, 0).map(|_| ())
}

/// From here on this process has no more rights than others have.
pub fn forget_pass() {
    PASS.store(0, core::sync::atomic::Ordering::Relaxed);
}

static ASKS_AGAIN: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

/// Whether a signal makes a program ask again while it is being answered.
pub fn asks_again() -> bool {
    ASKS_AGAIN.load(core::sync::atomic::Ordering::Relaxed)
}

/// Installs a filter whose questions come to the descriptor that this gives (seccomp_unotify(2)).
pub fn install_listener(program: &[u8]) -> Result<Fd> {
    const NEW_LISTENER: usize = 1 << 3;
    // Linux 5.19: a signal does not make a program ask again while it is being answered.
    const WAIT_KILLABLE_RECV: usize = 1 << 5;
    let listener = match seccomp(program, NEW_LISTENER | WAIT_KILLABLE_RECV) {
        Err(EINVAL) => {
            ASKS_AGAIN.store(true, core::sync::atomic::Ordering::Relaxed);
            seccomp(program, NEW_LISTENER)?
        }
        r => r?,
    };
    // Linux 6.6: who asks and who answers take turns on one processor.
    const SET_FLAGS: usize = 0x4008_2104;
    const SYNC_WAKE_UP: usize = 1;
    let _ = ioctl_number(listener as Fd, SET_FLAGS, SYNC_WAKE_UP);
    Ok(listener as Fd)
}

/// Nothing that comes from this process can gain a capability that is not in `set` (capabilities(7), bounding set).
pub fn bound_capabilities(set: u64) -> Result<()> {
    const PR_CAPBSET_DROP: usize = 24;
    for cap in (0..64).filter(|cap| set & 1 << cap == 0) {
        match prctl(PR_CAPBSET_DROP, cap, 0) {
            // The kernel knows no more of them.
            Err(EINVAL) => break,
            r => r?,
        };
    }
    Ok(())
}

/// Whether a capability is in the bounding set.
pub fn is_bounded_in(capability: usize) -> bool {
    const PR_CAPBSET_READ: usize = 23;
    prctl(PR_CAPBSET_READ, capability, 0) == Ok(1)
}

/// A path or name that ends in NUL. The wrappers take nothing else, so the kernel never reads past the end.
#[derive(Clone, Copy)]
pub struct Str<'a>(&'a [u8]);

impl<'a> Str<'a> {
    pub fn new(with_nul: &'a [u8]) -> Result<Self> {
        if with_nul.last() == Some(&0) { Ok(Self(with_nul)) } else { Err(EINVAL) }
    }
    /// Without the NUL.
    pub fn bytes(self) -> &'a [u8] {
        &self.0[..self.0.len() - 1]
    }
    /// Without its first `n` bytes, of which it has so many.
    pub fn skip(self, n: usize) -> Self {
        Self(&self.0[n..])
    }

    pub fn is_empty(self) -> bool {
        self.0.len() == 1
    }
    fn ptr(self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// A literal with its NUL.
pub const fn lit(s: &core::ffi::CStr) -> Str<'_> {
    Str(s.to_bytes_with_nul())
}

pub type Fd = i32;
pub const AT_FDCWD: Fd = -100;
pub const AT_SYMLINK_NOFOLLOW: usize = 0x100;
pub const AT_REMOVEDIR: usize = 0x200;
pub const AT_EMPTY_PATH: usize = 0x1000;
pub const AT_RECURSIVE: usize = 0x8000;

pub const O_RDONLY: usize = 0;
pub const O_WRONLY: usize = 1;
pub const O_RDWR: usize = 2;
pub const O_CREAT: usize = 0o100;
pub const O_EXCL: usize = 0o200;
pub const O_NOCTTY: usize = 0o400;
pub const O_NONBLOCK: usize = 0o4000;
#[cfg(target_arch = "x86_64")]
pub const O_DIRECTORY: usize = 0o200000;
#[cfg(target_arch = "x86_64")]
pub const O_NOFOLLOW: usize = 0o400000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY: usize = 0o40000;
#[cfg(target_arch = "aarch64")]
pub const O_NOFOLLOW: usize = 0o100000;
pub const O_CLOEXEC: usize = 0o2000000;
pub const O_PATH: usize = 0o10000000;

pub const S_IFMT: u32 = 0o170000;
pub const S_IFDIR: u32 = 0o040000;
pub const S_IFCHR: u32 = 0o020000;
pub const S_IFREG: u32 = 0o100000;
pub const S_IFLNK: u32 = 0o120000;

pub const RESOLVE_NO_MAGICLINKS: u64 = 2;
pub const RESOLVE_IN_ROOT: u64 = 0x10;

pub const MS_NOSUID: usize = 2;
pub const MS_NODEV: usize = 4;
pub const MS_REMOUNT: usize = 32;
pub const MNT_DETACH: usize = 2;
pub const MOUNT_ATTR_RDONLY: u64 = 1;

pub const SIGKILL: i32 = 9;
pub const SIGCHLD: usize = 17;

pub const CLONE_NEWNS: u64 = 0x20000;
const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
pub const CLONE_NEWUSER: u64 = 0x10000000;

pub fn exit(code: i32) -> ! {
    loop {
        let _ = call!(nr::EXIT_GROUP, code);
    }
}

pub fn close(fd: Fd) {
    let _ = call!(nr::CLOSE, fd);
}

pub fn close_from(first: Fd) -> Result {
    call!(nr_new::CLOSE_RANGE, first, u32::MAX, 0)
}

pub fn read(fd: Fd, buf: &mut [u8]) -> Result {
    call!(nr::READ, fd, buf.as_mut_ptr(), buf.len())
}

pub fn write(fd: Fd, buf: &[u8]) -> Result {
    call!(nr::WRITE, fd, buf.as_ptr(), buf.len())
}

pub fn write_all(fd: Fd, mut buf: &[u8]) -> Result<()> {
    while !buf.is_empty() {
        match write(fd, buf) {
            Ok(0) => return Err(Errno(5)),
            Ok(n) => buf = &buf[n..],
            Err(EINTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

pub fn lseek(fd: Fd, offset: u64) -> Result {
    call!(nr::LSEEK, fd, offset, 0)
}

pub fn dup_to(old: Fd, new: Fd, flags: usize) -> Result {
    call!(nr::DUP3, old, new, flags)
}

pub fn dup(fd: Fd) -> Result<Fd> {
    // F_DUPFD_CLOEXEC
    call!(nr::FCNTL, fd, 1030, 0).map(|fd| fd as Fd)
}

/// To nothing.
pub fn ftruncate(fd: Fd) -> Result {
    call!(nr::FTRUNCATE, fd, 0)
}

pub fn get_flags(fd: Fd) -> Result {
    call!(nr::FCNTL, fd, 3)
}

pub fn set_flags(fd: Fd, flags: usize) -> Result {
    call!(nr::FCNTL, fd, 4, flags)
}

pub fn openat(dir: Fd, path: Str, flags: usize, mode: u32) -> Result<Fd> {
    call!(nr::OPENAT, dir, path.ptr(), flags | O_CLOEXEC, mode).map(|fd| fd as Fd)
}

/// openat2(2): `resolve` is of `RESOLVE_*`.
pub fn openat2(dir: Fd, path: Str, flags: usize, mode: u32, resolve: u64) -> Result<Fd> {
    let mode = if flags & O_CREAT != 0 { u64::from(mode) } else { 0 };
    let how: [u64; 3] = [(flags | O_CLOEXEC) as u64, mode, resolve];
    loop {
        match call!(nr_new::OPENAT2, dir, path.ptr(), &raw const how, size_of_val(&how)) {
            // A rename elsewhere raced with a `..` of this path; the kernel asks to try again (openat2(2), EAGAIN).
            Err(EAGAIN) => {}
            r => return r.map(|fd| fd as Fd),
        }
    }
}

pub fn mkdirat(dir: Fd, path: Str, mode: u32) -> Result {
    call!(nr::MKDIRAT, dir, path.ptr(), mode)
}
pub fn mknodat(dir: Fd, path: Str, mode: u32, dev: u32) -> Result {
    call!(nr::MKNODAT, dir, path.ptr(), mode, dev)
}
pub fn unlinkat(dir: Fd, path: Str, flags: usize) -> Result {
    call!(nr::UNLINKAT, dir, path.ptr(), flags)
}
pub fn symlinkat(target: Str, dir: Fd, path: Str) -> Result {
    call!(nr::SYMLINKAT, target.ptr(), dir, path.ptr())
}
pub fn linkat(from_dir: Fd, from: Str, dir: Fd, path: Str) -> Result {
    call!(nr::LINKAT, from_dir, from.ptr(), dir, path.ptr(), 0)
}
pub fn renameat(from_dir: Fd, from: Str, dir: Fd, path: Str) -> Result {
    call!(nr::RENAMEAT2, from_dir, from.ptr(), dir, path.ptr(), 0)
}
pub fn readlinkat(dir: Fd, path: Str, buf: &mut [u8]) -> Result {
    call!(nr::READLINKAT, dir, path.ptr(), buf.as_mut_ptr(), buf.len())
}
pub fn fchmod(fd: Fd, mode: u32) -> Result {
    call!(nr::FCHMOD, fd, mode)
}
/// chmod of what an `O_PATH` descriptor names (fchmodat2, Linux 6.6).
pub fn fchmod_path(fd: Fd, mode: u32) -> Result {
    call!(nr_new::FCHMODAT2, fd, c"".as_ptr(), mode, AT_EMPTY_PATH)
}
pub fn fchmodat(dir: Fd, path: Str, mode: u32) -> Result {
    call!(nr::FCHMODAT, dir, path.ptr(), mode)
}
pub fn fchownat(dir: Fd, path: Str, uid: u32, gid: u32, flags: usize) -> Result {
    call!(nr::FCHOWNAT, dir, path.ptr(), uid, gid, flags)
}
/// Seconds and nanoseconds of access and modification.
pub fn utimensat(dir: Fd, path: Str, times: &[i64; 4], flags: usize) -> Result {
    call!(nr::UTIMENSAT, dir, path.ptr(), times.as_ptr(), flags)
}
pub fn futimens(fd: Fd, times: &[i64; 4]) -> Result {
    call!(nr::UTIMENSAT, fd, 0, times.as_ptr(), 0)
}
pub fn fsetxattr(fd: Fd, name: Str, value: &[u8]) -> Result {
    call!(nr::FSETXATTR, fd, name.ptr(), value.as_ptr(), value.len(), 0)
}
pub fn fgetxattr(fd: Fd, name: Str, buf: &mut [u8]) -> Result {
    call!(nr::FGETXATTR, fd, name.ptr(), buf.as_mut_ptr(), buf.len())
}
pub fn flistxattr(fd: Fd, buf: &mut [u8]) -> Result {
    call!(nr::FLISTXATTR, fd, buf.as_mut_ptr(), buf.len())
}
pub fn setxattr(path: Str, name: Str, value: &[u8]) -> Result {
    call!(nr::SETXATTR, path.ptr(), name.ptr(), value.as_ptr(), value.len(), 0)
}
pub fn getxattr(path: Str, name: Str, buf: &mut [u8]) -> Result {
    call!(nr::GETXATTR, path.ptr(), name.ptr(), buf.as_mut_ptr(), buf.len())
}
pub fn removexattr(path: Str, name: Str) -> Result {
    call!(nr::REMOVEXATTR, path.ptr(), name.ptr())
}
pub fn getdents64(fd: Fd, buf: &mut [u8]) -> Result {
    call!(nr::GETDENTS64, fd, buf.as_mut_ptr(), buf.len())
}
pub fn sendfile(to: Fd, from: Fd, n: usize) -> Result {
    call!(nr::SENDFILE, to, from, 0, n)
}
pub fn copy_file_range(from: Fd, to: Fd, n: usize) -> Result {
    call!(nr::COPY_FILE_RANGE, from, 0, to, 0, n, 0)
}
pub fn chdir(path: Str) -> Result {
    call!(nr::CHDIR, path.ptr())
}
pub fn fchdir(fd: Fd) -> Result {
    call!(nr::FCHDIR, fd)
}
pub fn umask(mask: u32) {
    let _ = call!(nr::UMASK, mask);
}

/// struct statx of statx(2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Statx {
    pub mask: u32,
    pub blksize: u32,
    pub attributes: u64,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
    _pad: u16,
    pub ino: u64,
    pub size: u64,
    pub blocks: u64,
    pub attributes_mask: u64,
    pub atime: [u64; 2],
    pub btime: [u64; 2],
    pub ctime: [u64; 2],
    pub mtime: [u64; 2],
    pub rdev_major: u32,
    pub rdev_minor: u32,
    pub dev_major: u32,
    pub dev_minor: u32,
    /// Which mount it was reached by.
    pub mnt_id: u64,
    _spare: [u64; 13],
}

pub fn statx(dir: Fd, path: Str, flags: usize) -> Result<Statx> {
    let mut st = core::mem::MaybeUninit::<Statx>::zeroed();
    call!(nr::STATX, dir, path.ptr(), flags, 0x7ff, st.as_mut_ptr())?;
    // SAFETY: zeroed bytes are a valid Statx, and the kernel has filled them.
    Ok(unsafe { st.assume_init() })
}

/// struct stat and struct statx of what a descriptor names, as others want them; neither is longer than 256 bytes.
pub fn raw_stat(fd: Fd, room: &mut [u8; 256]) -> Result {
    call!(call_numbers::NEWFSTATAT, fd, c"".as_ptr(), room.as_mut_ptr(), AT_EMPTY_PATH)
}
pub fn raw_statx(fd: Fd, mask: u32, room: &mut [u8; 256]) -> Result {
    call!(nr::STATX, fd, c"".as_ptr(), AT_EMPTY_PATH, mask, room.as_mut_ptr())
}
pub fn fstat(fd: Fd) -> Result<Statx> {
    statx(fd, lit(c""), AT_EMPTY_PATH)
}

/// Blocks of the file system that `fd` lies on, in use.
pub fn blocks_in_use(fd: Fd) -> Result<u64> {
    // struct statfs: type, block size, blocks, free blocks, and more.
    let mut room = [0u64; 15];
    call!(nr::FSTATFS, fd, room.as_mut_ptr())?;
    Ok(room[2].saturating_sub(room[3]))
}

pub fn mount(source: Str, target: Str, fstype: Str, flags: usize, data: Str) -> Result {
    call!(nr::MOUNT, source.ptr(), target.ptr(), fstype.ptr(), flags, data.ptr())
}
pub fn umount(target: Str, flags: usize) -> Result {
    call!(nr::UMOUNT2, target.ptr(), flags)
}
pub fn chroot(path: Str) -> Result {
    call!(nr::CHROOT, path.ptr())
}
pub fn pivot_root(new: Str, old: Str) -> Result {
    call!(nr::PIVOT_ROOT, new.ptr(), old.ptr())
}
/// A detached copy of the mount at `path`.
pub fn open_tree_clone(dir: Fd, path: Str, flags: usize) -> Result<Fd> {
    call!(nr_new::OPEN_TREE, dir, path.ptr(), 1 | O_CLOEXEC | flags).map(|fd| fd as Fd)
}
/// Attaches a detached mount at what `target` names, or below it.
pub fn move_mount(mount: Fd, target_dir: Fd, target: Str) -> Result {
    // MOVE_MOUNT_F_EMPTY_PATH, and MOVE_MOUNT_T_EMPTY_PATH where the target is the descriptor itself.
    let flags = 4 | if target.is_empty() { 0x40 } else { 0 };
    call!(nr_new::MOVE_MOUNT, mount, c"".as_ptr(), target_dir, target.ptr(), flags)
}
/// Moves what is mounted at `source` of the small tree to the descriptor `target`.
pub fn move_mount_path(source: Str, target: Fd) -> Result {
    call!(nr_new::MOVE_MOUNT, AT_FDCWD, source.ptr(), target, c"".as_ptr(), 0x40)
}
/// A new file system of `fstype` without options, as a detached mount.
pub fn fs_mount(fstype: Str, options: &[(Str, Str)], attributes: u64) -> Result<Fd> {
    let fs = call!(nr_new::FSOPEN, fstype.ptr(), 1)? as Fd;
    let made = (|| {
        for (key, value) in options {
            call!(nr_new::FSCONFIG, fs, 1, key.ptr(), value.ptr())?;
        }
        call!(nr_new::FSCONFIG, fs, 6)?;
        call!(nr_new::FSMOUNT, fs, 1, attributes)
    })();
    close(fs);
    made.map(|fd| fd as Fd)
}
/// mount_setattr(2): sets `set` on the mount `fd`, and below it with `AT_RECURSIVE`.
pub fn mount_setattr(fd: Fd, flags: usize, set: u64) -> Result {
    let attr: [u64; 4] = [set, 0, 0, 0];
    call!(nr_new::MOUNT_SETATTR, fd, c"".as_ptr(), flags | AT_EMPTY_PATH, attr.as_ptr(), size_of_val(&attr))
}
pub fn unshare(flags: u64) -> Result {
    call!(nr::UNSHARE, flags)
}
pub fn setns(fd: Fd, kind: u64) -> Result {
    call!(nr::SETNS, fd, kind)
}
pub fn sethostname(name: &[u8]) -> Result {
    call!(nr::SETHOSTNAME, name.as_ptr(), name.len())
}

/// struct clone_args of clone3(2).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Which call makes a process or thread with these flags. Namespaces need clone3, since our own filter sees the flags of clone and
/// refuses those; all else needs clone, since docker's filter cannot see the flags of clone3 and answers it with ENOSYS.
fn needs_clone3(flags: u64) -> bool {
    const CLONE_NEW: u64 = 0x7e02_0000;
    flags & CLONE_NEW != 0
}

/// A child with memory of its own (no `CLONE_VM` in the flags), in new namespaces where the flags say so: 0 in the child.
pub fn clone(flags: u64) -> Result {
    match flags {
        _ if flags & CLONE_VM != 0 => Err(EINVAL),
        _ if needs_clone3(flags) => {
            let args = CloneArgs { flags, exit_signal: SIGCHLD as u64, ..CloneArgs::default() };
            call!(nr_new::CLONE3, &raw const args, size_of::<CloneArgs>())
        }
        _ => call!(nr::CLONE, flags as usize | SIGCHLD, 0, 0, 0, 0),
    }
}

/// Runs `f(arg)` in a child that shares our memory, on a stack of its own, and comes back when it has executed a program
/// or ended, in `namespaces` of its own: vfork(2) without its trap of two processes on one stack.
pub fn clone_vfork(
    namespaces: u64,
    stack: &mut [u8],
    f: extern "C" fn(*mut u8) -> !,
    arg: *mut u8,
) -> Result {
    clone_on(stack, CLONE_VM | CLONE_VFORK | namespaces, SIGCHLD, f, arg)
}

/// Runs `f(arg)` in a thread of this process, which never ends before it.
pub fn spawn_thread(stack: &'static mut [u8], f: extern "C" fn(*mut u8) -> !, arg: *mut u8) -> Result {
    const FS_FILES_SIGHAND_THREAD_SYSVSEM: u64 = 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
    clone_on(stack, CLONE_VM | FS_FILES_SIGHAND_THREAD_SYSVSEM, 0, f, arg)
}

fn clone_on(
    stack: &mut [u8],
    flags: u64,
    exit_signal: usize,
    f: extern "C" fn(*mut u8) -> !,
    arg: *mut u8,
) -> Result {
    let args = CloneArgs {
        flags,
        exit_signal: exit_signal as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: stack.len() as u64 & !15,
        ..CloneArgs::default()
    };
    let top = (stack.as_mut_ptr() as usize + stack.len()) & !15;
    // clone3 looks at no more than two arguments.
    let (call, first, second) = match needs_clone3(flags) {
        true => (nr_new::CLONE3, (&raw const args) as usize, size_of::<CloneArgs>()),
        false => (nr::CLONE, flags as usize | exit_signal, top),
    };
    let r: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the parent falls through with its registers as they were; the child, on its own stack, only calls `f`, which
    // never returns. `stack` is nobody else's: the parent is stopped meanwhile, or gave it away for good. `args` lives.
    unsafe {
        asm!(
            "syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
            inlateout("rax") call => r, in("rdi") first, in("rsi") second, in("rdx") 0, in("r10") 0, in("r8") 0,
            in("r9") pass(), in("r12") arg, in("r13") f, lateout("rcx") _, lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0", "cbnz x0, 2f", "mov x29, xzr", "mov x0, x20", "blr x21", "brk 1", "2:",
            in("x8") call, inlateout("x0") first => r, in("x1") second, in("x2") 0, in("x3") 0, in("x4") 0,
            in("x5") pass(), in("x20") arg, in("x21") f,
        );
    }
    // The compiler does not see that the kernel reads it.
    core::hint::black_box(&args);
    if r < 0 { Err(Errno(-r as i32)) } else { Ok(r as usize) }
}

/// A counter that is readable when it is not 0 (eventfd(2)).
pub fn eventfd() -> Result<Fd> {
    call!(nr::EVENTFD2, 0, 0o2000000 | 0o4000).map(|fd| fd as Fd)
}
/// Waits until somebody wakes `word`, unless it is not `value` (futex(2), among the threads of this process).
pub fn futex_wait(word: &core::sync::atomic::AtomicU32, value: u32) {
    const WAIT_PRIVATE: usize = 128;
    let _ = call!(nr::FUTEX, word.as_ptr(), WAIT_PRIVATE, value, 0, 0, 0);
}
pub fn futex_wake(word: &core::sync::atomic::AtomicU32) {
    const WAKE_PRIVATE: usize = 129;
    let _ = call!(nr::FUTEX, word.as_ptr(), WAKE_PRIVATE, i32::MAX, 0, 0, 0);
}
pub fn execve(path: Str, argv: &[*const u8], envp: &[*const u8]) -> Errno {
    match call!(nr::EXECVE, path.ptr(), argv.as_ptr(), envp.as_ptr()) {
        Err(e) => e,
        Ok(_) => EINVAL,
    }
}
pub fn pidfd_open(pid: i32) -> Result<Fd> {
    call!(nr_new::PIDFD_OPEN, pid, 0).map(|fd| fd as Fd)
}
pub fn kill(pid: i32, signal: i32) -> Result {
    call!(nr::KILL, pid, signal)
}
/// Of a thread.
pub fn tkill(tid: i32, signal: i32) -> Result {
    call!(nr::TKILL, tid, signal)
}
pub fn setsid() -> Result {
    call!(nr::SETSID)
}
/// It cannot fail; neither can the next.
pub fn getpid() -> i32 {
    call!(nr::GETPID).map_or(0, |pid| pid as i32)
}
pub fn getppid() -> i32 {
    call!(nr::GETPPID).map_or(0, |pid| pid as i32)
}
/// The process group of `pid`; 0 is this process.
pub fn getpgid(pid: i32) -> Result<i32> {
    call!(nr::GETPGID, pid).map(|group| group as i32)
}
/// It cannot fail.
pub fn geteuid() -> u32 {
    call!(nr::GETEUID).map_or(u32::MAX, |uid| uid as u32)
}
pub fn setresuid(uid: u32) -> Result {
    call!(nr::SETRESUID, uid, uid, uid)
}
pub fn setresgid(gid: u32) -> Result {
    call!(nr::SETRESGID, gid, gid, gid)
}
pub fn setgroups(groups: &[u32]) -> Result {
    call!(nr::SETGROUPS, groups.len(), groups.as_ptr())
}
pub fn setfsuid(uid: u32) {
    let _ = call!(nr::SETFSUID, uid);
}
pub fn setfsgid(gid: u32) {
    let _ = call!(nr::SETFSGID, gid);
}
/// capset(2) of the calling thread.
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result {
    let header: [u32; 2] = [0x2008_0522, 0];
    let low = |s: u64| s as u32;
    let high = |s: u64| (s >> 32) as u32;
    let (e, p, i) = (effective, permitted, inheritable);
    let data: [u32; 6] = [low(e), low(p), low(i), high(e), high(p), high(i)];
    call!(nr::CAPSET, header.as_ptr(), data.as_ptr())
}
/// Copies out of the memory of another process: as much as lies there in one piece.
pub fn read_memory(pid: i32, address: u64, buf: &mut [u8]) -> Result {
    let (local, remote) = ([buf.as_mut_ptr() as usize, buf.len()], [address as usize, buf.len()]);
    call!(nr::PROCESS_VM_READV, pid, local.as_ptr(), 1, remote.as_ptr(), 1, 0)
}
/// Copies into it.
pub fn write_memory(pid: i32, address: u64, bytes: &[u8]) -> Result {
    let (local, remote) = ([bytes.as_ptr() as usize, bytes.len()], [address as usize, bytes.len()]);
    call!(nr::PROCESS_VM_WRITEV, pid, local.as_ptr(), 1, remote.as_ptr(), 1, 0)
}
pub fn prctl(option: usize, a: usize, b: usize) -> Result {
    call!(nr::PRCTL, option, a, b, 0, 0)
}
pub fn set_name(name: Str) {
    let _ = call!(nr::PRCTL, 15, name.ptr());
}
pub fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result {
    let limits = [soft, hard];
    call!(nr::PRLIMIT64, 0, resource, limits.as_ptr(), 0)
}
/// seccomp(2), SECCOMP_SET_MODE_FILTER: `program` is an array of struct sock_filter.
fn seccomp(program: &[u8], flags: usize) -> Result {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const u8,
    }
    let p = Program { len: (program.len() / 8) as u16, filter: program.as_ptr() };
    call!(nr::SECCOMP, 1, flags, &raw const p)
}

/// Blocks (or with an empty set unblocks) signals: bit n-1 is signal n.
pub fn set_signal_mask(mask: u64) {
    let _ = call!(nr::RT_SIGPROCMASK, 2, &raw const mask, 0, 8);
}
/// SIG_DFL (0) or SIG_IGN (1). No handlers: they would need a trampoline, and a pid 1 that polls needs none.
pub fn set_signal(signal: i32, disposition: usize) {
    let action: [usize; 4] = [disposition, 0, 0, 0];
    let _ = call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8);
}
pub fn signalfd(mask: u64) -> Result<Fd> {
    // SFD_CLOEXEC | SFD_NONBLOCK
    call!(nr::SIGNALFD4, -1i32, &raw const mask, 8, 0o2000000 | 0o4000).map(|fd| fd as Fd)
}

/// struct pollfd of poll(2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: Fd,
    pub events: i16,
    pub revents: i16,
}
pub fn poll(fds: &mut [PollFd]) -> Result {
    call!(nr::PPOLL, fds.as_mut_ptr(), fds.len(), 0, 0, 8)
}
/// As [`poll`], for so many nanoseconds, less than a second.
pub fn poll_within(fds: &mut [PollFd], nanoseconds: u64) -> Result {
    let time = [0u64, nanoseconds];
    call!(nr::PPOLL, fds.as_mut_ptr(), fds.len(), time.as_ptr(), 0, 8)
}

/// A child that has ended: its number, and its status as waitid(2) tells it (`si_code`, `si_status`).
pub fn reap() -> Result<Option<(i32, i32, i32)>> {
    let mut info = [0u32; 32];
    // P_ALL, WNOHANG | WEXITED
    call!(nr::WAITID, 0, 0, info.as_mut_ptr(), 1 | 4, 0)?;
    // siginfo_t on 64 bits: signo, errno, code, pad, pid, uid, status.
    let (pid, code, status) = (info[4] as i32, info[2] as i32, info[6] as i32);
    Ok((pid != 0).then_some((pid, code, status)))
}

pub fn socket(family: usize, kind: usize) -> Result<Fd> {
    call!(nr::SOCKET, family, kind | O_CLOEXEC, 0).map(|fd| fd as Fd)
}
pub fn connect(fd: Fd, address: &[u8]) -> Result {
    call!(nr::CONNECT, fd, address.as_ptr(), address.len())
}
pub fn bind(fd: Fd, address: &[u8]) -> Result {
    call!(nr::BIND, fd, address.as_ptr(), address.len())
}
pub fn listen(fd: Fd, backlog: usize) -> Result {
    call!(nr::LISTEN, fd, backlog)
}
/// ioctl(2) with a pointer to `arg`.
pub fn ioctl<T>(fd: Fd, request: usize, arg: &mut T) -> Result {
    call!(nr::IOCTL, fd, request, arg as *mut T)
}
/// ioctl(2) with a number.
pub fn ioctl_number(fd: Fd, request: usize, arg: usize) -> Result {
    call!(nr::IOCTL, fd, request, arg)
}

/// struct msghdr of recvmsg(2).
#[repr(C)]
pub struct MsgHdr {
    pub name: usize,
    pub namelen: u32,
    pub iov: *mut [usize; 2],
    pub iovlen: usize,
    pub control: *mut u8,
    pub controllen: usize,
    pub flags: i32,
}
pub fn recvmsg(fd: Fd, msg: &mut MsgHdr) -> Result {
    // MSG_CMSG_CLOEXEC
    call!(nr::RECVMSG, fd, msg as *mut MsgHdr, 0x4000_0000)
}
pub fn sendmsg(fd: Fd, msg: &MsgHdr) -> Result {
    // MSG_NOSIGNAL
    call!(nr::SENDMSG, fd, msg as *const MsgHdr, 0x4000)
}

/// Maps a whole memfd for reading; the mapping is private, and the sender has sealed its size.
pub fn map(fd: Fd, len: usize) -> Result<&'static [u8]> {
    let at = call!(nr::MMAP, 0, len, 1, 2, fd, 0)?;
    // SAFETY: a fresh mapping of len bytes. It is unmapped only by `unmap`, whose callers are done with it.
    Ok(unsafe { core::slice::from_raw_parts(at as *const u8, len) })
}
pub fn unmap(bytes: &[u8]) {
    let _ = call!(nr::MUNMAP, bytes.as_ptr(), bytes.len());
}
