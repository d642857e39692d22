//! Programs that look at an owner or a mode themselves and end, though nothing refuses them anything: git's "dubious ownership",
//! PostgreSQL's "wrong ownership" and "invalid permissions".

use super::cause::{Cause, Component, Fixes, Refusal};
use super::fixes::done_by_root;
use super::process::Process;
use super::rights::No;
use crate::words::{quoted, shell, unit, yaml};
use rootlet_kernel::trace::detour::Directory;
use rootlet_kernel::trace::{self, Call};

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
    let path = by.path.as_str();
    let uid = refusal.who.uid;
    if refusal.program.ends_with("/git") {
        let variables =
            [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", path)];
        let lines = |line: &dyn Fn(&str, &str) -> String| {
            variables.iter().map(|(name, value)| line(name, value)).collect::<Vec<_>>().join("\n")
        };
        return Fixes {
            dockerfile: format!("RUN git config --system --add safe.directory {}", shell(path)),
            kubernetes: format!(
                "env:\n{}",
                lines(&|name, value| format!("- {{name: {name}, value: {}}}", quoted(value, '"')))
            ),
            compose: format!(
                "environment:\n{}",
                lines(&|name, value| format!("  {name}: {}", quoted(value, '"')))
            ),
            systemd: lines(&|name, value| format!("Environment={}", unit(&format!("{name}={value}")))),
        };
    }
    if by.uid == uid {
        let below = format!("{}/data", path.trim_end_matches('/'));
        return Fixes {
            kubernetes: format!(
                "env:  # a directory in the volume, which the server makes itself\n- {{name: PGDATA, value: {}}}",
                yaml(&below)
            ),
            compose: format!("environment:\n  PGDATA: {}", yaml(&below)),
            ..done_by_root("chmod 0700", path)
        };
    }
    let owned = done_by_root(&format!("chown -R {uid}"), path);
    match by.uid {
        0 => owned,
        _ => Fixes { dockerfile: owned.dockerfile, ..as_owner(by) },
    }
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
