//! What the library does to the process that uses it: nothing, and it leaves nothing behind.

use super::{bases, with_probe};
use rootlet_tests::{Leftovers, alone, assert_nothing_left};

#[test]
fn nothing_is_left_behind() {
    rootlet_tests::needs_namespaces!("/proc to read");
    alone(|| {
        let bases = bases();
        // The nursery is made once for the process and stays.
        let all = || bases.iter().map(|(_, base)| with_probe(base).spawn().unwrap());
        all().for_each(drop);
        let before = Leftovers::before();
        for root in all().chain(all()) {
            let daemon = root.command("/probe").arg("daemonise").output().unwrap();
            assert!(daemon.status.success());
        }
        assert_nothing_left(&before);
    });
}

#[test]
fn the_caller_is_not_changed() {
    alone(|| {
        let state = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let fixed = |line: &&str| {
                ["Umask", "Uid", "Gid", "Groups", "Sig", "Shd", "Cap", "NoNewPrivs", "Seccomp"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            // A signal may be on its way to us at any time; that is no change of ours.
            let lines = status.lines().filter(fixed).filter(|line| !line.starts_with("SigQ"));
            let namespaces = ["mnt", "user", "net"]
                .map(|name| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap());
            (lines.map(str::to_owned).collect::<Vec<_>>(), std::env::current_dir().unwrap(), namespaces)
        };
        let before = state();
        for (_, base) in bases() {
            with_probe(&base).spawn().unwrap().command("/probe").args(["exit", "0"]).status().unwrap();
        }
        assert_eq!(before, state());
    });
}

#[test]
fn many_threads_make_rootlets_at_once() {
    let bases = bases();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let bases = &bases;
                scope.spawn(move || {
                    for (_, base) in bases {
                        let root = with_probe(base).user("sam").spawn().unwrap();
                        root.write("/tmp/number", number.to_string()).unwrap();
                        assert_eq!(root.read_to_string("/tmp/number").unwrap(), number.to_string());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
