//! What all commands of a rootlet were refused.

use crate::root;
use rootlet::ErrorKind;

/// As the others have it: ends the test where processes without namespaces may not be traced.
macro_rules! run {
    ($root:expr, $script:expr) => {
        match $root.command("sh").args(["-c", $script]).output() {
            Err(e) if rootlet_tests::chroot() && e.kind() == ErrorKind::Host => return,
            output => output.unwrap(),
        }
    };
}

#[test]
fn nothing_is_traced_that_nobody_asked_for() {
    let root = root!();
    run!(root, "cat /etc/shadow");
    assert_eq!(root.why(), None);
}

#[test]
fn the_last_failure_comes_first_and_the_same_is_told_once() {
    let root = root!(|builder| builder.explain(true));
    run!(root, "cat /etc/shadow");
    run!(root, "cat /etc/shadow");
    run!(root, "mkdir /srv/cache");
    let fine = run!(root, "cat /root/x 2>/dev/null; true");
    assert!(fine.status.success());
    let why = root.why().unwrap();
    let told: Vec<_> = why.refusals.iter().map(|r| (r.path.as_deref(), r.count, r.handled)).collect();
    let expected = [("/srv/cache", 1, false), ("/etc/shadow", 2, false), ("/root/x", 1, true)];
    assert_eq!(told, expected.map(|(path, count, handled)| (Some(path), count, handled)), "{why}");
    let annotations = why.annotations(Some("a test, 100%"));
    assert!(
        annotations.starts_with("::error title=a test%2C 100%25%3A EACCES /srv/cache::"),
        "{annotations}"
    );
    assert_eq!(annotations.lines().count(), 3);
}

#[test]
fn what_still_runs_and_what_never_started_is_told_too() {
    let root = root!(|builder| builder.explain(true));
    let service = root
        .command("sh")
        .args(["-c", "cat /etc/shadow 2>/dev/null; echo up; exec sleep 1000"])
        .stdout(rootlet::Stdio::piped())
        .spawn();
    let mut service = match service {
        Err(e) if rootlet_tests::chroot() && e.kind() == ErrorKind::Host => return,
        service => service.unwrap(),
    };
    let mut up = [0; 3];
    std::io::Read::read_exact(service.stdout.as_mut().unwrap(), &mut up).unwrap();
    assert_eq!(root.command("/etc/passwd").status().unwrap_err().kind(), ErrorKind::CommandNotExecutable);
    let why = root.why().unwrap();
    let told: Vec<_> = why.refusals.iter().map(|r| (r.path.as_deref(), r.handled)).collect();
    assert!(told.contains(&(Some("/etc/passwd"), false)), "{told:?}");
    assert!(told.iter().any(|(path, _)| *path == Some("/etc/shadow")), "{told:?}");
}
