//! What is left when somebody is killed: nothing. What happens when there is no room, or no user namespace: a sentence.

use rootlet::{Base, Rootlet, Store};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

fn alpine() -> Option<Base> {
    let Some(tar) = rootlet_tests::alpine_tar() else {
        rootlet_tests::skipped("no tarball of alpine");
        return None;
    };
    let store = Store::open(rootlet_tests::store()).unwrap();
    Some(Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap())
}

const VICTIM: &str = "ROOTLET_TEST_VICTIM";

/// Not a test of its own: the process that the next one kills. It makes rootlets with daemons in them, without end.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let base = alpine().unwrap();
    let mut kept = std::collections::VecDeque::new();
    loop {
        let disk =
            if kept.len() % 2 == 0 { rootlet::spec::Writable::Disk } else { rootlet::spec::Writable::Memory };
        // Whoever is killed, the rest goes on as well as it can.
        if let Ok(root) = Rootlet::builder(&base).user("sam").writable(disk).spawn() {
            let script = "(sleep 1000; :) & (trap '' TERM HUP; sleep 1000; :) & echo started";
            let _ = root.command("sh").args(["-c", script]).status();
            kept.push_back(root);
        }
        if kept.len() > 3 {
            kept.pop_front();
        }
    }
}

fn start_victim() -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim", "--nocapture"]).env(VICTIM, "1");
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
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

/// `root` and what descends from it, each by a descriptor that stays its own whatever becomes of its number.
fn tree(root: i32) -> Vec<(i32, OwnedFd)> {
    let parents = parents();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let this = found[at];
        found.extend(parents.iter().filter(|(_, parent)| **parent == this).map(|(pid, _)| *pid));
        at += 1;
    }
    let open = |pid| Some((pid, pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?));
    found.into_iter().filter_map(open).collect()
}

fn wait_for_end(pid: i32, process: &OwnedFd) {
    let limit = rustix::time::Timespec { tv_sec: 60, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)).unwrap();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    assert!(ended > 0, "the process {pid} ({}) is left behind", name.trim());
}

/// A cheap source of chance; its seed is printed, so that a failure can be had again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn whoever_is_killed_nothing_is_left() {
    if std::env::var_os(VICTIM).is_some() || alpine().is_none() {
        return;
    }
    let seed = 0x9e37_79b9 ^ u64::from(std::process::id());
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    for _ in 0..50 {
        let mut victim = start_victim();
        let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
        // At any moment, from before the first rootlet on. What it says is the clock: no time is measured.
        for _ in 0..chance.below(6) {
            said.next();
        }
        // Four blows each: at the caller, the nursery, a pid 1, or a process inside; the last is at the caller.
        for blow in 0..4 {
            let tree = tree(victim.id() as i32);
            let which = if blow == 3 { 0 } else { chance.below(tree.len()) };
            let _ = pidfd_send_signal(&tree[which].1, Signal::KILL);
            if which == 0 {
                victim.wait().unwrap();
                tree.iter().for_each(|(pid, process)| wait_for_end(*pid, process));
                break;
            }
        }
        let _ = victim.kill();
        let _ = victim.wait();
    }
    assert_eq!(before, mounts());
    // The store works on, and sweeps what killed processes had on disk.
    let base = alpine().unwrap();
    let root = Rootlet::builder(&base).writable(rootlet::spec::Writable::Disk).spawn().unwrap();
    assert!(root.command("true").status().unwrap().success());
    let staged = std::fs::read_dir(base.store().path().join("tmp")).unwrap().count();
    println!("{staged} staged directories, those of other tests that run now among them");
}

#[test]
fn a_nursery_that_was_killed_is_replaced() {
    rootlet_tests::alone(|| {
        let Some(base) = alpine() else { return };
        let first = Rootlet::builder(&base).spawn().unwrap();
        let nursery = tree(std::process::id() as i32).into_iter().filter(|(pid, _)| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default() == "rootlet-nursery\n"
        });
        for (pid, process) in nursery {
            pidfd_send_signal(&process, Signal::KILL).unwrap();
            wait_for_end(pid, &process);
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
                .filter_map(|(pid, _)| std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok())
                .map(|text| text.lines().count())
                .sum()
        };
        (0..50).for_each(|_| round());
        let before = (descriptors(), tree(std::process::id() as i32).len(), nursery_mounts());
        let memory = resident();
        (0..1000).for_each(|_| round());
        assert_eq!(before, (descriptors(), tree(std::process::id() as i32).len(), nursery_mounts()));
        // In pages. An allocator may keep a few.
        assert!(resident() <= memory + 64, "{memory} pages became {}", resident());
    });
}

#[test]
fn no_user_namespaces_is_a_sentence() {
    rootlet_tests::alone(|| {
        let Some(base) = alpine() else { return };
        // A user namespace of this test's own, in which no other can be made.
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" run --base \"$1\" -- true";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", script]);
        command.arg(rootlet_tests::rootlet_command().get_program()).arg(base.name());
        command.env("ROOTLET_STORE", rootlet_tests::store());
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(125), "{said}");
        assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
    });
}
