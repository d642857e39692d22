//! What is left when somebody is killed: nothing. What happens when there is no room, or no user namespace: a sentence.

#[path = "faults/kills.rs"]
mod kills;

use rootlet::{Base, Rootlet, Store};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

fn alpine() -> Option<Base> {
    alpine_in(&rootlet_tests::store())
}

fn alpine_in(store: &Path) -> Option<Base> {
    let Some(tar) = rootlet_tests::alpine_tar() else {
        rootlet_tests::skipped("no tarball of alpine");
        return None;
    };
    let store = Store::open(store).unwrap();
    Some(Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap())
}

/// Every process and its parent, as /proc tells them.
fn parents() -> BTreeMap<i32, i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let parent = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    numbers.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

/// A process, by a descriptor that stays its own whatever becomes of its number.
struct Process {
    pid: i32,
    /// How far it is below the process that was asked about.
    depth: usize,
    pidfd: OwnedFd,
}

/// `root` and what descends from it.
fn tree(root: i32) -> Vec<Process> {
    let parents = parents();
    let mut found = vec![(root, 0)];
    let mut at = 0;
    while let Some((this, depth)) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, parent)| **parent == this).map(|(pid, _)| (*pid, depth + 1)));
        at += 1;
    }
    let open = |(pid, depth)| {
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Process { pid, depth, pidfd })
    };
    found.into_iter().filter_map(open).collect()
}

fn wait_for_end(process: &Process) {
    let limit = rustix::time::Timespec { tv_sec: 60, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&process.pidfd, PollFlags::IN)], Some(&limit)).unwrap();
    let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    assert!(ended > 0, "the process {} ({}) is left behind", process.pid, name.trim());
}

#[test]
fn a_nursery_that_was_killed_is_replaced() {
    rootlet_tests::alone(|| {
        let Some(base) = alpine() else { return };
        let first = Rootlet::builder(&base).spawn().unwrap();
        let nursery = tree(std::process::id() as i32).into_iter().filter(|process| {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid));
            name.unwrap_or_default() == "rootlet-nursery\n"
        });
        for process in nursery {
            pidfd_send_signal(&process.pidfd, Signal::KILL).unwrap();
            wait_for_end(&process);
        }
        let second = Rootlet::builder(&base).spawn().unwrap();
        assert!(second.command("true").status().unwrap().success());
        // What lived goes on: only its maker is gone.
        assert!(first.command("true").status().unwrap().success());
    });
}

#[test]
fn a_rootlet_that_was_killed_says_so() {
    let Some(base) = alpine() else { return };
    let root = Rootlet::builder(&base).spawn().unwrap();
    let mut child = root.command("sleep").arg("1000").spawn().unwrap();
    let pid = root.host_pid().unwrap() as i32;
    let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    pidfd_send_signal(&process, Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap_err().kind(), rootlet::ErrorKind::Ended);
    assert_eq!(root.command("true").status().unwrap_err().kind(), rootlet::ErrorKind::Ended);
    assert_eq!(root.read("/etc/motd").unwrap_err().raw_os_error(), Some(3));
}

#[test]
fn a_thousand_rootlets_leave_no_growth() {
    rootlet_tests::alone(|| {
        let Some(base) = alpine() else { return };
        let round = || {
            let root = Rootlet::builder(&base).user("sam").spawn().unwrap();
            assert!(root.command("true").status().unwrap().success());
        };
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let resident = || -> u64 {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            text.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let nursery_mounts = || -> usize {
            tree(std::process::id() as i32)
                .iter()
                .filter_map(|process| {
                    std::fs::read_to_string(format!("/proc/{}/mountinfo", process.pid)).ok()
                })
                .map(|text| text.lines().count())
                .sum()
        };
        let ended = || {
            // Without namespaces the first process of a root ends those in it, and itself, when nobody waits any more.
            let all = tree(std::process::id() as i32).into_iter();
            all.filter(|process| rootlet_tests::chroot() && process.depth > 1).for_each(|p| wait_for_end(&p));
        };
        (0..50).for_each(|_| round());
        ended();
        let before = (descriptors(), tree(std::process::id() as i32).len(), nursery_mounts());
        let memory = resident();
        (0..1000).for_each(|_| round());
        ended();
        assert_eq!(before, (descriptors(), tree(std::process::id() as i32).len(), nursery_mounts()));
        // In pages. An allocator may keep a few.
        assert!(resident() <= memory + 64, "{memory} pages became {}", resident());
    });
}

/// An ordinary user's nursery waits for other programs while it starts: here they kill it. Another tier is not what helps.
#[test]
fn a_nursery_killed_while_it_starts_says_nothing_of_the_host() {
    if rustix::process::geteuid().is_root() || rootlet_tests::one_id() {
        return;
    }
    let Some(base) = alpine() else { return };
    let programs = tempfile::tempdir().unwrap();
    for name in ["newuidmap", "newgidmap"] {
        let path = programs.path().join(name);
        std::fs::write(&path, "#!/bin/sh\nkill -9 $1\nexit 1\n").unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = rootlet_tests::rootlet_command();
    command.args(["run", "--base", base.name(), "--", "true"]);
    let out =
        command.env("PATH", programs.path()).env("ROOTLET_STORE", rootlet_tests::store()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(125) && said.contains("it was killed"), "{said}");
}

#[test]
fn no_user_namespaces_is_a_sentence() {
    rootlet_tests::needs_namespaces!("refusal to make one");
    rootlet_tests::alone(|| {
        let Some(base) = alpine() else { return };
        // A user namespace of this test's own, in which no other can be made.
        let script =
            "echo 0 > /proc/sys/user/max_user_namespaces || exit 77; exec \"$0\" run --base \"$1\" -- true";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", script]);
        command.arg(rootlet_tests::rootlet_command().get_program()).arg(base.name());
        command.env("ROOTLET_STORE", rootlet_tests::store());
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        if out.status.code() == Some(77) {
            rootlet_tests::skip!("/proc/sys cannot be written in this container");
        }
        assert_eq!(out.status.code(), Some(125), "{said}");
        assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
    });
}
