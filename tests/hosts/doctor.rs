//! `rootlet doctor` on each host: the tier that a run gets there, and a command that lifts the host.

use super::is_root;
use rootlet::Tier;
use rootlet_tests::{Host, Leftovers, alone, assert_nothing_left, rootlet_command, skipped};
use std::os::unix::fs::PermissionsExt;

/// The tier that it names, and all that it says.
pub fn examine(host: &Host) -> (Option<Tier>, String) {
    let before = Leftovers::before();
    let doctor = |words: &[&str]| {
        let mut command = host.command(rootlet_command().get_program());
        let output = command.arg("doctor").args(words).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let examination: serde_json::Value = serde_json::from_str(&doctor(&["--json"])).unwrap();
    let said = doctor(&[]);
    assert_nothing_left(&before);
    (serde_json::from_value(examination["tier"].clone()).unwrap(), said)
}

/// Asserts that what mends the host is among what is said there.
#[track_caller]
fn mends(host: Option<Host>, mend: &str) {
    let Some(host) = host else { return skipped("no copy of docker's profile") };
    alone(|| {
        let (_, said) = examine(&host);
        assert!(said.contains(mend), "{said}");
    });
}

// In a pod, since what mends a container depends on who runs it, and the tests may be run in one.

#[test]
fn a_locked_container_is_to_be_started_otherwise() {
    mends(Host::docker().map(Host::in_a_pod), "seccompProfile: {type: Unconfined}");
}

#[test]
fn user_namespaces_that_are_too_few_are_to_be_allowed() {
    mends(Some(Host::no_user_namespaces()), "sysctl -w user.max_user_namespaces=");
}

#[test]
fn and_one_where_they_have_no_power() {
    mends(Some(Host::powerless_user_namespaces().in_a_pod()), "seccompProfile: {type: Unconfined}");
}

#[test]
fn a_masked_proc_is_to_be_shown() {
    mends(Some(Host::masked_proc().in_a_pod()), "procMount: Unmasked");
}

#[test]
fn a_user_is_to_be_given_ids() {
    if !is_root() {
        mends(Some(Host::no_subordinate_ids()), "usermod --add-subuids");
    }
}

#[test]
fn the_programs_that_map_ids_are_to_be_installed() {
    if !is_root() {
        mends(Some(Host::no_programs()), "uidmap");
    }
}

/// What mends is run by sudo, which here only writes down what it is asked for; one that refuses is an error.
#[test]
fn what_a_command_mends_is_mended_when_asked() {
    if is_root() {
        return;
    }
    let programs = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/sh", programs.path().join("sh")).unwrap();
    let fix = |sudo: &str| {
        let file = programs.path().join("sudo");
        std::fs::write(&file, format!("#!/bin/sh\n{sudo}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        // No newuidmap is found there.
        rootlet_command().args(["doctor", "--fix"]).env("PATH", programs.path()).output().unwrap()
    };
    let asked = programs.path().join("asked");
    let mended = fix(&format!("echo \"$@\" >> '{}'", asked.display()));
    let said = String::from_utf8_lossy(&mended.stderr).into_owned();
    assert!(mended.status.success() && said.contains("+ sudo "), "{said}");
    let asked = std::fs::read_to_string(asked).unwrap();
    assert_eq!(asked.matches("uidmap").count(), 1, "once, although two checks miss it: {asked}");
    let refused = fix("exit 1");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(125) && said.contains("hint: "), "{said}");
}
