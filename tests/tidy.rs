//! Invariants of the code base, as tests. One function for each rule, with the reason; ARCHITECTURE.md states them.
//!
//! A rule is a function from a file to complaints, so that the tests in `tidy/proof.rs` can show that it finds what it
//! looks for.

#[path = "tidy/proof.rs"]
mod proof;
#[path = "tidy/source.rs"]
mod source;

use source::{Source, sources};
use std::path::Path;

/// `path:line: what is wrong`.
type Complaints = Vec<String>;

/// Holds a rule against every file of the tree.
#[track_caller]
fn check(rule: fn(&Source) -> Complaints) {
    let complaints: Complaints = sources().iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Which crates of the workspace a crate may use: those on lower floors.
const FLOORS: &[(&str, &[&str])] = &[
    ("spec", &[]),
    ("kernel", &[]),
    ("macros", &["rootlet-spec"]),
    ("base", &["rootlet-spec", "rootlet-kernel"]),
    ("rootlet", &["rootlet-spec", "rootlet-kernel", "rootlet-base", "rootlet-macros"]),
    // The faces: all that they do, they ask of the library; the data of a request is spec's.
    ("cli", &["rootlet", "rootlet-spec"]),
    ("python", &["rootlet", "rootlet-spec"]),
];

/// Crates depend only downward, so that each can be understood, tested and used without those above.
fn floors(source: &Source) -> Complaints {
    let Some(name) = source.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml"))
    else {
        return vec![];
    };
    let Some((_, allowed)) = FLOORS.iter().find(|(known, _)| *known == name) else {
        return vec![
            source.complaint(1, "this crate has no floor: give it one in FLOORS and in ARCHITECTURE.md"),
        ];
    };
    let mut section = "";
    let mut complaints = vec![];
    for (number, line) in source.lines() {
        section = line.strip_prefix('[').unwrap_or(section);
        // What a crate's own tests use is free.
        let depends = section.contains("dependencies") && !section.contains("dev-dependencies");
        let used = line.split(['.', '=', ' ']).next().unwrap_or("");
        if depends && used.starts_with("rootlet") && !allowed.contains(&used) {
            complaints.push(source.complaint(number, &format!("{used} is not on a floor below {name}")));
        }
    }
    complaints
}

#[test]
fn crates_depend_only_downward() {
    check(floors);
}

/// Unsafe code lives in one crate: whoever audits what we ask of the kernel reads that one.
fn fence(source: &Source) -> Complaints {
    if source.is_rust() && !source.path.starts_with("crates/kernel/") {
        return source.forbid(&["unsafe"], "only crates/kernel has unsafe code");
    }
    vec![]
}

#[test]
fn unsafe_code_is_in_the_kernel_crate() {
    check(fence);
}

/// Every package takes the workspace's lints; among them, each unsafe block must say why it is sound.
fn lints(source: &Source) -> Complaints {
    let package = source.path.ends_with("Cargo.toml") && source.text.contains("[package]");
    if package && !source.text.contains("[lints]\nworkspace = true") {
        return vec![source.complaint(1, "does not take the workspace's lints")];
    }
    if source.path == "Cargo.toml" && !source.text.contains("undocumented_unsafe_blocks = \"deny\"") {
        return vec![source.complaint(1, "undocumented unsafe blocks are let through")];
    }
    vec![]
}

#[test]
fn every_package_takes_the_lints() {
    check(lints);
}

/// Spec and plan are pure: the same input gives the same plan on every machine, and a plan can be read before it is done.
fn pure(source: &Source) -> Complaints {
    let pure =
        source.path.starts_with("crates/spec/src/") || source.path.starts_with("crates/rootlet/src/plan");
    if !pure || !source.is_rust() {
        return vec![];
    }
    let modules = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "std::io",
        "rustix::fs",
        "rustix::process",
        "rustix::mount",
    ];
    source.without_tests().forbid(&modules, "spec and plan do no I/O")
}

#[test]
fn spec_and_plan_do_no_io() {
    check(pure);
}

/// Libraries return; only the command prints or exits, for only it knows who reads.
fn silent(source: &Source) -> Complaints {
    // What `macros` writes is the code of whoever uses it.
    let printer = ["cli", "kernel/examples", "macros"]
        .iter()
        .any(|name| source.path.starts_with(&format!("crates/{name}/")));
    if !source.path.starts_with("crates/") || !source.path.contains("/src/") || printer || !source.is_rust() {
        return vec![];
    }
    let calls = ["println!", "eprintln!", "print!", "eprint!", "dbg!", "process::exit"];
    source.without_tests().forbid(&calls, "a library neither prints nor exits")
}

#[test]
fn libraries_neither_print_nor_exit() {
    check(silent);
}

/// A file has one subject; beyond this size it has two.
fn short(source: &Source) -> Complaints {
    let count = source.lines().count();
    if source.is_rust() && count > 800 {
        return vec![source.complaint(count, "longer than 800 lines")];
    }
    vec![]
}

#[test]
fn files_are_short() {
    check(short);
    // Worth a look, but no failure.
    let long = sources()
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| (source.lines().count(), &source.path));
    long.filter(|(count, _)| *count > 400).for_each(|(count, path)| eprintln!("{path}: {count} lines"));
}

/// What is unfinished or switched off is not on the main branch: a test that never runs proves nothing.
fn finished(source: &Source) -> Complaints {
    if !source.is_rust() {
        return vec![];
    }
    // What another test starts, to see it fail, is not to be run by itself.
    let started = "#[ignore = \"run by another test\"]";
    let rest = Source { path: source.path.clone(), text: source.text.replace(started, "") };
    rest.forbid(&["todo!", "unimplemented!", "#[ignore"], "not finished")
}

#[test]
fn nothing_is_unfinished() {
    check(finished);
}

/// The tree works wherever it is checked out, by whomever.
fn portable(source: &Source) -> Complaints {
    if source.path == "tests/tidy/proof.rs" {
        return vec![]; // It shows what a bad path looks like.
    }
    // Users that examples and tests speak of, and the one that xtask makes.
    let example = |name: &str| {
        ["sam", "alice", "bob", "user", "app", "nonroot", "rootlet-test", "{"]
            .iter()
            .any(|known| name.starts_with(known))
    };
    let strange = |line: &str, prefix: &str| {
        line.match_indices(prefix).any(|(at, _)| {
            let starts_here = !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}$~".contains(c));
            let rest = &line[at + prefix.len()..];
            let named = rest.starts_with(|c: char| c.is_alphanumeric());
            starts_here && named && !(prefix == "/home/" && example(rest))
        })
    };
    let bad = source
        .lines()
        .filter(|(_, line)| ["/work/", "/home/", "/Users/"].iter().any(|prefix| strange(line, prefix)));
    bad.map(|(number, _)| source.complaint(number, "a path of one machine")).collect()
}

#[test]
fn no_path_of_one_machine() {
    check(portable);
}

/// Documents that point at nothing have drifted.
fn linked(source: &Source, exists: impl Fn(&Path) -> bool) -> Complaints {
    if !source.path.ends_with(".md") {
        return vec![];
    }
    let directory = Path::new(&source.path).parent().expect("a file lies in a directory");
    let links = source.lines().flat_map(|(number, line)| links_of(line).map(move |link| (number, link)));
    let dead = links.filter(|(_, link)| !exists(&directory.join(link)));
    dead.map(|(number, link)| source.complaint(number, &format!("{link} does not exist"))).collect()
}

/// Targets of `[text](target)` that are files of the tree, without their `#part`.
fn links_of(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

#[test]
fn links_lead_somewhere() {
    check(|source| linked(source, |path| source::workspace().join(path).exists()));
}

/// Who reads the change log finds what is coming.
fn logged(source: &Source) -> Complaints {
    if source.path == "CHANGELOG.md" && !source.text.contains("\n## [Unreleased]\n") {
        return vec![source.complaint(1, "no section [Unreleased]")];
    }
    vec![]
}

#[test]
fn the_change_log_is_open() {
    assert!(sources().iter().any(|source| source.path == "CHANGELOG.md"), "there is no CHANGELOG.md");
    check(logged);
}
