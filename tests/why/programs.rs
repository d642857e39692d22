//! Programs of all sorts are traced, and do not notice.

use crate::{alpine, explain, explained, made, only, root};
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
    assert!(refusal.program.ends_with("probe"), "{}", refusal.program);
}

#[test]
fn ten_thousand_processes() {
    let root = root!();
    // Five hundred at once, for the sake of the tests beside.
    let explained = explain!(
        root,
        "i=0; while [ $i -lt 10000 ]; do
           cat /etc/shadow 2>/dev/null & i=$((i+1)); [ $((i % 500)) -ne 0 ] || wait
         done; exit 4"
    );
    assert_eq!(explained.output.status.code(), Some(4));
    let count: u64 = explained.why.refusals.iter().map(|refusal| refusal.count).sum();
    assert_eq!(count, 10_000, "{}", explained.why);
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

/// Those of the root's whose commands are all traced.
pub fn all_traced(builder: rootlet::Builder) -> rootlet::Builder {
    builder.explain(true)
}

#[test]
fn the_system_call_filter_refuses_as_it_does_without_a_tracer_and_is_seen() {
    if crate::sees_no_links() {
        // Docker's own filter has refused them before.
        return;
    }
    let script = "mount -t tmpfs none /mnt; echo $?; unshare -U true; echo $?; hostname x; echo $?; exit 1";
    let (plain, traced) = (root!(), root!(all_traced));
    let explained = explain!(traced, script);
    let untraced = plain.command("sh").args(["-c", script]).output().unwrap();
    let texts =
        [&explained.output, &untraced].map(|output| [&output.stdout[..], &output.stderr[..]].concat());
    assert_eq!(texts[0], texts[1], "{}", explained.why);
    let seen: Vec<_> =
        explained.why.refusals.iter().map(|refusal| (refusal.cause, refusal.missing.as_str())).collect();
    assert_eq!(
        seen,
        [(Cause::Filter, "CAP_SYS_ADMIN"), (Cause::Filter, ""), (Cause::Filter, "CAP_SYS_ADMIN")],
        "{}",
        explained.why
    );
    let [hostname, unshare, mount] = &explained.why.refusals[..] else { panic!() };
    assert_eq!(hostname.call, "sethostname(\"x\", 1)");
    assert!(unshare.fixes.kubernetes.contains("Unconfined"), "{:?}", unshare.fixes);
    assert_eq!((mount.path.as_deref(), mount.root_would_pass), (Some("/mnt"), Some(false)));
    assert!(explained.why.not_seen.iter().all(|what| !what.contains("filter")), "{}", explained.why);
    // Also what nobody asks to be explained is traced: without a tracer it would be told ENOSYS.
    let output = traced.command("sh").args(["-c", script]).output().unwrap();
    assert_eq!([&output.stdout[..], &output.stderr[..]].concat(), texts[1]);
}

#[test]
fn a_hostile_program_gets_no_further_while_it_is_traced() {
    rootlet_tests::needs_namespaces!("/proc, by which the program sees that it is inside");
    let Some(base) = alpine() else { return };
    for user in ["sam", "root"] {
        let outcomes = [false, true].map(|explain| {
            let root = made(&base, |builder| {
                builder.bind_read_only(rootlet_tests::hostile(), "/hostile").user(user).explain(explain)
            });
            let output = root.command("/hostile").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let lines = String::from_utf8(output.stdout).unwrap();
            // A process has one tracer.
            lines.lines().filter(|line| !line.contains("ptrace")).map(str::to_owned).collect::<Vec<_>>()
        });
        assert!(outcomes[0].len() > 40, "{outcomes:?}");
        assert_eq!(outcomes[0], outcomes[1]);
    }
}

// linux/seccomp.h, asm/unistd.h
const TRACE: u32 = 0x7ff0_0000;
const ALLOW: u32 = 0x7fff_0000;
const UNSHARE: u32 = if cfg!(target_arch = "aarch64") { 97 } else { 272 };

/// A filter that hands unshare(2) to a tracer, and says to him what another one would.
fn hands_over(told: u16) -> Vec<u8> {
    let trace = TRACE | u32::from(told);
    let program = [(0x20, 0, 0, 0), (0x15, 0, 1, UNSHARE), (0x06, 0, 0, trace), (0x06, 0, 0, ALLOW)];
    let bytes = |(code, jt, jf, k): (u16, u8, u8, u32)| {
        [&code.to_ne_bytes()[..], &[jt, jf], &k.to_ne_bytes()].concat()
    };
    program.into_iter().flat_map(bytes).collect()
}

#[test]
fn a_filter_of_the_programs_own_lifts_nothing() {
    let root =
        root!(|builder: rootlet::Builder| all_traced(builder)
            .bind_read_only(rootlet_tests::confine(), "/confine"));
    for told in [0x5257, 0x5258, 0x5259, 1] {
        root.write("/filter", hands_over(told)).unwrap();
        let explained = explain!(root, "/confine /filter unshare -U echo through");
        let text = String::from_utf8(explained.output.stderr).unwrap();
        assert!(explained.output.stdout.is_empty() && text.contains("not permitted"), "{told:#x}: {text}");
    }
}
