//! What is exported is read back by rootlet, and by skopeo, umoci, podman and tar: the same root, file by file.

mod support;

use rootlet_base::{
    Base, Digest, ErrorKind, ExportTarget, LayerWriter, PackEntry, PackKind, Progress, Resolver, Step, Store,
};
use rootlet_kernel::{Meta, NodeKind, Worker};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use support::registry::{Registry, Setup};
use support::scene::{Scene, failed, scene, succeeded};
use support::tree::{assert_same, tree};
use support::{Home, alpine, has, is_root, layout, map, run, skip, tar_of};

/// Alpine with two layers on top that have all that layers can have.
fn rich(store: &Store) -> Option<Base> {
    let below = Base::resolve(&format!("tar:{}", alpine()?.display()), store).unwrap();
    let file = |path: &[u8], mode, uid, text: &'static str| {
        let kind = PackKind::File(text.len() as u64);
        let (mtime, xattrs) = (1_234_567_890, Vec::new());
        (PackEntry { path: path.into(), kind, mode, uid, gid: uid, mtime, xattrs }, text)
    };
    let like = |path: &[u8], kind| PackEntry { kind, ..file(path, 0o755, 0, "").0 };
    let write = |entries: &[(PackEntry, &str)], removed: &[&str], hidden: &[&str]| {
        let mut layer = LayerWriter::begin(store).unwrap();
        entries.iter().for_each(|(entry, text)| layer.append(entry, &mut text.as_bytes()).unwrap());
        removed.iter().for_each(|path| layer.remove(path.as_bytes()).unwrap());
        hidden.iter().for_each(|path| layer.hide_lower(path.as_bytes()).unwrap());
        layer.finish().unwrap()
    };
    let long = [b"srv/".as_slice(), &b"a-long-name/".repeat(30), b"end"].concat();
    let capability = vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut marked = file(b"srv/marked", 0o640, 7, "marked");
    marked.0.xattrs = vec![("user.note".into(), b"a\n=\0b".to_vec())];
    let mut capable = file(b"srv/capable", 0o755, 0, "#!/bin/sh\n");
    capable.0.xattrs = vec![("security.capability".into(), capability)];
    let empty = |entry| (entry, "");
    // Some tools take what a link says of owner and mode for the file's own.
    let second_name = |path: &[u8]| PackEntry {
        kind: PackKind::HardLink(b"srv/first-name".to_vec()),
        ..file(path, 0o644, 1000, "").0
    };
    let first = write(
        &[
            empty(like(b"srv", PackKind::Directory)),
            file(b"srv/setuid", 0o6755, 33, "setuid"),
            file(b"srv/of-nobody", 0o600, 65534, "nobody's"),
            file(b"srv/first-name", 0o644, 1000, "two names"),
            empty(second_name(b"srv/second-name")),
            empty(second_name(b"srv/third-name")),
            file(b"srv/caf\xe9 \xff\n", 0o644, 0, "no UTF-8"),
            file(&long, 0o400, 0, "long"),
            empty(like(b"srv/away", PackKind::Symlink(b"../../../outside".to_vec()))),
            empty(like(b"srv/pipe", PackKind::Fifo)),
            empty(like(b"srv/shut", PackKind::Directory)),
            file(b"srv/shut/gone", 0o644, 0, "gone"),
            file(b"srv/shut/deep/gone", 0o644, 0, "gone"),
            marked,
            capable,
        ],
        &["etc/motd", "etc/init.d"],
        &[],
    );
    let second = write(
        &[
            // The file whose contents the other names have is another one now.
            file(b"srv/first-name", 0o644, 0, "one name"),
            empty(PackEntry { mode: 0o1770, uid: 5, ..like(b"srv/shut", PackKind::Directory) }),
            file(b"srv/shut/new", 0o644, 0, "new"),
            file(b"opt/without/entries/for/parents", 0o644, 0, "x"),
            file(b"media", 0o644, 0, "a file that was a directory"),
            empty(like(b"etc/motd", PackKind::Directory)),
        ],
        &["srv/of-nobody", "mnt"],
        &["srv/shut", "var/cache"],
    );
    let mut defaults = below.defaults().clone();
    defaults.user = Some("nobody:1".into());
    defaults.env = vec![("A".into(), "b=c".into()), ("EMPTY".into(), String::new())];
    defaults.workdir = Some("/srv".into());
    defaults.entrypoint = vec!["/bin/sh".into(), "-c".into()];
    defaults.cmd = vec!["echo é".into()];
    defaults.volumes = vec!["/data".into()];
    defaults.exposed_ports = vec!["80/tcp".into()];
    defaults.labels = BTreeMap::from([("who".into(), "me".into())]);
    defaults.stop_signal = Some("SIGQUIT".into());
    defaults.platform = Some("linux/amd64".into());
    Some(below.with_layers(vec![first, second], defaults, "rich", "made", &[]).unwrap())
}

macro_rules! rich {
    ($home:expr) => {
        match rich(&$home.store) {
            Some(base) => base,
            None => skip!("no Alpine"),
        }
    };
}

#[track_caller]
fn export(base: &Base, target: &str) -> Digest {
    base.export(&target.parse().unwrap()).unwrap().digest
}

/// The whole root as one tar.
#[track_caller]
fn flat(base: &Base, home: &Home) -> Vec<u8> {
    let file = home.path().join("flat.tar");
    let digest = export(base, &format!("tar:{}", file.display()));
    let bytes = fs::read(&file).unwrap();
    assert_eq!(digest, Digest::of(&bytes));
    fs::remove_file(file).unwrap();
    bytes
}

/// Where an export of each form goes, and how that is named as a base.
fn forms(home: &Home) -> Vec<(String, String)> {
    let at = |name: &str| home.path().join(name).display().to_string();
    vec![
        (format!("oci:{}:a-1", at("layout")), format!("oci:{}:a-1", at("layout"))),
        (format!("oci-archive:{}:a-1", at("o.tar")), format!("archive:{}:a-1", at("o.tar"))),
        (format!("docker-archive:{}:me/x:1", at("d.tar")), format!("archive:{}:me/x:1", at("d.tar"))),
        (format!("tar:{}", at("t.tar")), format!("tar:{}", at("t.tar"))),
    ]
}

#[test]
fn rootlet_reads_back_what_it_wrote() {
    let home = Home::new();
    let Some(two_layers) = layout(home.path()) else { skip!("no umoci, skopeo or Alpine") };
    fs::rename(two_layers, home.path().join("made")).unwrap();
    let made = Base::resolve(&format!("oci:{}", home.path().join("made").display()), &home.store).unwrap();
    for base in [rich!(home), made] {
        let whole = flat(&base, &home);
        for (target, name) in forms(&home) {
            export(&base, &target);
            let back = Base::resolve(&name, &home.store).unwrap();
            assert!(flat(&back, &home) == whole, "{} as {target}", base.name());
            if !target.starts_with("tar:") {
                assert_eq!(back.defaults(), base.defaults(), "{target}");
                assert_eq!(back.layer_count(), base.layer_count(), "{target}");
            }
            if let Some(map) = map() {
                back.layer_paths(&map).unwrap();
            }
        }
    }
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn the_same_base_gives_the_same_bytes() {
    let (home, other) = (Home::new(), Home::new());
    let (base, again) = (rich!(home), rich!(other));
    for ((target, _), (elsewhere, _)) in forms(&home).into_iter().zip(forms(&other)) {
        assert_eq!(export(&base, &target), export(&again, &elsewhere), "{target}");
    }
    for name in ["o.tar", "d.tar", "t.tar", "layout/index.json"] {
        let read = |home: &Home| fs::read(home.path().join(name)).unwrap();
        assert!(read(&home) == read(&other), "{name}");
    }
}

/// With its owners where we are root.
fn unpacked_by_tar(tar: &Path, home: &Home) -> BTreeMap<PathBuf, String> {
    let root = home.path().join("by-tar");
    fs::create_dir(&root).unwrap();
    let (tar, to) = (tar.to_str().unwrap(), root.to_str().unwrap());
    // Else it makes some symlinks last of all, and the directories that they are in get a new time.
    run("tar", &["-xpPf", tar, "-C", to, "--numeric-owner", "--xattrs", "--xattrs-include=*"]);
    let found = tree(&root, is_root());
    run("rm", &["-rf", to]);
    found
}

fn unpacked_by_umoci(image: &str, home: &Home) -> BTreeMap<PathBuf, String> {
    let bundle = home.path().join("by-umoci");
    let rootless: &[&str] = if is_root() { &[] } else { &["--rootless"] };
    run("umoci", &[&["unpack", "--image", image], rootless, &[bundle.to_str().unwrap()]].concat());
    let found = tree(&bundle.join("rootfs"), is_root());
    run("rm", &["-rf", bundle.to_str().unwrap()]);
    found
}

#[test]
fn tar_umoci_and_the_engine_see_one_tree() {
    let home = Home::new();
    let base = rich!(home);
    if !has("umoci") {
        skip!("no umoci");
    }
    let at = |name: &str| home.path().join(name);
    export(&base, &format!("tar:{}", at("t.tar").display()));
    let by_tar = unpacked_by_tar(&at("t.tar"), &home);
    let line = |path: &[u8]| by_tar.get(Path::new(OsStr::from_bytes(path))).map(String::as_str);
    // That the comparison is not of nothing: a few lines that we know.
    assert!(line(b"srv/caf\xe9 \xff\n").unwrap().starts_with("file 644 "));
    assert!(line(b"srv/second-name").unwrap().ends_with(r#"one of ["srv/second-name", "srv/third-name"]"#));
    assert!(!line(b"srv/first-name").unwrap().contains("one of"));
    assert!(line(b"media").unwrap().starts_with("file"), "{:?}", line(b"media"));
    for gone in ["etc/init.d", "mnt", "srv/of-nobody", "srv/shut/gone", "srv/shut/deep", "media/cdrom"] {
        assert_eq!(line(gone.as_bytes()), None, "{gone}");
    }
    if is_root() {
        assert!(line(b"srv/setuid").unwrap().starts_with("file 6755"));
        assert!(line(b"srv/setuid").unwrap().contains(" of 33:33"));
        assert!(line(b"srv/shut").unwrap().contains("1770") && line(b"srv/shut").unwrap().contains(" of 5:"));
        assert!(line(b"srv/capable").unwrap().contains("security.capability="));
        assert!(line(b"srv/marked").unwrap().contains("user.note="));
    }
    export(&base, &format!("oci:{}:1", at("layout").display()));
    let by_umoci = unpacked_by_umoci(&format!("{}:1", at("layout").display()), &home);
    assert_same(&known(by_tar.clone()), &known(by_umoci), "tar and umoci");
    if is_root() {
        // What the engine itself makes of the layers.
        let engine = tree(base.flat().unwrap().path(), true);
        assert_same(&known(by_tar.clone()), &known(engine), "tar and the engine");
    }
    let of_directory = |path: &str| line(path.as_bytes()).unwrap().contains(" at 1234567890");
    assert!(
        of_directory("srv") && of_directory("srv/shut"),
        "times of directories in which later layers wrote"
    );
}

/// Without what tools disagree about: the times of directories in which something was made or removed.
fn known(mut tree: BTreeMap<PathBuf, String>) -> BTreeMap<PathBuf, String> {
    for line in tree.values_mut().filter(|line| line.starts_with("Directory")) {
        let (before, after) = line.split_once(" at ").unwrap();
        *line = format!("{before}{}", after.find(' ').map_or("", |at| &after[at..]));
    }
    tree
}

#[test]
fn skopeo_and_podman_read_every_form() {
    let home = Home::new();
    let base = rich!(home);
    if !has("skopeo") || !has("podman") {
        skip!("no skopeo or podman");
    }
    let file = home.path().join("flat.tar");
    export(&base, &format!("tar:{}", file.display()));
    let by_tar = unpacked_by_tar(&file, &home);
    let podman = Podman(&home);
    for (target, name) in forms(&home).into_iter().filter(|(target, _)| !target.starts_with("tar:")) {
        let digest = export(&base, &target);
        let inspected = run("skopeo", &["inspect", "--config", &target]);
        let config: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
        assert_eq!(config["config"]["User"], "nobody:1", "{target}: {config:#}");
        assert_eq!(config["config"]["Env"], serde_json::json!(["A=b=c", "EMPTY="]));
        assert_eq!(config["config"]["Volumes"], serde_json::json!({ "/data": {} }));
        assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 3);
        // All digests are verified on the way.
        let copy = home.path().join(format!("copy-{}", digest.hex()));
        run("skopeo", &["copy", "-q", &target, &format!("dir:{}", copy.display())]);
        // It makes a name of the path, which must be in lower case then.
        let relative = target.replace(&format!("{}/", home.path().display()), "");
        let image = podman.run(&["pull", "-q", &relative]);
        if is_root() {
            let mounted = podman.run(&["image", "mount", &image]);
            // Podman stores what others than root own with their true numbers, and capabilities with them.
            assert_same(&known(by_tar.clone()), &known(tree(Path::new(&mounted), true)), &name);
            podman.run(&["image", "umount", &image]);
        }
    }
}

/// Podman with a storage of its own.
struct Podman<'a>(&'a Home);

impl Podman<'_> {
    fn command(&self) -> Command {
        let at = |name: &str| self.0.path().join(name);
        let mut podman = Command::new("podman");
        podman.arg("--root").arg(at("podman")).arg("--runroot").arg(at("podman-run"));
        podman.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        podman.env("HOME", self.0.path()).env_remove("XDG_RUNTIME_DIR").current_dir(self.0.path());
        podman
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        succeeded(&self.command().args(arguments).output().unwrap()).trim().to_owned()
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let _ = self.command().args(["system", "reset", "--force"]).output();
    }
}
