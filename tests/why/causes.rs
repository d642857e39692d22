//! One test for each cause.

use crate::programs::all_traced;
use crate::{by, explain, only, root};
use rootlet::spec::Net;
use rootlet::why::Cause;

#[test]
fn a_file_of_roots() {
    let root = root!();
    root.write("/etc/secret", "x").unwrap();
    root.set_permissions("/etc/secret", 0o600).unwrap();
    let explained = explain!(root, "cat /etc/secret");
    let refusal = only(&explained);
    assert_eq!(
        (refusal.cause, refusal.missing.as_str(), refusal.errno.as_str()),
        (Cause::Mode, "read", "EACCES")
    );
    assert_eq!(by(refusal), ("/etc/secret", 0, 0, 0o600));
    assert_eq!(refusal.path.as_deref(), Some("/etc/secret"));
    let parts: Vec<_> = refusal.components.iter().map(|part| part.path.as_str()).collect();
    assert_eq!(parts, ["/", "/etc", "/etc/secret"]);
    assert_eq!((refusal.who.uid, refusal.who.fsgid), (1000, 1000));
    assert_eq!(refusal.root_would_pass, Some(true));
    assert!(refusal.call.starts_with("open"), "{}", refusal.call);
    assert!(refusal.fixes.dockerfile.contains("/etc/secret"), "{:?}", refusal.fixes);
    assert!(refusal.fixes.systemd.contains("LoadCredential"), "{:?}", refusal.fixes);
    assert!(!explained.output.status.success());
}

#[test]
fn the_fix_of_each_file_lets_it_through() {
    let root = root!();
    root.write("/srv/secret", "x").unwrap();
    root.set_permissions("/srv/secret", 0o600).unwrap();
    let explained = explain!(root, "cat /srv/secret");
    let fix = only(&explained).fixes.dockerfile.strip_prefix("RUN ").unwrap().to_owned();
    assert!(root.command("sh").args(["-c", &fix]).user("root").status().unwrap().success(), "{fix}");
    assert!(explain!(root, "cat /srv/secret").why.refusals.is_empty());
}

#[test]
fn a_group_that_has_the_right_is_the_smallest_fix() {
    let root = root!();
    let explained = explain!(root, "cat /etc/shadow");
    let refusal = only(&explained);
    let (_, _, gid, mode) = by(refusal);
    assert_eq!(mode, 0o640);
    assert_eq!(refusal.fixes.systemd, format!("SupplementaryGroups={gid}"));
}

#[test]
fn a_directory_of_roots_is_not_written_in() {
    let root = root!();
    let explained = explain!(root, "cd /srv; mkdir x");
    if crate::sees_no_links() {
        let said = |what: &String| what.contains("docker run --cap-add SYS_PTRACE");
        return assert!(explained.why.not_seen.iter().any(said), "{}", explained.why);
    }
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.missing.as_str()), (Cause::Mode, "write"));
    assert_eq!(by(refusal), ("/srv", 0, 0, 0o755));
    // It was named relative to where the shell was.
    assert_eq!(refusal.path.as_deref(), Some("/srv/x"));
    assert!(refusal.call.starts_with("mkdir(\"x\", "), "{}", refusal.call);
    assert!(refusal.fixes.kubernetes.contains("mountPath: /srv"), "{:?}", refusal.fixes);
}

#[test]
fn ones_own_directory_without_the_right() {
    let root = root!();
    let explained = explain!(root, "mkdir -m 0555 /tmp/a; touch /tmp/a/b");
    let refusal = only(&explained);
    assert_eq!(by(refusal), ("/tmp/a", 1000, 1000, 0o555));
    assert_eq!(refusal.fixes.dockerfile, "RUN chmod u+w /tmp/a");
}

#[test]
fn a_directory_above_is_closed() {
    let root = root!();
    root.create_dir_all("/srv/a/b/c").unwrap();
    root.write("/srv/a/b/c/file", "x").unwrap();
    root.set_permissions("/srv/a/b", 0o700).unwrap();
    root.symlink("a/b/c", "/srv/link").unwrap();
    let explained = explain!(root, "cat /srv/link/file");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.missing.as_str()), (Cause::Mode, "search"));
    assert_eq!(by(refusal), ("/srv/a/b", 0, 0, 0o700));
    let link = refusal.components.iter().find(|part| part.kind == "symlink").unwrap();
    assert_eq!(link.target.as_deref(), Some("a/b/c"));
}

#[test]
fn a_read_only_root() {
    rootlet_tests::needs_namespaces!("a root that is mounted");
    let root = root!(|builder| builder.read_only(true));
    let explained = explain!(root, "echo x > /tmp/x");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.errno.as_str()), (Cause::ReadOnly, "EROFS"));
    assert_eq!(refusal.root_would_pass, Some(false));
    assert!(refusal.fixes.kubernetes.contains("mountPath: /tmp"), "{:?}", refusal.fixes);
    assert_eq!(refusal.fixes.systemd, "PrivateTmp=yes");
}

#[test]
fn a_low_port() {
    rootlet_tests::needs_namespaces!("network of its own");
    let root = root!(|builder| builder.net(Net::Private));
    let explained = explain!(root, "nc -l -p 80");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.missing.as_str()), (Cause::Port, "CAP_NET_BIND_SERVICE"));
    assert_eq!(refusal.root_would_pass, Some(true));
    let dropped = root!(|builder| builder.net(Net::Private).cap_drop("ALL"));
    assert_eq!(only(&explain!(dropped, "nc -l -p 80")).root_would_pass, Some(false));
}

#[test]
fn a_setuid_program_gains_nothing() {
    let root = root!();
    root.copy("/bin/busybox", "/usr/bin/gain").unwrap();
    root.set_permissions("/usr/bin/gain", 0o4755).unwrap();
    root.symlink("gain", "/usr/bin/cat").unwrap();
    if crate::sees_no_links() {
        let explained = explain!(root, "/usr/bin/cat /nothing");
        return assert!(
            explained.why.not_seen.iter().any(|what| what.contains("setuid")),
            "{}",
            explained.why
        );
    }
    let explained = explain!(root, "/usr/bin/cat /etc/shadow");
    let first = &explained.why.refusals[0];
    assert_eq!((first.cause, first.handled), (Cause::NoNewPrivs, false), "{}", explained.why);
    assert_eq!(by(first).3, 0o4755);
    assert!(first.fixes.kubernetes.contains("allowPrivilegeEscalation: true"));
    assert_eq!(explained.why.refusals[1].cause, Cause::Mode);
}

#[test]
fn owners_alone_change_owners_and_modes() {
    let root = root!();
    if rootlet_tests::one_id() {
        // pid 1 answers these, and says so.
        let explained = explain!(root, "chown 0 /tmp");
        assert!(explained.why.not_seen.iter().any(|what| what.contains("chown")), "{}", explained.why);
    }
    let root = root!(all_traced);
    let explained = explain!(root, "chown 0 /tmp");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.missing.as_str()), (Cause::MissingCapability, "CAP_CHOWN"));
    assert_eq!(refusal.root_would_pass, Some(true));
    let explained = explain!(root, "chmod 700 /etc");
    assert_eq!(only(&explained).cause, Cause::Ownership);
    assert_eq!(by(only(&explained)), ("/etc", 0, 0, 0o755));
}

#[test]
fn a_sticky_directory() {
    let root = root!(all_traced);
    root.write("/tmp/roots", "x").unwrap();
    let explained = explain!(root, "rm -f /tmp/roots");
    assert_eq!((only(&explained).cause, by(only(&explained)).0), (Cause::Sticky, "/tmp"));
    assert!(root.exists("/tmp/roots"), "whether root may is not tried");
}

#[test]
fn a_process_of_somebody_elses() {
    rootlet_tests::needs_namespaces!("process number 1 of its own");
    if rootlet_tests::one_id() {
        return;
    }
    let root = root!();
    let explained = explain!(root, "kill 1");
    assert_eq!((only(&explained).cause, only(&explained).missing.as_str()), (Cause::OtherUser, "CAP_KILL"));
    assert_eq!(only(&explained).call, "kill(1, SIGTERM)");
}

#[test]
fn nobody_knows_the_uid() {
    let root = root!(|builder| builder.user("12345"));
    let explained = explain!(root, "whoami");
    assert_eq!((only(&explained).cause, only(&explained).who.uid), (Cause::NoEntry, 12345));
}

#[test]
fn there_is_no_home() {
    let root = root!(|builder| builder.env("HOME", "/nowhere"));
    let explained = explain!(root, "cat $HOME/.rc; cat /other; exit 1");
    assert_eq!(
        (only(&explained).cause, only(&explained).path.as_deref()),
        (Cause::NoHome, Some("/nowhere/.rc"))
    );
}

#[test]
fn a_program_that_runs_is_not_written() {
    let root = root!();
    let explained = explain!(
        root,
        "cp /bin/busybox /tmp/sleep; /tmp/sleep 60 & echo > /dev/null; sh -c 'echo x > /tmp/sleep' || { kill $!; exit 1; }"
    );
    // The program may not have been executed yet; then it is written, and nothing is refused. With one id, writing is refused by the mode.
    if !explained.output.status.success() && !rootlet_tests::one_id() {
        assert_eq!(explained.why.refusals[0].cause, Cause::Busy, "{}", explained.why);
    }
}

#[test]
fn what_cannot_be_executed_is_explained_by_the_error() {
    let root = root!();
    let error = match root.command("/etc/motd").explain() {
        Err(error) if error.kind() != rootlet::ErrorKind::Host => error,
        Err(_) if rootlet_tests::chroot() => return,
        other => panic!("{other:?}"),
    };
    assert_eq!(error.kind(), rootlet::ErrorKind::CommandNotExecutable);
    let hint = error.hint().unwrap();
    assert!(hint.contains("/etc/motd (owner 0:0, mode 0644)") && hint.contains("execute"), "{hint}");
    let error = root.command("nosuch").explain().unwrap_err();
    assert_eq!(error.kind(), rootlet::ErrorKind::CommandNotFound);
}
