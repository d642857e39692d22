//! Limits: of each process as setrlimit(2) has them, of the whole tree as far as this host can.

use super::{bases, facts, with_probe};
use rootlet::spec::{Limits, Spec};
use rootlet::{Base, ErrorKind, Rootlet};
use std::os::unix::process::ExitStatusExt;

fn with_ulimits(base: &Base, ulimits: &[&str]) -> Rootlet {
    let ulimits = ulimits.iter().map(|text| text.parse().unwrap()).collect();
    with_probe_and(base, Spec { ulimits, ..Spec::default() })
}

fn with_limits(base: &Base, limits: Limits) -> Rootlet {
    with_probe_and(base, Spec { limits, ..Spec::default() })
}

fn with_probe_and(base: &Base, spec: Spec) -> Rootlet {
    Rootlet::builder(base).spec(spec).bind_read_only(rootlet_tests::probe(), "/probe").spawn().unwrap()
}

#[test]
fn each_process_has_the_limits_that_were_asked_for_and_the_callers_otherwise() {
    for (name, base) in bases() {
        let callers = facts(&with_probe(&base).spawn().unwrap()).limits;
        let root = with_ulimits(&base, &["nofile=64:128", "core=0", "fsize=1048576:2097152", "nproc=3000"]);
        let mut expected = callers;
        for (limit, soft, hard) in [
            ("Max open files", "64", "128"),
            ("Max core file size", "0", "0"),
            ("Max file size", "1048576", "2097152"),
            ("Max processes", "3000", "3000"),
        ] {
            assert!(expected.insert(limit.into(), (soft.into(), hard.into())).is_some(), "{limit}");
        }
        // The second command has them as the first has: they are not the first process's alone.
        for _ in 0..2 {
            assert_eq!(facts(&root).limits, expected, "{name}");
        }
    }
}

#[test]
fn a_limit_above_the_callers_own_is_an_error_with_a_way_out() {
    let Some((_, base)) = bases().pop() else { return };
    // One more than the machine has file numbers at all, so that nobody's hard limit is above it.
    let all: u64 = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    let root = with_ulimits(&base, &[&format!("nofile={}", all + 1)]);
    let error = root.command("/probe").args(["exit", "0"]).status().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::PERM.raw_os_error()));
    assert!(error.hint().unwrap().contains("ulimit"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Command);
}

/// By itself, since the kernel counts a user's processes in all rootlets of one caller together.
#[test]
fn memory_and_processes_are_limited_and_the_report_says_how() {
    rootlet_tests::alone(|| bases().into_iter().for_each(|(name, base)| limited(name, &base)));
}

fn limited(name: &str, base: &Base) {
    let root = with_limits(base, Limits { memory: Some(64 << 20), pids: Some(20), ..Limits::default() });
    let report = root.report();
    // Who may not make a cgroup is told so, and has what setrlimit(2) can do.
    let whole_tree = match report.limits_by {
        Some("cgroup") => true,
        Some("rlimit") => false,
        other => panic!("{other:?}"),
    };
    let said = |note: &String| note.starts_with("limits of the whole tree");
    assert_eq!(report.not_reproduced.iter().any(said), !whole_tree, "{report:?}");

    let made = root.command("/probe").args(["fork", "100"]).output().unwrap();
    let made: usize = String::from_utf8_lossy(&made.stdout).trim().parse().unwrap();
    assert!((1..20).contains(&made), "{made} processes at once on {name}");

    let eat = |bytes: u32| root.command("/probe").args(["eat-memory", &bytes.to_string()]).output().unwrap();
    assert_eq!(eat(16 << 20).stdout, b"ok\n");
    let too_much = eat(128 << 20);
    // A cgroup kills, a limit of the process refuses.
    if whole_tree {
        assert_eq!(too_much.status.signal(), Some(9));
    } else {
        assert_eq!(too_much.stdout, b"ENOMEM\n");
    }
    // The rootlet itself is none the worse.
    assert!(root.command("/probe").args(["exit", "0"]).status().unwrap().success());
}

#[test]
fn without_limits_nothing_is_said_of_them() {
    for (_, base) in bases() {
        let root = with_limits(&base, Limits::default());
        assert_eq!((root.report().limits_by, root.report().not_reproduced.len()), (None, 0));
        let made = root.command("/probe").args(["fork", "100"]).output().unwrap();
        assert_eq!(made.stdout, b"100\n");
    }
}
