//! Bases other than this machine: a tarball, what the store says of it, a root that is kept and entered.

mod support;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Ran, finish};

/// A store of this test's own, with Alpine's smallest root in reach.
struct Alpine {
    base: String,
    store: tempfile::TempDir,
}

impl Alpine {
    fn new() -> Option<Self> {
        let tarball = rootlet_tests::alpine_tar()?;
        let base = format!("tar:{}", tarball.display());
        Some(Self { base, store: tempfile::tempdir().unwrap() })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = support::rootlet(args);
        command.env("ROOTLET_STORE", self.store.path());
        command
    }

    fn rootlet(&self, args: &[&str], input: &str) -> Ran {
        finish(&mut self.command(args), input)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.rootlet(&[&["run", "--base", &self.base], args].concat(), "")
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> serde_json::Value {
        let ran = self.rootlet(args, "");
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

/// So that the store goes with the test: some of its files belong to other users' numbers.
impl Drop for Alpine {
    fn drop(&mut self) {
        self.rootlet(&["gc", "--keep", "0"], "");
    }
}

macro_rules! alpine {
    () => {
        match Alpine::new() {
            Some(alpine) => alpine,
            None => rootlet_tests::skip!("Alpine's root is not there"),
        }
    };
}

#[test]
fn a_tarball_is_a_root_of_its_own() {
    let alpine = alpine!();
    let ran = alpine.run(&["--", "sh", "-c", ". /etc/os-release; echo $ID; id -un; stat -c %u /etc ~"]);
    // With one id, what is root's shows as the user's.
    let owner = if rootlet_tests::one_id() { 1000 } else { 0 };
    let expected = format!("alpine\nsam\n{owner}\n1000\n");
    assert_eq!((ran.status, ran.stdout), (Some(0), expected), "{}", ran.stderr);
    let root =
        alpine.run(&["-u", "root", "--", "sh", "-c", "apk --version >/dev/null && head -c 4 /etc/shadow"]);
    assert_eq!((root.status, root.stdout.as_str()), (Some(0), "root"), "{}", root.stderr);
    assert_ne!(alpine.run(&["--", "cat", "/etc/shadow"]).status, Some(0));
}

#[test]
fn an_unsaid_command_is_an_error_where_the_base_names_none() {
    let alpine = alpine!();
    let ran = alpine.run(&[]);
    assert_eq!(ran.status, Some(125));
    assert!(ran.stderr.contains("no command is given") && ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn an_entrypoint_of_ones_own_comes_before_the_command() {
    let alpine = alpine!();
    assert_eq!(alpine.run(&["--entrypoint", "echo", "--", "a", "b"]).stdout, "a b\n");
    assert_eq!(alpine.run(&["--entrypoint", "", "--", "echo", "b"]).stdout, "b\n");
}

#[test]
fn what_is_kept_can_be_entered() {
    let alpine = alpine!();
    let script = "echo hello > ~/x";
    let kept = alpine.run(&["--keep", "-u", "app:1000:1000", "-e", "A=kept", "--", "sh", "-c", script]);
    assert_eq!(kept.status, Some(0), "{}", kept.stderr);
    let id = kept.stderr.trim().strip_prefix("kept: rootlet enter ").unwrap();
    let script = "cat ~/x; id -u; echo $A $B; echo changed > ~/x";
    let entered = alpine.rootlet(&["enter", "-e", "B=own", id, "--", "sh", "-c", script], "");
    assert_eq!(entered.stdout, "hello\n1000\nkept own\n", "{}", entered.stderr);
    // It stays as it was, and a shell is what one gets without a command.
    let shell = alpine.rootlet(&["enter", "--user", "root", id], "id -u; cat /home/app/x; exit 6");
    assert_eq!((shell.status, shell.stdout.as_str()), (Some(6), "0\nhello\n"), "{}", shell.stderr);
    let name = format!("snapshot:kept-{id}");
    assert_eq!(alpine.json(&["base", "show", "--json", &name])["name"], name.as_str());
    assert_eq!(alpine.rootlet(&["base", "rm", &name], "").status, Some(0));
    assert_eq!(alpine.rootlet(&["enter", id], "").status, Some(125));
}

#[test]
fn bases_are_pulled_listed_shown_and_removed() {
    let alpine = alpine!();
    assert_eq!(alpine.json(&["base", "list", "--json"]), serde_json::json!([]));
    let pulled = alpine.rootlet(&["base", "pull", "--quiet", &alpine.base], "");
    assert_eq!(pulled.status, Some(0), "{}", pulled.stderr);
    assert!(pulled.stdout.starts_with("sha256:") && pulled.stdout.contains("tar:/"), "{}", pulled.stdout);
    let list = alpine.json(&["base", "list", "--json"]);
    assert_eq!(list[0]["kind"], "layers", "{list:#}");
    let name = list[0]["name"].as_str().unwrap();
    assert!(alpine.rootlet(&["base", "ls"], "").stdout.starts_with("NAME "));
    let shown = alpine.rootlet(&["base", "show", name], "").stdout;
    assert!(shown.contains("layer ") && shown.contains("sha256:"), "{shown}");
    let removed = alpine.rootlet(&["base", "rm", name], "");
    assert!(removed.stdout.starts_with(&format!("removed {name}\n")), "{}", removed.stdout);
    assert_eq!(alpine.rootlet(&["base", "rm", name], "").status, Some(125));
    assert_eq!(alpine.rootlet(&["gc"], "").stdout, "nothing to remove\n");
}

#[test]
fn what_is_wrong_with_a_base_is_told_once() {
    let alpine = alpine!();
    let nowhere = alpine.rootlet(&["run", "--base", "oci:/nowhere", "--", "true"], "");
    let lines: Vec<&str> = nowhere.stderr.lines().collect();
    assert_eq!(
        lines[..2],
        ["error: failed to find the base /nowhere: ENOENT", "  caused by: No such file or directory"]
    );
    assert!(lines[2].starts_with("hint: ") && lines.len() == 3, "{lines:?}");
    // Found when it is unpacked, within an error of the library.
    let cut = alpine.store.path().join("cut.tar.gz");
    let whole = std::fs::read(alpine.base.strip_prefix("tar:").unwrap()).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let base = format!("tar:{}", cut.display());
    for args in [&["run", "--base", &base, "--", "true"][..], &["base", "pull", &base]] {
        let ran = alpine.rootlet(args, "");
        assert_eq!((ran.status, ran.stderr.lines().count()), (Some(125), 1), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("truncated").count(), 1, "{}", ran.stderr);
    }
    std::fs::remove_file(cut).unwrap();
}

#[test]
fn what_is_pulled_is_unpacked() {
    let alpine = alpine!();
    let copies = || alpine.json(&["base", "show", "--json", &alpine.base])["layers"][0]["copies"].clone();
    let pulled = alpine.rootlet(&["base", "pull", &alpine.base], "");
    assert_eq!((pulled.status, pulled.stderr.as_str()), (Some(0), ""));
    assert_eq!(copies(), 1);
    assert_eq!(alpine.run(&["--", "true"]).status, Some(0));
    assert_eq!(copies(), 1, "a run finds it done");
}

#[test]
fn a_terminal_shows_how_far_unpacking_is() {
    let alpine = alpine!();
    let run = |args: &[&str]| shown_on_a_terminal(alpine.command(args));
    let first = run(&["run", "--base", &alpine.base, "--", "true"]);
    assert!(first.contains("unpacking ") && first.contains(" MiB"), "{first:?}");
    assert_eq!(run(&["run", "--base", &alpine.base, "--", "true"]), "", "there is nothing to show");
    alpine.rootlet(&["base", "rm", &alpine.base], "");
    assert_eq!(run(&["run", "--quiet", "--base", &alpine.base, "--", "true"]), "");
}

/// What a command writes to standard error, when that is a terminal.
fn shown_on_a_terminal(mut command: Command) -> String {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    // Not as the terminal that this very process hangs on.
    let slave = open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(slave).spawn().unwrap();
    // With the command, which has it still, goes the last that has the other end open.
    drop(command);
    let mut shown = Vec::new();
    let _closed = File::from(master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&shown));
    String::from_utf8(shown).unwrap()
}

#[test]
fn the_store_is_where_it_is_said() {
    let alpine = alpine!();
    let other = alpine.store.path().join("other");
    let other = other.as_os_str().to_str().unwrap();
    let ran = alpine.rootlet(&["base", "pull", "-q", "--store", other, &alpine.base], "");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(Path::new(other).join("layout").is_file());
    assert_eq!(alpine.rootlet(&["base", "rm", "--store", other, &alpine.base], "").status, Some(0));
    let ran = alpine.run(&["--store", "/proc/no/store", "--", "true"]);
    assert_eq!(ran.status, Some(125));
    assert!(ran.stderr.contains("/proc/no/store"), "{}", ran.stderr);
}

#[test]
fn what_is_not_in_the_store_is_not_fetched_offline() {
    let alpine = alpine!();
    for option in [&["--offline"][..], &["--pull", "never"]] {
        let args = [&["run", "--base", "alpine:3.20"], option, &["--", "true"]].concat();
        let ran = alpine.rootlet(&args, "");
        assert_eq!(ran.status, Some(125), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("alpine:3.20"), "{}", ran.stderr);
    }
}

#[test]
fn names_that_are_no_bases_are_explained() {
    let alpine = alpine!();
    for (name, hint) in [("./x y", "hint: "), ("tar:", "hint: "), ("/", "dir:/"), ("Upper/Case", "hint: ")] {
        let ran = alpine.rootlet(&["run", "--base", name, "--", "true"], "");
        assert_eq!(ran.status, Some(125), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{name}: {}", ran.stderr);
    }
    let odd = OsStr::new("x\x1b[2Jy");
    let ran = alpine.rootlet(&["run", "--base", odd.to_str().unwrap(), "--", "true"], "");
    assert!(!ran.stderr.contains('\x1b'), "{:?}", ran.stderr);
}
