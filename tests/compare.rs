//! `rootlet compare` and `rootlet writes`: of a shell's script, and of this very test program.

use rootlet_tests::{alpine_tar, rootlet_command, skipped};
use serde_json::Value;
use std::env;
use std::process::Output;

fn on_alpine(words: &[&str], script: &str) -> Option<Output> {
    let Some(alpine) = alpine_tar() else {
        skipped("no tarball of alpine");
        return None;
    };
    let base = format!("tar:{}", alpine.display());
    let mut command = rootlet_command();
    command.args(words).args(["--base", &base, "--", "sh", "-c", script]);
    Some(command.output().unwrap())
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A program of its own, as TAP tells it.
const TESTS: &str = "\
    touch /etc/new && echo 'ok 1 - writes its configuration' || echo 'not ok 1 - writes its configuration'
    touch /tmp/new && echo 'ok 2 - uses /tmp' || echo 'not ok 2 - uses /tmp'
    [ $(id -u) = 0 ] && echo 'ok 3 - refuses # SKIP as root' || echo 'ok 3 - refuses'
    echo 'ok 4 - is the same'";

#[test]
fn what_passes_only_as_root_is_named() {
    let Some(out) = on_alpine(&["compare"], TESTS) else { return };
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    let said = text(&out);
    let (_, production) = said.split_once("production differs from root").expect(&said);
    let production = production.split("\n\n").next().unwrap();
    let expected = "\n  passes only as root:\n    writes its configuration\n  skipped as root:\n    refuses";
    assert_eq!(production.trim_end(), expected);
    if !rootlet_tests::chroot() {
        let (_, read_only) = said.split_once("read-only differs from root").expect(&said);
        assert!(read_only.contains("    uses /tmp\n"), "{said}");
    }
    assert!(!said.contains("is the same"), "{said}");
}

#[test]
fn what_root_was_not_refused_is_explained_when_asked() {
    let script = "cat /etc/shadow && { mount -t tmpfs none /mnt; true; }";
    let words = ["compare", "--side", "root", "--side", "production"];
    let Some(out) = on_alpine(&words, script) else { return };
    assert!(
        text(&out).ends_with("with --why it is said what was refused, and what to change\n"),
        "{}",
        text(&out)
    );
    assert!(!text(&out).contains("REFUSED"), "{}", text(&out));
    let Some(out) = on_alpine(&[&words[..], &["--why"]].concat(), script) else { return };
    if rootlet_tests::chroot() && text(&out).contains("SYS_PTRACE") {
        return;
    }
    let said = text(&out);
    let (_, refused) = said.split_once("  refused as production, not as root:\n").expect(&said);
    for part in [
        "open(\"/etc/shadow\", O_RDONLY|O_LARGEFILE) = EACCES",
        "(owner 0:42, mode 0640) does not let uid 1000 read",
        "root would pass",
        "SupplementaryGroups=42",
    ] {
        assert!(refused.contains(part), "{part}: {said}");
    }
    // Root, who went on, was refused that; production did not come so far.
    assert!(!refused.contains("mount("), "{said}");
    assert!(said.lines().any(|line| line.starts_with("root ") && line.contains("  1 call ")), "{said}");
}

#[test]
fn what_does_the_same_is_the_same() {
    let Some(out) = on_alpine(&["compare"], "date +%N; cat /etc/passwd > /dev/null") else { return };
    assert_eq!(out.status.code(), Some(0), "{}", text(&out));
    assert!(!text(&out).contains("differs"), "{}", text(&out));
}

#[test]
fn another_exit_status_is_a_difference_and_says_what_was_said() {
    let Some(out) = on_alpine(&["compare", "--side", "root", "--side", "production"], "cat /etc/shadow")
    else {
        return;
    };
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("exit status 1, not 0"), "{}", text(&out));
    assert!(text(&out).contains("can't open '/etc/shadow': Permission denied"), "{}", text(&out));
    assert!(!text(&out).contains("random"), "{}", text(&out));
}

#[test]
fn machines_read_it_too() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let Some(out) = on_alpine(&["compare", "--json", path], TESTS) else { return };
    assert_eq!(out.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
    let sides = told["sides"].as_array().unwrap();
    assert_eq!((sides[0]["side"].as_str(), sides[1]["side"].as_str()), (Some("root"), Some("production")));
    assert_eq!(sides[1]["user"]["uid"], 1000);
    assert_eq!(
        sides[1]["difference"]["tests"]["writes its configuration"],
        serde_json::json!(["passed", "failed"])
    );
    assert_eq!(sides[0]["tests"]["refuses"], "skipped");
}

#[test]
fn what_cannot_be_started_anywhere_is_an_error() {
    let Some(alpine) = alpine_tar() else { return skipped("no tarball of alpine") };
    let base = format!("tar:{}", alpine.display());
    let out = rootlet_command().args(["compare", "--base", &base, "--", "not-there"]).output().unwrap();
    assert_eq!(out.status.code(), Some(125));
    assert!(text(&out).contains("no `not-there` in the PATH"), "{}", text(&out));
}

#[test]
#[ignore = "run by another test"]
fn writes_etc() {
    std::fs::write("/etc/of-a-test", "x").unwrap();
}

#[test]
#[ignore = "run by another test"]
fn writes_its_home() {
    let home = env::var("HOME").unwrap();
    std::fs::write(format!("{home}/mine"), "x").unwrap();
}

#[test]
fn a_test_program_is_compared_test_by_test() {
    let mut command = rootlet_command();
    command.args(["compare", "--project", "--side", "root", "--side", "production", "--"]);
    let out = command.arg(env::current_exe().unwrap()).arg("--ignored").output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("passes only as root:\n    writes_etc\n"), "{}", text(&out));
    // A test's thread has its name.
    let mut command = rootlet_command();
    command.args(["compare", "--why", "--project", "--side", "root", "--side", "production", "--"]);
    let out = command.arg(env::current_exe().unwrap()).arg("--ignored").output().unwrap();
    let said = text(&out);
    if !(rootlet_tests::chroot() && said.contains("SYS_PTRACE")) {
        let below = said.split_once("passes only as root:\n    writes_etc\n").expect(&said).1;
        assert!(below.starts_with("      openat(AT_FDCWD, \"/etc/of-a-test\", "), "{said}");
    }
}

#[test]
fn what_runners_do_not_name_did_not_fail() {
    let sides = ["compare", "--project", "--side", "root", "--side", "production", "--"];
    let out = rootlet_command()
        .args(sides)
        .arg(env::current_exe().unwrap())
        .args(["--ignored", "-q"])
        .output()
        .unwrap();
    let said = text(&out);
    assert!(said.contains("\n  fails as production, not as root:\n    writes_etc\n"), "{said}");
    assert!(said.contains("2 passed, 0 failed, 0 skipped"), "{said}");
    assert!(said.contains("1 passed, 1 failed, 0 skipped"), "{said}");
    let script = "import os, unittest
class C(unittest.TestCase):
    def test_writes(self): open('/etc/of-a-test', 'w').close()
    @unittest.skipIf(os.getuid() == 0, 'root may')
    def test_is_refused(self): self.assertRaises(OSError, open, '/etc/of-another', 'w')
unittest.main()";
    let mut command = rootlet_command();
    command.args([
        "compare",
        "--side",
        "root",
        "--side",
        "production",
        "--",
        "/usr/bin/python3",
        "-c",
        script,
    ]);
    if rootlet_tests::chroot() {
        // The machine's own root is not copied.
        return;
    }
    let said = text(&command.output().unwrap());
    let (_, differs) = said.split_once("production differs from root\n").expect(&said);
    let expected = "  exit status 1, not 0\n  fails as production, not as root:\n    test_writes (__main__.C.test_writes)\n  \
                    skipped: 1 as root, 0 as production; with -v most runners name which\n";
    assert!(differs.starts_with(expected), "{said}");
}

#[test]
fn what_is_written_can_be_granted() {
    let script = "mkdir -p /var/lib/app/state && echo x > /var/lib/app/state/one && echo $$ > /run/app.pid";
    let Some(out) = on_alpine(&["writes", "--user", "root", "--format", "docker"], script) else { return };
    assert!(out.status.success(), "{}", text(&out));
    let granted = String::from_utf8(out.stdout).unwrap();
    assert_eq!(granted, "--tmpfs /run --tmpfs /var/lib/app\n");
    if rootlet_tests::chroot() {
        return;
    }
    let refused = on_alpine(&["run", "--user", "root", "--read-only"], script).unwrap();
    assert!(text(&refused).contains("Read-only file system"), "{}", text(&refused));
    let words: Vec<&str> =
        ["run", "--user", "root", "--read-only"].into_iter().chain(granted.split_whitespace()).collect();
    let out = on_alpine(&words, script).unwrap();
    assert!(out.status.success(), "{}", text(&out));
}

#[test]
fn out_of_time_is_124() {
    for command in ["compare", "writes"] {
        let Some(out) = on_alpine(&[command, "--timeout", "200ms"], "sleep 60") else { return };
        assert_eq!(out.status.code(), Some(124), "{command}: {}", text(&out));
        assert!(text(&out).contains("did not end within 200ms"), "{command}: {}", text(&out));
    }
}

#[test]
fn nothing_written_is_said() {
    let Some(out) = on_alpine(&["writes"], "cat /etc/passwd; exit 3") else { return };
    assert_eq!(out.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&out.stdout).starts_with("nothing was written before it failed (status 3)"),
        "{}",
        text(&out)
    );
    assert!(String::from_utf8_lossy(&out.stderr).contains("root:x:0:0"), "{}", text(&out));
}
