//! Seeing that nothing is left behind. (xtask includes this file, too: it looks the same way at a whole run.)

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open, set_child_subreaper};
use std::collections::BTreeSet;
use std::{fmt, fs};

/// What this process and the machine hold at one moment: mounts, descriptors, children.
///
/// Meant for a process of its own: beside other tests it would see theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftovers {
    things: BTreeSet<String>,
}

impl Leftovers {
    /// Looks, and from now on is the one that orphans come to: what a killed process leaves running becomes our child,
    /// whoever started it and whatever it is called.
    pub fn before() -> Leftovers {
        set_child_subreaper(Some(getpid())).expect("Linux has subreapers");
        Leftovers { things: things(&children()) }
    }

    /// What is there now and was not before, one line each.
    pub fn left(&self) -> Vec<String> {
        // The kernel takes a moment to end a tree of processes, and one that ends may leave its own children to us: look
        // again until no new one ends any more.
        loop {
            let children = children();
            if !children.iter().filter(|child| !self.things.contains(&child.to_string())).any(ends_soon) {
                return things(&children).difference(&self.things).cloned().collect();
            }
        }
    }
}

fn things(children: &[Child]) -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is there");
    let mut things: BTreeSet<String> = mounts.lines().map(|mount| format!("mount {mount}")).collect();
    things.extend(descriptors());
    things.extend(children.iter().map(Child::to_string));
    things
}

fn descriptors() -> impl Iterator<Item = String> {
    let open = fs::read_dir("/proc/self/fd").expect("/proc is there").flatten();
    let links = open.filter_map(|entry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?)));
    // The directory being read is open too, under a number that is free again afterwards.
    let kept = links.filter(|(_, target)| !target.starts_with("/proc"));
    kept.map(|(number, target)| format!("descriptor {} {}", number.display(), target.display()))
}

/// A child of this process that has not ended, on whatever thread it was made.
struct Child {
    pid: i32,
    name: String,
}

impl fmt::Display for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} {}", self.name, self.pid)
    }
}

fn children() -> Vec<Child> {
    let parent = format!("\nPPid:\t{}\n", std::process::id());
    let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
    let statuses = processes.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    let ours = statuses.filter(|status| status.contains(&parent) && !status.contains("\nState:\tZ"));
    ours.filter_map(|status| {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        Some(Child { pid: field("Pid:\t")?.parse().ok()?, name: field("Name:\t")?.into() })
    })
    .collect()
}

fn ends_soon(child: &Child) -> bool {
    let pid = Pid::from_raw(child.pid).expect("a process has a number");
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let patience = Timespec { tv_sec: 3, tv_nsec: 0 };
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).is_ok_and(|ended| ended > 0)
}
