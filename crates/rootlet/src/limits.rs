//! Limits of the whole tree of processes: a cgroup (v2) where this process may make one, else limits of each process,
//! and said which.

use crate::report::Report;
use crate::{Error, ErrorKind, Result};
use rootlet_kernel::Init;
use rootlet_spec::Limits;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A cgroup around one rootlet; removed with it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Puts a cgroup with these limits around a rootlet that runs nothing yet. `None` when there are no limits, or no
    /// cgroup can be made: [`rlimits`] then takes their place, which the report says.
    pub fn around(init: &Init, limits: &Limits, report: &mut Report) -> Result<Option<Self>> {
        if *limits == Limits::default() {
            return Ok(None);
        }
        match Self::make(init, limits) {
            Ok(cgroup) => {
                report.limits_by = Some("cgroup");
                Ok(Some(cgroup))
            }
            Err(Unavailable::Host(why)) => {
                report.limits_by = Some("rlimit");
                let note = "limits of the whole tree: no cgroup can be made here";
                report.not_reproduced.push(format!(
                    "{note} ({why}); memory is limited in each process, the number of processes for each user \
                     in all rootlets of the caller, cpus not at all"
                ));
                Ok(None)
            }
            Err(Unavailable::Refused(what, e)) => Err(Error::new(ErrorKind::Setup, what).caused_by(e)),
        }
    }

    fn make(init: &Init, limits: &Limits) -> Result<Self, Unavailable> {
        let parent = own_cgroup().ok_or(Unavailable::Host("no cgroup v2 is mounted".into()))?;
        let has = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
        let wanted = [
            ("memory", limits.memory.is_some()),
            ("pids", limits.pids.is_some()),
            ("cpu", limits.cpus.is_some()),
        ];
        for (controller, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
            if !has.split_whitespace().any(|c| c == *controller) {
                return Err(Unavailable::Host(format!(
                    "the controller {controller} is not delegated to {}",
                    parent.display()
                )));
            }
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rootlet-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        let enable: Vec<_> = wanted.iter().filter(|(_, w)| *w).map(|(c, _)| format!("+{c}")).collect();
        // Refused with EBUSY where this process itself sits in the parent: cgroups(7), "no internal processes".
        fs::write(parent.join("cgroup.subtree_control"), enable.join(" "))
            .and_then(|()| fs::create_dir(&path))
            .map_err(|e| Unavailable::Host(format!("{}: {e}", parent.display())))?;
        let cgroup = Self { path };
        cgroup.set("memory.max", limits.memory)?;
        // A kernel may be built without swap accounting.
        let _ = cgroup.set("memory.swap.max", limits.memory.map(|_| 0));
        cgroup.set("pids.max", limits.pids.map(|n| n.saturating_add(1)))?;
        cgroup.set("cpu.max", limits.cpus.map(|n| format!("{} 100000", (n * 100_000.0) as u64)))?;
        let pid = init
            .host_pid()
            .map_err(|e| Unavailable::Refused("failed to find pid 1 of the rootlet".into(), e))?;
        cgroup.set("cgroup.procs", Some(pid))?;
        Ok(cgroup)
    }

    fn set(&self, file: &str, value: Option<impl ToString>) -> Result<(), Unavailable> {
        let Some(value) = value else { return Ok(()) };
        let path = self.path.join(file);
        fs::write(&path, value.to_string())
            .map_err(|e| Unavailable::Refused(format!("failed to write {}", path.display()), e))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The rootlet has ended when this is dropped, so nothing is in it.
        let _ = fs::remove_dir(&self.path);
    }
}

enum Unavailable {
    Host(String),
    Refused(String, io::Error),
}

/// This process's own cgroup in the v2 hierarchy.
fn own_cgroup() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .map(Path::new)
        .find(|root| root.join("cgroup.controllers").exists())
        .map(|root| root.join(own))
}

/// The controllers that may be used below this process's own cgroup, or why there are none.
pub(crate) fn delegated() -> std::result::Result<String, String> {
    let parent = own_cgroup().ok_or("no cgroup v2 is mounted")?;
    let has = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
    let writable =
        rustix::fs::access(parent.join("cgroup.subtree_control"), rustix::fs::Access::WRITE_OK).is_ok();
    let wanted = ["memory", "pids", "cpu"];
    let missing: Vec<_> =
        wanted.iter().filter(|w| !has.split_whitespace().any(|c| c == **w)).copied().collect();
    match (missing.is_empty(), writable) {
        (false, _) => Err(format!("{} has no {}", parent.display(), missing.join(", "))),
        (true, false) => Err(format!("{} may not be changed by this user", parent.display())),
        (true, true) => Ok(wanted.join(", ")),
    }
}

/// The same limits for each process, where there is no cgroup: resource, soft and hard (setrlimit(2)).
pub(crate) fn rlimits(limits: &Limits) -> Vec<(u32, u64, u64)> {
    let memory = limits.memory.map(|bytes| (libc::RLIMIT_AS, bytes, bytes));
    let pids = limits.pids.map(|n| (libc::RLIMIT_NPROC, u64::from(n), u64::from(n)));
    memory.into_iter().chain(pids).collect()
}
