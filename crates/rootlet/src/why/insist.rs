//! Programs that look at an owner or a mode themselves and end, though nothing refuses them anything: git's "dubious ownership",
//! PostgreSQL's "wrong ownership" and "invalid permissions".

use super::cause::{Cause, Component, Fixes, Refusal};
use super::process::Process;
use super::rights::No;
use rootlet_kernel::trace::detour::Directory;
use rootlet_kernel::trace::{self, Call};
use rootlet_spec::printable;

/// A program that wants a directory to be its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Insists {
    program: &'static str,
    /// What lies in the directory in question.
    pub marker: &'static str,
    /// Bits that the mode must not have.
    forbids: u32,
}

/// As tried: git 2.39 (`ensure_valid_ownership`), PostgreSQL 15 (`checkDataDir`).
const INSISTS: &[Insists] = &[
    Insists { program: "git", marker: ".git", forbids: 0 },
    Insists { program: "postgres", marker: "PG_VERSION", forbids: 0o027 },
];

/// What this program insists on.
pub fn by(program: &[u8]) -> Option<&'static Insists> {
    let name = program.rsplit(|&b| b == b'/').next()?;
    INSISTS.iter().find(|known| known.program.as_bytes() == name)
}

/// The argument that says where a call that looks writes what it finds, a `struct stat`.
fn found(call: u64) -> Option<usize> {
    match call as i64 {
        libc::SYS_newfstatat => Some(2),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat | libc::SYS_lstat => Some(1),
        _ => None,
    }
}

impl Insists {
    /// Which directories the program of this thread would not take, if such a call finds them.
    pub fn interest(&self, tid: i32, call: u64) -> Option<Directory> {
        let (argument, process) = (found(call)?, Process::read(tid)?);
        Some(Directory { argument, not_of: process.who.fsuid, mode: self.forbids })
    }

    /// Whether the program would not take this directory, with this mode and owner, when it is run by `uid`.
    pub fn minds(&self, (mode, owner): (u32, u32), uid: u32) -> bool {
        owner != uid || mode & self.forbids != 0
    }
}

/// Mode and owner of the directory that a call found which went well; `None` where it found something else. It is asked for every call of
/// some programs.
pub fn directory(tid: i32, call: &Call) -> Option<(u32, u32)> {
    let mut found_there = [0; size_of::<libc::stat>()];
    let address = call.arguments[found(call.number)?];
    let n = trace::read_memory(tid, address, &mut found_there).unwrap_or(0);
    let word =
        |offset: usize| found_there[..n].get(offset..)?.first_chunk().map(|word| u32::from_ne_bytes(*word));
    let mode = word(std::mem::offset_of!(libc::stat, st_mode))
        .filter(|mode| mode & libc::S_IFMT == libc::S_IFDIR)?;
    Some((mode, word(std::mem::offset_of!(libc::stat, st_uid))?))
}

/// What was missing of a directory, for whoever insists on more.
pub fn no(by: &Component, uid: u32) -> No {
    let missing = if by.uid == uid { "a mode of its owner's alone" } else { "ownership" };
    No { by: Some(Box::new(by.clone())), missing: missing.into(), cause: Cause::Insists }
}

/// What to change.
pub fn fixes(refusal: &Refusal, by: &Component) -> Fixes {
    let path = printable(&by.path);
    let uid = refusal.who.uid;
    if refusal.program.ends_with("/git") {
        let variables = [
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", &*path),
        ];
        let lines = |line: &dyn Fn(&str, &str) -> String| {
            variables.iter().map(|(name, value)| line(name, value)).collect::<Vec<_>>().join("\n")
        };
        return Fixes {
            dockerfile: format!("RUN git config --system --add safe.directory {path}"),
            kubernetes: format!(
                "env:\n{}",
                lines(&|name, value| format!("- {{name: {name}, value: \"{value}\"}}"))
            ),
            compose: format!("environment:\n{}", lines(&|name, value| format!("  {name}: \"{value}\""))),
            systemd: lines(&|name, value| format!("Environment={name}={value}")),
        };
    }
    if by.uid == uid {
        return Fixes {
            dockerfile: format!("RUN chmod 0700 {path}"),
            kubernetes: format!(
                "env:  # a directory in the volume, which the server makes itself\n- {{name: PGDATA, value: {path}/data}}"
            ),
            compose: format!("environment:\n  PGDATA: {path}/data"),
            systemd: format!("ExecStartPre=+/bin/chmod 0700 {path}"),
        };
    }
    let mut fixes = if by.uid == 0 { Fixes::default() } else { as_owner(by) };
    fixes.dockerfile = format!("RUN chown -R {uid} {path}");
    if fixes.systemd.is_empty() {
        fixes.systemd = format!("ExecStartPre=+/bin/chown -R {uid} {path}");
    }
    fixes
}

/// To be who owns it.
pub fn as_owner(by: &Component) -> Fixes {
    let (uid, gid) = (by.uid, by.gid);
    Fixes {
        dockerfile: format!("USER {uid}:{gid}"),
        kubernetes: format!("securityContext:  # of the pod\n  runAsUser: {uid}\n  runAsGroup: {gid}"),
        compose: format!("user: \"{uid}:{gid}\""),
        systemd: format!("User={uid}\nGroup={gid}"),
    }
}
