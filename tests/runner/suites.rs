//! The examples for suites in other languages: examples/bats, examples/go, examples/node.

use crate::{has, path, text};
use rootlet_tests::{manifest_directory, skipped, store};
use std::path::PathBuf;
use std::process::{Command, Output};

fn example(name: &str) -> PathBuf {
    manifest_directory().join("../examples").join(name).canonicalize().unwrap()
}

fn run(name: &str, command: &mut Command) -> Output {
    command.current_dir(example(name)).env("PATH", path()).env("ROOTLET_STORE", store()).output().unwrap()
}

#[test]
fn bats() {
    if !has("bats") {
        return skipped("no bats");
    }
    let out = run("bats", Command::new("bats").arg("."));
    assert!(out.status.success() && text(&out).contains("ok 2"), "{}", text(&out));
}

#[test]
fn go() {
    if !Command::new("go").arg("version").output().is_ok_and(|out| out.status.success()) {
        return skipped("no go");
    }
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new("go");
    command
        .args(["test", "-v", "-exec", "rootlet runner", "./..."])
        .env("GOCACHE", cache.path())
        .env("GOFLAGS", "-modcacherw");
    let out = run("go", command.env("HOME", cache.path()));
    assert!(out.status.success() && text(&out).contains("--- PASS: TestMayNotWriteEtc"), "{}", text(&out));
}

#[test]
fn node() {
    if !has("node") {
        return skipped("no node");
    }
    let out = run("node", Command::new("sh").arg("test.sh"));
    assert!(out.status.success() && text(&out).contains("# pass 2"), "{}", text(&out));
}
