//! `#[rootlet::test]`, used as everybody uses it. What fails on purpose is ignored, and run by a test that reads what it says.

use rootlet::spec::{Fault, Net};
use rootlet::{Base, Builder, ErrorKind, Rootlet, Store, assert_changes, assert_refused};
use std::io;
use std::process::Command;

#[rootlet::test(user = "sam")]
fn has_a_rootlet(root: &Rootlet) {
    let out = root.command("id").arg("-un").output().unwrap();
    assert_eq!(out.stdout, b"sam\n");
    assert_refused!(root.as_user("sam").unwrap().write("/etc/motd", "x"));
    assert_refused!(root.command("touch").arg("/etc/motd").output());
    assert_changes!(root, []);
    root.write("/etc/app.conf", "x").unwrap();
    root.create_dir("/srv/app").unwrap();
    root.chown("/srv/app", Some(1000), Some(1000)).unwrap();
    assert_changes!(root, ["A /srv/app 0755 1000:1000 directory", "A /etc/app.conf 0644"]);
}

#[rootlet::test(user = "root", with = small, env = { GREETING = "hello" }, workdir = "/var/lib")]
fn is_what_its_arguments_say(root: &Rootlet) -> rootlet::Result<()> {
    let out = root.command("sh").args(["-c", "echo $GREETING $(id -u) $(pwd) $(umask)"]).output()?;
    assert_eq!(out.stdout, b"hello 0 /var/lib 0077\n");
    Ok(())
}

fn small(builder: Builder) -> Builder {
    builder.umask(0o077)
}

#[rootlet::test(users = ["root", "sam", "random:0"])]
fn may_write_etc_as_root_alone(root: &Rootlet) {
    let who = root.user();
    let done = root.command("touch").arg("/etc/new").output();
    match who.name.as_deref() {
        Some("root") => assert!(done.unwrap().status.success()),
        name => {
            assert_refused!(done);
            assert!(name == Some("sam") || (who.uid >= 1_000_000_000 && who.gid == 0), "{who}");
        }
    }
}

#[rootlet::test]
async fn may_wait(root: &Rootlet) {
    assert!(tokio::task::spawn(async { 1 }).await.is_ok());
    assert!(root.exists("/etc/passwd"));
}

#[rootlet::test]
#[should_panic(expected = "as expected")]
fn may_be_expected_to_panic(_root: &Rootlet) {
    panic!("as expected");
}

#[rootlet::test(inside, user = "sam")]
fn runs_inside() {
    let error = std::fs::write("/etc/motd", "x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    std::fs::write(format!("{}/mine", std::env::var("HOME").unwrap()), "x").unwrap();
    // The project is at its own place.
    assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").exists());
}

#[rootlet::test(inside, user = "sam")]
fn changes_nothing_outside() {
    std::fs::write("/home/sam/made-inside", "x").unwrap();
}

#[test]
fn what_was_made_inside_is_gone() {
    let (passed, said) = run("changes_nothing_outside", &[]);
    assert!(passed, "{said}");
    assert!(!std::path::Path::new("/home/sam/made-inside").exists());
}

#[rootlet::test(inside)]
#[should_panic(expected = "inside, as expected")]
fn may_be_expected_to_panic_inside() {
    panic!("inside, as expected");
}

#[rootlet::test(inside)]
fn returns_a_result_inside() -> Result<(), io::Error> {
    std::fs::metadata("/etc/passwd").map(drop)
}

#[rootlet::test(inside)]
async fn waits_inside() {
    assert!(tokio::task::spawn(async { 1 }).await.is_ok());
}

mod on_purpose {
    use super::*;

    #[rootlet::test(user = "sam")]
    #[ignore = "run by another test"]
    fn changes_and_fails(root: &Rootlet) {
        root.write("/etc/app.conf", "x").unwrap();
        panic!("so it is");
    }

    #[rootlet::test(user = "sam")]
    #[ignore = "run by another test"]
    fn is_refused(root: &Rootlet) {
        let refused = root.command("sh").args(["-c", "echo x > /etc/refused"]).output().unwrap();
        assert!(refused.status.success());
    }

    #[rootlet::test(user = "sam", why)]
    #[ignore = "run by another test"]
    fn asks_why(root: &Rootlet) {
        assert!(root.command("sh").args(["-c", "echo x > /etc/refused"]).status().unwrap().success());
    }

    #[rootlet::test(inside, user = "sam")]
    #[ignore = "run by another test"]
    fn is_refused_inside() {
        std::fs::write("/etc/refused", "x").unwrap();
    }

    #[rootlet::test]
    #[ignore = "run by another test"]
    fn is_not_as_expected(root: &Rootlet) {
        root.write("/etc/app.conf", "x").unwrap();
        assert_changes!(root, ["A /etc/other.conf"]);
    }

    #[rootlet::test]
    #[ignore = "run by another test"]
    fn is_not_refused(root: &Rootlet) {
        assert_refused!(root.write("/etc/app.conf", "x"));
    }

    #[rootlet::test(leaves = ["/home/sam/allowed"], net = "private", user = "sam")]
    #[ignore = "run by another test"]
    fn leaves_things(root: &Rootlet) {
        root.create_dir("/home/sam/allowed").unwrap();
        root.write("/home/sam/allowed/one", "x").unwrap();
        root.write("/home/sam/left", "x").unwrap();
        let started = root.command("sh").args(["-c", "sleep 1000 >/dev/null 2>&1 </dev/null & "]).status();
        assert!(started.unwrap().success());
    }

    #[rootlet::test(base = "dir:/does/not/exist")]
    #[ignore = "run by another test"]
    fn has_no_base(_root: &Rootlet) {}

    #[rootlet::test(base = "dir:/does/not/exist")]
    #[ignore = "run by another test"]
    fn has_no_base_either(_root: &Rootlet) {}

    #[rootlet::test(inside, user = "sam")]
    #[ignore = "run by another test"]
    fn panics_inside() {
        println!("printed inside");
        eprintln!("complained inside");
        std::fs::write("/home/sam/written", "x").unwrap();
        assert_eq!(1 + 1, 3, "arithmetic");
    }

    #[rootlet::test(inside)]
    #[ignore = "run by another test"]
    fn errs_inside() -> Result<(), io::Error> {
        Err(io::Error::other("an error of its own"))
    }

    #[rootlet::test(inside)]
    #[ignore = "run by another test"]
    fn aborts_inside() {
        std::process::abort();
    }

    #[rootlet::test(inside)]
    #[ignore = "run by another test"]
    #[expect(clippy::zombie_processes, reason = "that it is left is the point")]
    fn leaves_a_daemon_that_holds_its_output() {
        Command::new("sleep").arg("1000").spawn().unwrap();
        panic!("and ends");
    }
}

#[rootlet::test(base = "host", like = "attribute/deploy.yaml")]
fn runs_as_production_does(root: &Rootlet) -> rootlet::Result<()> {
    let out = root
        .command("sh")
        .args(["-c", "id -u; id -g; id -G; echo x > /home/app/new && stat -c %g /home/app/new"])
        .output()?;
    assert_eq!(
        String::from_utf8_lossy(&out.stdout),
        "1234\n2345\n2345 3456\n3456\n",
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_refused!(root.command("touch").arg("/tmp/new").output(), 30);
    Ok(())
}

/// What a test may do to itself. None of it reaches the test beside it, or the machine.
mod rough {
    use super::*;

    #[rootlet::test(inside, user = "root")]
    #[ignore = "run by another test"]
    fn kills_its_pid_1() {
        // The kernel delivers no signal to it from inside that it has no handler for.
        let killed = Command::new("sh").args(["-c", "kill -9 1; kill -TERM 1"]).status().unwrap();
        assert!(killed.success());
    }

    #[rootlet::test(user = "sam")]
    #[ignore = "run by another test"]
    fn closes_all_descriptors(root: &Rootlet) {
        let script = "for fd in $(seq 0 255); do eval \"exec $fd>&-\"; done; : > ~/done";
        assert!(root.command("bash").args(["-c", script]).status().unwrap().success());
        assert!(root.exists("/home/sam/done"));
        assert_eq!(root.command("echo").arg("still there").output().unwrap().stdout, b"still there\n");
    }

    #[rootlet::test(inside, user = "sam")]
    #[ignore = "run by another test"]
    #[expect(clippy::disallowed_methods, reason = "the process is this one test's")]
    fn deletes_its_work_directory() {
        std::fs::create_dir("/home/sam/here").unwrap();
        std::env::set_current_dir("/home/sam/here").unwrap();
        std::fs::remove_dir("/home/sam/here").unwrap();
        assert!(std::env::current_dir().is_err());
    }

    #[rootlet::test(user = "sam")]
    #[ignore = "run by another test"]
    fn writes_two_gigabytes(root: &Rootlet) {
        let wrote = root.command("sh").args(["-c", "head -c 2147483648 /dev/zero > ~/big"]).status();
        assert!(wrote.unwrap().success());
        assert_eq!(root.metadata("/home/sam/big").unwrap().len(), 2 << 30);
    }

    #[rootlet::test(user = "sam")]
    #[ignore = "run by another test"]
    fn leaves_a_daemon(root: &Rootlet) {
        let started =
            root.command("sh").args(["-c", "setsid sleep 98765 >/dev/null 2>&1 </dev/null &"]).status();
        assert!(started.unwrap().success());
    }
}

#[test]
fn rough_tests_harm_nobody() {
    let before = rootlet_tests::Leftovers::before();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let out = command.args(["rough::", "--ignored"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let daemons: Vec<_> = before.left().into_iter().filter(|left| left.contains("98765")).collect();
    assert!(daemons.is_empty(), "{daemons:?}");
}

/// Runs one of the tests of this file as libtest does: whether it passed, and all that was said.
fn run(test: &str, env: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--include-ignored", "--test-threads=1"]).env_remove("ROOTLET_WHY");
    command.envs(env.iter().copied());
    let out = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.success(), said)
}

/// That it fails, and says all of this.
#[track_caller]
fn fails(test: &str, says: &[&str]) -> String {
    let (passed, said) = run(&format!("on_purpose::{test}"), &[]);
    assert!(!passed, "{said}");
    for words in says {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    said
}

#[test]
fn a_failure_says_who_ran_and_what_was_changed() {
    let said = fails(
        "changes_and_fails",
        &["so it is", "as uid=1000(sam) gid=1000", "on host", "changed: A /etc/app.conf 0644 0:0 file"],
    );
    // Where a test is said to be is the test, not the macro.
    assert!(said.contains("attribute.rs:"), "{said}");
}

#[test]
fn a_failure_says_what_was_refused() {
    let says =
        ["what was refused:", "/etc/refused\"", "directory /etc (owner 0:0, mode 0755)", "root would pass"];
    let check = |test: &str, env: &[(&str, &str)], says: &[&str]| {
        let (passed, said) = run(&format!("on_purpose::{test}"), env);
        assert!(!passed && says.iter().all(|words| said.contains(words)), "{says:?}\n{said}");
        said
    };
    let said = check("is_refused", &[], &["ROOTLET_WHY=1 says it"]);
    assert!(!said.contains("root would pass"), "{said}");
    check("is_refused", &[("ROOTLET_WHY", "1")], &says);
    check("asks_why", &[], &says);
    check("is_refused_inside", &[("ROOTLET_WHY", "1")], &says);
    let title = "\n::error title=attribute%3A%3Aon_purpose%3A%3Ais_refused%3A EACCES /etc/refused::";
    let said = check("is_refused", &[("ROOTLET_WHY", "github")], &[title]);
    assert!(!said.contains("\n  directory /etc"), "{said}");
}

#[test]
fn assertions_fail_well() {
    let says =
        ["missing       A /etc/other.conf", "not expected  A /etc/app.conf 0644 0:0 file", "attribute.rs"];
    fails("is_not_as_expected", &says);
    fails("is_not_refused", &["was not refused: it was done"]);
}

#[test]
fn what_is_left_is_named() {
    let said = fails("leaves_things", &["left what it may not", "A /home/sam/left 0644 0:0 file", "process"]);
    assert!(!said.contains("  A /home/sam/allowed"), "{said}");
}

#[test]
fn a_base_that_is_missing_is_told_of_once() {
    fails("has_no_base", &["/does/not/exist"]);
    let mut command = Command::new(std::env::current_exe().unwrap());
    let out = command.args(["on_purpose::has_no_base", "--ignored", "--test-threads=1"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(said.matches("failed before").count(), 1, "{said}");
}

#[test]
fn what_happens_inside_is_told_outside() {
    let says = [
        "printed inside",
        "complained inside",
        "arithmetic",
        "changed: A /home/sam/written",
        "as uid=1000(sam)",
    ];
    let said = fails("panics_inside", &says);
    assert!(!said.contains("\u{1e}") && said.matches("running 1 test").count() == 1, "{said}");
    fails("errs_inside", &["an error of its own"]);
    fails("aborts_inside", &["ended inside before it came to an end", "signal: 6"]);
    fails("leaves_a_daemon_that_holds_its_output", &["and ends"]);
}

#[test]
fn a_failed_test_is_kept_when_asked() {
    let (_, said) = run("on_purpose::changes_and_fails", &[("ROOTLET_KEEP", "1")]);
    assert!(said.contains("kept: rootlet enter "), "{said}");
}

#[test]
fn faults_are_there() {
    let Some(alpine) = rootlet_tests::alpine_tar() else {
        return rootlet_tests::skipped("no tarball of alpine");
    };
    let store = Store::open(rootlet_tests::store()).unwrap();
    let base = Base::resolve(&format!("tar:{}", alpine.display()), &store).unwrap();
    let broken = |fault: Fault| Rootlet::builder(&base).user("root").fault(fault).spawn();
    if rootlet_tests::chroot() {
        // Where there are no mounts, a fault that is not there is an error.
        assert_eq!(broken(Fault::FullDisk).unwrap_err().kind(), ErrorKind::Host);
        return;
    }
    let broken = |fault| broken(fault).unwrap();
    let full = broken(Fault::FullDisk);
    let wrote = full.write("/var/lib/x", "y").unwrap_err();
    assert_eq!(wrote.kind(), io::ErrorKind::StorageFull);
    assert!(!full.command("sh").args(["-c", "echo x > /tmp/y"]).output().unwrap().status.success());
    full.create_dir("/var/lib/x2").unwrap();
    let frozen = broken(Fault::ReadOnly("/var/lib".into()));
    assert_refused!(frozen.write("/var/lib/x", "y"), 30);
    frozen.write("/etc/x", "y").unwrap();
    let blind = broken(Fault::NoProc);
    assert_eq!(blind.command("ls").arg("/proc").output().unwrap().stdout, b"");
    assert_eq!(broken(Fault::NoNetwork).spec().net, Net::None);
}
