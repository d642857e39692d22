//! What is exported is read back by rootlet, and by skopeo, umoci, podman and tar: the same root, file by file.

mod support;

use rootlet_base::{Base, LayerWriter, PackEntry, PackKind, PackedLayer};
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::rich::{export, flat, forms, rich};
use support::scene::succeeded;
use support::tree::{assert_same, tree};
use support::{Home, has, is_root, layout, map, run, skip, tar_of};

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

/// Layers over a few names, with everything at every place: what becomes of them is what the engine makes of them.
#[test]
fn layers_of_any_kind_are_one_root() {
    if !is_root() {
        return; // Nobody else has the engine's tree to compare with.
    }
    let home = Home::new();
    let mut dice = Dice(1);
    let mut compared = 0;
    for round in 0..120 {
        let layers = (0..1 + dice.below(3)).map(|_| random_layer(&mut dice, &home)).collect();
        let nothing = Base::resolve(&tar_of(&home, "root.tar", &[("a", b'5', "", 0)]), &home.store).unwrap();
        let base = nothing.with_layers(layers, Default::default(), "random", "made", &[]).unwrap();
        let target = format!("tar:{}", home.path().join("t.tar").display());
        // A file in what is a file, a link to nothing, a circle: the engine makes nothing of that.
        match (base.flat(), base.export(&target.parse().unwrap())) {
            (Ok(engine), Ok(_)) => {
                compared += 1;
                let by_tar = unpacked_by_tar(&home.path().join("t.tar"), &home);
                let engine = tree(engine.path(), true);
                assert_same(&known(by_tar), &known(engine), &format!("round {round}"));
            }
            (Ok(_), Err(error)) => panic!("round {round}: {error}"),
            (Err(_), _) => {}
        }
    }
    assert!(compared > 50, "{compared}");
}

/// Into a directory that the same layer empties or takes away.
#[test]
fn what_is_written_through_a_symlink_stays() {
    if !is_root() {
        return; // Nobody else has the engine's tree to compare with.
    }
    let home = Home::new();
    let below = tar_of(&home, "root.tar", &[("d", b'5', "", 0), ("d/old", b'0', "", 0), ("e", b'5', "", 0)]);
    let below = Base::resolve(&below, &home.store).unwrap();
    for (name, has_entry, hides) in
        [("opaque", true, true), ("removed", true, false), ("implied", false, false)]
    {
        let mut layer = LayerWriter::begin(&home.store).unwrap();
        let put = |path: &str, kind: PackKind, layer: &mut LayerWriter| {
            let path = path.as_bytes().to_vec();
            let entry = PackEntry { path, kind, mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() };
            layer.append(&entry, &mut "x".as_bytes()).unwrap();
        };
        if has_entry {
            put("d", PackKind::Directory, &mut layer);
        }
        put("s", PackKind::Symlink(b"e/../d".to_vec()), &mut layer);
        put("s/f", PackKind::File(1), &mut layer);
        if hides { layer.hide_lower(b"d") } else { layer.remove(b"d") }.unwrap();
        let base =
            below.with_layers(vec![layer.finish().unwrap()], Default::default(), name, "made", &[]).unwrap();
        base.export(&format!("tar:{}", home.path().join("t.tar").display()).parse().unwrap()).unwrap();
        let (by_tar, engine) =
            (unpacked_by_tar(&home.path().join("t.tar"), &home), tree(base.flat().unwrap().path(), true));
        assert_same(&known(by_tar), &known(engine.clone()), name);
        let here = |path: &str| engine.contains_key(Path::new(path));
        assert!(here("d/f") && here("s") && !here("d/old"), "{name}: {engine:?}");
    }
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn path(&mut self) -> String {
        let names: Vec<&str> =
            (0..1 + self.below(3)).map(|_| ["a", "b", "c", "d"][self.below(4) as usize]).collect();
        names.join("/")
    }
}

fn random_layer(dice: &mut Dice, home: &Home) -> PackedLayer {
    let (mut layer, mut files) = (LayerWriter::begin(&home.store).unwrap(), Vec::new());
    let mut used = HashSet::new();
    for _ in 0..1 + dice.below(8) {
        // Of a name that is first a file and then a directory tools make different things, on what lies below.
        let path = dice.path();
        if !used.insert(path.clone()) {
            continue;
        }
        let text = format!("{}", dice.below(1000));
        let kind = match dice.below(12) {
            0 => return_with(&mut layer, |layer| layer.remove(path.as_bytes())),
            1 => return_with(&mut layer, |layer| layer.hide_lower(path.as_bytes())),
            2 if !files.is_empty() => {
                let file: &Vec<u8> = &files[dice.below(files.len() as u64) as usize];
                Some(PackKind::HardLink(file.clone()))
            }
            3 => Some(PackKind::Symlink(dice.path().into_bytes())),
            4 => Some(PackKind::Symlink(format!("/{}", dice.path()).into_bytes())),
            5..8 => Some(PackKind::Directory),
            _ => Some(PackKind::File(text.len() as u64)),
        };
        let Some(kind) = kind else { continue };
        let (mode, uid) = (0o600 + dice.below(0o100) as u32, dice.below(3) as u32);
        let path = path.into_bytes();
        if let PackKind::File(_) = kind {
            files.push(path.clone());
        }
        let entry = PackEntry { path, kind, mode, uid, gid: 0, mtime: 1_000_000_000, xattrs: Vec::new() };
        layer.append(&entry, &mut text.as_bytes()).unwrap();
    }
    layer.finish().unwrap()
}

fn return_with(
    layer: &mut LayerWriter,
    what: impl FnOnce(&mut LayerWriter) -> rootlet_base::Result<()>,
) -> Option<PackKind> {
    what(layer).unwrap();
    None
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
    let podman = Podman::new(&home);
    for (target, name) in forms(&home).into_iter().filter(|(target, _)| !target.starts_with("tar:")) {
        let digest = export(&base, &target);
        let inspected = run("skopeo", &["inspect", "--config", &target]);
        let config: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
        assert_eq!(config["config"]["User"], "nobody:1", "{target}: {config:#}");
        assert_eq!(config["config"]["Env"], serde_json::json!(["A=b=c", "EMPTY="]));
        assert_eq!(config["config"]["Volumes"], serde_json::json!({ "/data": {} }));
        // Docker's own fields are none that skopeo itself would show.
        let raw = run("skopeo", &["inspect", "--config", "--raw", &target]);
        let raw: serde_json::Value = serde_json::from_slice(&raw.stdout).unwrap();
        let health =
            serde_json::json!({ "Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_i64, "Retries": 3 });
        assert_eq!(raw["config"]["Healthcheck"], health, "{target}");
        assert_eq!(raw["config"]["OnBuild"], serde_json::json!(["RUN true"]), "{target}");
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
struct Podman<'a> {
    home: &'a Home,
    /// What it makes there must have short names, however long the tests' own are.
    run: tempfile::TempDir,
}

impl<'a> Podman<'a> {
    fn new(home: &'a Home) -> Self {
        // Else its locks stay in /dev/shm.
        fs::write(home.path().join("containers.conf"), "[engine]\nlock_type = \"file\"\n").unwrap();
        Self { home, run: tempfile::tempdir_in("/tmp").unwrap() }
    }

    fn command(&self) -> Command {
        let at = |name: &str| self.home.path().join(name);
        let mut podman = Command::new("podman");
        podman.arg("--root").arg(at("podman")).arg("--runroot").arg(self.run.path());
        podman.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        podman
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("XDG_RUNTIME_DIR", self.run.path());
        podman.env("CONTAINERS_CONF", at("containers.conf")).current_dir(self.home.path());
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
        // For an ordinary user it leaves a process that holds the user namespace; this ends it.
        let _ = self.command().args(["system", "migrate"]).output();
    }
}
