//! Crates of others, as they are published: the same results as outside, or a difference that is known.

use crate::{cargo, compiles, text, write};
use rootlet_tests::kept;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of file systems, of networks, and a workspace.
const CRATES: [(&str, &str); 5] = [
    ("tempfile", "3.27.0"),
    ("polling", "3.11.0"),
    ("walkdir", "2.5.0"),
    ("glob", "0.3.4"),
    ("filetime", "0.2.29"),
];

/// What differs, for a caller who is root outside; docs/testing.md has the reasons.
const DIFFERENT: [&str; 1] = [
    // It expects that /root may not be listed, which root may.
    "glob: test::test_iteration_errors: FAILED outside, ok inside",
];

/// Gets the sources by cargo, from wherever it gets its crates.
fn fetch(directory: &Path) -> bool {
    let dependencies = CRATES.map(|(name, version)| format!("{name} = \"={version}\"\n")).concat();
    let manifest = format!(
        "[package]\nname = \"all\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\n{dependencies}[workspace]\n"
    );
    write(directory.join("all/Cargo.toml"), manifest);
    write(directory.join("all/src/lib.rs"), "");
    let vendor = ["vendor", "--quiet", "--versioned-dirs", "../vendor"];
    let out = cargo(&directory.join("all"), &directory.join("target")).args(vendor).output().unwrap();
    if !out.status.success() {
        rootlet_tests::skipped(&format!("no crates of others: {}", text(&out)));
    }
    out.status.success()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "{from:?}");
}

/// The projects, and the package of each: tempfile and polling by themselves, the others in one workspace.
fn lay_out(directory: &Path) -> Vec<(PathBuf, &'static str)> {
    let source = |(name, version): &(&str, &str)| directory.join(format!("vendor/{name}-{version}"));
    let mut projects = Vec::new();
    for one in &CRATES[..2] {
        let project = directory.join(one.0);
        copy(&source(one), &project);
        let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
        fs::write(project.join("Cargo.toml"), manifest + "\n[workspace]\n").unwrap();
        projects.push((project, one.0));
    }
    let workspace = directory.join("workspace");
    fs::create_dir(&workspace).unwrap();
    for one in &CRATES[2..] {
        copy(&source(one), &workspace.join(one.0));
        projects.push((workspace.clone(), one.0));
    }
    fs::write(workspace.join("Cargo.toml"), "[workspace]\nmembers = [\"*\"]\nresolver = \"2\"\n").unwrap();
    projects
}

/// Each test of a package and what came of it.
fn results(project: &Path, target: &Path, runner: bool, package: &str) -> BTreeMap<String, String> {
    let mut command = cargo(project, target);
    command.args(["test", "--no-fail-fast", "--package", package]);
    // Its tests use fixed names in the temporary directory, which a second run would trip over; inside there are none.
    let temporary = tempfile::tempdir().unwrap();
    command.env("TMPDIR", temporary.path());
    if runner {
        command.args(["--config", "target.'cfg(target_os = \"linux\")'.runner=['rootlet', 'runner']"]);
    }
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let tests = said.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
    let tests = tests.map(|(test, result)| {
        (test.to_owned(), result.split([',', ' ']).next().unwrap_or_default().to_owned())
    });
    let all: BTreeMap<String, String> = tests.collect();
    assert!(!all.is_empty(), "{}", text(&out));
    all
}

#[test]
fn crates_of_others_have_the_same_results() {
    if !compiles() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    if !fetch(directory.path()) {
        return;
    }
    let target = kept("runner-crates");
    let mut different = BTreeSet::new();
    let mut count = 0;
    for (project, name) in lay_out(directory.path()) {
        let (outside, inside) =
            (results(&project, &target, false, name), results(&project, &target, true, name));
        count += outside.len();
        let tests: BTreeSet<&String> = outside.keys().chain(inside.keys()).collect();
        for test in tests {
            let of =
                |all: &BTreeMap<String, String>| all.get(test).map_or("not run", String::as_str).to_owned();
            let (outside, inside) = (of(&outside), of(&inside));
            if outside != inside {
                different.insert(format!("{name}: {test}: {outside} outside, {inside} inside"));
            }
        }
    }
    let expected: BTreeSet<String> = match rustix::process::geteuid().is_root() {
        true => DIFFERENT.map(str::to_owned).into(),
        false => BTreeSet::new(),
    };
    assert_eq!(different, expected);
    assert!(count > 200, "{count} tests ran");
}
