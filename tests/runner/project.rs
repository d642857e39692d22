//! A project of our own, with the configuration that `cargo rootlet init` writes.

use crate::{cargo, compiles, text, write};
use rootlet_tests::kept;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const MANIFEST: &str = r#"
[workspace]
members = ["inner"]

[package]
name = "shown"
version = "0.0.0"
edition = "2021"
"#;

const LIBRARY: &str = r#"
//! ```
//! assert!(std::fs::write("/etc/of-a-doc-test", "x").is_err());
//! ```

#[test]
fn is_not_root() {
    assert!(std::fs::write("/etc/of-a-test", "x").is_err());
    assert_eq!(std::env::var("HOME").unwrap(), "/home/sam");
}

#[test]
fn may_write_its_project_which_is_a_copy() {
    std::fs::write("made", "x").unwrap();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"), "changed").unwrap();
}

#[test]
fn has_the_variables_of_its_caller() {
    assert_eq!(std::env::var("OF_THE_CALLER").as_deref(), Ok("hello"));
}
"#;

const INTEGRATION: &str = r#"
#[test]
fn finds_its_own_program() {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_shown")).arg("a").output().unwrap();
    assert_eq!(out.status.code(), Some(3));
}

#[test]
fn may_write_what_lasts() {
    std::fs::create_dir_all("lasting").unwrap();
    std::fs::write("lasting/made", "x").unwrap();
}

#[test]
fn starts_anew_each_time() {
    // Under nextest each of these is in a root of its own.
    if std::env::var_os("NEXTEST").is_some() {
        assert!(!std::path::Path::new("/tmp/mark").exists());
    }
    std::fs::write("/tmp/mark", "x").unwrap();
}

#[test]
fn starts_anew_each_time_too() {
    starts_anew_each_time();
}
"#;

const PROGRAM: &str = r#"
fn main() {
    println!("{:?} as {}", std::env::args().skip(1).collect::<Vec<_>>(), std::env::var("HOME").unwrap());
    std::process::exit(3);
}
"#;

struct Shown(TempDir);

impl Shown {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |file: &str| directory.path().join(file);
        write(at("Cargo.toml"), MANIFEST);
        write(at("src/lib.rs"), LIBRARY);
        write(at("src/main.rs"), PROGRAM);
        write(at("tests/integration.rs"), INTEGRATION);
        write(
            at("inner/Cargo.toml"),
            "[package]\nname = \"inner\"\nversion = \"0.0.0\"\nedition = \"2021\"\n",
        );
        write(
            at("inner/src/lib.rs"),
            "#[test]\nfn sees_the_whole() { assert!(std::path::Path::new(\"../src/main.rs\").exists()); }\n",
        );
        Self(directory)
    }

    fn cargo(&self) -> std::process::Command {
        let mut cargo = cargo(self.0.path(), &target());
        cargo.env("OF_THE_CALLER", "hello");
        cargo
    }

    fn init(&self, words: &[&str]) -> String {
        let out = self.cargo().args(["rootlet", "init"]).args(words).output().unwrap();
        assert!(out.status.success(), "{}", text(&out));
        text(&out)
    }

    fn runs(&self, words: &[&str]) -> String {
        let out = self.cargo().args(words).output().unwrap();
        assert!(out.status.success(), "{}", text(&out));
        text(&out)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn target() -> PathBuf {
    kept("runner-project")
}

fn unchanged(shown: &Shown) {
    assert_eq!(fs::read_to_string(shown.file("src/lib.rs")).unwrap(), LIBRARY);
    assert!(!shown.file("made").exists());
}

#[test]
fn tests_benches_doc_tests_and_programs_run_in_rootlets() {
    if !compiles() {
        return;
    }
    let shown = Shown::new();
    shown.init(&[]);
    let said = shown.runs(&["test", "--workspace"]);
    for name in [
        "is_not_root",
        "may_write_its_project_which_is_a_copy",
        "finds_its_own_program",
        "sees_the_whole",
        "src/lib.rs - ",
    ] {
        assert!(said.lines().any(|line| line.contains(name) && line.ends_with("ok")), "{name}:\n{said}");
    }
    unchanged(&shown);
    let out = shown.cargo().args(["run", "--quiet", "--", "a", "b c"]).output().unwrap();
    assert_eq!(out.status.code(), Some(3), "{}", text(&out));
    assert_eq!(String::from_utf8_lossy(&out.stdout), "[\"a\", \"b c\"] as /home/sam\n");
    // `cargo bench` with the library's own harness runs no test, but in a rootlet.
    assert!(shown.runs(&["bench", "--workspace"]).contains("ignored"));
}

#[test]
fn nextest_has_a_root_for_each_test() {
    if !compiles() || !nextest() {
        return;
    }
    let shown = Shown::new();
    shown.init(&[]);
    let said = shown.runs(&["nextest", "run", "--workspace"]);
    assert!(said.contains("8 tests run: 8 passed"), "{said}");
    unchanged(&shown);
    // The same by a wrapper script, without a runner.
    let shown = Shown::new();
    shown.init(&["--nextest"]);
    let said = shown.runs(&["nextest", "run", "--workspace"]);
    assert!(said.contains("8 tests run: 8 passed"), "{said}");
    unchanged(&shown);
}

fn nextest() -> bool {
    let found = crate::has("cargo-nextest");
    if !found {
        rootlet_tests::skipped("no cargo-nextest");
    }
    found
}

#[test]
fn what_is_to_last_lasts() {
    if !compiles() {
        return;
    }
    let shown = Shown::new();
    // The directory belongs to whoever calls, whom production's user is not where that is root.
    fs::create_dir(shown.file("lasting")).unwrap();
    fs::set_permissions(shown.file("lasting"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    shown.init(&["--", "--writable", "lasting"]);
    shown.runs(&["test", "--test", "integration"]);
    assert!(shown.file("lasting/made").exists());
}

#[test]
fn init_adds_to_what_is_there() {
    if !compiles() {
        return;
    }
    let shown = Shown::new();
    write(shown.file(".cargo/config.toml"), "# ours\n[build]\nincremental = false");
    assert!(shown.init(&["--", "-r", "api"]).contains("written"));
    let written = fs::read_to_string(shown.file(".cargo/config.toml")).unwrap();
    assert!(written.starts_with("# ours\n[build]\nincremental = false\n"), "{written}");
    assert!(written.ends_with("runner = [\"rootlet\", \"runner\", \"-r\", \"api\"]\n"), "{written}");
    assert!(shown.init(&["--", "-r", "api"]).contains("has it already"));
    assert_eq!(fs::read_to_string(shown.file(".cargo/config.toml")).unwrap(), written);
    // Another one is not mixed in, and what to write is said.
    let out = shown.cargo().args(["rootlet", "init"]).output().unwrap();
    assert_eq!(out.status.code(), Some(125));
    assert!(
        text(&out).contains("has a table `target` already") && text(&out).contains("hint: add a runner"),
        "{}",
        text(&out)
    );
    assert_eq!(fs::read_to_string(shown.file(".cargo/config.toml")).unwrap(), written);
}

#[test]
fn init_needs_a_project() {
    if !compiles() {
        return;
    }
    // The directory for temporary files may lie in a project itself.
    let empty = tempfile::tempdir_in("/tmp").unwrap();
    let out = cargo(empty.path(), &target()).args(["rootlet", "init"]).output().unwrap();
    assert!(!out.status.success());
    assert!(
        text(&out).contains("where the project is") && text(&out).contains("Cargo.toml"),
        "{}",
        text(&out)
    );
    assert!(fs::read_dir(empty.path()).unwrap().next().is_none());
    assert!(Path::new(empty.path()).exists());
}
