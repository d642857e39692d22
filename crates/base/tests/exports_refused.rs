//! Exports that cannot be: they say why, and leave nothing half-made.

mod support;

use rootlet_base::{Base, Error, ErrorKind};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use support::rich::{export, flat, forms, names, rich};
use support::scene::{Scene, failed, succeeded};
use support::{Home, alpine, is_root, run, skip, tar_of};

#[track_caller]
fn refused(base: &Base, target: &str) -> Error {
    base.export(&target.parse().unwrap()).unwrap_err()
}

/// A base of one small file.
fn small(home: &Home) -> Base {
    Base::resolve(&tar_of(home, "small.tar", &[("a", b'0', "x", 0)]), &home.store).unwrap()
}

#[test]
fn a_directory_of_something_else_stays_as_it_is() {
    let home = Home::new();
    let base = small(&home);
    let other = home.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("mine"), "mine").unwrap();
    let error = refused(&base, &format!("oci:{}", other.display()));
    assert!(error.to_string().contains("a directory of something else"), "{error}");
    assert!(error.hint().unwrap().contains("an OCI image layout"), "{error:?}");
    assert_eq!(names(&other), ["mine"]);
    let error = refused(&base, &format!("oci:{}", other.join("mine").display()));
    assert!(error.to_string().contains("no directory"), "{error}");
    for scheme in ["tar", "docker-archive", "oci-archive"] {
        let error = refused(&base, &format!("{scheme}:{}", other.display()));
        assert!(error.to_string().ends_with("EISDIR") && error.hint().is_some(), "{error:?}");
    }
    fs::write(other.join("oci-layout"), "{\"imageLayoutVersion\":\"2.0.0\"}").unwrap();
    let error = refused(&base, &format!("oci:{}", other.display()));
    assert!(error.to_string().contains("unknown version"), "{error}");
    let missing = home.path().join("no/such/dir/x");
    for scheme in ["tar", "docker-archive", "oci-archive", "oci"] {
        let error = refused(&base, &format!("{scheme}:{}", missing.display()));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("no/such/dir"), "{error}");
    }
    assert_eq!(names(home.path()), ["other", "small.tar", "store"]);
}

#[test]
fn a_layout_with_a_broken_index_is_not_overwritten() {
    let home = Home::new();
    let base = small(&home);
    let layout = home.path().join("layout");
    let target = format!("oci:{}:1", layout.display());
    export(&base, &target);
    fs::write(layout.join("index.json"), "{}").unwrap();
    let error = refused(&base, &target);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(fs::read_to_string(layout.join("index.json")).unwrap(), "{}");
}

#[test]
fn tags_of_a_layout_are_kept_or_replaced() {
    let home = Home::new();
    let base = rich!(home);
    let small = small(&home);
    let layout = home.path().join("layout");
    fs::create_dir(&layout).unwrap();
    let target = |tag: &str| format!("oci:{}:{tag}", layout.display());
    let resolve = |tag: &str| Base::resolve(&target(tag), &home.store).unwrap();
    export(&base, &target("rich"));
    export(&small, &target("me/other:1"));
    export(&small, &target("moves"));
    assert_eq!(resolve("moves").layer_count(), 1);
    export(&base, &target("moves"));
    export(&base, &target("moves"));
    assert_eq!(resolve("moves").layer_count(), base.layer_count());
    assert_eq!(resolve("rich").id(), resolve("moves").id());
    assert_eq!(resolve("me/other:1").layer_count(), 1);
    assert_eq!(names(&layout), ["blobs", "index.json", "oci-layout"]);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 3, "{index:#}");
}

#[test]
fn a_layout_that_another_tool_made_keeps_what_it_has() {
    let home = Home::new();
    let Some(layout) = support::layout(home.path()) else { skip!("no umoci, skopeo or Alpine") };
    let (old, new) = (format!("oci:{}:3.20", layout.display()), format!("oci:{}:new", layout.display()));
    let base = Base::resolve(&old, &home.store).unwrap();
    let whole = flat(&base, &home);
    export(&base, &new);
    for name in [old, new] {
        assert!(flat(&Base::resolve(&name, &home.store).unwrap(), &home) == whole, "{name}");
        run("skopeo", &["inspect", &name]);
    }
}

#[test]
fn what_is_gzip_already_stays_byte_for_byte() {
    let Some(alpine) = alpine() else { skip!("no Alpine") };
    let home = Home::new();
    let base = Base::resolve(&format!("tar:{}", alpine.display()), &home.store).unwrap();
    let layout = home.path().join("layout");
    export(&base, &format!("oci:{}", layout.display()));
    let bytes = fs::read(&alpine).unwrap();
    let blob = layout.join("blobs/sha256").join(rootlet_base::Digest::of(&bytes).hex());
    assert!(fs::read(blob).unwrap() == bytes);
}

#[test]
fn no_permission_is_told_and_leaves_nothing() {
    let home = Home::new();
    let base = small(&home);
    let shut = home.path().join("shut");
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere but where nobody can.
    let place = if is_root() { Path::new("/proc/self") } else { &shut };
    for scheme in ["tar", "docker-archive", "oci-archive", "oci"] {
        let error = refused(&base, &format!("{scheme}:{}/x", place.display()));
        assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
        let errnos: &[&str] = if is_root() { &["ENOENT", "EPERM"] } else { &["EACCES"] };
        assert!(errnos.iter().any(|errno| error.to_string().ends_with(errno)), "{error}");
    }
    assert_eq!(names(&shut), Vec::<String>::new());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let scene = match (alpine(), Scene::new()) {
        (Some(_), Some(scene)) => scene,
        _ => skip!("no umoci, skopeo or Alpine"),
    };
    let base = Base::resolve(&scene.source, &scene.home.store).unwrap();
    let error = refused(&base, "tar:/dev/full");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert!(error.hint().unwrap().contains("larger disk"), "{error:?}");
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device(), "it stays what it is");
    let small_disk = scene.home.path().join("small");
    fs::create_dir(&small_disk).unwrap();
    for form in ["tar:x", "docker-archive:x", "oci-archive:x", "oci:x"] {
        let (scheme, name) = form.split_once(':').unwrap();
        let target = format!("{scheme}:{}/{name}", small_disk.display());
        let example = scene.command(&[&scene.source, "--to", &target]);
        let script = "mount -t tmpfs -o size=2m tmpfs \"$1\" && shift && d=$1 && shift && \
            ! \"$@\" && ls -A \"$d\"";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.args([&small_disk, &small_disk]).arg(example.get_program()).args(example.get_args());
        command.env_clear().envs(example.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(succeeded(&output), "", "{form} left something");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("error (NoSpace)") && told.contains("ENOSPC"), "{form}: {told}");
    }
    assert_eq!(scene.home.list("tmp"), Vec::<String>::new());
}

#[test]
fn who_is_killed_leaves_nothing_half_made() {
    let Some(scene) = Scene::new() else { skip!("no umoci, skopeo or Alpine") };
    let base = Base::resolve(&scene.source, &scene.home.store).unwrap();
    let whole = flat(&base, &scene.home);
    let place = scene.home.path().join("place");
    let (mut cut_short, forms) =
        (0, ["tar:t.tar", "docker-archive:d.tar", "oci-archive:o.tar", "oci:layout"]);
    for (round, form) in (0..10).flat_map(|round| forms.map(|form| (round, form))) {
        fs::create_dir(&place).unwrap();
        let (scheme, name) = form.split_once(':').unwrap();
        let target = format!("{scheme}:{}/{name}", place.display());
        let mut killed = scene.spawn(&[&scene.source, "--to", &target]);
        // It says which layer it begins to read; it is killed upon each, and a little later.
        let mut said = BufReader::new(killed.stderr.take().unwrap()).lines();
        (0..=round % 4).for_each(|_| drop(said.next()));
        (0..round * 300).for_each(|_| drop(fs::metadata(&place)));
        killed.kill().unwrap();
        killed.wait().unwrap();
        match &names(&place)[..] {
            [] => cut_short += 1,
            [one] if one == name => {
                let written = format!("{}:{}/{name}", scheme.rsplit('-').next().unwrap(), place.display());
                let back = Base::resolve(&written, &scene.home.store).unwrap();
                assert!(flat(&back, &scene.home) == whole, "{form}, round {round}");
            }
            other => panic!("{form}, round {round}: {other:?}"),
        }
        fs::remove_dir_all(&place).unwrap();
    }
    assert!(cut_short > 4, "it is too fast to be killed: {cut_short}");
    scene.home.store.gc(rootlet_base::GcOptions { keep_recent: std::time::Duration::ZERO }).unwrap();
    assert_eq!(scene.home.list("tmp"), Vec::<String>::new());
}

#[test]
fn damage_is_found_and_nothing_is_written() {
    let home = Home::new();
    let base = rich!(home);
    // A layer of the store: the last one that was written.
    let blobs = home.store.path().join("images/blobs/sha256");
    let blob = blobs.join(&home.list("images/blobs/sha256")[0]);
    let bytes = fs::read(&blob).unwrap();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (target, _) in forms(&home) {
        fs::write(&blob, &damaged).unwrap();
        let error = refused(&base, &target);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{target}: {error}");
        assert!(error.to_string().contains("failed to read the layer sha256:"), "{error}");
        assert!(!blob.exists(), "it is fetched or made again");
        let error = refused(&base, &target);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.hint().unwrap().contains("base pull"), "{error:?}");
    }
    assert_eq!(names(home.path()), ["store"]);
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn a_tarball_that_is_another_one_now_is_refused() {
    let home = Home::new();
    let base = small(&home);
    tar_of(&home, "small.tar", &[("a", b'0', "y", 0)]);
    for (target, _) in forms(&home) {
        let error = refused(&base, &target);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.hint().unwrap().contains("has changed"), "{error:?}");
    }
    fs::remove_file(home.path().join("small.tar")).unwrap();
    let error = refused(&base, &forms(&home)[0].0);
    assert!(error.hint().unwrap().contains("put it back"), "{error:?}");
    assert_eq!(names(home.path()), ["store"]);
}

#[test]
fn this_machine_is_not_exported() {
    let home = Home::new();
    let base = Base::resolve("host", &home.store).unwrap();
    for (target, _) in forms(&home) {
        let error = refused(&base, &target);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.hint().unwrap().contains("dir:PATH"), "{error:?}");
    }
    assert_eq!(names(home.path()), ["store"]);
}

#[test]
fn files_are_replaced_and_symlinks_followed() {
    let home = Home::new();
    let base = small(&home);
    let at = |name: &str| home.path().join(name);
    fs::write(at("old.tar"), "old").unwrap();
    std::os::unix::fs::symlink("old.tar", at("link.tar")).unwrap();
    export(&base, &format!("tar:{}", at("link.tar").display()));
    assert!(at("link.tar").is_symlink());
    assert!(fs::read(at("old.tar")).unwrap() == flat(&base, &home));
    let script = "\"$@\" | sha256sum";
    let scene = Scene { home, source: base.name().into() };
    let mut piped = Command::new("sh");
    let example = scene.command(&[base.name(), "--to", "tar:/dev/stdout"]);
    piped.args(["-c", script, "sh"]).arg(example.get_program()).args(example.get_args());
    piped.envs(example.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let _ = succeeded(&piped.output().unwrap());
    let unknown = scene.command(&[base.name(), "--to", "dir:/x"]).output().unwrap();
    failed(&unknown, &["`dir:` is no place to export to", "hint: a target is `oci:PATH[:TAG]`"]);
}
