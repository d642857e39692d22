//! `rootlet why`, and what it writes.

use rootlet_tests::{Leftovers, assert_nothing_left, rootlet_command};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

pub fn why(options: &[&str], script: &str) -> Option<Output> {
    let tar = rootlet_tests::alpine_tar()?;
    let mut command = rootlet_command();
    command.arg("why").arg("--base").arg(format!("tar:{}", tar.display())).args(options);
    let output = command.args(["--", "sh", "-c", script]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // Docker's default container.
    (!(rootlet_tests::chroot() && told.contains("SYS_PTRACE"))).then_some(output)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn people_read_a_paragraph() {
    let Some(output) = why(&[], "cat /etc/shadow; exit 5") else { return };
    assert_eq!(output.status.code(), Some(5));
    let told = text(output.stderr);
    for part in [
        "\"/etc/shadow\"",
        "= EACCES",
        "mode 0640) does not let uid 1000 read",
        "root would pass",
        "SupplementaryGroups=",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn hostile_names_steer_nothing() {
    let script = "mkdir -m 0 /tmp/$(printf '\\033[31m<b>%%0A') ; ls /tmp/*/; exit 1";
    for format in ["text", "github", "html", "sarif"] {
        let Some(output) = why(&["--format", format, "-q"], script) else { return };
        let told = text(output.stderr);
        let own = told.split_once("Permission denied\n").map_or(told.as_str(), |(_, own)| own);
        assert!(!own.contains('\u{1b}') && !own.contains("<b>") | (format != "html"), "{format}: {own}");
    }
}

#[test]
fn programs_read_json_and_sarif() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    let Some(_) = why(&["--json", report.to_str().unwrap()], "cat /etc/shadow") else { return };
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["refusals"][0]["cause"], "mode");
    assert_eq!(report["refusals"][0]["refused_by"]["mode"], 0o640);
    for (format, place) in [
        ("json", "/refusals/0/path"),
        ("sarif", "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri"),
    ] {
        let file = directory.path().join(format);
        why(&["--format", format, "--to", file.to_str().unwrap()], "cat /etc/shadow");
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read.pointer(place).unwrap().as_str().unwrap().trim_start_matches('/'), "etc/shadow");
    }
}

#[test]
fn reviews_get_annotations_and_a_page() {
    let Some(output) = why(&["--format", "github", "-q"], "cat /etc/shadow") else { return };
    let told = text(output.stderr);
    let line = told.lines().find(|line| line.starts_with("::error title=EACCES /etc/shadow::")).unwrap();
    assert!(line.contains("%0A") && line.contains("does not let uid 1000 read"), "{line}");
    let Some(output) = why(&["--format", "html", "-q"], "cat /etc/shadow") else { return };
    let page = text(output.stderr);
    assert!(page.contains("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"), "{page}");
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
}

#[test]
fn run_says_it_too_when_asked() {
    let Some(tar) = rootlet_tests::alpine_tar() else { return };
    let run = |more: &[&str]| {
        let mut command = rootlet_command();
        command.arg("run").arg("--base").arg(format!("tar:{}", tar.display())).args(more);
        text(command.args(["--", "cat", "/etc/shadow"]).output().unwrap().stderr)
    };
    assert!(!run(&[]).contains("does not let"));
    let told = run(&["--why"]);
    assert!(told.contains("does not let") || rootlet_tests::chroot(), "{told}");
}

#[test]
fn a_killed_caller_leaves_nothing() {
    rootlet_tests::alone(|| {
        let Some(tar) = rootlet_tests::alpine_tar() else { return };
        let before = Leftovers::before();
        for signal in ["KILL", "INT"] {
            let mut command = rootlet_command();
            command.arg("why").arg("--base").arg(format!("tar:{}", tar.display()));
            let script = "cat /etc/shadow; echo ready; sleep 1000 & sleep 1000";
            let mut child = command.args(["--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if line.is_empty() && rootlet_tests::chroot() {
                child.wait().unwrap();
                return;
            }
            assert_eq!(line, "ready\n");
            let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
            assert!(kill.success());
            assert!(!child.wait().unwrap().success());
        }
        assert_nothing_left(&before);
    });
}
