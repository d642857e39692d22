//! Roots without namespaces and mounts (`Tier::Chroot`): what is shared with the base is never changed, what one run leaves the
//! next does not see, and nothing runs on.

use rootlet::spec::Mount;
use rootlet::{Base, Builder, ErrorKind, Require, Rootlet, Store, Tier};
use rootlet_tests::{Facts, Host, alone_on, look};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A store of this test's own, whose trees can be looked at.
struct Scene {
    home: TempDir,
    base: Base,
}

impl Scene {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            // Only root may change its root directory: these are for the passes of root.
            return None;
        }
        let Some(tar) = rootlet_tests::alpine_tar() else {
            rootlet_tests::skipped("no tarball of alpine");
            return None;
        };
        let home = TempDir::new().unwrap();
        let store = Store::open(home.path().join("store")).unwrap();
        let base = Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap();
        Some(Self { home, base })
    }

    fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    fn root(&self, user: &str) -> Builder {
        Rootlet::builder(&self.base).tier(Tier::Chroot).user(user)
    }

    /// The trees that every root shares: the base, and the patterns.
    fn shared(&self) -> BTreeMap<PathBuf, Facts> {
        let content = fs::read_dir(self.store().join("contents")).unwrap().next().unwrap().unwrap().path();
        let mut all = BTreeMap::new();
        look(&content.join("flat/root"), &mut all);
        for pattern in fs::read_dir(content.join("patterns")).into_iter().flatten().flatten() {
            look(&pattern.path().join("root"), &mut all);
        }
        assert!(all.len() > 500, "{}", all.len());
        all
    }

    /// The roots that are there, used or not.
    fn skeletons(&self) -> Vec<PathBuf> {
        let inner = |path: &Path| -> Vec<PathBuf> {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        let contents = inner(&self.store().join("contents"));
        let patterns = contents.iter().flat_map(|content| inner(&content.join("patterns")));
        let pools = patterns.flat_map(|pattern| inner(&pattern)).filter(|pool| !pool.ends_with("root"));
        pools.flat_map(|pool| inner(&pool)).filter(|place| place.is_dir()).collect()
    }
}

/// Everything that a shell can do to files.
const VANDAL: &str = r#"
    cp /bin/busybox /tmp/b; ln -s / /tmp/root; ln /etc/passwd /tmp/linked; ln /bin/busybox ~/linked; echo >> /bin/busybox
    for f in $(find /etc /lib /usr /var /bin /sbin /home /root -xdev -type f -o -type l); do
        case $f in /bin/busybox | /bin/sh | /lib/ld-* | /lib/libc.musl*) continue ;; esac
        chmod 4777 $f; chown 1000:1000 $f; chown -h 1000:1000 $f; touch -d 2001-01-01 $f; touch -h -d 2001-01-01 $f
        echo vandal >> $f; true > $f; ln $f /tmp/hard; mv $f /tmp/moved; mv /tmp/moved $f; ln -f /tmp/b $f
    done 2> /dev/null
    for d in $(find / -xdev -type d); do chmod 777 $d; chown 1000 $d; mkdir $d/new; touch $d/file; done 2> /dev/null
    d=/tmp; i=0; while [ $i -lt 300 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d
    mkfifo /tmp/fifo ~/fifo; mkdir -p ~/locked/inner; chmod 0 ~/locked; chmod 0 ~
    echo done; rm -rf /etc /usr /home /var /bin; exit 0"#;

#[test]
fn nothing_that_runs_inside_changes_what_is_shared() {
    let Some(scene) = Scene::new() else { return };
    nothing_changes(&scene, &["sam", "root", "nobody", "mail"]);
}

/// In docker's default container there is nothing else: no namespace, no mount, fourteen capabilities.
#[test]
fn nor_does_it_in_dockers_default_container() {
    let Some(docker) = Host::docker() else { return rootlet_tests::skipped("no copy of docker's profile") };
    alone_on(&docker, || {
        let Some(scene) = Scene::new() else { return };
        let found = Rootlet::builder(&scene.base).user("sam").spawn().unwrap();
        assert_eq!(found.report().tier, Tier::Chroot);
        drop(found);
        nothing_changes(&scene, &["sam", "root"]);
    });
}

/// The process itself says who it is, to whoever looks from outside: there is no /proc inside.
#[test]
fn a_command_is_who_it_should_be_and_can_become_nobody_else() {
    let Some(scene) = Scene::new() else { return };
    for (user, ids, effective) in
        [("sam", "1000\t1000\t1000\t1000", 0), ("root", "0\t0\t0\t0", 0xa000_25fb_u64)]
    {
        let root = scene.root(user).group("audio").spawn().unwrap();
        let mut child = root.command("sleep").arg("1000").spawn().unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let field =
            |name: &str| status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(":\t")).unwrap();
        assert_eq!((field("Uid"), field("Gid")), (ids, ids));
        assert!(field("Groups").split(' ').any(|group| group == "18"), "{}", field("Groups"));
        let set = |name| u64::from_str_radix(field(name), 16).unwrap();
        assert_eq!(
            (set("CapEff"), set("CapPrm"), set("CapInh"), set("CapAmb")),
            (effective, effective, 0, 0)
        );
        assert_eq!(set("CapBnd") & !0xa000_25fb_u64, 0, "neither SYS_CHROOT nor MKNOD");
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1", "2"));
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
        assert_eq!(open, 3, "nothing of rootlet's own is open");
        child.kill().unwrap();
    }
}

fn nothing_changes(scene: &Scene, users: &[&str]) {
    drop(scene.root("sam").spawn().unwrap());
    drop(scene.root("root").spawn().unwrap());
    let before = scene.shared();
    let vandal = |root: &Rootlet, user: &str| {
        let out = root.command("busybox").args(["sh", "-c", VANDAL]).user(user).output().unwrap();
        assert!(out.stdout.ends_with(b"done\n"), "{}", String::from_utf8_lossy(&out.stderr));
    };
    for &user in users {
        let root = scene.root(user).spawn().unwrap();
        vandal(&root, user);
        drop(root);
        assert!(before == scene.shared(), "{user} changed what is shared");
    }
    // Others than the user the root was made for; the library's own operations.
    for &user in users.iter().filter(|user| **user != "sam") {
        let root = scene.root("sam").spawn().unwrap();
        let files = root.as_user(user).unwrap();
        for path in ["/etc/passwd", "/bin/busybox", "/etc/motd", "/bin/sh", "/lib/ld-musl-x86_64.so.1"] {
            let _ =
                files.options().append(true).open(path).map(|mut f| std::io::Write::write_all(&mut f, b"x"));
            let _ = files.set_permissions(path, 0o4777);
            let _ = files.chown(path, Some(1), Some(1));
            let _ = files.lchown(path, Some(1), Some(1));
            let _ = files.set_modified(path, std::time::SystemTime::UNIX_EPOCH);
            // Through a symlink's second name, the program itself would be written.
            if path != "/bin/sh" {
                let _ = files.hard_link(path, "/tmp/hard").and_then(|()| files.write("/tmp/hard", "x"));
            }
            let _ = files.remove_file("/tmp/hard");
        }
        vandal(&root, user);
        drop(root);
        assert!(before == scene.shared(), "{user} in sam's root changed what is shared");
    }
}

/// A user who turns a symlink to and fro while the test's author writes through it, and then runs a command as root.
#[test]
fn a_path_that_leads_elsewhere_meanwhile_leads_to_nothing_shared() {
    let Some(scene) = Scene::new() else { return };
    drop(scene.root("sam").spawn().unwrap());
    let before = scene.shared();
    let root = scene.root("sam").spawn().unwrap();
    let script = "echo own > ~/own; ln -s ~/own /tmp/a; ln -s /etc/motd /tmp/b; echo ready
                  while :; do mv -T /tmp/a /tmp/x; ln -s ~/own /tmp/a; mv -T /tmp/b /tmp/x; ln -s /etc/motd /tmp/b; done";
    let mut shell = root.command("busybox");
    let mut child = shell
        .args(["sh", "-c", script])
        .stdout(rootlet::Stdio::piped())
        .stderr(rootlet::Stdio::null())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    for i in 0..3000 {
        let _ = root.options().write(true).truncate(i % 2 == 0).open("/tmp/x").map(|mut file| {
            std::io::Write::write_all(&mut file, b"author").unwrap();
        });
        let _ = root.set_permissions("/tmp/x", 0o4755);
        let _ = root.chown("/tmp/x", Some(1), None);
    }
    assert!(
        root.command("sh").args(["-c", "echo root > /tmp/x; true"]).user("root").status().unwrap().success()
    );
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    drop(root);
    assert!(before == scene.shared());
}

#[test]
fn the_next_sees_nothing_of_the_one_before() {
    let Some(scene) = Scene::new() else { return };
    let listing = |root: &Rootlet| {
        let what = ["find", "/", "-xdev", "-exec", "stat", "-c", "%n %A %u %g %s %Y", "{}", "+"];
        let out = root.command("busybox").args(what).output().unwrap();
        let mut lines: Vec<_> = String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for (i, user) in ["sam", "root"].into_iter().enumerate() {
        let fresh = listing(&scene.root(user).spawn().unwrap());
        assert_eq!(scene.skeletons().len(), i + 1);
        for author in [false, true] {
            let root = scene.root(user).spawn().unwrap();
            let mut open = None;
            if author {
                root.write("/etc/motd", "x").unwrap();
                root.remove_dir_all("/usr").unwrap();
                root.create_dir_all("/srv/deep/er").unwrap();
                root.set_permissions("/etc", 0o700).unwrap();
                open = Some(root.options().append(true).open("/etc/group").unwrap());
            }
            let _ = root.command("busybox").args(["sh", "-c", VANDAL]).output().unwrap();
            assert!(!root.changes().unwrap().is_empty());
            drop(root);
            // Whoever holds a file of a root that has ended writes into no other.
            open.iter_mut().for_each(|file| std::io::Write::write_all(file, b"late").unwrap());
            let next = scene.root(user).spawn().unwrap();
            assert_eq!(next.changes().unwrap(), []);
            assert_eq!(listing(&next), fresh);
            // It is the same one.
            assert_eq!(scene.skeletons().len(), i + 1);
        }
    }
    // Two at once are two.
    let (one, two) = (scene.root("sam").spawn().unwrap(), scene.root("sam").spawn().unwrap());
    one.as_user("sam").unwrap().write("/tmp/one", "1").unwrap();
    assert!(!two.exists("/tmp/one"));
    assert_eq!(scene.skeletons().len(), 3);
    drop((one, two));
    // A tree that is deeper than any that is restored costs the root, not the run.
    let root = scene.root("sam").spawn().unwrap();
    let script = "cd /tmp; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit 1; i=$((i+1)); done";
    assert!(root.command("sh").args(["-c", script]).status().unwrap().success());
    drop(root);
    assert_eq!(scene.root("sam").spawn().unwrap().changes().unwrap(), []);
}

#[test]
fn changes_and_snapshots_are_those_of_any_root() {
    let Some(scene) = Scene::new() else { return };
    let told =
        |root: &Rootlet| -> Vec<String> { root.changes().unwrap().iter().map(ToString::to_string).collect() };
    let root = scene.root("sam").tmpfs("/scratch").spawn().unwrap();
    let script = "echo x > ~/new; echo x > /tmp/t; mkdir /tmp/d; echo x > /scratch/s; echo x > /dev/shm/s";
    assert!(root.command("sh").args(["-c", script]).status().unwrap().success());
    root.write("/etc/motd", "hello").unwrap();
    root.remove_dir_all("/etc/apk").unwrap();
    root.rename("/etc/issue", "/etc/moved").unwrap();
    let expected = [
        "D /etc/apk",
        "D /etc/issue",
        "C /etc/motd",
        "A /etc/moved",
        "A /home/sam/new",
        "A /tmp/d",
        "A /tmp/t",
    ];
    assert_eq!(told(&root), expected);
    let warm = root.snapshot().unwrap();
    drop(root);
    for _ in 0..2 {
        let fork = Rootlet::builder(&warm).tier(Tier::Chroot).user("sam").spawn().unwrap();
        assert_eq!(told(&fork), Vec::<String>::new());
        assert_eq!(fork.read_to_string("/etc/motd").unwrap(), "hello");
        assert!(!fork.exists("/etc/apk") && fork.exists("/home/sam/new") && !fork.exists("/scratch/s"));
        assert_eq!(fork.metadata("/home/sam/new").unwrap().uid(), 1000);
        fork.as_user("sam").unwrap().write("/home/sam/new", "changed").unwrap();
    }
    drop(warm);
    assert_eq!(fs::read_dir(scene.store().join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_it_cannot_give_is_said() {
    let Some(scene) = Scene::new() else { return };
    let file = scene.home.path().join("file");
    fs::write(&file, "from the host").unwrap();
    let writable = scene.root("sam").bind(&file, "/data").spawn().unwrap_err();
    assert!(writable.to_string().contains("allows no mounts") && writable.hint().is_some(), "{writable}");
    let required = scene.root("sam").require(Require::Namespaces).spawn().unwrap_err();
    assert_eq!(required.kind(), ErrorKind::Host);
    let host = Base::resolve("host", scene.base.store()).unwrap();
    let host = Rootlet::builder(&host).tier(Tier::Chroot).spawn().unwrap_err();
    assert!(host.hint().unwrap().contains("tar:"), "{host}");
    let plain = scene.root("sam").spawn().unwrap();
    let all = scene
        .root("sam")
        .bind_read_only(&file, "/etc/file")
        .mount(Mount::Volume { target: "/volume".into() })
        .tmpfs("/scratch")
        .net(rootlet::spec::Net::None)
        .hostname("other")
        .read_only(true)
        .spawn()
        .unwrap();
    let said = all.report().not_reproduced.join("\n");
    for word in
        ["processes", "/proc", "--net none", "--hostname", "--read-only", "tmpfs", "read-only volumes"]
    {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert_eq!(plain.report().not_reproduced.len(), 2, "{:?}", plain.report().not_reproduced);
    assert_eq!(all.as_user("sam").unwrap().read_to_string("/etc/file").unwrap(), "from the host");
    assert!(all.as_user("sam").unwrap().write("/scratch/x", "x").is_ok());
}

/// From memory, another file system: nothing of it can be linked. And each time as it is then.
#[test]
fn a_directory_is_copied_and_left_as_it_is() {
    let Some(scene) = Scene::new() else { return };
    let directory = TempDir::new_in("/dev/shm").unwrap();
    let path = directory.path().join("root");
    let busybox = scene.root("root").spawn().unwrap().read("/bin/busybox").unwrap();
    for name in ["bin", "etc", "tmp", "lib"] {
        fs::create_dir_all(path.join(name)).unwrap();
    }
    let musl = scene.root("root").spawn().unwrap().read("/lib/ld-musl-x86_64.so.1").unwrap();
    fs::write(path.join("bin/sh"), busybox).unwrap();
    fs::write(path.join("lib/ld-musl-x86_64.so.1"), musl).unwrap();
    fs::write(path.join("etc/config"), "first").unwrap();
    for name in ["bin/sh", "lib/ld-musl-x86_64.so.1"] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut before = BTreeMap::new();
    look(&path, &mut before);
    let base = Base::resolve(&format!("dir:{}", path.display()), scene.base.store()).unwrap();
    for user in ["1000", "0"] {
        let root = Rootlet::builder(&base).tier(Tier::Chroot).user(user).spawn().unwrap();
        let out = root
            .command("sh")
            .args(["-c", "echo x > /etc/config; read it < /etc/config; echo $it"])
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(text, if user == "0" { "x\n" } else { "first\n" });
    }
    let mut after = BTreeMap::new();
    look(&path, &mut after);
    assert!(before == after);
    fs::write(path.join("etc/config"), "second").unwrap();
    let root = Rootlet::builder(&base).tier(Tier::Chroot).user("1000").spawn().unwrap();
    assert_eq!(root.read_to_string("/etc/config").unwrap(), "second");
    drop((root, base));
    assert_eq!(fs::read_dir(scene.store().join("tmp")).unwrap().count(), 0);
}

/// A caller, its nursery or a first process that is killed leaves a root that nobody takes for clean, and no process.
#[test]
fn whoever_is_killed_nothing_runs_on_and_nothing_dirty_is_used() {
    let Some(scene) = Scene::new() else { return };
    drop(scene.root("sam").spawn().unwrap());
    for victim in ["caller", "init", "nursery"] {
        let mut command = rootlet_tests::rootlet_command();
        command
            .env("ROOTLET_STORE", scene.store())
            .args(["run", "--tier", "chroot", "--user", "sam", "--base"]);
        let script =
            "echo dirt > /tmp/dirt; (setsid sleep 1000 &); (trap '' 1 2 15; sleep 1000) & echo up; wait";
        command.arg(scene.base.name()).args(["--", "sh", "-c", script]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 3]).unwrap();
        let kill = |pid: u32| {
            let process = pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap();
            pidfd_send_signal(&process, Signal::KILL).unwrap();
        };
        let children = |pid: u32| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        match victim {
            "caller" => kill(child.id()),
            name => {
                let wanted = format!("rootlet-{name}\n");
                let mut all: Vec<u32> = vec![child.id()];
                let mut at = 0;
                while at < all.len() {
                    all.extend(children(all[at]).split_whitespace().map(|n| n.parse::<u32>().unwrap()));
                    at += 1;
                }
                let found = all.iter().find(|pid| {
                    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == wanted)
                });
                kill(*found.unwrap());
                if name == "nursery" {
                    kill(child.id());
                }
            }
        }
        // Only processes of the root hold it: its end is theirs.
        out.read_to_end(&mut Vec::new()).unwrap();
        child.wait().unwrap();
        let next = scene.root("sam").spawn().unwrap();
        assert_eq!(next.changes().unwrap(), [], "{victim}");
        assert!(!next.exists("/tmp/dirt"), "{victim}");
    }
    // What is left unclean goes with gc; what is clean stays for those who come.
    let removed = scene.base.store().gc(rootlet::base::GcOptions::default()).unwrap();
    assert!(removed.problems.is_empty(), "{:?}", removed.problems);
    assert!(scene.skeletons().iter().all(|place| place.join("clean").exists()), "{:?}", scene.skeletons());
    let removed =
        scene.base.store().gc(rootlet::base::GcOptions { keep_recent: std::time::Duration::ZERO }).unwrap();
    assert!(removed.problems.is_empty() && scene.skeletons().is_empty());
}

/// A store with no room: a sentence, and nothing half made.
#[test]
fn no_room_is_a_sentence() {
    let Some(scene) = Scene::new() else { return };
    let small = scene.home.path().join("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=6m,mode=700 none \"$1\" && ROOTLET_STORE=\"$1/s\" \"$0\" run --tier chroot --base \"$2\" -- true; \
                  echo status $?; ls \"$1/s/tmp\" | wc -l";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]).arg(rootlet_tests::rootlet_command().get_program());
    let out = command.arg(&small).arg(scene.base.name()).output().unwrap();
    let (text, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("status 125\n0\n") && said.contains("ENOSPC"), "{text}{said}");
}
