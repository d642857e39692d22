//! Limits of the whole tree of processes: a cgroup (v2) where this process may make one, else limits of each process,
//! and said which.

use crate::cgroup::{Cgroup, Setting, Why};
use crate::report::Report;
use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_kernel::Init;
use rootlet_spec::{Limits, Spec, Ulimit};
use rustix::process::{Resource, getrlimit};

/// Limits a rootlet that runs nothing yet. `None` when there are no limits, or no cgroup can be made: [`rlimits`] then take its
/// place, which the report says.
pub(crate) fn keep(init: &Init, limits: &Limits, report: &mut Report) -> Result<Option<Cgroup>> {
    if *limits == Limits::default() {
        return Ok(None);
    }
    match cgroup(init, limits)? {
        Ok(cgroup) => {
            report.limits_by = Some("cgroup");
            Ok(Some(cgroup))
        }
        Err(why) => {
            report.limits_by = Some("rlimit");
            report.not_reproduced.push(format!(
                "limits of the whole tree: no cgroup can be made here ({why}; see `rootlet doctor`); memory is limited in \
                 each process, the number of processes for each user in all rootlets of the caller, cpus not at all"
            ));
            Ok(None)
        }
    }
}

/// A cgroup with these limits around a rootlet, or why there can be none.
pub(crate) fn cgroup(init: &Init, limits: &Limits) -> Result<std::result::Result<Cgroup, Why>> {
    let pid = init.host_pid().map_err(|e| {
        Error::new(ErrorKind::Setup, "failed to find the first process of the rootlet").caused_by(e)
    })?;
    Ok(Cgroup::around(pid, &settings(limits)))
}

fn settings(limits: &Limits) -> Vec<Setting> {
    let setting = |controller, file, value: String| Setting { controller, file, value, optional: false };
    let memory = limits.memory.map(|bytes| setting("memory", "memory.max", bytes.to_string()));
    // Memory that is swapped out is used all the same.
    let no_swap = Setting { optional: true, ..setting("memory", "memory.swap.max", "0".into()) };
    // pid 1 is not the caller's.
    let pids = limits.pids.map(|n| setting("pids", "pids.max", n.saturating_add(1).to_string()));
    // Microseconds of each tenth of a second; the kernel takes no less than a thousand.
    let quota = |cpus: f64| ((cpus * 100_000.0) as u64).max(1000);
    let cpus = limits.cpus.map(|cpus| setting("cpu", "cpu.max", format!("{} 100000", quota(cpus))));
    let swap = memory.is_some().then_some(no_swap);
    [memory, swap, pids, cpus].into_iter().flatten().collect()
}

/// The same limits for each process, where there is no cgroup: resource, soft and hard (setrlimit(2)).
///
/// `ours`: how many processes and threads of rootlet's own are counted as the user's.
pub(crate) fn rlimits(limits: &Limits, ours: u32) -> Vec<(u32, u64, u64)> {
    let memory = limits.memory.map(|bytes| (Resource::As as u32, bytes, bytes));
    let pids = limits.pids.map(|n| u64::from(n) + u64::from(ours));
    let pids = pids.map(|n| (Resource::Nproc as u32, n, n));
    let lowered = |(resource, soft, hard): (u32, u64, u64)| {
        let highest = highest(resource);
        (resource, soft.min(highest), hard.min(highest))
    };
    memory.into_iter().chain(pids).map(lowered).collect()
}

/// Each at its number (`asm-generic/resource.h`).
const RESOURCES: [Resource; 16] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

/// The highest that this process may give to others: only CAP_SYS_RESOURCE of the host raises a hard limit (setrlimit(2)).
fn highest(resource: u32) -> u64 {
    let known = RESOURCES.get(resource as usize);
    known.map_or(u64::MAX, |&known| getrlimit(known).maximum.unwrap_or(u64::MAX))
}

/// What production allows beyond that is lowered to it, which the report says: systemd and docker's daemon have the capability,
/// and the service that they start is to be tested all the same.
pub(crate) fn lower(spec: &mut Spec, report: &mut Report) {
    let mut lowered = Vec::new();
    for limit in &mut spec.ulimits {
        let hard = limit.hard.min(highest(limit.resource));
        let less = Ulimit { resource: limit.resource, soft: limit.soft.min(hard), hard };
        if less != *limit {
            lowered.push(format!("{limit} ({})", less.value()));
            *limit = less;
        }
    }
    if !lowered.is_empty() {
        report.not_reproduced.push(format!(
            "limits above the caller's own, which stay at those (`ulimit -H`): {}",
            lowered.join(", ")
        ));
    }
}

impl Rootlet {
    /// How many of its processes the kernel has killed because the rootlet's limit of memory was reached. Always 0 where no
    /// cgroup keeps the limits ([`Report::limits_by`]): there a process is refused memory instead.
    pub fn oom_kills(&self) -> u64 {
        self.live().cgroup.as_ref().map_or(0, Cgroup::oom_kills)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_settings_of_a_cgroup() {
        let limits = Limits { memory: Some(1 << 20), pids: Some(20), cpus: Some(1.5) };
        let told: Vec<_> = settings(&limits).into_iter().map(|s| (s.file, s.value)).collect();
        let expected = [
            ("memory.max", "1048576"),
            ("memory.swap.max", "0"),
            ("pids.max", "21"),
            ("cpu.max", "150000 100000"),
        ];
        assert_eq!(told, expected.map(|(file, value)| (file, value.to_owned())));
        let little = Limits { cpus: Some(0.001), ..Limits::default() };
        assert_eq!(settings(&little)[0].value, "1000 100000");
        assert_eq!(settings(&Limits::default()), []);
    }
}
