//! The command line itself: help, refusals, completions, man pages. Nothing here needs the engine.

mod support;

use std::process::{Command, Output};

fn rootlet(args: &[&str]) -> Output {
    support::rootlet(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The status is rootlet's own failure, nothing is on standard output; gives what is on standard error.
fn refused(args: &[&str]) -> String {
    let output = rootlet(args);
    assert_eq!(output.status.code(), Some(125), "{args:?}");
    assert_eq!(stdout(&output), "", "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn help_and_version_are_no_failure() {
    for args in
        [&["--help"][..], &["run", "--help"], &["help", "run"], &["--version"], &["base", "pull", "-h"]]
    {
        let output = rootlet(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(stdout(&rootlet(&["--version"])), concat!("rootlet ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn help_names_every_option_of_docker() {
    let help = stdout(&rootlet(&["run", "--help"]));
    for option in [
        "-u, --user",
        "-e, --env ",
        "--env-file",
        "-w, --workdir",
        "-v, --volume",
        "--tmpfs",
        "--read-only",
        "-h, --hostname",
        "--cap-add",
        "--cap-drop",
        "-m, --memory",
        "--pids-limit",
        "--cpus",
        "--ulimit",
        "--entrypoint",
        "--group-add",
        "--security-opt",
        "--pull",
        "--platform",
        "-i, --interactive",
        "-t, --tty",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn refusals_say_what_was_expected_and_how_to_mend_it() {
    let text = refused(&["run", "--cap-add", "ADMIN", "x"]);
    assert_eq!(
        text,
        "error: --cap-add: invalid capability `ADMIN`: Linux has none of this name\nhint: did you mean NET_ADMIN?\n"
    );
    assert!(refused(&["run", "-u", "a:b:c", "x"]).starts_with("error: --user: invalid user `a:b:c`: "));
    assert!(refused(&["run", "-v", "data:/x", "y"]).contains("hint: write ./data"));
    assert!(refused(&["run", "--memory", "lots", "x"]).contains("512m"));
    assert!(refused(&["run", "--usr", "x", "y"]).contains("--user"));
    assert!(refused(&["runn"]).contains("run"));
    assert!(refused(&[]).contains("Usage:"));
}

#[test]
fn options_of_the_runner_are_looked_at_before_they_are_written() {
    let said = refused(&["cargo", "init", "--", "--recipee", "api"]);
    assert!(
        said.contains("unexpected argument '--recipee'") && said.contains("rootlet runner --help"),
        "{said}"
    );
}

#[test]
fn a_refusal_cannot_steer_the_terminal() {
    let text = refused(&["run", "-u", "\x1b]0;owned\x07:1:2", "x"]);
    assert!(!text.contains('\x1b') && text.contains("\\x1b"), "{text:?}");
    let text = refused(&["run", "--env-file", "/nowhere/\x1b[2J", "x"]);
    assert!(!text.contains('\x1b') && text.contains("\\x1b"), "{text:?}");
}

#[test]
fn completions_are_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&rootlet(&["completions", shell])).contains("rootlet"), "{shell}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let script = "\"$0\" completions bash | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}";
    let output =
        Command::new("bash").args(["-c", script]).arg(support::rootlet(&[]).get_program()).output().unwrap();
    assert_eq!(stdout(&output), "0\n");
    assert!(output.stderr.is_empty());
}

#[test]
fn man_pages_are_for_every_subcommand() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man");
    assert_eq!(rootlet(&["man", pages.to_str().unwrap()]).status.code(), Some(0));
    for page in ["rootlet.1", "rootlet-run.1", "rootlet-shell.1", "rootlet-base-pull.1", "rootlet-gc.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    assert!(!pages.join("rootlet-man.1").exists());
}
