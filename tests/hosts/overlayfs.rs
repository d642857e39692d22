//! A store that lies on overlayfs, as in a container without a volume: that lets nobody make its own mark of a removed file,
//! and holds no upper directory of another. What was removed is gone all the same.

use super::is_root;
use rootlet::spec::{Require, Writable};
use rootlet::{Base, ErrorKind, Rootlet, Store};
use rootlet_tests::{Host, alone_on, alpine_tar, rootlet_command, skipped};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `body` where the store of the tests is on an overlayfs, with the name of Alpine.
#[track_caller]
fn there(body: impl FnOnce(&str)) {
    let Some(alpine) = alpine_tar() else { return skipped("no tarball of alpine") };
    let directory = tempfile::tempdir().unwrap();
    alone_on(&Host::store_on_overlayfs(directory.path()), || body(&format!("tar:{}", alpine.display())));
}

fn resolve(name: &str) -> Base {
    Base::resolve(name, &Store::open(rootlet_tests::store()).unwrap()).unwrap()
}

#[track_caller]
fn sh(root: &Rootlet, script: &str) -> String {
    let output = root.command("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn changes(root: &Rootlet) -> Vec<String> {
    root.changes().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_removed_before_a_snapshot_is_not_in_it() {
    there(|alpine| {
        let root = Rootlet::builder(&resolve(alpine)).user("sam").spawn().unwrap();
        for file in ["/etc/motd", "/etc/apk/world", "/etc/issue"] {
            root.remove_file(file).unwrap();
        }
        // A directory in place of another one, in which nothing of that may show.
        root.remove_dir_all("/var/spool").unwrap();
        root.create_dir("/var/spool").unwrap();
        root.write("/var/spool/new", "").unwrap();
        let warm = root.snapshot().unwrap();

        let fork = Rootlet::builder(&warm).user("sam").spawn().unwrap();
        assert_eq!(
            sh(&fork, "ls -A /var/spool; ls /etc/apk /etc | grep -x -e world -e motd -e issue || :"),
            "new\n"
        );
        assert!(
            ["/etc/motd", "/etc/apk/world", "/etc/issue", "/var/spool/cron"].iter().all(|p| !fork.exists(p))
        );
        assert_eq!(changes(&fork), [""; 0]);
        // What is made where something was removed is new.
        fork.write("/etc/motd", "again").unwrap();
        fork.remove_dir_all("/etc/apk").unwrap();
        assert_eq!(changes(&fork), ["D /etc/apk", "A /etc/motd"]);

        let second = Rootlet::builder(&fork.snapshot().unwrap()).user("sam").spawn().unwrap();
        assert_eq!(second.read_to_string("/etc/motd").unwrap(), "again");
        assert!(!second.exists("/etc/apk") && !second.exists("/etc/issue"));
    });
}

#[test]
fn what_a_layer_takes_away_is_gone() {
    there(|alpine| {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image.tar");
        save(&image, Path::new(alpine.strip_prefix("tar:").unwrap()));
        let root =
            Rootlet::builder(&resolve(&format!("archive:{}", image.display()))).user("sam").spawn().unwrap();
        assert_eq!(
            sh(&root, "ls -A /etc/apk /opt; ls / /etc | grep -x -e srv -e motd || :"),
            "/etc/apk:\nnew\n\n/opt:\n"
        );
        assert!(!root.exists("/etc/motd") && !root.exists("/srv") && !root.exists("/etc/apk/world"));
        assert!(root.exists("/etc/passwd"));
        assert_eq!(changes(&root), [""; 0]);
        root.write("/etc/motd", "again").unwrap();
        root.write("/etc/apk/world", "again").unwrap();
        root.create_dir("/srv").unwrap();
        assert_eq!(changes(&root), ["A /etc/apk/world", "A /etc/motd", "A /srv"]);
    });
}

/// An image as docker saves it: Alpine, and a layer that takes some of it away.
fn save(image: &Path, alpine: &Path) {
    let bottom = Command::new("gzip").arg("-dc").arg(alpine).output().unwrap().stdout;
    let mut top = tar::Builder::new(Vec::new());
    // Whether one name is hidden first or the whole directory, nothing of it is left.
    for name in [
        ".wh.srv",
        "etc/.wh.motd",
        "etc/apk/.wh.world",
        "etc/apk/.wh..wh..opq",
        "etc/apk/.wh.keys",
        "etc/apk/new",
        "opt/.wh..wh..opq",
    ] {
        add(&mut top, name, b"");
    }
    let layers = [bottom, top.into_inner().unwrap()];
    let config = serde_json::json!({
        "os": "linux",
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "rootfs": { "type": "layers", "diff_ids": layers.each_ref().map(|layer| digest(layer)) },
    });
    let manifest = serde_json::json!([{ "Config": "config", "RepoTags": null, "Layers": ["0", "1"] }]);
    let mut saved = tar::Builder::new(std::fs::File::create(image).unwrap());
    add(&mut saved, "0", &layers[0]);
    add(&mut saved, "1", &layers[1]);
    add(&mut saved, "config", config.to_string().as_bytes());
    add(&mut saved, "manifest.json", manifest.to_string().as_bytes());
    saved.finish().unwrap();
}

fn add<W: Write>(tar: &mut tar::Builder<W>, name: &str, data: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, name, data).unwrap();
}

fn digest(data: &[u8]) -> String {
    let mut sum = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    sum.stdin.take().unwrap().write_all(data).unwrap();
    let said = String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap();
    format!("sha256:{}", said.split_whitespace().next().unwrap())
}

fn says_so(notes: &[String]) -> bool {
    notes.iter().any(|note| note.starts_with("the writable layer on disk"))
}

#[test]
fn a_writable_layer_on_disk_is_in_memory_and_the_report_says_so() {
    there(|alpine| {
        let base = resolve(alpine);
        // The second time, too, and what asks for memory has nothing to report.
        for (writable, said) in [(Writable::Disk, true), (Writable::Disk, true), (Writable::Memory, false)] {
            let root = Rootlet::builder(&base).writable(writable).user("sam").spawn().unwrap();
            sh(&root, "echo x > ~/x");
            assert_eq!(changes(&root), ["A /home/sam/x"]);
            assert_eq!(says_so(&root.report().not_reproduced), said, "{:?}", root.report());
        }
        let all = Rootlet::builder(&base).writable(Writable::Disk).require(Require::Everything).user("sam");
        let error = all.spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        // Of an ordinary user, who has one id here, more is missing than that.
        assert!(!is_root() || error.hint().unwrap().contains("ROOTLET_STORE"), "{error}");
    });
}

/// The command begins its rootlet before it knows of the store, in a nursery that makes one only.
#[test]
fn the_command_says_so_too() {
    there(|alpine| {
        let run = |more: &[&str]| {
            let mut command = rootlet_command();
            command.args(["run", "--base", alpine, "--writable", "disk"]).args(more);
            let output = command.args(["--", "sh", "-c", "echo x > ~/x; exit 7"]).output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, said) = run(&[]);
        assert!(code == Some(7) && said.contains("as in production: the writable layer on disk"), "{said}");
        let (code, said) = run(&["--require", "everything"]);
        assert_eq!(code, Some(125), "{said}");
        assert!(!is_root() || said.contains("the writable layer on disk"), "{said}");
    });
}
