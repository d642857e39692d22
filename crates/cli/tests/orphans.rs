//! What ends after `rootlet` has, ends as an orphan, and stays in the table of processes for good where pid 1 of a
//! container does not wait for orphans.

mod support;

use std::fs;
use support::run;

/// Names of this process's children, those included that have ended.
fn children() -> Vec<String> {
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: String = fs::read_dir("/proc/self/task").unwrap().map(|task| of(task.unwrap())).collect();
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    all.split_whitespace().map(name).collect()
}

#[test]
fn nobody_has_to_wait_for_what_a_run_leaves() {
    // Orphans come to us, as they come to pid 1 of a container.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    for (args, status) in [
        (&["--", "true"][..], 0),
        (&["--", "sh", "-c", "sleep 1000 & exit 3"], 3),
        (&["--", "no-such-program"], 127),
        (&["--timeout", "100ms", "--", "sleep", "1000"], 124),
        (&["--base", "no-such-base:"], 125),
    ] {
        assert_eq!(run(args, "").status, Some(status), "{args:?}");
        assert_eq!(children(), [""; 0], "{args:?}");
    }
}
