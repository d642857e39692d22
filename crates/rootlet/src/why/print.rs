//! A call as strace(1) prints it.

use super::calls::{Arg, Does, Known};
use rootlet_spec::Ulimit;
use std::fmt::Write as _;

impl Known {
    /// As strace(1) prints it, without the result. `strings` are the paths and texts in order, `flags` those of openat2.
    pub fn print(
        &self,
        arguments: &[u64; 6],
        strings: &[String],
        address: Option<&str>,
        flags: i32,
    ) -> String {
        let mut strings = strings.iter();
        let mut text = format!("{}(", self.name);
        for (i, arg) in self.args.iter().enumerate() {
            let value = arguments[i];
            if self.is_left_out(i, flags) {
                break;
            }
            let comma = if i > 0 { ", " } else { "" };
            let shown = match arg {
                Arg::Dir if value as i32 == libc::AT_FDCWD => "AT_FDCWD".into(),
                Arg::Dir | Arg::Fd | Arg::Number => (value as i32).to_string(),
                Arg::Path | Arg::Text => match strings.next() {
                    Some(string) => format!("\"{}\"", string.escape_debug()),
                    None if value == 0 => "NULL".into(),
                    None => format!("{value:#x}"),
                },
                Arg::OpenFlags => open_flags(value as i32),
                Arg::How => format!("{{flags={}}}", open_flags(flags)),
                Arg::Octal => format!("{:04o}", value as u32),
                Arg::Flags => format!("{value:#x}"),
                Arg::AccessMode => access_mode(value as i32),
                Arg::Id => (value as u32 as i32).to_string(),
                Arg::Pointer if value == 0 => "NULL".into(),
                Arg::Pointer => "…".into(),
                Arg::Signal => signal(value as i32),
                Arg::Limit => limit(value as u32),
                Arg::Address => address.unwrap_or("…").to_owned(),
            };
            let _ = write!(text, "{comma}{shown}");
        }
        text + ")"
    }

    /// The mode of a call that makes nothing.
    fn is_left_out(&self, i: usize, flags: i32) -> bool {
        self.does == Does::Open
            && self.args[i] == Arg::Octal
            && self.name != "creat"
            && flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) == 0
    }
}

fn names(value: i32, table: &[(i32, &str)], begin: Option<&str>) -> String {
    let mut rest = value;
    let mut said: Vec<String> = begin.map(str::to_owned).into_iter().collect();
    for &(bits, name) in table {
        if bits != 0 && rest & bits == bits {
            said.push(name.into());
            rest &= !bits;
        }
    }
    if rest != 0 || said.is_empty() {
        said.push(format!("{rest:#x}"));
    }
    said.join("|")
}

fn open_flags(flags: i32) -> String {
    let (access, name) = match flags & libc::O_ACCMODE {
        libc::O_WRONLY => (libc::O_WRONLY, "O_WRONLY"),
        libc::O_RDWR => (libc::O_RDWR, "O_RDWR"),
        access => (access, "O_RDONLY"),
    };
    let table = [
        (libc::O_TMPFILE, "O_TMPFILE"),
        (libc::O_CREAT, "O_CREAT"),
        (libc::O_EXCL, "O_EXCL"),
        (libc::O_NOCTTY, "O_NOCTTY"),
        (libc::O_TRUNC, "O_TRUNC"),
        (libc::O_APPEND, "O_APPEND"),
        (libc::O_NONBLOCK, "O_NONBLOCK"),
        (libc::O_SYNC, "O_SYNC"),
        (libc::O_DIRECT, "O_DIRECT"),
        (0o100000, "O_LARGEFILE"),
        (libc::O_DIRECTORY, "O_DIRECTORY"),
        (libc::O_NOFOLLOW, "O_NOFOLLOW"),
        (libc::O_NOATIME, "O_NOATIME"),
        (libc::O_CLOEXEC, "O_CLOEXEC"),
        (libc::O_PATH, "O_PATH"),
    ];
    if flags == access { name.into() } else { names(flags & !access, &table, Some(name)) }
}

fn access_mode(mode: i32) -> String {
    let table = [(libc::R_OK, "R_OK"), (libc::W_OK, "W_OK"), (libc::X_OK, "X_OK")];
    if mode == libc::F_OK { "F_OK".into() } else { names(mode, &table, None) }
}

fn signal(number: i32) -> String {
    const NAMES: [&str; 20] = [
        "0",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
    ];
    NAMES.get(number as usize).map_or_else(|| number.to_string(), |name| (*name).into())
}

/// `RLIMIT_NOFILE`
fn limit(resource: u32) -> String {
    let limit = Ulimit { resource, soft: 0, hard: 0 };
    limit.name().map_or_else(|| resource.to_string(), |name| format!("RLIMIT_{}", name.to_uppercase()))
}
