//! Limits: of each process as setrlimit(2) has them, of the whole tree as far as this host can.

use super::{bases, facts, with_probe};
use rootlet::spec::{Limits, Spec};
use rootlet::{Base, ErrorKind, Rootlet, Stdio};
use rustix::event::{PollFd, PollFlags};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Instant;

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
    rootlet_tests::needs_namespaces!("/proc to read");
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
fn a_limit_above_the_callers_own_stays_at_that_and_is_told() {
    let Some((_, base)) = bases().pop() else { return };
    let open_files = |root: &Rootlet| {
        let output = root.command("sh").args(["-c", "ulimit -n; ulimit -Hn"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let callers = open_files(&with_probe(&base).spawn().unwrap());
    let callers = callers.lines().last().unwrap();
    // One more than the machine has file numbers at all, so that nobody's hard limit is above it.
    let all: u64 = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    let limit = format!("nofile={}", all + 1);
    let root = with_ulimits(&base, &[&limit, "core=0"]);
    assert_eq!(open_files(&root), format!("{callers}\n{callers}\n"));
    let told: Vec<_> = root.report().not_reproduced.iter().filter(|told| told.contains("ulimit")).collect();
    assert!(matches!(told[..], [told] if told.ends_with(&format!(": {limit} ({callers})"))), "{told:?}");
    let spec = Spec {
        ulimits: vec![limit.parse().unwrap()],
        require: vec![rootlet::spec::Require::Everything],
        ..Spec::default()
    };
    let error = Rootlet::builder(&base).spec(spec).spawn().unwrap_err();
    // The weaker tiers lack more, which is looked at before.
    let weaker = rootlet_tests::one_id() || rootlet_tests::chroot();
    assert!(weaker || error.hint().unwrap().contains(&limit), "{error}");
}

/// By itself, since the kernel counts a user's processes in all rootlets of one caller together.
#[test]
fn memory_and_processes_are_limited_and_the_report_says_how() {
    rootlet_tests::needs_namespaces!("/proc to read");
    rootlet_tests::alone(|| bases().into_iter().for_each(|(name, base)| limited(name, &base)));
}

/// Whether a cgroup keeps the limits. Who may not make one is told so, and has what setrlimit(2) can do.
fn by_cgroup(root: &Rootlet) -> bool {
    let report = root.report();
    let whole_tree = match report.limits_by {
        Some("cgroup") => true,
        Some("rlimit") => false,
        other => panic!("{other:?}"),
    };
    let said = |note: &String| note.starts_with("limits of the whole tree");
    assert_eq!(report.not_reproduced.iter().any(said), !whole_tree, "{report:?}");
    whole_tree
}

fn limited(name: &str, base: &Base) {
    let root = with_limits(base, Limits { memory: Some(64 << 20), pids: Some(20), ..Limits::default() });
    let whole_tree = by_cgroup(&root);
    eprintln!("on {name} {}", if whole_tree { "by a cgroup" } else { "by setrlimit(2)" });

    let daemon = root.command("/probe").arg("daemonise").output().unwrap();
    assert!(daemon.status.success());
    let made = root.command("/probe").args(["fork", "100"]).output().unwrap();
    let made: usize = String::from_utf8_lossy(&made.stdout).trim().parse().unwrap();
    // Besides the one that makes them, and the daemon of another command.
    assert_eq!(made, 18, "{name}");

    let eat = |bytes: u32| root.command("/probe").args(["eat-memory", &bytes.to_string()]).output().unwrap();
    assert_eq!(eat(16 << 20).stdout, b"ok\n");
    assert_eq!(root.oom_kills(), 0);
    let too_much = eat(128 << 20);
    // A cgroup kills, a limit of the process refuses.
    if whole_tree {
        assert_eq!(too_much.status.signal(), Some(9));
    } else {
        assert_eq!(too_much.stdout, b"ENOMEM\n");
    }
    assert_eq!(root.oom_kills(), u64::from(whole_tree));
    // What all of them hold counts together, files in memory too.
    let filled = root.command("dd").args(["if=/dev/zero", "of=/dev/shm/file", "bs=1M", "count=40"]).output();
    assert!(filled.unwrap().status.success());
    assert_eq!(eat(32 << 20).status.signal(), whole_tree.then_some(9));
    // The rootlet itself is none the worse.
    assert!(root.command("/probe").args(["exit", "0"]).status().unwrap().success());
    drop(root);
    assert_eq!(cgroups_of(std::process::id()), Vec::<PathBuf>::new());
}

#[test]
fn a_command_that_is_one_process_too_many_is_an_error_that_names_the_limit() {
    rootlet_tests::alone(|| {
        for (_, base) in bases() {
            let root = with_limits(&base, Limits { pids: Some(1), ..Limits::default() });
            if rootlet_tests::one_id() && !by_cgroup(&root) {
                // setuid(2) is what would look at the number, and nobody is to be become.
                continue;
            }
            let hold = || {
                let mut command = root.command("/probe");
                command.arg("hold").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
            };
            // setuid(2) lets one more than the limit through.
            let mut held = vec![hold().unwrap()];
            let mut more = std::iter::repeat_with(hold).take(2);
            let error = more.find_map(|next| next.map(|one| held.push(one)).err()).unwrap();
            assert_eq!(error.kind(), ErrorKind::Command);
            assert_eq!(error.to_string(), "failed to start `/probe`: EAGAIN");
            let hint = error.hint().unwrap();
            assert!(hint.contains("--pids-limit"), "{hint}");
            assert_eq!(hint.contains("all rootlets"), !by_cgroup(&root), "{hint}");
            assert!(held.into_iter().all(|mut one| one.wait().unwrap().success()));
        }
    });
}

#[test]
fn processors_are_limited_or_the_report_says_that_they_are_not() {
    for (_, base) in bases() {
        let limits = Limits { cpus: Some(0.1), ..Limits::default() };
        let (little, all) = (with_limits(&base, limits), with_limits(&base, Limits::default()));
        if !by_cgroup(&little) {
            continue;
        }
        let time = |root: &Rootlet| {
            let begin = Instant::now();
            let count = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
            assert!(root.command("sh").args(["-c", count]).status().unwrap().success());
            begin.elapsed()
        };
        let (free, limited) = (time(&all), time(&little));
        assert!(limited > 3 * free, "{limited:?} against {free:?}");
    }
}

/// What killed callers leave of their cgroups, the next one removes.
#[test]
fn nothing_is_left_of_the_cgroup_of_a_killed_caller() {
    rootlet_tests::needs_namespaces!("root of this machine");
    let run = |script: &str| {
        let mut command = rootlet_tests::rootlet_command();
        command.args(["run", "--quiet", "--pids-limit", "20", "--", "sh", "-c", script]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let mut killed = run("echo ready; read line");
    let mut said = [0; 6];
    killed.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let left = cgroups_of(killed.id());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let Some(left) = left.first() else {
        eprintln!("the limits are not kept by a cgroup");
        return;
    };
    // Its processes end on their own.
    let events = std::fs::File::open(left.join("cgroup.events")).unwrap();
    while std::fs::read_to_string(left.join("cgroup.events")).unwrap().contains("populated 1") {
        rustix::event::poll(&mut [PollFd::new(&events, PollFlags::PRI)], None).unwrap();
    }
    // One that lives is left alone.
    let mut living = run("echo ready; read line");
    living.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert!(run("exit 0").wait().unwrap().success());
    assert!(!left.exists());
    assert_eq!(cgroups_of(living.id()).len(), 1);
    drop(living.stdin.take());
    living.wait().unwrap();
    assert!(cgroups_of(living.id()).is_empty());
}

/// The cgroups that a process made for its rootlets.
fn cgroups_of(pid: u32) -> Vec<PathBuf> {
    let start = format!("rootlet-{pid}-");
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = directories.pop() {
        // One that is removed meanwhile is none of ours.
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(&start) {
                    found.push(entry.path());
                }
                directories.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn without_limits_nothing_is_said_of_them() {
    rootlet_tests::needs_namespaces!("report without a word");
    for (_, base) in bases() {
        let root = with_limits(&base, Limits::default());
        let report = root.report();
        let said = report.not_reproduced.iter().any(|note| note.starts_with("limits"));
        assert_eq!((report.limits_by, said), (None, false));
        let made = root.command("/probe").args(["fork", "100"]).output().unwrap();
        assert_eq!(made.stdout, b"100\n");
    }
}
