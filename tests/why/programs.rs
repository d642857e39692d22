//! Programs of all sorts are traced, and do not notice.

use crate::{explain, explained, only, root};
use rootlet::why::Cause;
use std::os::unix::process::ExitStatusExt;

#[test]
fn what_programs_handle_themselves_is_folded() {
    let root = root!();
    let explained = explain!(root, "cat /etc/shadow || true");
    assert!(explained.output.status.success());
    assert_eq!(explained.why.refusals.len(), 1);
    assert!(explained.why.refusals[0].handled);
    // The reason of a failure comes first, whatever was handled before it.
    let explained = explain!(root, "cat /etc/shadow; ls /root || true; mkdir /a || exit 9");
    assert_eq!(explained.output.status.code(), Some(9));
    assert_eq!(explained.why.refusals[0].path.as_deref(), Some("/a"), "{}", explained.why);
}

#[test]
fn the_same_is_counted() {
    let root = root!();
    let explained = explain!(root, "for i in 1 2 3 4 5 6 7; do cat /etc/shadow; done");
    assert_eq!((explained.why.refusals.len(), only(&explained).count), (1, 7), "{}", explained.why);
}

#[test]
fn many_different_ones_are_bounded() {
    let root = root!();
    let explained =
        explain!(root, "i=0; while [ $i -lt 1200 ]; do : < /root/$i || :; i=$((i+1)); done; exit 1");
    // The shell ends at the first redirection of a special builtin that fails.
    assert!(explained.why.refusals.len() <= 1000);
    let explained =
        explain!(root, "i=0; while [ $i -lt 1200 ]; do echo /root/$i; i=$((i+1)); done | xargs cat");
    assert_eq!(explained.why.refusals.len(), 1000);
    assert!(
        explained.why.not_seen.iter().any(|what| what.starts_with("200 refusals")),
        "{:?}",
        explained.why.not_seen
    );
}

#[test]
fn ends_come_through() {
    let root = root!();
    assert_eq!(explain!(root, "exit 7").output.status.code(), Some(7));
    assert_eq!(explain!(root, "kill -9 $$").output.status.signal(), Some(9));
    assert_eq!(explain!(root, "kill -TERM $$").output.status.signal(), Some(15));
    // It stops itself, and is continued until it has been.
    let script = "trap 'echo usr1' USR1; kill -USR1 $$; sh -c 'kill -STOP $$; echo on > /tmp/on' & \
                  until [ -s /tmp/on ]; do kill -CONT $!; done; cat /tmp/on; exit 3";
    let handled = explain!(root, script);
    let text = String::from_utf8(handled.output.stdout).unwrap();
    assert!(text.contains("usr1") && text.contains("on"), "{text}");
    assert_eq!(handled.output.status.code(), Some(3));
}

fn put_probe(root: &rootlet::Rootlet, mode: u32) {
    root.write("/usr/bin/probe", std::fs::read(rootlet_tests::probe()).unwrap()).unwrap();
    root.set_permissions("/usr/bin/probe", mode).unwrap();
}

#[test]
fn a_static_program_with_threads() {
    let root = root!();
    put_probe(&root, 0o755);
    let Some(explained) = explained(root.command("probe").args(["threads", "8", "/etc/shadow"])) else {
        return;
    };
    assert_eq!(explained.output.status.code(), Some(1));
    let refusal = only(&explained);
    assert_eq!((refusal.count, refusal.cause), (8, Cause::Mode));
    assert!(refusal.program.ends_with("/probe"), "{}", refusal.program);
}

#[test]
fn two_thousand_processes() {
    let root = root!();
    let explained = explain!(
        root,
        "i=0; while [ $i -lt 2000 ]; do cat /etc/shadow 2>/dev/null & i=$((i+1)); done; wait; exit 4"
    );
    assert_eq!(explained.output.status.code(), Some(4));
    let count: u64 = explained.why.refusals.iter().map(|refusal| refusal.count).sum();
    assert_eq!(count, 2000, "{}", explained.why);
}

#[test]
fn what_it_leaves_running_is_traced_on() {
    let root = root!();
    let explained = explain!(root, "(while :; do sleep 1; done) >/dev/null 2>&1 & cat /etc/shadow");
    assert_eq!(only(&explained).cause, Cause::Mode);
    let again = explain!(root, "cat /etc/shadow");
    assert_eq!(only(&again).count, 1);
    drop(root);
}

#[test]
fn several_at_once() {
    let root = root!();
    std::thread::scope(|scope| {
        for i in 0..4 {
            let root = &root;
            scope.spawn(move || {
                let script = format!("cat /root/{i}");
                let Some(explained) = explained(root.command("sh").args(["-c", &script])) else { return };
                assert_eq!(only(&explained).path.as_deref(), Some(format!("/root/{i}").as_str()));
            });
        }
    });
}

#[test]
fn users_may_gain_privileges_where_that_is_allowed() {
    if rootlet_tests::one_id() || rootlet_tests::chroot() {
        return;
    }
    let spec = rootlet::spec::Spec { allow_new_privileges: true, ..Default::default() };
    let root = root!(|builder| builder.spec(spec).user("sam"));
    put_probe(&root, 0o4755);
    let explained = explain!(root, "probe threads 2 /etc/shadow");
    assert!(explained.output.status.success(), "{}", explained.why);
    assert!(explained.why.refusals.is_empty(), "{}", explained.why);
}
