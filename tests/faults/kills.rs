//! `kill -9` of whoever takes part in a rootlet, at any moment: nothing is left of it.

use super::{Process, alpine_in, tree, wait_for_end};
use rootlet::spec::Writable;
use rootlet::{Base, Rootlet};
use rootlet_tests::{Leftovers, OwnStore, assert_nothing_left};
use rustix::process::{Signal, WaitOptions, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// So many callers are killed; each is the last of up to three other blows.
const CALLERS: usize = 200;

const VICTIM: &str = "ROOTLET_TEST_VICTIM";

/// Not a test of its own: the process that the next one kills. It makes rootlets with daemons in them, without end.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let base = alpine_in(&rootlet_tests::store()).unwrap();
    let mut kept = VecDeque::new();
    loop {
        let place = if kept.len() % 2 == 0 { Writable::Disk } else { Writable::Memory };
        // Whoever is killed, the rest goes on as well as it can.
        if let Ok(root) = Rootlet::builder(&base).user("sam").writable(place).spawn() {
            let script = "(sleep 1000; :) & (trap '' TERM HUP; sleep 1000; :) & echo started";
            let _ = root.command("sh").args(["-c", script]).status();
            kept.push_back(root);
        }
        if kept.len() > 3 {
            kept.pop_front();
        }
    }
}

fn start_victim(store: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kills::victim", "--nocapture"]).env(VICTIM, "1").env("ROOTLET_STORE", store);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn whoever_is_killed_nothing_is_left() {
    // By itself, since whom a killed process leaves running becomes a child of this one.
    rootlet_tests::alone(|| {
        let store = OwnStore::default();
        let Some(base) = alpine_in(store.path()) else { return };
        // What is made once is made now: by us, and by the first who has a writable layer on disk.
        make_one(&base);
        let (before, kept) = (Leftovers::before(), store.listing());
        let ours: BTreeSet<i32> = this_tree().map(|process| process.pid).collect();
        let mut chance = Chance::new();
        let mut blows = BTreeMap::new();
        for _ in 0..CALLERS {
            let mut seen = kill_one_after_the_other(start_victim(store.path()), &mut chance, &mut blows);
            // Those too who came to us when whoever had started them was killed.
            seen.extend(this_tree().filter(|process| !ours.contains(&process.pid)));
            seen.iter().for_each(wait_for_end);
            drop(seen);
            assert_nothing_left(&before);
            // Who adopts orphans buries them.
            while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        }
        eprintln!("killed: {blows:?}");
        assert_eq!(blows["the caller"], CALLERS);
        assert!(["the nursery", "a pid 1", "a process inside"].iter().all(|who| blows[who] > 0), "{blows:?}");
        // The store works on, and who makes the next one sweeps what killed processes had on disk, if only a small file on its way.
        std::fs::write(store.path().join("tmp/on-its-way"), "").unwrap();
        make_one(&base);
        assert_eq!(store.listing(), kept);
    });
}

fn make_one(base: &Base) {
    let root = Rootlet::builder(base).user("sam").writable(Writable::Disk).spawn().unwrap();
    assert!(root.command("true").status().unwrap().success());
}

fn this_tree() -> impl Iterator<Item = Process> {
    tree(std::process::id() as i32).into_iter()
}

/// Up to three blows at anybody, then one at the caller. Gives all whom we ever saw, who must end now.
fn kill_one_after_the_other(
    mut victim: Child,
    chance: &mut Chance,
    blows: &mut BTreeMap<&'static str, usize>,
) -> Vec<Process> {
    let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    // Without namespaces nobody is left to end what runs inside when both the nursery and pid 1 were killed.
    let last = chance.below(if rootlet_tests::chroot() { 2 } else { 4 });
    for blow in 0..=last {
        // At any moment, from before the first rootlet on. What it says is the clock: no time is measured.
        for _ in 0..chance.below(8) {
            said.next();
        }
        let tree = tree(victim.id() as i32);
        // As often at the one nursery as at any of the many processes.
        let depth = if blow == last { 0 } else { 1 + chance.below(3) };
        let there: Vec<_> = tree.iter().filter(|process| process.depth.min(3) == depth).collect();
        if !there.is_empty() {
            let _ = pidfd_send_signal(&there[chance.below(there.len())].pidfd, Signal::KILL);
            let who = ["the caller", "the nursery", "a pid 1", "a process inside"][depth];
            *blows.entry(who).or_default() += 1;
        }
        seen.extend(tree);
    }
    victim.wait().unwrap();
    seen
}

/// A cheap source of chance; its seed is printed, so that a failure can be had again.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        let seed = 0x9e37_79b9 ^ u64::from(std::process::id());
        eprintln!("seed {seed}");
        Chance(seed)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}
