//! What is played is really refused: without this, every other test here would prove nothing.

use super::is_root;
use rootlet_tests::facts::Facts;
use rootlet_tests::{Host, alone_on, hostile, probe, skipped};
use std::collections::BTreeMap;
use std::process::{Command, Output};

fn docker() -> Option<Host> {
    let docker = Host::docker();
    if docker.is_none() {
        skipped("no copy of docker's profile");
    }
    docker
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A shell on the host: whether it succeeded, and what it said.
fn sh(host: &Host, script: &str) -> (bool, String) {
    let output = host.command("sh").args(["-c", script]).output().unwrap();
    (output.status.success(), text(&output))
}

#[track_caller]
fn is_refused(host: &Host, script: &str, why: &str) {
    let (done, said) = sh(host, script);
    assert!(!done && said.contains(why), "{script}: {said}");
}

#[test]
fn docker_gives_fourteen_capabilities_and_a_filter() {
    const FOURTEEN: u64 = 0xa804_25fb;
    let Some(docker) = docker() else { return };
    let output = docker.command(probe()).arg("facts").output().unwrap();
    let facts: Facts = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    assert_eq!(facts.seccomp, 2);
    if is_root() {
        assert_eq!(
            (facts.caps.effective, facts.caps.permitted, facts.caps.bounding),
            (FOURTEEN, FOURTEEN, FOURTEEN)
        );
        assert!(!facts.no_new_privs);
    } else {
        // Whoever may not load a filter without that.
        assert!(facts.caps.effective == 0 && facts.no_new_privs);
    }
    let output =
        Host::docker_without_new_privileges().unwrap().command(probe()).arg("facts").output().unwrap();
    let facts: Facts = serde_json::from_slice(&output.stdout).unwrap();
    assert!(facts.no_new_privs);
}

/// The very program that tries to break out of rootlets finds the same doors shut as there. It is given namespaces of its
/// own, lest it ends the machine where the filter has a hole.
#[test]
fn dockers_filter_refuses_what_dockers_does() {
    let Some(docker) = docker() else { return };
    let under = docker.command(hostile());
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--mount-proc"]);
    command.args(if is_root() { &[][..] } else { &["--map-root-user"] });
    let output = command.arg(under.get_program()).args(under.get_args()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let parse = |line: &str| -> (String, String) {
        let mut line: BTreeMap<String, String> = serde_json::from_str(line).unwrap();
        (line.remove("try").unwrap(), line.remove("errno").unwrap())
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let outcomes: BTreeMap<String, String> = said.lines().map(parse).collect();
    let refused = [
        "unshare user",
        "unshare mnt",
        "unshare net",
        "mount a tmpfs",
        "mount a proc",
        "bind the root",
        "remount the root",
        "unmount /proc",
        "setns to pid 1",
        "add_key",
        "keyctl",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "open_by_handle_at",
        "finit_module",
        "kexec_load",
        "reboot",
        "set the clock",
        "sethostname",
        "swapon",
        "vsock",
        "steal a descriptor of pid 1",
    ];
    for name in refused {
        assert!(["EPERM", "ENOSYS"].contains(&&*outcomes[name]), "{name}: {}", outcomes[name]);
    }
    assert_eq!(outcomes["clone3 user"], "ENOSYS");
    assert_eq!(outcomes["personality"], "ok");
}

#[test]
fn a_test_can_be_run_in_dockers_container() {
    let Some(docker) = docker() else { return };
    alone_on(&docker, || {
        let refused = rustix::mount::unmount("/proc", rustix::mount::UnmountFlags::DETACH);
        assert_eq!(refused, Err(rustix::io::Errno::PERM));
        // What every program does is allowed: threads, files, children.
        std::thread::spawn(|| assert!(Command::new("true").status().unwrap().success())).join().unwrap();
        tempfile::tempfile().unwrap();
    });
}

#[test]
fn no_user_namespaces_are_made() {
    let host = Host::no_user_namespaces();
    is_refused(&host, "unshare --user true", "No space left on device");
    let (done, said) = sh(&host, "echo fine; sh -c 'exit 0'");
    assert!(done && said == "fine\n", "{said}");
}

#[test]
fn user_namespaces_have_no_power() {
    let host = Host::powerless_user_namespaces();
    let (done, said) = sh(&host, "unshare --user true");
    assert!(done, "{said}");
    is_refused(&host, "unshare --map-root-user --mount mount -t tmpfs tmpfs /mnt", "ermission denied");
}

#[test]
fn no_host_name_is_set() {
    let set = "unshare --map-root-user --uts hostname x";
    is_refused(&Host::no_host_name(), set, "must be root");
    // It is the name alone.
    let (done, said) =
        sh(&Host::no_host_name(), "unshare --map-root-user --uts --mount mount -t tmpfs tmpfs /mnt");
    assert!(done, "{said}");
}

#[test]
fn a_file_of_etc_is_mounted() {
    let (_, said) = sh(&Host::mounted_in_etc(), "cat /proc/self/mountinfo");
    assert!(said.lines().any(|line| line.split(' ').nth(4) == Some("/etc/hostname")), "{said}");
}

#[test]
fn no_new_proc_is_mounted() {
    let mount = "unshare --map-root-user --mount --pid --fork mount -t proc proc /proc";
    is_refused(&Host::masked_proc(), mount, "ermission denied");
    // Where /proc is whole it is allowed, which is the difference.
    let whole = Host::store_in_memory(std::path::Path::new("/mnt"), "size=1m");
    let (done, said) = sh(&whole, mount);
    assert!(done, "{said}");
}

#[test]
fn there_are_no_subordinate_ids() {
    let (done, said) = sh(&Host::no_subordinate_ids(), "cat /etc/subuid /etc/subgid; id -u");
    assert!(done && said.trim() == rustix::process::geteuid().as_raw().to_string(), "{said}");
}

#[test]
fn programs_are_not_found() {
    let host = Host::no_programs();
    let output = host.command("/bin/sh").args(["-c", "newuidmap"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
}

#[test]
fn a_store_can_be_full() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().display();
    let full = Host::store_in_memory(directory.path(), "size=64k");
    is_refused(&full, &format!("head -c 1000000 /dev/zero > {store}/x"), "No space left");
    let no_inodes = Host::store_in_memory(directory.path(), "nr_inodes=2");
    is_refused(&no_inodes, &format!("touch {store}/1 {store}/2"), "No space left");
    is_refused(&Host::read_only_home(directory.path()), "touch ~/x", "Read-only");
}

#[test]
fn overlayfs_lets_nobody_make_a_whiteout() {
    let directory = tempfile::tempdir().unwrap();
    let make = format!("mknod {}/x c 0 0", directory.path().display());
    is_refused(&Host::store_on_overlayfs(directory.path()), &make, "not permitted");
    // Elsewhere it is allowed, which is the difference.
    let (done, said) = sh(&Host::store_in_memory(directory.path(), "size=1m"), &make);
    assert!(done, "{said}");
}

#[test]
fn the_environment_is_as_bare_as_it_is_said_to_be() {
    let (_, said) = sh(&Host::no_home(), "env");
    assert!(
        !said.lines().any(|line| line.starts_with("HOME=") || line.starts_with("ROOTLET_STORE=")),
        "{said}"
    );
    assert_eq!(sh(&Host::umask_0777(std::path::Path::new("/nowhere")), "umask").1.trim(), "0777");
    assert_eq!(sh(&Host::no_temporary_directory(), "echo $TMPDIR").1.trim(), "/nowhere");
}
