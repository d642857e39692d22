//! `rootlet export`: what it prints, and that others read it.

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{Ran, finish};

/// A store and a directory of this test's own.
struct Place {
    directory: tempfile::TempDir,
    base: String,
}

impl Place {
    fn new() -> Option<Self> {
        let base = format!("tar:{}", rootlet_tests::alpine_tar()?.display());
        Some(Self { directory: tempfile::tempdir().unwrap(), base })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = support::rootlet(args);
        command.env("ROOTLET_STORE", self.at("store")).current_dir(self.directory.path());
        command
    }

    fn rootlet(&self, args: &[&str]) -> Ran {
        finish(&mut self.command(args), "")
    }
}

/// So that the store goes with the test: some of its files belong to other users' numbers.
impl Drop for Place {
    fn drop(&mut self) {
        self.rootlet(&["gc", "--keep", "0"]);
    }
}

macro_rules! place {
    () => {
        match Place::new() {
            Some(place) => place,
            None => rootlet_tests::skip!("Alpine's root is not there"),
        }
    };
}

#[test]
fn what_is_exported_runs_again() {
    let place = place!();
    let expected = "alpine\n";
    for (target, base) in [
        ("oci:layout:1", "oci:layout:1"),
        ("oci-archive:o.tar:1", "archive:o.tar:1"),
        ("docker-archive:d.tar:me/x:1", "archive:d.tar:me/x:1"),
        ("tar:t.tar", "tar:t.tar"),
    ] {
        let exported = place.rootlet(&["export", &place.base, "--to", target]);
        assert_eq!((exported.status, exported.stderr.as_str()), (Some(0), ""), "{target}");
        let digest = exported.stdout.trim_end();
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{target}: {}", exported.stdout);
        let again = place.rootlet(&["export", &place.base, "--to", target]);
        assert_eq!(again.stdout, exported.stdout, "{target}");
        let ran = place.rootlet(&["run", "--base", base, "--", "sh", "-c", ". /etc/os-release; echo $ID"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), expected), "{base}: {}", ran.stderr);
    }
}

#[test]
fn what_a_run_kept_is_exported() {
    let place = place!();
    let script = "echo hello > /etc/greeting; chmod 600 /etc/greeting; rm /etc/motd; mkdir -m 700 /srv/shut";
    let run = ["run", "--keep", "--base", &place.base, "-u", "root", "--", "sh", "-c", script];
    let kept = place.rootlet(&run);
    assert_eq!(kept.status, Some(0), "{}", kept.stderr);
    let id = kept.stderr.trim().rsplit(' ').next().unwrap();
    let exported = place.rootlet(&["export", &format!("snapshot:kept-{id}"), "--to", "tar:t.tar"]);
    assert_eq!(exported.status, Some(0), "{}", exported.stderr);
    let list = Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(place.at("t.tar")).output().unwrap();
    let text = String::from_utf8(list.stdout).unwrap();
    let line = |name: &str| text.lines().find(|line| line.ends_with(&format!(" {name}")));
    assert!(line("etc/greeting").unwrap().starts_with("-rw------- 0/0 "), "{text}");
    assert!(line("srv/shut/").unwrap().starts_with("drwx------ 0/0 "), "{text}");
    assert!(line("etc/shadow").unwrap().starts_with("-rw-r----- 0/42 "), "{text}");
    assert_eq!(line("etc/motd"), None);
}

#[test]
fn a_dash_is_standard_output() {
    let place = place!();
    let file = place.rootlet(&["export", &place.base, "--to", "tar:t.tar"]);
    let mut export = place.command(&["export", &place.base, "--to", "tar:-"]);
    let output = export.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(output.stdout == std::fs::read(place.at("t.tar")).unwrap());
    assert!(!file.stdout.is_empty());
}

#[test]
fn what_is_wrong_is_told_before_anything_is_done() {
    let place = place!();
    let told = |args: &[&str]| {
        let ran = place.rootlet(args);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(125), ""), "{args:?}");
        ran.stderr
    };
    let unknown = told(&["export", "no.such.host.invalid/x", "--to", "ftp:/x"]);
    assert!(unknown.starts_with("error: `ftp:/x` is not the name of an image"), "{unknown}");
    assert!(unknown.contains("hint: a target is `oci:PATH[:TAG]`"), "{unknown}");
    let host = told(&["export", "host", "--to", "tar:t.tar"]);
    assert!(host.contains("failed to export to `tar:t.tar`") && host.contains("hint: "), "{host}");
    let nowhere = told(&["export", &place.base, "--to", "tar:no/such/place.tar"]);
    assert!(nowhere.contains("failed to write no/such: ENOENT"), "{nowhere}");
    let offline = told(&["export", "--offline", &place.base, "--to", "localhost:1/x"]);
    assert!(offline.contains("the network is not to be used"), "{offline}");
    assert!(told(&["export", &place.base]).contains("--to <TARGET>"));
    let left: Vec<_> = place.directory.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["store"]);
}
