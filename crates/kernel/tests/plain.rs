//! A rootlet without namespaces: chroot(2), and a first process that has to end the others itself.

mod support;

use rootlet_kernel::*;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use support::tempdir;

const SAM: u32 = 1234;

fn sam() -> Who {
    Who { uid: SAM, gid: SAM, groups: vec![] }
}

/// A root of busybox; `None` for who may not change its root.
fn root(name: &str) -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may change its root directory");
        return None;
    }
    let root = tempdir(name);
    for directory in ["bin", "etc", "tmp"] {
        fs::create_dir(root.join(directory)).unwrap();
        fs::set_permissions(root.join(directory), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in ["sh", "id", "cat", "sleep", "setsid", "kill", "mkfifo"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    // Each of it starts the next in a session of its own, and ends.
    fs::write(root.join("bin/hop"), "#!/bin/sh\n(setsid /bin/hop &)\n").unwrap();
    fs::set_permissions(root.join("bin/hop"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(root.join("dev")).unwrap();
    let (null, mode) = (rustix::fs::makedev(1, 3), rustix::fs::Mode::from_raw_mode(0o666));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("dev/null"),
        rustix::fs::FileType::CharacterDevice,
        mode,
        null,
    )
    .unwrap();
    fs::set_permissions(root.join("dev/null"), fs::Permissions::from_mode(0o666)).unwrap();
    Some(root)
}

fn spawn(root: &Path) -> Init {
    let nursery = Nursery::shared(&IdMap::identity(), Bounds::NONE).unwrap();
    nursery.spawn(&Plan::new(0, &[Op::Chroot { path: root.into(), user: sam() }])).unwrap()
}

/// Starts a script; what it writes comes through the pipe.
fn start(init: &Init, who: Who, script: &str) -> (Started, std::io::PipeReader) {
    let (out, theirs) = std::io::pipe().unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let exec = Exec {
        effective: if who.uid == 0 { 0xa80425fb & !(1 << 18 | 1 << 27) } else { 0 },
        who,
        umask: 0o22,
        workdir: "/".into(),
        argv: ["sh", "-c", script].map(|s| s.as_bytes().to_vec()).to_vec(),
        env: vec![b"PATH=/bin".to_vec()],
        no_new_privs: true,
        ..Exec::default()
    };
    (init.exec(&exec, Streams::Given([null.as_fd(), theirs.as_fd(), theirs.as_fd()])).unwrap(), out)
}

fn sh(init: &Init, who: Who, script: &str) -> (Ended, String) {
    let (started, mut out) = start(init, who, script);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    (started.wait(None).unwrap().unwrap(), text)
}

/// Reads to the end of a pipe that only processes of the rootlet hold: it comes when the last of them has ended.
fn all_have_ended(mut pipe: std::io::PipeReader) {
    pipe.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn commands_and_files_without_namespaces() {
    let Some(root) = root("plain") else { return };
    let init = spawn(&root);
    let (ended, text) = sh(&init, sam(), "id; echo x > /etc/motd; echo y > /tmp/mine; exit 3");
    assert_eq!(ended, Ended::Exited(3));
    assert!(text.contains("uid=1234 gid=1234"), "{text}");
    assert!(text.contains("can't create /etc/motd: Permission denied"), "{text}");
    let written = fs::metadata(root.join("tmp/mine")).unwrap();
    assert_eq!((written.uid(), written.gid(), written.mode() & 0o7777), (SAM, SAM, 0o644));
    let (_, text) = sh(&init, Who::default(), "echo hello > /etc/motd; cat /etc/motd");
    assert_eq!(text, "hello\n");
    assert_eq!(init.stat(&sam(), 0, b"/../../etc/motd", true).unwrap().size, 6);
    assert_eq!(init.count().unwrap(), 0);
    let (running, out) = start(&init, sam(), "sleep 1000 & sleep 1000 & echo; wait");
    (&out).read_exact(&mut [0]).unwrap();
    assert_eq!(init.count().unwrap(), 3);
    init.kill_all(15).unwrap();
    assert_eq!(running.wait(None).unwrap().unwrap(), Ended::Signaled(15, false));
    all_have_ended(out);
    drop(init);
    fs::remove_dir_all(root).unwrap();
}

/// What daemons do to be nobody's child, and a bomb.
const STUBBORN: &str = "
    (setsid sh -c 'trap \"\" 1 2 15; (setsid sleep 1000 &) ; sleep 1000' &)
    (trap '' 1 2 15; sleep 1000 & sleep 1000 & sleep 1000)&
    (setsid hop &)
    i=0; while [ $i -lt 40 ]; do (setsid sh -c 'sleep 1000 & sleep 1000' &); i=$((i+1)); done
    bomb() { [ $1 -gt 0 ] && { bomb $(($1-1)) & bomb $(($1-1)) & }; sleep 1000; }
    bomb 6 &
    echo started
    exit 0";

fn first_line(mut pipe: &std::io::PipeReader) {
    let mut line = [0; 8];
    pipe.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"started\n");
}

#[test]
fn everything_ends_with_it() {
    let Some(root) = root("plain-end") else { return };
    let init = spawn(&root);
    let (started, out) = start(&init, sam(), STUBBORN);
    first_line(&out);
    assert_eq!(started.wait(None).unwrap().unwrap(), Ended::Exited(0));
    assert!(init.count().unwrap() > 0);
    init.kill_all(9).unwrap();
    assert_eq!(init.count().unwrap(), 0);
    all_have_ended(out);
    let (_started, out) = start(&init, sam(), STUBBORN);
    first_line(&out);
    drop(init);
    all_have_ended(out);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn its_orphans_end_when_it_is_killed() {
    let Some(root) = root("plain-kill") else { return };
    let init = spawn(&root);
    let (_started, out) = start(&init, sam(), STUBBORN);
    first_line(&out);
    pidfd_send_signal(pidfd(init.host_pid().unwrap()), Signal::KILL).unwrap();
    all_have_ended(out);
    // Others of the same nursery go on.
    let other = spawn(&root);
    assert_eq!(sh(&other, sam(), "echo on").1, "on\n");
    drop((init, other));
    fs::remove_dir_all(root).unwrap();
}

fn pidfd(pid: u32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap()
}

#[test]
fn what_is_shared_is_copied_before_root_changes_it() {
    let Some(root) = root("plain-links") else { return };
    let base = tempdir("plain-base");
    fs::write(base.join("file"), "base").unwrap();
    std::os::unix::fs::symlink("file", base.join("link")).unwrap();
    let names = ["written", "truncated", "moded", "owned", "timed", "read"];
    names.iter().for_each(|name| fs::hard_link(base.join("file"), root.join("etc").join(name)).unwrap());
    fs::hard_link(base.join("link"), root.join("etc/symlink")).unwrap();
    std::os::unix::fs::symlink("/etc/written", root.join("etc/other")).unwrap();
    let before = (fs::metadata(base.join("file")).unwrap(), fs::symlink_metadata(base.join("link")).unwrap());
    let init = spawn(&root);
    let author = Who::default();
    init.open(&author, 0, b"/etc/other", libc::O_WRONLY as u32, 0).unwrap().write_all(b"root").unwrap();
    drop(init.open(&author, 0, b"/etc/truncated", libc::O_TRUNC as u32, 0).unwrap());
    init.chmod(&author, b"/etc/moded", 0o4755).unwrap();
    init.chown(&author, b"/etc/owned", 1, 2, true).unwrap();
    init.set_times(&author, b"/etc/timed", [1, 0, 1, 0]).unwrap();
    init.chown(&author, b"/etc/symlink", 1, 2, false).unwrap();
    drop(init.open(&author, 0, b"/etc/read", 0, 0).unwrap());
    let now = (fs::metadata(base.join("file")).unwrap(), fs::symlink_metadata(base.join("link")).unwrap());
    let facts = |m: &fs::Metadata| (m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec(), m.size(), m.ino());
    assert_eq!((facts(&before.0), facts(&before.1)), (facts(&now.0), facts(&now.1)));
    assert_eq!(fs::read(base.join("file")).unwrap(), b"base");
    assert_eq!(fs::read(root.join("etc/written")).unwrap(), b"root");
    assert_eq!(fs::metadata(root.join("etc/truncated")).unwrap().size(), 0);
    assert_eq!(fs::metadata(root.join("etc/moded")).unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(fs::metadata(root.join("etc/owned")).unwrap().gid(), 2);
    assert_eq!(fs::metadata(root.join("etc/timed")).unwrap().mtime(), 1);
    assert_eq!(fs::symlink_metadata(root.join("etc/symlink")).unwrap().uid(), 1);
    assert_eq!(fs::metadata(root.join("etc/read")).unwrap().ino(), before.0.ino());
    assert_eq!(fs::read_dir(root.join("etc")).unwrap().count(), 8);
    drop(init);
    fs::remove_dir_all(root).unwrap();
    fs::remove_dir_all(base).unwrap();
}
