//! The library's own promises, on a real Alpine root: files, changes, snapshots, ports, commands.

use rootlet::spec::Spec;
use rootlet::{Base, ChangeKind, ErrorKind, Rootlet, Stdio, Store};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// Runs the test on Alpine, or says loudly that it cannot.
macro_rules! alpine {
    () => {
        match rootlet_tests::alpine_tar() {
            Some(tar) => {
                let store = Store::open(rootlet_tests::store()).unwrap();
                Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap()
            }
            None => {
                rootlet_tests::skipped("no tarball of alpine");
                return;
            }
        }
    };
}

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EACCES: i32 = 13;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ENOTEMPTY: i32 = 39;
const ELOOP: i32 = 40;

#[test]
fn what_is_foreseen_serves_one_and_leaves_nothing() {
    rootlet_tests::alone(|| {
        let base = alpine!();
        let before = rootlet_tests::Leftovers::before();
        let (usual, other) = (Spec::default(), "app:10001:0".parse().unwrap());
        // The second guess is wrong.
        Rootlet::foresee(base.name(), &usual);
        Rootlet::foresee(base.name(), &Spec { user: Some(other), ..usual });
        // From the third one on, the next is begun before it is asked for.
        for _ in 0..3 {
            let root = Rootlet::builder(&base).spawn().unwrap();
            assert!(root.command("true").status().unwrap().success());
        }
        Rootlet::end_helpers();
        let processes: Vec<_> =
            before.left().into_iter().filter(|left| left.starts_with("process")).collect();
        assert!(processes.is_empty(), "{processes:?}");
    });
}

#[test]
fn files_as_std_has_them() {
    let root = Rootlet::builder(&alpine!()).spawn().unwrap();
    root.create_dir_all("/srv/a/b").unwrap();
    root.create_dir_all("/srv/a/b").unwrap();
    assert_eq!(errno(root.create_dir("/srv/a")), EEXIST);
    root.write("/srv/a/file", "one").unwrap();
    root.options().append(true).open("/srv/a/file").unwrap().write_all(b" two").unwrap();
    assert_eq!(root.read_to_string("/srv/a/file").unwrap(), "one two");
    assert_eq!(errno(root.options().write(true).create_new(true).open("/srv/a/file")), EEXIST);
    root.symlink("file", "/srv/a/link").unwrap();
    assert_eq!(root.read_link("/srv/a/link").unwrap().to_str(), Some("file"));
    assert!(root.symlink_metadata("/srv/a/link").unwrap().is_symlink());
    assert_eq!(root.metadata("/srv/a/link").unwrap().len(), 7);
    assert_eq!(errno(root.read_link("/srv/a/file")), EINVAL);
    root.hard_link("/srv/a/file", "/srv/a/twin").unwrap();
    assert_eq!(root.metadata("/srv/a/twin").unwrap().nlink(), 2);
    root.set_permissions("/srv/a/file", 0o4710).unwrap();
    root.chown("/srv/a/file", Some(1000), None).unwrap();
    let file = root.metadata("/srv/a/file").unwrap();
    // chown(2) by root clears setuid on an executable file: what the kernel does, this does.
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (1000, 0, 0o710));
    root.rename("/srv/a/file", "/srv/a/moved").unwrap();
    assert_eq!(errno(root.metadata("/srv/a/file")), ENOENT);
    let names: Vec<_> = root.read_dir("/srv/a").unwrap().iter().map(|e| e.file_name().to_owned()).collect();
    assert_eq!(names, ["b", "link", "moved", "twin"]);
    assert_eq!(errno(root.remove_dir("/srv/a")), ENOTEMPTY);
    root.remove_file("/srv/a/link").unwrap();
    root.remove_dir_all("/srv/a").unwrap();
    assert!(!root.exists("/srv/a"));
    assert_eq!(errno(root.remove_dir_all("/srv/a")), ENOENT);
    assert_eq!(errno(root.metadata("")), ENOENT);
    assert_eq!(errno(root.metadata("a".repeat(5000))), 36);
    assert_eq!(root.metadata("a\0b").unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_directory_of_many_entries() {
    let root = Rootlet::builder(&alpine!()).spawn().unwrap();
    root.create_dir("/many").unwrap();
    for i in 0..1500 {
        root.write(format!("/many/{i:0>100}"), "").unwrap();
    }
    assert_eq!(root.read_dir("/many").unwrap().len(), 1500);
}

#[test]
fn files_are_refused_as_production_would() {
    let root = Rootlet::builder(&alpine!()).user("sam").spawn().unwrap();
    let sam = root.as_user("sam").unwrap();
    assert_eq!(errno(sam.write("/etc/motd", "x")), EACCES);
    assert_eq!(errno(sam.read("/etc/shadow")), EACCES);
    assert_eq!(errno(sam.chown("/etc/motd", Some(1000), None)), EPERM);
    assert_eq!(errno(sam.set_permissions("/etc/motd", 0o777)), EPERM);
    assert_eq!(errno(sam.remove_file("/etc/motd")), EACCES);
    assert_eq!(errno(sam.create_dir("/x")), EACCES);
    sam.write("/tmp/mine", "x").unwrap();
    assert_eq!(root.metadata("/tmp/mine").unwrap().uid(), 1000);
    // /tmp is sticky: another user may not remove it, root may.
    assert_eq!(errno(root.as_user("nobody").unwrap().remove_file("/tmp/mine")), EPERM);
    root.remove_file("/tmp/mine").unwrap();
    assert!(matches!(root.as_user("ghost"), Err(e) if e.kind() == ErrorKind::Spec));
}

#[test]
fn nothing_leads_out() {
    rootlet_tests::needs_own_proc!();
    let root = Rootlet::builder(&alpine!()).spawn().unwrap();
    root.symlink("../../../../../../etc/os-release", "/out").unwrap();
    assert!(root.read_to_string("/out").unwrap().contains("Alpine"));
    assert!(root.read_to_string("/../../etc/os-release").unwrap().contains("Alpine"));
    root.symlink("/proc/self/root/etc/os-release", "/magic").unwrap();
    for path in ["/magic", "/proc/1/root/etc", "/proc/self/fd/3", "/proc/self/cwd", "/proc/1/exe"] {
        assert_eq!(errno(root.open(path)), ELOOP, "{path}");
    }
    assert_eq!(errno(root.write("/proc/self/root/x", "x")), ELOOP);
    // A FIFO without another end does not stop the rootlet.
    assert!(root.command("mkfifo").arg("/tmp/fifo").status().unwrap().success());
    root.open("/tmp/fifo").unwrap();
    assert_eq!(errno(root.options().write(true).open("/tmp/fifo")), 6);
}

#[test]
fn changes_are_what_the_run_changed() {
    let root = Rootlet::builder(&alpine!()).user("sam").workdir("/made/by/plan").spawn().unwrap();
    assert_eq!(root.changes().unwrap(), []);
    let script = "echo x > ~/new; cat /etc/motd > /dev/null";
    assert!(root.command("sh").args(["-c", script]).status().unwrap().success());
    let script = "echo more >> /etc/motd; rm /etc/issue; chmod 700 /srv; rm -r /etc/apk; mkdir /etc/apk; : >> /etc/hosts; \
                  rm /etc/shells; mkdir /etc/shells";
    assert!(root.command("sh").args(["-c", script]).user("root").status().unwrap().success());
    let told: Vec<String> = root.changes().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "D /etc/apk/arch",
            "D /etc/apk/keys",
            "D /etc/apk/protected_paths.d",
            "D /etc/apk/repositories",
            "D /etc/apk/world",
            "D /etc/issue",
            "C /etc/motd",
            "C /etc/shells",
            "A /home/sam/new",
            "C /srv"
        ]
    );
    let changes = root.changes().unwrap();
    let new = changes.iter().find(|c| c.path.ends_with("new")).unwrap();
    assert_eq!((new.kind, new.mode, new.uid, new.gid), (ChangeKind::Added, 0o100_644, 1000, 1000));
}

#[test]
fn a_snapshot_is_a_base() {
    let base = alpine!();
    let root = Rootlet::builder(&base).user("sam").spawn().unwrap();
    root.write("/etc/app.conf", "warm").unwrap();
    root.remove_file("/etc/motd").unwrap();
    assert!(
        root.command("sh").args(["-c", "echo mine > ~/note; chmod 600 ~/note"]).status().unwrap().success()
    );
    let warm = root.snapshot().unwrap();
    drop(root);
    // With one id, a snapshot holds the rights that its user has.
    let users = if rootlet_tests::one_id() { &["sam"][..] } else { &["sam", "root"] };
    for &user in users {
        let fork = Rootlet::builder(&warm).user(user).spawn().unwrap();
        assert_eq!(fork.read_to_string("/etc/app.conf").unwrap(), "warm");
        assert!(!fork.exists("/etc/motd"));
        let note = fork.metadata("/home/sam/note").unwrap();
        assert_eq!((note.uid(), note.mode() & 0o777), (1000, 0o600));
        assert_eq!(fork.changes().unwrap(), []);
        // What one fork does, the next does not see; and forks can be forked.
        fork.write("/etc/app.conf", "hot").unwrap();
        let hot = fork.snapshot().unwrap();
        drop(fork);
        let second = Rootlet::builder(&hot).user("sam").spawn().unwrap();
        assert_eq!(second.read_to_string("/etc/app.conf").unwrap(), "hot");
        assert!(!second.exists("/etc/motd"));
    }
}

#[test]
fn a_kept_rootlet_goes_on() {
    let base = alpine!();
    let root = Rootlet::builder(&base).user("sam").env("A", "b").spawn().unwrap();
    assert!(root.command("touch").arg("/home/sam/here").status().unwrap().success());
    let id = root.keep().unwrap();
    drop(root);
    let again = Rootlet::enter(&id, base.store()).unwrap();
    assert!(again.exists("/home/sam/here"));
    assert_eq!(again.command("sh").args(["-c", "echo $A $(id -un)"]).output().unwrap().stdout, b"b sam\n");
    assert!(Rootlet::enter("nosuch", base.store()).unwrap_err().hint().is_some());
}

#[test]
fn a_rootlet_of_this_machine_is_kept_as_whoever() {
    rootlet_tests::needs_namespaces!("root of this machine");
    let store = Store::open(rootlet_tests::store()).unwrap();
    let base = Base::resolve("host", &store).unwrap();
    for user in ["sam", "alice:1234:4321"] {
        let root = Rootlet::builder(&base).user(user).spawn().unwrap();
        assert!(root.command("sh").args(["-c", "echo mine > ~/here"]).status().unwrap().success());
        root.write("/etc/app.conf", "warm").unwrap();
        let id = root.keep().unwrap();
        let again = Rootlet::enter(&id, &store).unwrap();
        assert_eq!(again.read_to_string("/etc/app.conf").unwrap(), "warm");
        let out = again.command("sh").args(["-c", "cat ~/here; id -u"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("mine\n{}\n", root.user().uid));
        let fork = root.snapshot().unwrap();
        assert!(Rootlet::builder(&fork).user(user).spawn().unwrap().exists("/etc/app.conf"));
    }
}

#[test]
fn commands_as_std_has_them() {
    let root = Rootlet::builder(&alpine!()).user("sam").env("FROM", "spec").spawn().unwrap();
    let out = root.command("sh").args(["-c", "echo out; echo err >&2; exit 7"]).output().unwrap();
    assert_eq!((out.status.code(), &*out.stdout, &*out.stderr), (Some(7), &b"out\n"[..], &b"err\n"[..]));

    let mut cat = root.command("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    cat.stdin.take().unwrap().write_all(b"through").unwrap();
    let out = cat.wait_with_output().unwrap();
    assert_eq!(out.stdout, b"through");

    // More than a pipe holds, on both streams at once.
    let script = "seq 100000 | head -c 300000; seq 100000 | head -c 300000 >&2";
    let out = root.command("sh").args(["-c", script]).output().unwrap();
    assert_eq!((out.stdout.len(), out.stderr.len()), (300_000, 300_000));

    let env = |command: &mut rootlet::Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let text = env(root.command("env").env("B", "c").env_remove("HOSTNAME"));
    assert!(text.contains("FROM=spec\n") && text.contains("B=c\n") && text.contains("HOME=/home/sam\n"));
    assert!(!text.contains("HOSTNAME"));
    assert_eq!(env(root.command("/usr/bin/env").env_clear().env("ONLY", "1")), "ONLY=1\n");

    let out = root.command("pwd").current_dir("/usr").output().unwrap();
    assert_eq!(out.stdout, b"/usr\n");

    let mut sleep = root.command("sleep").arg("1000").spawn().unwrap();
    assert!(sleep.try_wait().unwrap().is_none());
    assert!(sleep.wait_timeout(Duration::from_millis(1)).unwrap().is_none());
    sleep.kill().unwrap();
    assert_eq!(sleep.wait().unwrap().signal(), Some(9));
    assert_eq!(sleep.wait().unwrap().signal(), Some(9));
    sleep.kill().unwrap();
}

#[test]
fn a_command_that_cannot_start_says_why() {
    let root = Rootlet::builder(&alpine!()).user("sam").spawn().unwrap();
    root.write("/tmp/script", "#!/no/such/interpreter\n").unwrap();
    root.write("/tmp/plain", "echo no shebang\n").unwrap();
    root.write("/tmp/wrong", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xf3\0").unwrap();
    for path in ["/tmp/script", "/tmp/plain", "/tmp/wrong"] {
        root.set_permissions(path, 0o755).unwrap();
    }
    let fails = |command: &mut rootlet::Command| command.status().unwrap_err();
    let kind = |program: &str| fails(&mut root.command(program)).kind();
    assert_eq!(kind("nosuch"), ErrorKind::CommandNotFound);
    assert_eq!(kind("/nosuch"), ErrorKind::CommandNotFound);
    assert_eq!(kind(""), ErrorKind::CommandNotFound);
    assert_eq!(kind("/etc/passwd"), ErrorKind::CommandNotExecutable);
    assert_eq!(kind("/etc"), ErrorKind::CommandNotExecutable);
    assert_eq!(kind("/tmp/plain"), ErrorKind::CommandNotExecutable);
    assert_eq!(kind("/tmp/wrong"), ErrorKind::CommandNotExecutable);
    let script = fails(&mut root.command("/tmp/script"));
    assert_eq!(script.kind(), ErrorKind::CommandNotFound);
    assert!(script.hint().unwrap().contains("/no/such/interpreter"));
    assert!(fails(root.command("true").current_dir("/nosuch")).to_string().contains("/nosuch"));
    assert!(fails(root.command("true").current_dir("/root")).to_string().contains("EACCES"));
    assert_eq!(fails(root.command("true").arg("a\0b")).kind(), ErrorKind::Command);
    assert_eq!(fails(root.command("true").arg("x".repeat(200_000))).raw_os_error(), Some(7));
    // Many arguments, which together are more than a datagram.
    let many: Vec<String> = (0..5000).map(|i| format!("argument-{i}")).collect();
    let out = root.command("sh").args(["-c", "echo $#", "sh"]).args(&many).output().unwrap();
    assert_eq!(out.stdout, b"5000\n");
    // And the rootlet is none the worse.
    assert!(root.command("true").status().unwrap().success());
}

#[test]
fn each_private_network_has_its_own_port_80() {
    rootlet_tests::needs_namespaces!("private network");
    let base = alpine!();
    let serve = |text: &str| {
        let root = Rootlet::builder(&base).net(rootlet::spec::Net::Private).user("root").spawn().unwrap();
        root.write("/srv/index.html", text).unwrap();
        let script =
            "while :; do (printf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; cat /srv/index.html) | nc -l -p 80; done";
        root.command("sh").args(["-c", script]).stdout(Stdio::null()).spawn().unwrap();
        root
    };
    let (one, two) = (serve("one"), serve("two"));
    for (root, text) in [(&one, "one"), (&two, "two")] {
        // nc takes a moment to listen again after the connection that waited for it.
        root.wait_for_port(80, Duration::from_secs(60)).unwrap();
        let answer = loop {
            let mut answer = String::new();
            if let Ok(mut stream) = root.connect(80)
                && stream.write_all(b"GET / HTTP/1.0\r\n\r\n").is_ok()
                && stream.read_to_string(&mut answer).is_ok()
                && !answer.is_empty()
            {
                break answer;
            }
        };
        assert!(answer.ends_with(text), "{answer}");
    }
    let error = one.wait_for_port(81, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_terminal_of_its_own() {
    rootlet_tests::needs_namespaces!("/dev/pts");
    let root = Rootlet::builder(&alpine!()).user("sam").spawn().unwrap();
    let mut child =
        root.command("sh").args(["-c", "tty; stty size; ls -ln $(tty)"]).tty(40, 100).spawn().unwrap();
    let mut text = Vec::new();
    // The end of a terminal is EIO.
    let _ = child.tty().unwrap().read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("/dev/pts/0\r\n40 100\r\n"), "{text}");
    assert!(text.contains(" 1000 "), "{text}");
}

#[test]
fn volumes_and_file_systems() {
    rootlet_tests::needs_namespaces!("writable volume");
    let base = alpine!();
    let host = std::env::temp_dir().join(format!("rootlet-volume-{}", std::process::id()));
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("file"), "from the host").unwrap();
    let root = Rootlet::builder(&base)
        .user("sam")
        .bind(&host, "/data")
        .bind_read_only(host.join("file"), "/etc/mounted/file")
        .tmpfs("/scratch")
        .mount(rootlet::spec::Mount::Volume { target: "/etc/apk".into() })
        .spawn()
        .unwrap();
    assert_eq!(root.read_to_string("/data/file").unwrap(), "from the host");
    assert_eq!(root.read_to_string("/etc/mounted/file").unwrap(), "from the host");
    assert_eq!(errno(root.write("/etc/mounted/file", "x")), 30);
    assert!(root.exists("/etc/apk/world"), "a volume begins with what the base has there");
    root.write("/etc/apk/world", "changed").unwrap();
    assert!(root.command("touch").arg("/scratch/sam").status().unwrap().success());
    root.write("/data/new", "x").unwrap();
    assert_eq!(root.changes().unwrap(), []);
    drop(root);
    assert!(host.join("new").exists());
    std::fs::remove_dir_all(&host).unwrap();
}

#[test]
fn a_copy_on_write_view_of_the_host() {
    let base = alpine!();
    let host = tempfile::tempdir().unwrap();
    let file = |name: &str| host.path().join(name);
    std::fs::create_dir(file("below")).unwrap();
    std::fs::write(file("below/kept"), "from the host").unwrap();
    std::fs::set_permissions(host.path(), std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    let own = rootlet::spec::Mount::Overlay {
        source: host.path().into(),
        target: "/src/own".into(),
        as_user: true,
    };
    let root = Rootlet::builder(&base).user("sam").mount(own).spawn().unwrap();
    // Whoever the caller is, what is his is the user's; without mounts it is a copy with the owners that it has.
    if !rootlet_tests::chroot() {
        let top = root.metadata("/src/own").unwrap();
        assert_eq!((top.mode() & 0o7777, top.uid(), top.gid()), (0o750, 1000, 1000));
        let out = root
            .command("sh")
            .args(["-c", "cd /src/own && rm -r below && touch new && ls"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), "new\n", "{}", String::from_utf8_lossy(&out.stderr));
        let told: Vec<String> = root.changes().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["D /src/own/below", "A /src/own/new"]);
    }
    root.write("/src/own/by-root", "x").unwrap();
    drop(root);
    assert_eq!(std::fs::read_to_string(file("below/kept")).unwrap(), "from the host");
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
}

#[test]
fn a_file_is_not_copy_on_write() {
    let base = alpine!();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mount =
        rootlet::spec::Mount::Overlay { source: file.path().into(), target: "/file".into(), as_user: false };
    let made = Rootlet::builder(&base).mount(mount).spawn();
    if !rootlet_tests::chroot() {
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Spec);
        assert!(error.hint().unwrap().contains("read-only"), "{error:?}");
    }
}

#[test]
fn a_read_only_root() {
    rootlet_tests::needs_namespaces!("read-only root");
    let root = Rootlet::builder(&alpine!()).user("root").read_only(true).tmpfs("/run").spawn().unwrap();
    assert_eq!(errno(root.write("/etc/motd", "x")), 30);
    let out = root.command("sh").args(["-c", "echo x > /tmp/x"]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("Read-only file system"));
    root.write("/run/x", "x").unwrap();
}

#[test]
fn a_writable_layer_on_disk() {
    let root =
        Rootlet::builder(&alpine!()).writable(rootlet::spec::Writable::Disk).user("sam").spawn().unwrap();
    assert!(root.command("sh").args(["-c", "echo x > ~/x"]).status().unwrap().success());
    root.write("/etc/secret", "x").unwrap();
    assert_eq!(root.changes().unwrap().len(), 2);
}

/// pid 1 of rootlets that wait to be asked for: children that the nursery of `in_use` has besides.
fn ahead(base: &Base, in_use: &[&Rootlet]) -> Vec<u32> {
    // The nursery does what it is asked for one after the other: when this stands, what was begun before has a process.
    let last = apart(base).hostname(format!("after-{}", in_use.len())).spawn().unwrap();
    let pid = |root: &Rootlet| root.host_pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid(&last))).unwrap();
    let nursery = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    let children = std::fs::read_to_string(format!("/proc/{nursery}/task/{nursery}/children")).unwrap();
    let used: Vec<u32> = in_use.iter().copied().chain([&last]).map(pid).collect();
    children.split_whitespace().map(|n| n.parse().unwrap()).filter(|n| !used.contains(n)).collect()
}

/// A set of capabilities that no other test has: a nursery of its own.
fn apart(base: &Base) -> rootlet::Builder {
    Rootlet::builder(base).cap_drop("AUDIT_WRITE").cap_drop("MKNOD")
}

/// What is ahead is forgotten where many other kinds of roots are asked for.
static KINDS: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn the_next_one_is_made_ahead_and_is_as_fresh() {
    rootlet_tests::needs_namespaces!("next one made ahead");
    let _alone = KINDS.lock();
    let base = alpine!();
    let spawn = || apart(&base).spawn().unwrap();
    let first = spawn();
    assert!(ahead(&base, &[&first]).is_empty(), "who asks once pays for one");
    first.write("/etc/mark", "first").unwrap();
    let second = spawn();
    let waiting = ahead(&base, &[&first, &second]);
    assert_eq!(waiting.len(), 1, "who asks twice will ask again");
    let third = spawn();
    assert_eq!(third.host_pid().unwrap(), waiting[0]);
    for root in [&second, &third] {
        assert!(!root.exists("/etc/mark"));
        assert_eq!(root.changes().unwrap(), []);
        assert!(root.command("true").status().unwrap().success());
    }
    // One that died while it waited is not handed out.
    let waiting = ahead(&base, &[&first, &second, &third]);
    let pid = rustix::process::Pid::from_raw(waiting[0] as i32).unwrap();
    let died = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    rustix::event::poll(&mut [rustix::event::PollFd::new(&died, rustix::event::PollFlags::IN)], None)
        .unwrap();
    let fourth = spawn();
    assert_ne!(fourth.host_pid().unwrap(), waiting[0]);
    assert!(fourth.command("true").status().unwrap().success());
}

#[test]
fn a_rootlet_keeps_what_it_stands_on() {
    let _alone = KINDS.lock();
    let base = alpine!();
    let spawn = |name: String| Rootlet::builder(&base).hostname(name).spawn().unwrap();
    let old = spawn("old".into());
    // More kinds of roots than are remembered.
    (0..40).for_each(|n| drop(spawn(format!("new-{n}"))));
    assert!(old.command("ls").arg("/home/sam").status().unwrap().success());
    assert!(old.read_to_string("/etc/passwd").unwrap().contains("sam:x:1000"));
}

#[test]
fn a_rootlet_that_is_dropped_ends_whoever_holds_its_commands() {
    let root = Rootlet::builder(&alpine!()).spawn().unwrap();
    let mut child = root.command("sleep").arg("1000").stdout(Stdio::piped()).spawn().unwrap();
    drop(root);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().is_err());
}

/// Runs until it is killed.
const FOREVER: [&str; 3] = ["tail", "-f", "/dev/null"];
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn what_takes_too_long_ends_with_all_that_runs_in_the_rootlet() {
    let root = Rootlet::builder(&alpine!()).spawn().unwrap();
    let forever = || {
        let mut command = root.command(FOREVER[0]);
        command.args(&FOREVER[1..]);
        command
    };
    let mut other = forever().spawn().unwrap();
    let error = forever().timeout(SHORT).status().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the command did not end within 20ms");
    assert_eq!(other.wait().unwrap().signal(), Some(9));

    // Nobody writes to its output, and nobody closes it.
    let error = forever().timeout(SHORT).output().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // The command has ended, what it left behind holds its output.
    let script = format!("{} & echo begun", FOREVER.join(" "));
    let error = root.command("sh").args(["-c", &script]).timeout(SHORT).output().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);

    let mut child = forever().timeout(Duration::ZERO).spawn().unwrap();
    assert_eq!(child.try_wait().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // The rootlet itself is none the worse.
    assert!(root.command("true").status().unwrap().success());
}

#[test]
fn the_time_that_the_spec_allows_is_every_commands_own_unless_it_has_another() {
    let spec = rootlet::spec::Spec { timeout: Some(SHORT), ..Default::default() };
    let root = Rootlet::builder(&alpine!()).spec(spec).spawn().unwrap();
    for _ in 0..2 {
        let error = root.command(FOREVER[0]).args(&FOREVER[1..]).status().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    // Longer than the Spec's: it waits for something that takes as long as that.
    let mut long = root.command("cat");
    let mut long = long.stdin(Stdio::piped()).timeout(Duration::MAX).spawn().unwrap();
    assert_eq!(long.wait_timeout(2 * SHORT).unwrap(), None);
    assert!(long.wait().unwrap().success());
}
