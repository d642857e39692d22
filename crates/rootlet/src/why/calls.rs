//! The calls that are looked at: those with which a program asks for a path, an identity, a mount, a port or another process. What
//! each does with its arguments is enough to print it as strace(1) does, and to know which right it needs.

use super::cause::caps;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A directory's descriptor, or AT_FDCWD; the path that belongs to it comes next.
    Dir,
    Path,
    /// A descriptor of what the call is about.
    Fd,
    OpenFlags,
    /// struct open_how
    How,
    Octal,
    AccessMode,
    /// Bits, or a number that is known in hexadecimal.
    Flags,
    Number,
    Id,
    Pointer,
    Signal,
    /// A resource of setrlimit(2).
    Limit,
    /// A string that is no path.
    Text,
    /// An address; its length comes next.
    Address,
}

/// What a call does, as far as rights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Opens its path for what the flags say.
    Open,
    /// Wants to know something of its path.
    Look,
    /// As its second argument after the path says.
    Access,
    Execute,
    /// Enters a directory.
    Enter,
    /// Makes a name, which is its last path.
    Make,
    /// Takes names away, and makes its second path, if it has one.
    Remove,
    Write,
    /// Wants to know an extended attribute, or changes one: the text behind the path says which.
    ReadAttribute,
    WriteAttribute,
    /// What an owner may do.
    Own,
    /// Changes the owner.
    Chown,
    Bind,
    Connect,
    Kill,
    Ptrace,
    /// Needs this capability.
    Capability(u32),
    /// Nothing that needs a right; those that are traced are known to change what can be seen.
    Filter,
}

/// A call.
#[derive(Debug)]
pub struct Known {
    pub number: i64,
    pub name: &'static str,
    pub args: &'static [Arg],
    pub does: Does,
}

/// libc's, and what it has not for every machine.
mod numbers {
    pub use libc::*;

    /// Linux 6.6; one number everywhere.
    #[expect(non_upper_case_globals, reason = "as libc has its kin")]
    pub const SYS_fchmodat2: i64 = 452;
}

macro_rules! calls {
    ($($(#[$only:meta])? $number:ident $name:literal [$($arg:ident)*] $does:expr;)*) => {
        &[$($(#[$only])? Known { number: numbers::$number, name: $name, args: &[$(Arg::$arg),*], does: $does }),*]
    };
}

use Does::{Access, Bind, Capability, Chown, Connect, Enter, Execute, Filter, Kill, Look, Make, Open, Own};
use Does::{Ptrace, ReadAttribute, Remove, Write, WriteAttribute};

/// In no order.
pub const CALLS: &[Known] = calls! {
    SYS_openat "openat" [Dir Path OpenFlags Octal] Open;
    SYS_openat2 "openat2" [Dir Path How Number] Open;
    #[cfg(target_arch = "x86_64")] SYS_open "open" [Path OpenFlags Octal] Open;
    #[cfg(target_arch = "x86_64")] SYS_creat "creat" [Path Octal] Open;
    SYS_newfstatat "newfstatat" [Dir Path Pointer Number] Look;
    SYS_statx "statx" [Dir Path Number Number Pointer] Look;
    #[cfg(target_arch = "x86_64")] SYS_stat "stat" [Path Pointer] Look;
    #[cfg(target_arch = "x86_64")] SYS_lstat "lstat" [Path Pointer] Look;
    SYS_readlinkat "readlinkat" [Dir Path Pointer Number] Look;
    #[cfg(target_arch = "x86_64")] SYS_readlink "readlink" [Path Pointer Number] Look;
    SYS_statfs "statfs" [Path Pointer] Look;
    SYS_getxattr "getxattr" [Path Text Pointer Number] ReadAttribute;
    SYS_lgetxattr "lgetxattr" [Path Text Pointer Number] ReadAttribute;
    SYS_listxattr "listxattr" [Path Pointer Number] Look;
    SYS_llistxattr "llistxattr" [Path Pointer Number] Look;
    SYS_inotify_add_watch "inotify_add_watch" [Number Path Number] Look;
    SYS_faccessat "faccessat" [Dir Path AccessMode] Access;
    SYS_faccessat2 "faccessat2" [Dir Path AccessMode Number] Access;
    #[cfg(target_arch = "x86_64")] SYS_access "access" [Path AccessMode] Access;
    SYS_execve "execve" [Path Pointer Pointer] Execute;
    SYS_execveat "execveat" [Dir Path Pointer Pointer Number] Execute;
    SYS_chdir "chdir" [Path] Enter;
    SYS_fchdir "fchdir" [Fd] Enter;
    SYS_mkdirat "mkdirat" [Dir Path Octal] Make;
    #[cfg(target_arch = "x86_64")] SYS_mkdir "mkdir" [Path Octal] Make;
    SYS_mknodat "mknodat" [Dir Path Octal Number] Make;
    #[cfg(target_arch = "x86_64")] SYS_mknod "mknod" [Path Octal Number] Make;
    SYS_symlinkat "symlinkat" [Text Dir Path] Make;
    #[cfg(target_arch = "x86_64")] SYS_symlink "symlink" [Text Path] Make;
    SYS_linkat "linkat" [Dir Path Dir Path Number] Make;
    #[cfg(target_arch = "x86_64")] SYS_link "link" [Path Path] Make;
    SYS_unlinkat "unlinkat" [Dir Path Number] Remove;
    #[cfg(target_arch = "x86_64")] SYS_unlink "unlink" [Path] Remove;
    #[cfg(target_arch = "x86_64")] SYS_rmdir "rmdir" [Path] Remove;
    #[cfg(target_arch = "x86_64")] SYS_renameat "renameat" [Dir Path Dir Path] Remove;
    #[cfg(target_arch = "x86_64")] SYS_rename "rename" [Path Path] Remove;
    SYS_renameat2 "renameat2" [Dir Path Dir Path Number] Remove;
    SYS_truncate "truncate" [Path Number] Write;
    SYS_setxattr "setxattr" [Path Text Pointer Number Number] WriteAttribute;
    SYS_lsetxattr "lsetxattr" [Path Text Pointer Number Number] WriteAttribute;
    SYS_fsetxattr "fsetxattr" [Fd Text Pointer Number Number] WriteAttribute;
    SYS_removexattr "removexattr" [Path Text] WriteAttribute;
    SYS_fchmodat "fchmodat" [Dir Path Octal] Own;
    SYS_fchmodat2 "fchmodat2" [Dir Path Octal Number] Own;
    SYS_fchmod "fchmod" [Fd Octal] Own;
    #[cfg(target_arch = "x86_64")] SYS_chmod "chmod" [Path Octal] Own;
    SYS_utimensat "utimensat" [Dir Path Pointer Number] Own;
    #[cfg(target_arch = "x86_64")] SYS_utimes "utimes" [Path Pointer] Own;
    #[cfg(target_arch = "x86_64")] SYS_utime "utime" [Path Pointer] Own;
    #[cfg(target_arch = "x86_64")] SYS_futimesat "futimesat" [Dir Path Pointer] Own;
    SYS_fchownat "fchownat" [Dir Path Id Id Number] Chown;
    SYS_fchown "fchown" [Fd Id Id] Chown;
    #[cfg(target_arch = "x86_64")] SYS_chown "chown" [Path Id Id] Chown;
    #[cfg(target_arch = "x86_64")] SYS_lchown "lchown" [Path Id Id] Chown;
    SYS_bind "bind" [Number Address Number] Bind;
    SYS_connect "connect" [Number Address Number] Connect;
    SYS_socket "socket" [Number Number Number] Capability(caps::NET_RAW);
    SYS_kill "kill" [Number Signal] Kill;
    SYS_tkill "tkill" [Number Signal] Kill;
    SYS_tgkill "tgkill" [Number Number Signal] Kill;
    SYS_ptrace "ptrace" [Number Number Pointer Pointer] Ptrace;
    SYS_process_vm_readv "process_vm_readv" [Number Pointer Number Pointer Number Number] Ptrace;
    SYS_setuid "setuid" [Id] Capability(caps::SETUID);
    SYS_setreuid "setreuid" [Id Id] Capability(caps::SETUID);
    SYS_setresuid "setresuid" [Id Id Id] Capability(caps::SETUID);
    SYS_setgid "setgid" [Id] Capability(caps::SETGID);
    SYS_setregid "setregid" [Id Id] Capability(caps::SETGID);
    SYS_setresgid "setresgid" [Id Id Id] Capability(caps::SETGID);
    SYS_setgroups "setgroups" [Number Pointer] Capability(caps::SETGID);
    SYS_capset "capset" [Pointer Pointer] Capability(caps::SETPCAP);
    SYS_chroot "chroot" [Path] Capability(caps::SYS_CHROOT);
    SYS_mount "mount" [Text Path Text Number Pointer] Capability(caps::SYS_ADMIN);
    SYS_umount2 "umount2" [Path Number] Capability(caps::SYS_ADMIN);
    SYS_pivot_root "pivot_root" [Path Path] Capability(caps::SYS_ADMIN);
    SYS_fsopen "fsopen" [Text Number] Capability(caps::SYS_ADMIN);
    SYS_open_tree "open_tree" [Dir Path Number] Capability(caps::SYS_ADMIN);
    SYS_move_mount "move_mount" [Dir Path Dir Path Number] Capability(caps::SYS_ADMIN);
    SYS_unshare "unshare" [Flags] Capability(caps::SYS_ADMIN);
    SYS_setns "setns" [Number Number] Capability(caps::SYS_ADMIN);
    SYS_sethostname "sethostname" [Text Number] Capability(caps::SYS_ADMIN);
    SYS_setdomainname "setdomainname" [Text Number] Capability(caps::SYS_ADMIN);
    SYS_swapon "swapon" [Path Number] Capability(caps::SYS_ADMIN);
    SYS_reboot "reboot" [Number Number Number Pointer] Capability(caps::SYS_BOOT);
    SYS_settimeofday "settimeofday" [Pointer Pointer] Capability(caps::SYS_TIME);
    SYS_clock_settime "clock_settime" [Number Pointer] Capability(caps::SYS_TIME);
    SYS_adjtimex "adjtimex" [Pointer] Capability(caps::SYS_TIME);
    SYS_clock_adjtime "clock_adjtime" [Number Pointer] Capability(caps::SYS_TIME);
    SYS_init_module "init_module" [Pointer Number Text] Capability(caps::SYS_MODULE);
    SYS_finit_module "finit_module" [Number Text Number] Capability(caps::SYS_MODULE);
    SYS_delete_module "delete_module" [Text Number] Capability(caps::SYS_MODULE);
    SYS_syslog "syslog" [Number Pointer Number] Capability(caps::SYSLOG);
    SYS_bpf "bpf" [Number Pointer Number] Capability(caps::SYS_ADMIN);
    SYS_perf_event_open "perf_event_open" [Pointer Number Number Number Number] Capability(caps::SYS_ADMIN);
    SYS_setrlimit "setrlimit" [Limit Pointer] Capability(caps::SYS_RESOURCE);
    SYS_prlimit64 "prlimit64" [Number Limit Pointer Pointer] Capability(caps::SYS_RESOURCE);
    SYS_setpriority "setpriority" [Number Number Number] Capability(caps::SYS_NICE);
    SYS_sched_setscheduler "sched_setscheduler" [Number Number Pointer] Capability(caps::SYS_NICE);
    SYS_sched_setparam "sched_setparam" [Number Pointer] Capability(caps::SYS_NICE);
    SYS_sched_setattr "sched_setattr" [Number Pointer Number] Capability(caps::SYS_NICE);
    SYS_acct "acct" [Path] Capability(caps::SYS_ADMIN);
    SYS_quotactl "quotactl" [Number Path Number Pointer] Capability(caps::SYS_ADMIN);
    SYS_seccomp "seccomp" [Number Number Pointer] Filter;
    SYS_prctl "prctl" [Number Number Pointer] Filter;
};

/// Others, which the system call filter refuses whatever they are about. In no order.
const FILTERED: &[Known] = calls! {
    SYS_add_key "add_key" [Text Text Pointer Number Number] Filter;
    SYS_clone "clone" [Flags Pointer Pointer Pointer Number] Filter;
    SYS_fanotify_init "fanotify_init" [Number Number] Capability(caps::SYS_ADMIN);
    SYS_fsconfig "fsconfig" [Number Number Text Pointer Number] Capability(caps::SYS_ADMIN);
    SYS_fsmount "fsmount" [Number Number Number] Capability(caps::SYS_ADMIN);
    SYS_fspick "fspick" [Dir Path Number] Capability(caps::SYS_ADMIN);
    SYS_get_mempolicy "get_mempolicy" [Pointer Pointer Number Pointer Number] Filter;
    SYS_io_uring_enter "io_uring_enter" [Number Number Number Number Pointer Number] Filter;
    SYS_io_uring_register "io_uring_register" [Number Number Pointer Number] Filter;
    SYS_io_uring_setup "io_uring_setup" [Number Pointer] Filter;
    SYS_ioctl "ioctl" [Number Flags Pointer] Filter;
    #[cfg(target_arch = "x86_64")] SYS_ioperm "ioperm" [Number Number Number] Capability(caps::SYS_RAWIO);
    #[cfg(target_arch = "x86_64")] SYS_iopl "iopl" [Number] Capability(caps::SYS_RAWIO);
    SYS_kcmp "kcmp" [Number Number Number Number Number] Ptrace;
    SYS_kexec_file_load "kexec_file_load" [Number Number Number Text Number] Capability(caps::SYS_BOOT);
    SYS_kexec_load "kexec_load" [Pointer Number Pointer Number] Capability(caps::SYS_BOOT);
    SYS_keyctl "keyctl" [Number Number Number Number Number] Filter;
    SYS_mbind "mbind" [Pointer Number Number Pointer Number Number] Filter;
    SYS_migrate_pages "migrate_pages" [Number Number Pointer Pointer] Filter;
    SYS_mount_setattr "mount_setattr" [Dir Path Number Pointer Number] Capability(caps::SYS_ADMIN);
    SYS_move_pages "move_pages" [Number Number Pointer Pointer Pointer Number] Filter;
    SYS_open_by_handle_at "open_by_handle_at" [Number Pointer Number] Capability(caps::DAC_READ_SEARCH);
    SYS_personality "personality" [Flags] Filter;
    SYS_pidfd_getfd "pidfd_getfd" [Number Number Number] Ptrace;
    SYS_process_madvise "process_madvise" [Number Pointer Number Number Number] Ptrace;
    SYS_quotactl_fd "quotactl_fd" [Number Number Number Pointer] Capability(caps::SYS_ADMIN);
    SYS_request_key "request_key" [Text Text Pointer Number] Filter;
    SYS_set_mempolicy "set_mempolicy" [Number Pointer Number] Filter;
    SYS_set_mempolicy_home_node "set_mempolicy_home_node" [Pointer Number Number Number] Filter;
    SYS_swapoff "swapoff" [Path] Capability(caps::SYS_ADMIN);
    SYS_userfaultfd "userfaultfd" [Number] Filter;
    SYS_vhangup "vhangup" [] Capability(caps::SYS_TTY_CONFIG);
};

/// The call of this number.
pub fn known(number: u64) -> Option<&'static Known> {
    CALLS.iter().chain(FILTERED).find(|known| known.number as u64 == number)
}

/// A path that a call names: from which directory, and its address, none where the descriptor itself is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub dir: i32,
    pub address: Option<u64>,
}

impl Known {
    /// The paths that its arguments name, in order.
    pub fn names(&self, arguments: &[u64; 6]) -> Vec<Named> {
        let mut names = Vec::new();
        for (i, arg) in self.args.iter().enumerate() {
            match arg {
                Arg::Path => {
                    let after = i.checked_sub(1).filter(|&i| self.args[i] == Arg::Dir);
                    let dir = after.map_or(libc::AT_FDCWD, |i| arguments[i] as i32);
                    names.push(Named { dir, address: Some(arguments[i]) });
                }
                Arg::Fd => names.push(Named { dir: arguments[i] as i32, address: None }),
                _ => {}
            }
        }
        names
    }

    /// Whether a symlink at the end of the path is itself meant.
    pub fn stays(&self, arguments: &[u64; 6]) -> bool {
        const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
        match self.does {
            Does::Make | Does::Remove => true,
            Does::Open => self.open_flags(arguments) & libc::O_NOFOLLOW != 0,
            _ if self.name.starts_with('l') || self.name.starts_with("readlink") => true,
            // The flags are the last argument there, but for statx.
            _ if self.name == "statx" => arguments[2] & NOFOLLOW != 0,
            _ if self.args.first() == Some(&Arg::Dir) && self.args.last() == Some(&Arg::Number) => {
                arguments[self.args.len() - 1] & NOFOLLOW != 0
            }
            _ => false,
        }
    }

    /// The flags of one that opens, as far as they stand in the registers.
    pub fn open_flags(&self, arguments: &[u64; 6]) -> i32 {
        if self.name == "creat" {
            return libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
        }
        self.args.iter().position(|arg| *arg == Arg::OpenFlags).map_or(0, |i| arguments[i] as i32)
    }
}
