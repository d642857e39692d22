//! Fixes are applied, and let it through; and none is told that would not, or would do harm.

use crate::{explain, only, root};
use rootlet::Rootlet;
use rootlet::spec::Net;
use rootlet::why::Cause;

/// Runs a line of a Dockerfile as root.
#[track_caller]
fn apply(root: &Rootlet, line: &str) {
    let command = line.strip_prefix("RUN ").unwrap_or_else(|| panic!("{line:?}"));
    let output = root.command("sh").args(["-c", command]).user("root").output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_place_for_many_stays_as_it_is() {
    let root = root!();
    for (script, fix) in [
        ("echo $$ > /run/x.pid", "RUN install -m 0644 -o 1000 /dev/null /run/x.pid"),
        // It is a symlink.
        ("echo $$ > /var/run/y.pid", "RUN install -m 0644 -o 1000 /dev/null /run/y.pid"),
        ("mkdir /var/log/app", "RUN install -d -o 1000 /var/log/app"),
        ("echo x >> /var/log/z.log", "RUN install -m 0644 -o 1000 /dev/null /var/log/z.log"),
        ("echo x > /etc/apk/x", "RUN install -m 0644 -o 1000 /dev/null /etc/apk/x"),
    ] {
        let explained = explain!(root, script);
        let refusal = only(&explained);
        assert_eq!(refusal.fixes.dockerfile, fix, "{script}");
        apply(&root, fix);
        let again = explain!(root, script);
        assert!(again.output.status.success() || script.starts_with("mkdir"), "{script}: {}", again.why);
    }
    let explained = explain!(root, "mkdir /run/app");
    assert_eq!(only(&explained).fixes.systemd, "RuntimeDirectory=app");
    if crate::sees_no_links() {
        return;
    }
    // No file can be made beforehand where there must be none: who takes this is told what it gives.
    let explained = explain!(root, "cd /etc; ln -s a b");
    assert!(only(&explained).fixes.dockerfile.contains("better, have the program write elsewhere"));
    apply(&root, &only(&explained).fixes.dockerfile);
    assert!(explain!(root, "cd /etc; ln -s a b").output.status.success());
}

#[test]
fn who_writes_is_not_told_to_join_a_group_that_reads() {
    let root = root!();
    root.create_dir("/srv/log").unwrap();
    assert!(root.command("chown").args(["5:4", "/srv/log"]).user("root").status().unwrap().success());
    root.set_permissions("/srv/log", 0o750).unwrap();
    let script = "echo x > /srv/log/x";
    let explained = explain!(root, script);
    assert_eq!(only(&explained).fixes.dockerfile, "RUN chown 1000 /srv/log");
    apply(&root, "RUN chown 1000 /srv/log");
    assert!(explain!(root, script).output.status.success());
}

#[test]
fn a_program_without_its_mode_is_no_secret() {
    let root = root!();
    root.write("/usr/bin/start", "#!/bin/sh\ntrue\n").unwrap();
    root.set_permissions("/usr/bin/start", 0o644).unwrap();
    let explained = explain!(root, "/usr/bin/start");
    let refusal = only(&explained);
    assert_eq!((refusal.missing.as_str(), refusal.root_would_pass), ("execute", Some(false)));
    assert!(refusal.fixes.kubernetes.contains("defaultMode: 0555"), "{:?}", refusal.fixes);
    assert!(!refusal.fixes.systemd.contains("LoadCredential"), "{:?}", refusal.fixes);
    apply(&root, &refusal.fixes.dockerfile);
    assert!(explain!(root, "/usr/bin/start").output.status.success());
}

#[test]
fn a_home_that_is_the_root_is_named_with_two_slashes() {
    let root = root!(|builder: rootlet::Builder| builder.user("12345:12345").env("HOME", "/"));
    let explained = explain!(root, "mkdir $HOME/.gnupg");
    assert_eq!(only(&explained).call, "mkdir(\"//.gnupg\", 0777)");
    assert_eq!(only(&explained).fixes.dockerfile, "ENV HOME=/tmp");
    // Names of volumes begin with a letter.
    let explained = explain!(root, "mkdir /.cache-of-mine /srv/.x");
    let fixes = explained.why.refusals.iter().map(|refusal| refusal.fixes.kubernetes.as_str());
    assert!(fixes.clone().all(|fix| !fix.contains("name: -")), "{:?}", fixes.collect::<Vec<_>>());
}

#[test]
fn what_is_the_kernels_has_no_fix() {
    rootlet_tests::needs_own_proc!();
    let root = root!();
    let explained = explain!(root, "cat /proc/1/environ; cat /proc/kmsg");
    let kernel = explained.why.refusals.iter().find(|refusal| refusal.path.as_deref() == Some("/proc/kmsg"));
    let fixes = &kernel.expect("it is refused").fixes;
    assert_eq!(fixes.each().count(), 0, "{fixes:?}");
}

#[test]
fn ping_needs_a_group() {
    rootlet_tests::needs_namespaces!("a network of its own");
    // A new network lets nobody ask.
    let root = root!(|builder: rootlet::Builder| builder.net(Net::Private));
    let explained = explain!(root, "ping -c1 127.0.0.1");
    let asked = explained.why.refusals.iter().find(|refusal| refusal.call.starts_with("socket(2, 2, 1"));
    let Some(asked) = asked else { panic!("{}", explained.why) };
    assert_eq!(asked.cause, Cause::MissingCapability);
    assert!(asked.missing.contains("ping_group_range"), "{}", asked.missing);
    assert!(asked.fixes.compose.ends_with("net.ipv4.ping_group_range: 1000 1000"), "{:?}", asked.fixes);
    let spec = rootlet::spec::Spec {
        sysctls: vec![("net.ipv4.ping_group_range".into(), "1000 1000".into())],
        ..Default::default()
    };
    let root = root!(|builder: rootlet::Builder| builder.spec(spec).user("sam").net(Net::Private));
    assert!(explain!(root, "ping -c1 127.0.0.1").output.status.success());
}

#[test]
fn a_process_that_outlives_the_command_may_be_the_reason() {
    let root = root!();
    // As rsync has it: the one that is refused tells the other, which ends first.
    let script = |more: &str, end: &str| {
        format!(
            "mkfifo /tmp/never; (exec >/dev/null 2>&1; echo x >/a; {more} echo >/tmp/told; cat </tmp/never) & \
             until [ -e /tmp/told ]; do :; done; rm /tmp/told /tmp/never; {end}"
        )
    };
    let explained = explain!(root, &script("", "exit 11"));
    assert_eq!(only(&explained).path.as_deref(), Some("/a"));
    // Where there is another reason, that one is told.
    let explained = explain!(root, &script("", "cat /etc/shadow"));
    assert_eq!(only(&explained).path.as_deref(), Some("/etc/shadow"));
    // And not where it went on.
    let explained = explain!(root, &script(&"echo x >/dev/null; ".repeat(10), "exit 11"));
    assert!(explained.why.refusals.iter().all(|refusal| refusal.handled), "{}", explained.why);
}

#[test]
fn what_a_filter_around_the_caller_refuses_is_said_not_to_be_seen() {
    rootlet_tests::alone_on(&rootlet_tests::Host::no_host_name(), || {
        let root = root!();
        let explained = explain!(root, "exit 1");
        let said = |what: &String| what.contains("docker run --security-opt seccomp=unconfined");
        assert!(explained.why.not_seen.iter().any(said), "{}", explained.why);
    });
}
