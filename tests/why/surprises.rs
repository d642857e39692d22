//! Refusals whose reason lies elsewhere than in the mode of what was named.

use crate::programs::all_traced;
use crate::{by, explain, only, root};
use rootlet::Builder;
use rootlet::spec::Net;
use rootlet::why::Cause;

#[test]
fn a_scripts_interpreter() {
    let root = root!();
    root.create_dir("/srv/closed").unwrap();
    root.copy("/bin/busybox", "/srv/closed/sh").unwrap();
    root.set_permissions("/srv/closed", 0o700).unwrap();
    root.write("/srv/script", "#! /srv/closed/sh -e\ntrue\n").unwrap();
    root.set_permissions("/srv/script", 0o755).unwrap();
    let explained = explain!(root, "exec /srv/script");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, by(refusal).0), (Cause::Mode, "/srv/closed"), "{}", explained.why);
    assert_eq!(refusal.missing, "search; the program's interpreter lies there");
    assert!(refusal.call.starts_with("execve(\"/srv/script\", "), "{}", refusal.call);
    assert_eq!(refusal.root_would_pass, Some(true));
    let fix = refusal.fixes.dockerfile.strip_prefix("RUN ").unwrap();
    assert!(root.command("sh").args(["-c", fix]).user("root").status().unwrap().success(), "{fix}");
    assert!(explain!(root, "exec /srv/script").output.status.success());
    // What is no program in place of one: nobody may execute it.
    root.write("/srv/script", "#!/etc/motd\n").unwrap();
    let explained = explain!(root, "exec /srv/script");
    let refusal = only(&explained);
    assert_eq!((by(refusal).0, refusal.root_would_pass), ("/etc/motd", Some(false)), "{}", explained.why);
}

#[test]
fn a_directory_is_no_program() {
    let root = root!();
    let explained = explain!(root, "exec /srv");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, by(refusal).0), (Cause::NoProgram, "/srv"));
    assert_eq!(refusal.root_would_pass, Some(false));
}

#[test]
fn a_directory_that_moves_is_written_in() {
    rootlet_tests::needs_namespaces!("a root without files of others' in every directory");
    let root = root!(all_traced);
    root.create_dir_all("/srv/open/theirs").unwrap();
    root.set_permissions("/srv/open", 0o777).unwrap();
    // A copy would be made next, were it asked for by mv(1) of another program.
    let explained = explain!(root, "mv /srv/open/theirs /tmp/mine");
    let moved = explained.why.refusals.iter().find(|refusal| refusal.call.starts_with("rename"));
    let Some(moved) = moved else { panic!("{}", explained.why) };
    assert_eq!((moved.cause, by(moved).0), (Cause::Mode, "/srv/open/theirs"), "{}", explained.why);
    assert_eq!(moved.fixes.kubernetes, "", "what is moved is no volume");
}

#[test]
fn a_hard_link_to_somebody_elses() {
    if std::fs::read_to_string("/proc/sys/fs/protected_hardlinks").is_ok_and(|it| it.trim() == "0") {
        return;
    }
    let root = root!(all_traced);
    root.write("/srv/theirs", "x").unwrap();
    // Neither may the directory be written, which the kernel looks at later.
    let explained = explain!(root, "ln /srv/theirs /srv/mine");
    let refusal = only(&explained);
    let expected = match refusal.errno.as_str() {
        "EPERM" => (Cause::Ownership, "/srv/theirs"),
        _ => (Cause::Mode, "/srv"),
    };
    assert_eq!((refusal.cause, by(refusal).0), expected, "{}", explained.why);
}

#[test]
fn what_another_process_shows_of_itself() {
    rootlet_tests::needs_own_proc!();
    if rootlet_tests::one_id() {
        return;
    }
    let root = root!();
    let explained = explain!(root, "cat /proc/1/ns/mnt");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.missing.as_str()), (Cause::OtherUser, "CAP_SYS_PTRACE"));
}

#[test]
fn a_limit_that_is_raised() {
    let root = root!();
    let explained = explain!(root, "ulimit -n 1000 && ulimit -n 2000");
    let refusal = only(&explained);
    assert_eq!((refusal.cause, refusal.missing.as_str()), (Cause::MissingCapability, "CAP_SYS_RESOURCE"));
    assert!(refusal.call.contains("RLIMIT_NOFILE"), "{}", refusal.call);
    assert_eq!(refusal.fixes.systemd, "LimitNOFILE=N");
    assert_eq!(refusal.root_would_pass, Some(false));
}

#[test]
fn what_production_lets_its_root_do_and_a_rootlet_cannot() {
    rootlet_tests::needs_namespaces!("a user namespace");
    if std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap().trim() != "1024" {
        return rootlet_tests::skipped("low ports are everybody's on this host");
    }
    for user in ["root", "sam"] {
        let root = root!(move |builder: Builder| builder.net(Net::Host).user(user).explain(true));
        let explained = explain!(root, "nc -l -p 80");
        let refusal = only(&explained);
        // Whether root would pass is not to be found out here, in either case.
        assert_eq!(refusal.root_would_pass, None, "{}", explained.why);
        let expected = if user == "root" { Cause::NotReproduced } else { Cause::Port };
        assert_eq!(refusal.cause, expected, "{}", explained.why);
        assert!(explained.why.to_string().contains("--net private"), "{}", explained.why);
    }
}

#[test]
fn names_stay_words_in_every_fix() {
    let root = root!();
    for name in ["/srv/a b", "/srv/$(touch pwned)", "/srv/it's", "/srv/\u{1b}[31m", "/srv/x: y"] {
        root.create_dir(name).unwrap();
        let explained = explain!(root, &format!("f='{}/f'; echo x > \"$f\"", name.replace('\'', "'\\''")));
        let fixes = &only(&explained).fixes;
        assert!(!format!("{fixes:?}").contains("\\u{1b}[") && fixes.each().count() == 4, "{fixes:?}");
        let fix = fixes.dockerfile.strip_prefix("RUN ").unwrap();
        assert!(root.command("sh").args(["-c", fix]).user("root").status().unwrap().success(), "{fix}");
        assert_eq!(root.metadata(name).unwrap().uid(), 1000, "{fix}");
        assert!(fixes.kubernetes.contains("mountPath: \"/srv/"), "{}", fixes.kubernetes);
    }
    assert!(!root.exists("/pwned") && !root.exists("/srv/pwned"));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_program() {
    rootlet_tests::needs_namespaces!("a root whose programs may be looked into");
    // mkdir("/srv/x", 0755), then exit(3).
    const HEADER: &[u8] = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0\x54\x80\x04\x08\x34\0\0\0\0\0\0\0\0\0\0\0\x34\0\x20\0\x01\0\0\0\0\0\0\0";
    const SEGMENT: &[u8] =
        b"\x01\0\0\0\0\0\0\0\0\x80\x04\x08\0\x80\x04\x08\x78\0\0\0\x78\0\0\0\x05\0\0\0\0\x10\0\0";
    const CODE: &[u8] = b"\xb8\x27\0\0\0\xbb\x71\x80\x04\x08\xb9\xed\x01\0\0\xcd\x80\xb8\x01\0\0\0\xbb\x03\0\0\0\xcd\x80/srv/x\0";
    for unconfined in [true, false] {
        let spec = rootlet::spec::Spec { seccomp_unconfined: unconfined, ..Default::default() };
        let root = root!(|builder: Builder| builder.spec(spec).user("sam"));
        root.write("/srv/old", [HEADER, SEGMENT, CODE].concat()).unwrap();
        root.set_permissions("/srv/old", 0o755).unwrap();
        let explained = explain!(root, "/srv/old; exit $?");
        match explained.output.status.code() {
            // The kernel may run none.
            Some(126) => return,
            // SIGSYS, as a shell tells it.
            code => assert_eq!(code, Some(if unconfined { 3 } else { 128 + 31 }), "{}", explained.why),
        }
        assert!(explained.why.not_seen.iter().any(|what| what.contains("32-bit")), "{}", explained.why);
    }
}

#[test]
fn what_pid_1_leaves_to_the_kernel_is_said_not_to_be_seen() {
    if !rootlet_tests::one_id() {
        return;
    }
    let root = root!(all_traced);
    root.write("/tmp/others", "x").unwrap();
    root.write("/srv/file", "x").unwrap();
    let explained = explain!(root, "rm -f /srv/file");
    assert!(!explained.output.status.success());
    assert!(explained.why.not_seen.iter().any(|what| what.contains("unlink")), "{}", explained.why);
}
