//! Nothing may be left behind: what a run of the tests leaves on the machine is a failure of that run.

use crate::Result;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How the machine looked before.
pub struct Before {
    mounts: BTreeSet<String>,
}

impl Before {
    /// Looks, and makes this process the one that orphans come to: whatever a killed caller leaves running becomes our
    /// child, whoever started it and whatever it is called.
    pub fn look() -> Result<Before> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|e| e.to_string())?;
        Ok(Before { mounts: mounts()? })
    }

    /// Compares, and names everything that was not there before. `scratch` was the tests' `TMPDIR`.
    pub fn nothing_left(&self, scratch: &[&Path]) -> Result<()> {
        let mut left: Vec<String> =
            orphans().into_iter().map(|process| format!("process {process}")).collect();
        left.extend(mounts()?.difference(&self.mounts).map(|mount| format!("mount {mount}")));
        for directory in scratch {
            let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
            left.extend(entries.flatten().map(|entry| format!("file {}", entry.path().display())));
        }
        if left.is_empty() { Ok(()) } else { Err(format!("left behind:\n    {}", left.join("\n    "))) }
    }
}

fn mounts() -> Result<BTreeSet<String>> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(|e| e.to_string())?;
    Ok(table.lines().map(str::to_owned).collect())
}

/// Our children that still run. The end of a process tree takes the kernel a moment, hence the patience.
fn orphans() -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let found = children();
        if found.is_empty() || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn children() -> Vec<String> {
    let me = format!("\nPPid:\t{}\n", std::process::id());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
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
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_seen_until_it_ends() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let it = format!("cat {}", child.id());
        assert!(children().contains(&it));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!children().contains(&it));
    }
}
