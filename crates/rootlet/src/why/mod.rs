//! Why a command was refused something: it is traced, and each refusal is explained with the path, who asked, the right that was
//! missing, and what to change.
//!
//! ```text
//! pid 1        forks the command, which waits
//! library      finds it on the host, seizes it (`tracer`), lets it go on
//! command      comes under a filter (`filter`) that hands some calls to the tracer, and executes
//! tracer       refuses what the bounds of a root refuse whose commands are all traced (`Spec::explain`);
//!              sees the result of each such call; of one that was refused it reads the arguments (`watch`, `calls`),
//!              looks at each part of its path as root, through pid 1 (`look`), reads who asked (`process`),
//!              and applies the kernel's rules (`judge`, `rights`) until one says no
//! ```

mod calls;
mod cause;
mod detours;
mod filter;
mod fixes;
mod gathered;
mod github;
mod insist;
mod interpreters;
mod judge;
mod log;
mod look;
mod print;
mod process;
mod quiet;
mod rights;
mod text;
mod tracer;
mod watch;

pub use cause::{Asker, Cause, Component, Fixes, Refusal};
pub(crate) use gathered::{Gathered, Traced};

use crate::rootlet::Live;
use crate::{Error, ErrorKind, Result, seccomp};
use rootlet_kernel::{Exec, Waiting};
use rootlet_spec::Net;
use serde::Serialize;
use std::process::Output;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A command that ran, and what it was refused.
#[derive(Clone, Debug)]
pub struct Explained {
    /// How it ended, and what it wrote.
    pub output: Output,
    /// What it was refused.
    pub why: Why,
}

/// What a command was refused: first what made it fail, the last of it before the others, then what it was prepared for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The refusals, each once.
    pub refusals: Vec<Refusal>,
    /// What could not be seen.
    pub not_seen: Vec<String>,
}

/// What the tracing thread writes, and others read.
#[derive(Debug, Default)]
struct Shared {
    log: Mutex<log::Log>,
    /// The command has ended, or its tracer has.
    over: Condvar,
}

/// A command that is being traced, for [`Tracing::why`] when it has ended.
#[derive(Debug)]
pub struct Tracing {
    shared: Arc<Shared>,
    one_id: bool,
    /// Pid 1 tells what it refuses, and not what becomes of the rest.
    left_to_the_kernel: bool,
    filtered: bool,
    /// What the calling process cannot see: a filter that it is under itself refuses without telling a tracer.
    unseen: Vec<&'static str>,
}

impl Tracing {
    /// What was refused so far. `succeeded`: how the command ended, `None` while it runs. What it left running is traced on.
    pub fn why(&self, succeeded: Option<bool>) -> Why {
        let mut log = tracer::lock(&self.shared.log);
        // Whoever waits for the command may hear of its end before the tracer has written it down.
        while succeeded.is_some() && !log.is_over() {
            log = self.shared.over.wait(log).unwrap_or_else(PoisonError::into_inner);
        }
        let (refusals, mut not_seen) = log.told(succeeded != Some(true));
        not_seen.extend(self.one_id.then(|| ONE_ID.to_owned()));
        let explained = succeeded == Some(true) || refusals.iter().any(|refusal| !refusal.handled);
        not_seen.extend((self.left_to_the_kernel && !explained).then(|| LEFT.to_owned()));
        not_seen.extend((self.filtered && !explained).then(|| FILTERED.to_owned()));
        not_seen.extend(self.unseen.iter().filter(|_| !explained).map(|&what| what.to_owned()));
        not_seen.extend((log.is_blind() && !explained).then(|| BLIND.to_owned()));
        Why { refusals, not_seen }
    }
}

const ONE_ID: &str = "calls that pid 1 answers, where there is one id: chmod, chown, utimes, link, setuid and their kin; `Builder::explain` has them seen";
// To be told of these, too, a thread would have to be sent a signal before it makes the call, which ends the copying of a file
// by overlayfs, so that the call is made again, and again.
const LEFT: &str = "calls that pid 1 is asked about, where there is one id, and leaves to the kernel, which refuses them: setxattr, and unlink and rename once others' files lie in a sticky directory";
const FILTERED: &str = "calls that the system call filter refuses, such as mount and unshare: try once without it (--security-opt seccomp=unconfined)";

const AROUND: &str = "calls that the system call filter of the container around this one refuses, such as mount and unshare in docker's: try once in docker run --security-opt seccomp=unconfined";

const BLIND: &str = "setuid programs that gain nothing: without CAP_SYS_PTRACE, this process may not see which program runs (docker run --cap-add SYS_PTRACE)";

/// What the calling process cannot see, whatever the root is.
fn unseen_from_here() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let is_filtered =
        status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"));
    is_filtered.then_some(AROUND).into_iter().collect()
}

/// The filter that such a command is started with: where all commands of a root are traced, its bounds' refusals come with it.
pub(crate) fn filter(live: &Live) -> Result<Vec<u8>> {
    Ok(filter::filter(bounds(live)?))
}

/// What the tracer refuses, as a filter that tells it so; empty where a filter of the nursery's does that, or none.
fn bounds(live: &Live) -> Result<Vec<seccompiler::sock_filter>> {
    if !live.spec.explain || live.spec.seccomp_unconfined {
        return Ok(Vec::new());
    }
    Ok(seccomp::traced(live.capabilities()?, rootlet_kernel::trace::REFUSED))
}

/// Traces a command that waits for it.
pub(crate) fn trace(live: &Live, exec: &Exec, waiting: &Waiting) -> Result<Tracing> {
    let shared = Arc::new(Shared::default());
    tracer::start(waiting.host_pid(), watch(live, exec)?, shared.clone()).map_err(|e| {
        Error::new(ErrorKind::Host, "failed to trace the command")
            .caused_by(e)
            .with_hint("this host does not allow ptrace(2): docker's default container needs --cap-add SYS_PTRACE, others a Yama ptrace_scope below 3")
    })?;
    let one_id = live.map.one.is_some();
    Ok(Tracing {
        shared,
        one_id: one_id && !live.spec.explain,
        left_to_the_kernel: one_id && live.spec.explain,
        filtered: !live.spec.seccomp_unconfined && !live.spec.explain,
        unseen: unseen_from_here(),
    })
}

fn watch(live: &Live, exec: &Exec) -> Result<watch::Watch> {
    let variable = |name: &[u8]| exec.env.iter().find_map(|v| v.strip_prefix(name)?.strip_prefix(b"="));
    let who = rootlet_kernel::Who::default();
    let is_directory = |path: &[u8]| {
        live.init.stat(&who, 0, path, true).is_ok_and(|stat| stat.mode as u32 & libc::S_IFMT == libc::S_IFDIR)
    };
    let home = variable(b"HOME").filter(|home| home.starts_with(b"/"));
    let passwd = crate::Files::new(live.init.clone(), who.clone()).read("/etc/passwd").unwrap_or_default();
    let uid = exec.who.uid.to_string();
    let has_entry =
        passwd.split(|&b| b == b'\n').any(|line| line.split(|&b| b == b':').nth(2) == Some(uid.as_bytes()));
    Ok(watch::Watch {
        init: live.init.clone(),
        root: watch::root(live.capabilities()?),
        groups: live.map.one.is_some().then(|| exec.who.groups.clone()),
        home: home.map(|home| String::from_utf8_lossy(home).into_owned()),
        missing_home: home.filter(|home| !is_directory(home)).map(<[u8]>::to_vec),
        nobody: (!has_entry).then_some(exec.who.uid),
        no_new_privs: exec.no_new_privs,
        base: base(live),
        bounds: bounds(live)?,
        in_hosts_network: live.spec.net == Net::Host && live.skeleton.is_none(),
        program: exec.argv.first().cloned().unwrap_or_default(),
    })
}

/// Pid 1's root, seen from the host.
fn base(live: &Live) -> Vec<u8> {
    let skeleton = || {
        live.skeleton.as_ref().map(|(skeleton, _)| skeleton.path().as_os_str().as_encoded_bytes().to_vec())
    };
    // Where this process may not look, it is a directory of the host only without namespaces.
    let seen = process::link(live.init.host_pid().unwrap_or_default() as i32, "root", b"/");
    seen.or_else(skeleton).unwrap_or_else(|| b"/".to_vec())
}
