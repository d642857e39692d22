//! The `host` base: this machine's own root, seen as it is and never changed. (All that a process is and is refused in it
//! is tested with the other bases.)

use super::{host, with_probe};
use rootlet_tests::{Host, alone_on};
use std::path::Path;
use std::process::Command;

#[test]
fn the_machines_own_files_are_there_and_what_is_written_is_not_theirs() {
    rootlet_tests::needs_namespaces!("root of this machine");
    own_files();
}

/// As in every container, where files of /etc are mounted: it is put together then.
#[test]
fn files_beside_one_that_is_mounted_are_there_too() {
    rootlet_tests::needs_namespaces!("root of this machine");
    alone_on(&Host::mounted_in_etc(), own_files);
}

fn own_files() {
    let root = with_probe(&host()).user("root").spawn().unwrap();
    // What a minimal image may lack, it need not have inside.
    let here =
        ["/etc/os-release", "/etc/passwd", "/etc/group"].map(|file| (file, std::fs::read_to_string(file)));
    assert!(here.iter().any(|(_, text)| text.is_ok()), "{here:?}");
    for (file, text) in here {
        match text {
            // Accounts are added to, never taken away.
            Ok(text) => assert!(root.read_to_string(file).unwrap().starts_with(text.trim_end()), "{file}"),
            Err(_) => assert!(!root.exists(file), "{file}"),
        }
    }
    let file = "/etc/rootlet-was-here";
    assert!(root.command("sh").args(["-c", &format!("echo x > {file}")]).status().unwrap().success());
    assert!(root.exists(file) && !Path::new(file).exists());
    let told: Vec<String> = root.changes().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told, [format!("A {file}")]);
}

#[test]
fn its_own_processes_are_all_that_a_command_sees() {
    rootlet_tests::needs_own_proc!();
    let root = with_probe(&host()).user("root").spawn().unwrap();
    let seen = root.command("sh").args(["-c", "echo /proc/[0-9]*"]).output().unwrap();
    // Rootlet's pid 1, and the shell.
    assert_eq!(String::from_utf8_lossy(&seen.stdout).split_whitespace().count(), 2);
}

/// What a script says that may mount on a copy of the machine's mounts; `$0` is the command. `None` for who is not real
/// root: nobody else can mount something for a rootlet to find.
fn among_mounts(script: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script]).arg(rootlet_tests::rootlet_command().get_program());
    let output = command.env("ROOTLET_STORE", rootlet_tests::store()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_mounted_on_the_machine_is_seen_and_is_copied_on_write_too() {
    rootlet_tests::needs_namespaces!("root of this machine");
    let said = among_mounts(
        r#"
        mount -t tmpfs tmpfs /mnt; mkdir /mnt/below; mount -t tmpfs tmpfs /mnt/below
        echo above > /mnt/file; echo below > /mnt/below/file
        "$0" run --user root -- sh -ec 'cat /mnt/file /mnt/below/file; echo changed | tee /mnt/file /mnt/below/file'
        cat /mnt/file /mnt/below/file
        "#,
    );
    if let Some(said) = said {
        assert_eq!(said, "above\nbelow\nchanged\nabove\nbelow\n");
    }
}

/// A desktop of snaps has a hundred.
#[test]
fn a_machine_may_have_many_mounts() {
    rootlet_tests::needs_namespaces!("root of this machine");
    let said = among_mounts(
        r#"
        mount -t tmpfs tmpfs /mnt
        for i in $(seq 150); do mkdir /mnt/$i; mount -t tmpfs tmpfs /mnt/$i; echo $i > /mnt/$i/number; done
        "$0" run --read-only -- sh -ec 'cat /mnt/150/number; cat /mnt/*/number | wc -l'
        "#,
    );
    if let Some(said) = said {
        assert_eq!(said, "150\n150\n");
    }
}
