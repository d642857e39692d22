//! Seeing that nothing is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// What this process and the machine held at one moment: mounts, descriptors, children.
///
/// Meant for a process of its own (see [`crate::alone`]): beside other tests it would see theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftovers {
    mounts: BTreeSet<String>,
    descriptors: BTreeSet<String>,
    children: BTreeSet<String>,
}

impl Leftovers {
    /// Looks. From now on orphans of this process become its children, so that a process which outlives a killed parent
    /// is seen as well.
    pub fn now() -> Leftovers {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("Linux has subreapers");
        Leftovers { mounts: mounts(), descriptors: descriptors(), children: children() }
    }

    /// Fails unless everything is again as it was. Namespaces end a moment after their last process, hence the patience;
    /// nothing that was leaked goes away by waiting.
    #[track_caller]
    pub fn assert_none(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Leftovers::now() != *self && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(*self, Leftovers::now(), "left: before, right: after");
    }
}

fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc is there");
    table.lines().map(str::to_owned).collect()
}

fn descriptors() -> BTreeSet<String> {
    let open = fs::read_dir("/proc/self/fd").expect("/proc is there").flatten();
    // The directory being read is open too, under a number that is free again afterwards.
    let kept = open.filter_map(|entry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?)));
    let kept = kept.filter(|(_, target)| !target.starts_with("/proc"));
    kept.map(|(number, target)| format!("{} {}", number.display(), target.display())).collect()
}

/// Children of this process, on whatever thread they were made, that have not ended.
fn children() -> BTreeSet<String> {
    let me = format!("\nPPid:\t{}\n", std::process::id());
    let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
    let statuses = processes.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    statuses
        .filter(|status| status.contains(&me) && !status.contains("\nState:\tZ"))
        .map(|status| named(&status))
        .collect()
}

/// `NAME PID` from /proc/PID/status.
fn named(status: &str) -> String {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
    format!("{} {}", field("Name:\t"), field("Pid:\t"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alone;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_and_a_descriptor_are_seen_until_they_go() {
        alone(|| {
            let before = Leftovers::now();
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let during = Leftovers::now();
            assert_eq!(during.children.len(), before.children.len() + 1);
            assert_eq!(during.descriptors.len(), before.descriptors.len() + 1);
            drop(child.stdin.take());
            child.wait().unwrap();
            before.assert_none();
        });
    }
}
