//! The runner by itself: this very test program is what it runs.

use crate::text;
use rootlet_tests::rootlet_command;
use std::env;
use std::process::Output;

fn run(options: &[&str], test: &str) -> Output {
    let mut command = rootlet_command();
    command.arg("runner").args(options).arg("--").arg(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).output().unwrap()
}

#[test]
#[ignore = "run by another test"]
fn is_production_s_user() {
    assert!(std::fs::write("/etc/motd", "x").is_err());
    assert_eq!(env::var("HOME").unwrap(), "/home/sam");
    assert!(env::var_os("ROOTLET_STORE").is_none());
}

#[test]
#[ignore = "run by another test"]
fn fails() {
    panic!("on purpose");
}

#[test]
fn runs_what_was_built() {
    let out = run(&[], "program::is_production_s_user");
    assert!(out.status.success(), "{}", text(&out));
    assert!(!text(&out).contains("rootlet:"), "{}", text(&out));
}

#[test]
fn a_failure_comes_back_as_it_is() {
    let out = run(&[], "program::fails");
    assert_eq!(out.status.code(), Some(101), "{}", text(&out));
    assert!(text(&out).contains("rootlet: exit status 101, as uid=1000(sam)"), "{}", text(&out));
}

#[test]
fn the_wrong_c_library_is_told_of() {
    let Some(alpine) = rootlet_tests::alpine_tar() else {
        return rootlet_tests::skipped("no tarball of alpine");
    };
    let out = run(&["--base", &format!("tar:{}", alpine.display())], "program::fails");
    assert_eq!(out.status.code(), Some(127), "{}", text(&out));
    assert!(text(&out).contains("which has no glibc"), "{}", text(&out));
}

#[test]
fn what_is_no_program_is_told_of() {
    let mut command = rootlet_command();
    let out = command.args(["runner", "/does/not/exist", "--list"]).output().unwrap();
    assert_eq!(out.status.code(), Some(125));
    assert!(text(&out).contains("there is no program /does/not/exist"), "{}", text(&out));
    let out = rootlet_command().arg("runner").output().unwrap();
    assert_eq!(out.status.code(), Some(125));
}
