//! Hosts that have no good place for the store.

use super::{Ended, by_caller, run_on};
use rootlet::Tier::{Exact, OneId};
use rootlet_tests::{Host, alone, skipped};
use std::path::Path;
use std::process::Command;

/// On a host that has something to do with this empty directory.
#[track_caller]
fn on(host: impl FnOnce(&Path) -> Host) -> Option<Ended> {
    if rootlet_tests::alpine_tar().is_none() {
        skipped("no tarball of alpine");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let ended = run_on(&host(directory.path()));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().map(|e| e.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    Some(ended)
}

#[track_caller]
fn is_refused(host: impl FnOnce(&Path) -> Host) {
    alone(|| match on(host) {
        Some(Ended::Right(tier)) => panic!("it ran, on {tier}"),
        Some(Ended::Refused(said)) => println!("{said}"),
        None => {}
    });
}

#[test]
fn a_store_on_another_device_works() {
    alone(|| {
        let ended = on(|directory| Host::store_in_memory(directory, "size=256m"));
        match ended {
            Some(Ended::Refused(said)) => skipped(&said),
            Some(Ended::Right(tier)) => assert_eq!(tier, by_caller(Exact, OneId)),
            None => {}
        }
    });
}

#[test]
fn a_store_without_room_is_a_sentence() {
    is_refused(|directory| Host::store_in_memory(directory, "size=1m"));
}

#[test]
fn a_store_without_inodes_is_a_sentence() {
    is_refused(|directory| Host::store_in_memory(directory, "size=256m,nr_inodes=40"));
}

#[test]
fn no_place_for_a_store_is_a_sentence() {
    is_refused(|_| Host::no_home());
}

#[test]
fn a_home_that_cannot_be_written_is_a_sentence() {
    is_refused(Host::read_only_home);
}

/// The first run makes its store, the second must be able to read it.
#[test]
fn a_umask_of_0777_locks_nobody_out() {
    if rootlet_tests::alpine_tar().is_none() {
        return skipped("no tarball of alpine");
    }
    alone(|| {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("new/store");
        for _ in 0..2 {
            assert_eq!(run_on(&Host::umask_0777(&store)), Ended::Right(Exact));
        }
        // What an ordinary user unpacked is of his subordinate ids, and his own only where those are.
        if std::fs::remove_dir_all(&store).is_err() {
            let mut within = Command::new("unshare");
            within.args(["--map-root-user", "--map-auto", "rm", "-rf"]).arg(&store);
            assert!(within.status().unwrap().success());
        }
    });
}
