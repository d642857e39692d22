//! Each root is fresh and private; one root serves many commands.

use super::{bases, facts, in_each_base_as, with_probe};

#[test]
fn what_one_rootlet_writes_no_other_sees() {
    for (name, base) in bases() {
        let (one, other) =
            (with_probe(&base).user("root").spawn().unwrap(), with_probe(&base).spawn().unwrap());
        one.write("/etc/motd", "mine").unwrap();
        one.remove_file("/etc/passwd").unwrap();
        assert_eq!(one.read_to_string("/etc/motd").unwrap(), "mine");
        assert_ne!(other.read_to_string("/etc/motd").unwrap_or_default(), "mine", "{name}");
        assert!(other.exists("/etc/passwd"));
        drop(one);
        assert!(with_probe(&base).spawn().unwrap().exists("/etc/passwd"));
    }
}

#[test]
fn commands_of_one_rootlet_share_it() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let made = root
            .command("sh")
            .args(["-c", "echo here > ~/note; umask 077; sleep 0 & wait"])
            .status()
            .unwrap();
        assert!(made.success());
        let output = root.command("cat").arg("/home/sam/note").output().unwrap();
        assert_eq!(output.stdout, b"here\n");
        let (one, two) = (facts(root), facts(root));
        assert_eq!((one.namespaces, one.umask), (two.namespaces, two.umask));
    });
}

#[test]
fn files_are_made_by_whoever_is_asked() {
    in_each_base_as("sam", |root| {
        let sam = root.as_user("sam").unwrap();
        sam.write("/home/sam/file", "x").unwrap();
        let stat = super::can(root, "/home/sam/file").stat.unwrap();
        assert_eq!((stat.uid, stat.gid, stat.mode), (1000, 1000, 0o644));
        let refused = sam.write("/etc/app.conf", "x").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(rustix::io::Errno::ACCESS.raw_os_error()));
        // The test's author may.
        root.write("/etc/app.conf", "x").unwrap();
        assert_eq!(root.metadata("/etc/app.conf").unwrap().uid(), 0);
    });
}

#[test]
fn exit_codes_and_signals_are_the_commands_own() {
    use std::os::unix::process::ExitStatusExt;
    in_each_base_as("sam", |root| {
        let exited = root.command("/probe").args(["exit", "42"]).status().unwrap();
        assert_eq!(exited.code(), Some(42));
        let killed = root.command("/probe").args(["signal", "15"]).status().unwrap();
        assert_eq!((killed.code(), killed.signal()), (None, Some(15)));
    });
}
