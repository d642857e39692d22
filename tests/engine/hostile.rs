//! A hostile program inside finds every door shut.

use super::{bases, with_probe};
use rootlet_tests::{hostile, hosts_proc};
use std::collections::BTreeMap;

/// What is harmless inside a root, for any user: it concerns nobody else, and docker lets it through as well.
const HARMLESS: &[&str] = &["personality", "kill pid 1", "setgroups", "packet socket", "raw socket"];

/// What is harmless besides where /proc is the host's: pid 1 there is none of rootlet's. Where it is the user's own, as the tests
/// may be in a container, it can be seen how many descriptors it has, though none can be followed.
const HARMLESS_IN_THE_HOSTS_PROC: &[&str] = &["descriptors of pid 1"];

/// What root inside may do besides: it is root there, and of nothing else.
const HARMLESS_FOR_ROOT: &[&str] = &[
    "chroot escape",
    "setuid 0",
    "root of pid 1",
    "descriptors of pid 1",
    "follow a descriptor of pid 1",
    "memory of pid 1",
    "ptrace pid 1",
];

/// What the filter answers before the kernel even looks at the arguments. Any other errno would mean that the call got
/// through to the kernel and failed there for another reason. But for the three of terminals, docker's refuses the same:
/// `peer.rs` asks docker's own.
const FILTERED: &[&str] = &[
    // Without a terminal to attack these would be ENOTTY.
    "TIOCSTI",
    "TIOCSTI with high bits",
    "TIOCLINUX",
    "add_key",
    "bpf",
    "finit_module",
    "io_uring_setup",
    "kexec_load",
    "keyctl",
    "mount a tmpfs",
    "open_by_handle_at",
    "perf_event_open",
    "reboot",
    "set the clock",
    "sethostname",
    "swapon",
    "unshare user",
    "userfaultfd",
    "vsock",
];

fn attempts(user: &str) -> Vec<BTreeMap<String, String>> {
    let each = bases().into_iter().map(|(_, base)| {
        let root = with_probe(&base).bind_read_only(hostile(), "/hostile").user(user).spawn().unwrap();
        let output = root.command("/hostile").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The root outlives the attempt to kill its first process.
        assert!(root.command("/probe").args(["exit", "0"]).status().unwrap().success());
        let lines = String::from_utf8(output.stdout).unwrap();
        let parsed =
            lines.lines().map(|line| serde_json::from_str::<BTreeMap<String, String>>(line).unwrap());
        parsed.map(|mut line| (line.remove("try").unwrap(), line.remove("errno").unwrap())).collect()
    });
    each.collect()
}

#[test]
fn sam_gets_nowhere() {
    rootlet_tests::needs_namespaces!("/proc, by which the program sees that it is inside");
    for outcomes in attempts("sam") {
        let harmless = |name: &str| {
            HARMLESS.contains(&name) || hosts_proc() && HARMLESS_IN_THE_HOSTS_PROC.contains(&name)
        };
        let through: Vec<_> =
            outcomes.iter().filter(|(name, errno)| *errno == "ok" && !harmless(name)).collect();
        assert!(through.is_empty(), "{through:?}");
    }
}

#[test]
fn root_inside_gets_no_further_than_in_docker() {
    rootlet_tests::needs_namespaces!("/proc, by which the program sees that it is inside");
    for outcomes in attempts("root") {
        let harmless = |name: &str| HARMLESS.contains(&name) || HARMLESS_FOR_ROOT.contains(&name);
        let through: Vec<_> =
            outcomes.iter().filter(|(name, errno)| *errno == "ok" && !harmless(name)).collect();
        assert!(through.is_empty(), "{through:?}");
    }
}

#[test]
fn the_filter_refuses_what_dockers_does() {
    rootlet_tests::needs_namespaces!("/proc, by which the program sees that it is inside");
    for outcomes in attempts("sam").into_iter().chain(attempts("root")) {
        let otherwise: Vec<_> = FILTERED
            .iter()
            .map(|name| (name, &outcomes[*name]))
            .filter(|(_, errno)| *errno != "EPERM")
            .collect();
        assert!(otherwise.is_empty(), "{otherwise:?}");
        // The C library is told that there is none, so that it falls back to clone, whose flags a filter can see.
        assert_eq!(outcomes["clone3 user"], "ENOSYS");
    }
}
