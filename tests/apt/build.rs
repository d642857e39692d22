//! What comes of good packages.

use super::{SUITE, Scene, says, scene, scene_with};
use rootlet::{Rootlet, Store};
use rootlet_tests::repository::{Deb, Server};
use rootlet_tests::{OwnStore, files_with, one_id, rootlet_command};
use std::fs;
use std::process::Stdio;

#[test]
fn packages_become_a_root() {
    let debs = [
        Deb::new("hello")
            .field("Depends", "libhello (>= 2)")
            .file("usr/bin/hello", "#!/bin/sh\ncat /usr/lib/hello\n", 0o755)
            .file("etc/hello.conf", "x\n", 0o644)
            .script("conffiles", "/etc/hello.conf\n")
            .packed("zstd"),
        Deb::new("libhello").version("2").file("usr/lib/hello", "good day\n", 0o644).packed("gzip"),
        Deb::new("libhello").version("1.9").file("usr/lib/hello", "old\n", 0o644),
        Deb::new("unwanted").file("usr/bin/unwanted", "", 0o755),
    ];
    let Some(scene) = scene_with(&debs) else { return };
    let base = scene.resolve(&scene.name_with("hello")).unwrap();
    assert_eq!(says(&base, "hello; [ ! -e /usr/bin/unwanted ]"), "good day\n");
    assert_eq!(base.layer_count(), 2);
    let root = Rootlet::builder(&base).user("0:0").spawn().unwrap();
    let status = root.read_to_string("/var/lib/dpkg/status").unwrap();
    assert_eq!(status.matches("Status: install ok installed\n").count(), 4, "{status}");
    assert!(status.contains("Conffiles:\n /etc/hello.conf 401b30e3b8b5d629635a5c613cdb7919\n"), "{status}");
    assert_eq!(
        root.read_to_string("/var/lib/dpkg/info/hello.list").unwrap(),
        "/.\n/etc\n/etc/hello.conf\n/usr\n/usr/bin\n/usr/bin/hello\n"
    );
    let program = root.metadata("/usr/bin/hello").unwrap();
    assert_eq!((program.uid(), program.gid(), program.mode() & 0o7777), (0, 0, 0o755));
}

#[test]
fn an_index_may_be_packed_in_any_way() {
    let Some(mut scene) = scene() else { return };
    let mut ids = Vec::new();
    for end in [".gz", ".zst", "", ".xz"] {
        scene.repository.index = end;
        scene.repository.publish(SUITE, &scene.signer);
        scene.store = OwnStore::default();
        ids.push(scene.resolve(&scene.name()).unwrap().id().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

/// A script that writes what is never the same twice: a time, a process id.
const LATER: &str = "#!/bin/sh\nset -e\nmkdir -p /var/lib/later\necho made > /var/lib/later/file\n\
    chmod 4711 /var/lib/later/file\nln /var/lib/later/file /var/lib/later/twin\nln -s file /var/lib/later/link\n\
    echo $$ > /tmp/pid\necho $$ > /var/log/dpkg.log\n";

#[test]
fn the_same_packages_give_the_same_base() {
    let later = Deb::new("later").script("postinst", LATER).file("usr/bin/late", "", 0o6755);
    let Some(mut scene) = scene_with(&[later]) else { return };
    let name = scene.name_with("later");
    let first = scene.resolve(&name).unwrap();
    let facts = "cd /var/lib/later; stat -c '%n %a %u %g %h' file twin; stat -c '%N %a' link /usr/bin/late; ls /tmp /var/log";
    let told = says(&first, facts);
    if !one_id() {
        assert_eq!(
            told,
            "file 4711 0 0 2\ntwin 4711 0 0 2\n'link' -> 'file' 777\n/usr/bin/late 6755\n/tmp:\n\n/var/log:\n"
        );
    }
    let id = first.id().to_owned();
    drop(first);
    scene.store = OwnStore::default();
    assert_eq!(scene.resolve(&name).unwrap().id(), id);
}

#[test]
fn a_second_time_nothing_is_asked() {
    let Some(scene) = scene() else { return };
    let server = Server::new(scene.repository.path());
    let name = scene.repository.name_at(&server.url(), SUITE, &scene.signer);
    let id = scene.resolve(&name).unwrap().id().to_owned();
    let asked = server.asked().len();
    let again = scene.resolve(&name).unwrap();
    assert_eq!((again.id(), server.asked().len()), (&*id, asked));
    // Offline too; and what another suite shares is there already.
    drop(server);
    let offline = rootlet::resolver(&scene.store()).offline(true);
    assert_eq!(offline.resolve(&name).unwrap().id(), id);
    let error = offline.resolve(&name.replacen(SUITE, "other", 1)).unwrap_err();
    assert_eq!(error.kind(), rootlet::base::ErrorKind::NotInStore);
}

#[test]
fn another_suite_fetches_what_it_has_besides() {
    let Some(mut scene) = scene() else { return };
    let server = Server::new(scene.repository.path());
    let name = |scene: &Scene, suite: &str| scene.repository.name_at(&server.url(), suite, &scene.signer);
    scene.resolve(&name(&scene, SUITE)).unwrap();
    scene.repository.add(&Deb::new("more").field("Essential", "yes"));
    scene.repository.publish("next", &scene.signer);
    scene.resolve(&name(&scene, "next")).unwrap();
    for (path, times) in server.counts().iter().filter(|(path, _)| path.starts_with("pool/")) {
        assert_eq!(*times, 1, "{path}");
    }
}

/// In threads and in processes of their own, all at once.
#[test]
fn of_two_builds_at_once_one_builds() {
    let slow = Deb::new("slow").field("Essential", "yes").script("postinst", "#!/bin/sh\nsleep 0.3\n");
    let Some(scene) = scene_with(&[slow]) else { return };
    let server = Server::new(scene.repository.path());
    let name = scene.repository.name_at(&server.url(), SUITE, &scene.signer);
    let pull = || {
        let mut command = rootlet_command();
        command.args(["run", "--user", "0:0", "--base", &name, "--", "/bin/sh", "-c", "[ -e /bin/ls ]"]);
        command.env("ROOTLET_STORE", scene.store.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes = [pull(), pull()];
    let ids: Vec<String> = std::thread::scope(|scope| {
        let build = || {
            Store::open(scene.store.path())
                .map(|store| rootlet::resolver(&store).resolve(&name).unwrap().id().to_owned())
        };
        let threads = [scope.spawn(build), scope.spawn(build)];
        threads.map(|thread| thread.join().unwrap().unwrap()).into()
    });
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(ids[0], ids[1]);
    for (path, times) in server.counts() {
        assert_eq!(times, 1, "{path}");
    }
}

#[test]
fn nothing_of_this_machine_gets_into_a_layer() {
    let tell = "#!/bin/sh\ncat /etc/resolv.conf /etc/hostname /etc/hosts > /var/lib/told 2>/dev/null\nenv >> /var/lib/told\nid >> /var/lib/told\n:\n";
    let Some(scene) = scene_with(&[Deb::new("apt").field("Essential", "yes").script("postinst", tell)])
    else {
        return;
    };
    let server = Server::new(scene.repository.path());
    let mirror = server.url_as("sam:s3cr3t-w0rd");
    let name = scene.repository.name_at(&mirror, SUITE, &scene.signer);
    let mut command = rootlet_command();
    command.args(["base", "pull", &name]).env("ROOTLET_STORE", scene.store.path());
    command
        .env("no_proxy", "127.0.0.1")
        .env("http_proxy", "http://pr0xy.invalid:1/")
        .env("MINE", "my-0wn-variable");
    let output = command.output().unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && !told.contains("s3cr3t-w0rd"), "{told}");
    // basic, of `sam:s3cr3t-w0rd`.
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.authorization.as_deref() == Some("Basic c2FtOnMzY3IzdC13MHJk"))
    );

    let base = scene.resolve(&name).unwrap();
    assert_eq!(
        says(&base, "cat /etc/apt/sources.list"),
        format!("deb [signed-by=/etc/apt/keyrings/rootlet-1.gpg] {} {SUITE} main\n", server.url())
    );
    // What its scripts could see of it; the programs themselves know many words.
    let told = says(&base, "cat /var/lib/told");
    assert!(told.contains("DPKG_MAINTSCRIPT_NAME=postinst") || told.contains("DEBIAN_FRONTEND"), "{told}");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let resolver = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = resolver.lines().filter(|line| line.starts_with("nameserver"));
    for line in servers.chain([host.trim(), "HOSTNAME=host", "http_proxy", "ROOTLET_STORE"]) {
        assert!(!told.lines().any(|other| other.contains(line)), "{line}: {told}");
    }
    drop(base);
    let layers = scene.store().path().join("images/blobs");
    for text in ["s3cr3t-w0rd", "c2FtOnMzY3IzdC13MHJk", "pr0xy.invalid", "my-0wn-variable"] {
        assert_eq!(files_with(&layers, text), [""; 0], "{text}");
    }
    // The way of looking finds what is there.
    assert!(!files_with(&layers, "rootlet-1.gpg").is_empty());
}
