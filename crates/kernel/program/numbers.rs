//! Numbers of system calls, of the two architectures that the nursery runs on.

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub mod nr {
    pub const READ: usize = 0; pub const WRITE: usize = 1; pub const CLOSE: usize = 3; pub const LSEEK: usize = 8;
    pub const MMAP: usize = 9; pub const MUNMAP: usize = 11; pub const RT_SIGACTION: usize = 13; pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16; pub const SOCKET: usize = 41; pub const CONNECT: usize = 42; pub const BIND: usize = 49; pub const LISTEN: usize = 50; pub const SENDMSG: usize = 46;
    pub const RECVMSG: usize = 47; pub const CLONE: usize = 56; pub const EXECVE: usize = 59; pub const EXIT_GROUP: usize = 231; pub const KILL: usize = 62; pub const TKILL: usize = 200; pub const GETEUID: usize = 107;
    pub const GETPID: usize = 39; pub const GETPPID: usize = 110; pub const FTRUNCATE: usize = 77; pub const GETPGID: usize = 121;
    pub const FCNTL: usize = 72; pub const GETDENTS64: usize = 217; pub const CHDIR: usize = 80; pub const CHROOT: usize = 161; pub const FCHDIR: usize = 81;
    pub const FCHMOD: usize = 91; pub const UMASK: usize = 95; pub const SETSID: usize = 112;
    pub const SETGROUPS: usize = 116; pub const SETRESUID: usize = 117; pub const SETRESGID: usize = 119; pub const SETFSUID: usize = 122;
    pub const SETFSGID: usize = 123; pub const CAPSET: usize = 126; pub const PIVOT_ROOT: usize = 155; pub const PRCTL: usize = 157;
    pub const MOUNT: usize = 165; pub const UMOUNT2: usize = 166; pub const SETHOSTNAME: usize = 170;
    pub const FSETXATTR: usize = 190; pub const FGETXATTR: usize = 193; pub const FLISTXATTR: usize = 196;
    pub const SETXATTR: usize = 188; pub const GETXATTR: usize = 191; pub const REMOVEXATTR: usize = 197;
    pub const EVENTFD2: usize = 290; pub const FUTEX: usize = 202; pub const PROCESS_VM_READV: usize = 310; pub const PROCESS_VM_WRITEV: usize = 311;
    pub const OPENAT: usize = 257; pub const MKDIRAT: usize = 258;
    pub const MKNODAT: usize = 259; pub const FCHOWNAT: usize = 260; pub const UNLINKAT: usize = 263; pub const LINKAT: usize = 265;
    pub const SYMLINKAT: usize = 266; pub const READLINKAT: usize = 267; pub const FCHMODAT: usize = 268;
    pub const PPOLL: usize = 271; pub const UNSHARE: usize = 272; pub const UTIMENSAT: usize = 280; pub const SIGNALFD4: usize = 289;
    pub const DUP3: usize = 292; pub const PRLIMIT64: usize = 302; pub const SETNS: usize = 308; pub const RENAMEAT2: usize = 316;
    pub const SECCOMP: usize = 317; pub const COPY_FILE_RANGE: usize = 326; pub const STATX: usize = 332; pub const WAITID: usize = 247;
    pub const SENDFILE: usize = 40; pub const FSTATFS: usize = 138;
}
#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
pub mod nr {
    pub const READ: usize = 63; pub const WRITE: usize = 64; pub const CLOSE: usize = 57; pub const LSEEK: usize = 62;
    pub const MMAP: usize = 222; pub const MUNMAP: usize = 215; pub const RT_SIGACTION: usize = 134; pub const RT_SIGPROCMASK: usize = 135;
    pub const IOCTL: usize = 29; pub const SOCKET: usize = 198; pub const CONNECT: usize = 203; pub const BIND: usize = 200; pub const LISTEN: usize = 201; pub const SENDMSG: usize = 211;
    pub const RECVMSG: usize = 212; pub const CLONE: usize = 220; pub const EXECVE: usize = 221; pub const EXIT_GROUP: usize = 94; pub const KILL: usize = 129; pub const TKILL: usize = 130; pub const GETEUID: usize = 175;
    pub const GETPID: usize = 172; pub const GETPPID: usize = 173; pub const FTRUNCATE: usize = 46; pub const GETPGID: usize = 155;
    pub const FCNTL: usize = 25; pub const GETDENTS64: usize = 61; pub const CHDIR: usize = 49; pub const CHROOT: usize = 51; pub const FCHDIR: usize = 50;
    pub const FCHMOD: usize = 52; pub const UMASK: usize = 166; pub const SETSID: usize = 157;
    pub const SETGROUPS: usize = 159; pub const SETRESUID: usize = 147; pub const SETRESGID: usize = 149; pub const SETFSUID: usize = 151;
    pub const SETFSGID: usize = 152; pub const CAPSET: usize = 91; pub const PIVOT_ROOT: usize = 41; pub const PRCTL: usize = 167;
    pub const MOUNT: usize = 40; pub const UMOUNT2: usize = 39; pub const SETHOSTNAME: usize = 161;
    pub const FSETXATTR: usize = 7; pub const FGETXATTR: usize = 10; pub const FLISTXATTR: usize = 13;
    pub const SETXATTR: usize = 5; pub const GETXATTR: usize = 8; pub const REMOVEXATTR: usize = 14;
    pub const EVENTFD2: usize = 19; pub const FUTEX: usize = 98; pub const PROCESS_VM_READV: usize = 270; pub const PROCESS_VM_WRITEV: usize = 271;
    pub const OPENAT: usize = 56; pub const MKDIRAT: usize = 34;
    pub const MKNODAT: usize = 33; pub const FCHOWNAT: usize = 54; pub const UNLINKAT: usize = 35; pub const LINKAT: usize = 37;
    pub const SYMLINKAT: usize = 36; pub const READLINKAT: usize = 78; pub const FCHMODAT: usize = 53;
    pub const PPOLL: usize = 73; pub const UNSHARE: usize = 97; pub const UTIMENSAT: usize = 88; pub const SIGNALFD4: usize = 74;
    pub const DUP3: usize = 24; pub const PRLIMIT64: usize = 261; pub const SETNS: usize = 268; pub const RENAMEAT2: usize = 276;
    pub const SECCOMP: usize = 277; pub const COPY_FILE_RANGE: usize = 285; pub const STATX: usize = 291; pub const WAITID: usize = 95;
    pub const SENDFILE: usize = 71; pub const FSTATFS: usize = 44;
}
/// Newer calls have one number everywhere.
#[rustfmt::skip]
pub mod nr_new {
    pub const OPEN_TREE: usize = 428; pub const MOVE_MOUNT: usize = 429; pub const FSOPEN: usize = 430; pub const FSCONFIG: usize = 431;
    pub const FSMOUNT: usize = 432; pub const PIDFD_OPEN: usize = 434; pub const CLONE3: usize = 435; pub const CLOSE_RANGE: usize = 436;
    pub const OPENAT2: usize = 437; pub const MOUNT_SETATTR: usize = 442; pub const FCHMODAT2: usize = 452;
}

/// What commands call and pid 1 is asked about (`supervise.rs`); the filter that has it asked is the library's.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub mod call_numbers {
    pub const FCHMOD: usize = 91; pub const FCHMODAT: usize = 268; pub const FCHMODAT2: usize = 452; pub const FCHOWN: usize = 93;
    pub const FCHOWNAT: usize = 260; pub const UTIMENSAT: usize = 280; pub const LINKAT: usize = 265; pub const UNLINKAT: usize = 263;
    pub const RENAMEAT: usize = 264; pub const RENAMEAT2: usize = 316; pub const SETXATTR: usize = 188; pub const LSETXATTR: usize = 189;
    pub const FSETXATTR: usize = 190; pub const REMOVEXATTR: usize = 197; pub const LREMOVEXATTR: usize = 198; pub const FREMOVEXATTR: usize = 199;
    pub const SETUID: usize = 105; pub const SETGID: usize = 106; pub const SETREUID: usize = 113; pub const SETREGID: usize = 114;
    pub const SETRESUID: usize = 117; pub const SETRESGID: usize = 119; pub const SETGROUPS: usize = 116; pub const GETGROUPS: usize = 115;
    pub const CHMOD: usize = 90; pub const CHOWN: usize = 92; pub const LCHOWN: usize = 94; pub const UTIME: usize = 132;
    pub const UTIMES: usize = 235; pub const FUTIMESAT: usize = 261; pub const LINK: usize = 86; pub const UNLINK: usize = 87;
    pub const RMDIR: usize = 84; pub const RENAME: usize = 82; pub const OPEN: usize = 2; pub const CREAT: usize = 85;
    pub const MKDIR: usize = 83; pub const MKNOD: usize = 133; pub const STAT: usize = 4; pub const LSTAT: usize = 6;
    pub const OPENAT: usize = 257; pub const MKDIRAT: usize = 258;
    pub const FSTAT: usize = 5; pub const NEWFSTATAT: usize = 262; pub const STATX: usize = 332;
}
#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
pub mod call_numbers {
    pub const FCHMOD: usize = 52; pub const FCHMODAT: usize = 53; pub const FCHMODAT2: usize = 452; pub const FCHOWN: usize = 55;
    pub const FCHOWNAT: usize = 54; pub const UTIMENSAT: usize = 88; pub const LINKAT: usize = 37; pub const UNLINKAT: usize = 35;
    pub const RENAMEAT: usize = 38; pub const RENAMEAT2: usize = 276; pub const SETXATTR: usize = 5; pub const LSETXATTR: usize = 6;
    pub const FSETXATTR: usize = 7; pub const REMOVEXATTR: usize = 14; pub const LREMOVEXATTR: usize = 15; pub const FREMOVEXATTR: usize = 16;
    pub const SETUID: usize = 146; pub const SETGID: usize = 144; pub const SETREUID: usize = 145; pub const SETREGID: usize = 143;
    pub const SETRESUID: usize = 147; pub const SETRESGID: usize = 149; pub const SETGROUPS: usize = 159; pub const GETGROUPS: usize = 158;
    pub const OPENAT: usize = 56; pub const MKDIRAT: usize = 34;
    pub const FSTAT: usize = 80; pub const NEWFSTATAT: usize = 79; pub const STATX: usize = 291;
}
