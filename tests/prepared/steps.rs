//! What each kind of step makes.

use super::{facts, says, scene, text};
use rootlet::Rootlet;
use rootlet_tests::tree::of_base;
use rootlet_tests::{chroot, one_id};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn a_recipe_without_steps_is_its_base() {
    let Some(scene) = scene("[root.a]\nfrom = \"ALPINE\"\n") else { return };
    let base = scene.base();
    assert_eq!(base.layer_count(), 1);
    assert!(says(&base, "cat /etc/os-release").contains("Alpine"));
}

#[test]
fn files_are_copied() {
    let recipes = r#"
        [root.a]
        from = "ALPINE"
        copy = [
            { from = "app", to = "/usr/local/bin/app", mode = "0755" },
            { from = "app", to = "/opt/into/" },
            { from = "tree", to = "/srv/tree", owner = "1000:2000" },
            { from = "link", to = "/srv/followed" },
            { from = "app", to = "/etc/motd", mode = "4711", owner = "nobody" },
        ]
    "#;
    let Some(scene) = scene(recipes) else { return };
    scene.write("app", "#!/bin/sh\necho app\n");
    scene.write("tree/deep/file", "deep\n");
    symlink("deep/file", scene.path().join("tree/link")).unwrap();
    symlink("app", scene.path().join("link")).unwrap();
    fs::set_permissions(scene.path().join("app"), PermissionsExt::from_mode(0o666)).unwrap();
    let base = scene.base();
    assert_eq!(says(&base, "app; cat /srv/tree/link; [ ! -L /srv/followed ]"), "app\ndeep\n");
    if one_id() {
        return eprintln!("with one id a symlink keeps no other owner");
    }
    // What is written down, whoever built it and however it is shown to an id.
    let tree = of_base(&base);
    for (path, facts) in [
        ("usr/local/bin/app", ('f', 0o755, 0, 0)),
        // Nobody else may write what everybody could on the way.
        ("opt/into/app", ('f', 0o644, 0, 0)),
        ("srv/tree", ('d', 0o755, 1000, 2000)),
        ("srv/tree/deep/file", ('f', 0o644, 1000, 2000)),
        ("srv/tree/link", ('l', 0o777, 1000, 2000)),
        ("etc/motd", ('f', 0o4711, 65534, 65534)),
    ] {
        let file = &tree[path];
        assert_eq!((file.kind, file.mode, file.uid, file.gid), facts, "{path}");
    }
}

#[test]
fn commands_run_as_said_in_their_order() {
    if one_id() {
        return eprintln!("with one id a step runs as root alone");
    }
    let recipes = r#"
        [root.a]
        from = "ALPINE"
        user = "sam"
        env = { GREETING = "good day", EMPTY = "" }
        run = [
            "id -u > /srv/who; echo $GREETING > /srv/greeting",
            { command = "id -u > ~/who; pwd > ~/where", user = "sam" },
            "rm /etc/motd; mkdir /srv/d; ln /srv/who /srv/twin; ln -s who /srv/link; mkfifo /srv/fifo; rm -r /etc/network",
            "mkdir /etc/network; cat /srv/greeting >> /srv/who",
        ]
    "#;
    let Some(scene) = scene(recipes) else { return };
    let base = scene.base();
    let told = says(
        &base,
        "cat /srv/who /home/sam/who; [ ! -e /etc/motd ]; [ -p /srv/fifo ]; ls /etc/network; readlink /srv/link; echo \"$GREETING,$EMPTY\"",
    );
    assert_eq!(told, "0\ngood day\n1000\nwho\ngood day,\n");
    // Names of one file of a lower layer part when one of them is written to, as in every image.
    assert_eq!(says(&base, "cat /srv/twin"), "0\n");
    assert_eq!(base.layer_count(), 6);
}

#[test]
fn what_runs_later_is_told() {
    rootlet_tests::needs_namespaces!("/proc to read");
    let recipes = r#"
        [root.a]
        from = "ALPINE"
        user = "sam"
        workdir = "/srv"
        entrypoint = ["/bin/echo", "entry"]
        command = ["and", "command"]
        env = { A = "1" }

        [root.b]
        from = "a"
        env = { A = "2", B = "3" }
        command = ["other"]
    "#;
    let Some(scene) = scene(recipes) else { return };
    let base = scene.base();
    let defaults = base.defaults();
    assert_eq!((defaults.user.as_deref(), defaults.workdir.as_deref()), (Some("sam"), Some("/srv")));
    assert_eq!(facts(&base).cwd, "/srv");
    assert_eq!(text(&scene.command(&["run", "-r", "a"]).output().unwrap()), "entry and command\n");
    assert_eq!(text(&scene.command(&["run", "-r", "a", "mine"]).output().unwrap()), "entry mine\n");
    // What begins with it says the rest.
    assert_eq!(text(&scene.command(&["run", "-r", "b"]).output().unwrap()), "entry other\n");
    let env = facts(&scene.build("b").unwrap()).env;
    assert_eq!((env["A"].as_str(), env["B"].as_str(), env["HOME"].as_str()), ("2", "3", "/home/sam"));
}

#[test]
fn the_time_zone_is_set() {
    let Some(scene) = scene("[root.a]\nfrom = \"ALPINE\"\ntimezone = \"Asia/Tokyo\"\n") else { return };
    assert_eq!(says(&scene.base(), "date -d @0 '+%Z %H'; cat /etc/timezone"), "JST 09\nAsia/Tokyo\n");
    for zone in ["Mars/Phobos", "../../etc/passwd", ""] {
        scene
            .write("rootlet.toml", &format!("[root.a]\nfrom = \"./alpine.tar.gz\"\ntimezone = \"{zone}\"\n"));
        scene.refused(&format!("there is no time zone `{zone}`"));
    }
}

#[test]
fn a_step_has_the_network_that_is_said() {
    if chroot() {
        return eprintln!("without namespaces there is no other network");
    }
    let recipes = r#"
        [root.a]
        from = "ALPINE"
        run = ["ls /proc/sys/net/ipv4/conf > /srv/host", { command = "grep -c : /proc/net/dev > /srv/none", network = "none" }]

        [root.none]
        from = "ALPINE"
        network = "none"
        run = ["grep -c : /proc/net/dev > /srv/none"]
    "#;
    let Some(scene) = scene(recipes) else { return };
    assert_eq!(says(&scene.base(), "cat /srv/none"), "1\n");
    assert_eq!(says(&scene.build("none").unwrap(), "cat /srv/none"), "1\n");
}

#[test]
fn a_recipe_begins_with_a_directory_or_another_recipe() {
    if one_id() {
        return eprintln!("with one id a directory is a base for root alone");
    }
    let recipes = "[root.a]\nfrom = \"./rootfs\"\nrun = [\"echo one > /srv/one\"]\n\n[root.b]\nfrom = \"a\"\nrun = [\"cat /srv/one > /srv/two\"]\n";
    let Some(scene) = scene(recipes) else { return };
    let unpack = "mkdir rootfs && tar -xzf alpine.tar.gz -C rootfs --no-same-owner";
    let done =
        std::process::Command::new("sh").args(["-ec", unpack]).current_dir(scene.path()).status().unwrap();
    assert!(done.success());
    assert_eq!(says(&scene.build("b").unwrap(), "cat /srv/two"), "one\n");
    assert_eq!(scene.steps(), "cc");
    // A directory changes, and with it what was made of it.
    scene.write("rootfs/etc/motd", "changed\n");
    assert_eq!(scene.steps(), "cd");
    assert_eq!(says(&scene.build("b").unwrap(), "cat /etc/motd"), "changed\n");
}

#[test]
fn what_a_run_is_given_is_not_in_the_base() {
    let recipes = "[root.a]\nfrom = \"ALPINE\"\nrun = [\"echo x > /tmp/left; echo y >> /etc/resolv.conf; echo z > /etc/hostname; echo h >> /etc/hosts; mkdir -p /run/mine; echo v > /var/tmp/v; echo kept > /etc/kept; mkdir -p /var/cache/apk; echo c > /var/cache/apk/c\"]\n";
    let Some(scene) = scene(recipes) else { return };
    let base = scene.base();
    let paths: Vec<String> = of_base(&base).into_keys().collect();
    assert!(paths.contains(&"etc/kept".to_owned()), "{paths:?}");
    for path in &paths {
        let strange = ["tmp/", "run/", "proc", "dev", "var/tmp/", "var/cache/apk/"]
            .iter()
            .any(|place| path.starts_with(place));
        assert!(
            !strange && !["etc/resolv.conf", "etc/hostname", "etc/hosts"].contains(&path.as_str()),
            "{paths:?}"
        );
    }
    let root = Rootlet::builder(&base).user("root").spawn().unwrap();
    assert!(!root.exists("/tmp/left") && !root.exists("/var/tmp/v"));
}
