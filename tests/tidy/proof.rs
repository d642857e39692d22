//! Each rule finds what it looks for, and lets the rest through.

use super::source::{Source, code_of, has_word};
use super::*;

/// Asserts that `rule` complains about the first text and not about the second.
#[track_caller]
fn tells_apart(rule: impl Fn(&Source) -> Complaints, path: &str, bad: &str, good: &str) {
    assert_eq!(rule(&Source::new(path, bad)).len(), 1, "{path} with {bad:?}");
    assert_eq!(rule(&Source::new(path, good)), Complaints::new(), "{path} with {good:?}");
}

#[test]
fn code_is_what_is_neither_comment_nor_quoted() {
    assert_eq!(code_of(r#"let a = "x // \" y"; // z"#), "let a = ; ");
    assert_eq!(code_of("match c { '\"' => 1 } // \""), "match c {  => 1 } ");
    assert!(has_word("unsafe { }", "unsafe") && has_word("a::println!()", "println!"));
    assert!(!has_word("unsafe_code", "unsafe") && !has_word("eprintln!()", "println!"));
}

#[test]
fn floors_are_seen() {
    let depends = |on: &str| format!("[package]\nname = \"x\"\n[dependencies]\n{on}.workspace = true\n");
    tells_apart(floors, "crates/spec/Cargo.toml", &depends("rootlet-base"), &depends("serde"));
    tells_apart(floors, "crates/base/Cargo.toml", &depends("rootlet"), &depends("rootlet-kernel"));
    tells_apart(floors, "crates/cli/Cargo.toml", &depends("rootlet-base"), &depends("rootlet"));
    let for_tests = "[dev-dependencies]\nrootlet.workspace = true\n";
    tells_apart(floors, "crates/base/Cargo.toml", "[build-dependencies]\nrootlet = \"1\"\n", for_tests);
    assert_eq!(floors(&Source::new("crates/new/Cargo.toml", "")).len(), 1);
}

#[test]
fn unsafe_code_is_seen() {
    tells_apart(fence, "crates/base/src/a.rs", "let a = unsafe { b() };", "// unsafe\nlet a = \"unsafe\";");
    assert_eq!(fence(&Source::new("crates/kernel/src/a.rs", "unsafe { b() }")).len(), 0);
}

#[test]
fn missing_lints_are_seen() {
    tells_apart(lints, "a/Cargo.toml", "[package]\n", "[package]\n[lints]\nworkspace = true\n");
    tells_apart(lints, "Cargo.toml", "[workspace]\n", "[workspace]\nundocumented_unsafe_blocks = \"deny\"\n");
}

#[test]
fn io_is_seen() {
    let (bad, good) =
        ("use std::fs;", "/// not std::fs\nuse std::path::Path;\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}");
    tells_apart(pure, "crates/spec/src/user.rs", bad, good);
    tells_apart(pure, "crates/rootlet/src/plan.rs", "rustix::fs::open()", good);
    tells_apart(pure, "crates/rootlet/src/plan/mounts.rs", "std::process::id()", good);
    assert_eq!(pure(&Source::new("crates/base/src/store.rs", bad)).len(), 0);
}

#[test]
fn printing_is_seen() {
    tells_apart(silent, "crates/base/src/a.rs", "println!(\"a\");", "/// println!(\"a\")\nwriteln!(out);");
    tells_apart(silent, "crates/rootlet/src/a.rs", "std::process::exit(1)", "std::process::id()");
    assert_eq!(silent(&Source::new("crates/cli/src/main.rs", "println!()")).len(), 0);
}

#[test]
fn long_files_are_seen() {
    tells_apart(short, "a.rs", &"\n".repeat(801), &"\n".repeat(800));
}

#[test]
fn unfinished_code_is_seen() {
    tells_apart(finished, "a.rs", "fn a() { todo!() }", "// todo: a better name\nfn todo() {}");
    tells_apart(finished, "a.rs", "#[ignore = \"slow\"]", "#[ignore = \"run by another test\"]");
}

#[test]
fn paths_of_one_machine_are_seen() {
    tells_apart(
        portable,
        "a.md",
        "see /home/jane/rootlet",
        "his /home/sam and $HOME/work/x and /home/{name}",
    );
    tells_apart(portable, "a.rs", "open(\"/work/data\")", "open(\"target/work/data\")");
}

#[test]
fn dead_links_are_seen() {
    let rule = |source: &Source| linked(source, |path| path == Path::new("docs/b.md"));
    tells_apart(rule, "docs/a.md", "[b](c.md)", "[b](b.md#part), [web](https://example.org), [here](#part)");
}

#[test]
fn a_closed_change_log_is_seen() {
    tells_apart(logged, "CHANGELOG.md", "# Changelog\n", "# Changelog\n\n## [Unreleased]\n");
}
