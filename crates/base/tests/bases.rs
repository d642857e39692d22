//! Tarballs, layouts and archives, unpacked by the real worker, and the store.

mod support;

use rootlet_base::{Base, BaseKind, ErrorKind, Limits, Resolver, Store};
use rootlet_kernel::Worker;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{Home, alpine, layout, map, map_with, run, skip, tar_of};

#[test]
fn alpine_is_unpacked_once_with_its_owners() {
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    let home = Home::new();
    let name = format!("tar:{}", alpine.display());
    let base = Base::resolve(&name, &home.store).unwrap();
    assert_eq!(base.kind(), &BaseKind::Layers);
    let paths = base.layer_paths(&map).unwrap();
    let [root] = &paths[..] else { panic!("{paths:?}") };
    let meta = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    assert_eq!(meta("bin/busybox").uid(), map.uid_outside(0).unwrap());
    assert_eq!(meta("etc/shadow").gid(), map.gid_outside(42).unwrap());
    assert_eq!(meta("etc/shadow").mode() & 0o7777, 0o640);
    assert_eq!(meta("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(meta("").mode() & 0o7777, 0o755);
    assert_eq!(fs::read_link(root.join("bin/sh")).unwrap(), Path::new("/bin/busybox"));
    assert!(fs::read_to_string(root.join("etc/alpine-release")).unwrap().starts_with("3.20.3"));
    // Unpacking again is looking.
    let again = Instant::now();
    let base = Base::resolve(&name, &home.store).unwrap();
    assert_eq!(base.layer_paths(&map).unwrap(), paths);
    assert!(again.elapsed() < Duration::from_millis(20), "{:?}", again.elapsed());
    // A map that differs only in ids that Alpine does not hold shares the layer.
    if let Some(other) = map_with(2000) {
        assert_eq!(base.layer_paths(&other).unwrap(), paths);
    }
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn a_hostile_layer_stays_within_its_directory() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o777)).unwrap();
    let out = outside.to_str().unwrap();
    let name = tar_of(
        &home,
        "hostile.tar",
        &[
            ("link", b'2', out, 0),
            ("link/evil", b'0', "x", 0),
            ("up", b'2', "../../../../../../../..", 0),
            ("up/evil", b'0', "x", 0),
            ("/abs", b'0', "x", 0),
            ("hard", b'1', "/etc/passwd", 0),
        ],
    );
    let error = Base::resolve(&name, &home.store).unwrap().layer_paths(&map).unwrap_err();
    // A hard link to what the layer does not hold; or already the way through a link that leads nowhere
    // within.
    assert!(error.to_string().contains("`link/evil`") || error.to_string().contains("`hard`"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(home.list("tmp"), Vec::<String>::new(), "what was half made is gone");
    let name = tar_of(&home, "dots.tar", &[("ok", b'0', "x", 0), ("../../evil", b'0', "x", 0)]);
    let error = Base::resolve(&name, &home.store).unwrap().layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hostile, "{error}");
    assert!(error.to_string().contains("`../../evil` holds `..`"), "{error}");
}

#[test]
fn whiteouts_and_opaque_directories_are_overlayfs_own() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let name = tar_of(
        &home,
        "white.tar",
        &[
            ("d/", b'5', "", 0),
            ("d/.wh.gone", b'0', "", 0),
            ("o/", b'5', "", 7),
            ("o/.wh..wh..opq", b'0', "", 0),
            ("o/new", b'0', "x", 7),
        ],
    );
    let root = Base::resolve(&name, &home.store).unwrap().layer_paths(&map).unwrap().remove(0);
    let gone = fs::symlink_metadata(root.join("d/gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    let mut value = [0; 8];
    let opaque = rustix::fs::getxattr(root.join("o"), "user.overlay.opaque", &mut value);
    assert_eq!(opaque.map(|n| value[..n].to_vec()), Ok(b"y".to_vec()));
    assert_eq!(fs::symlink_metadata(root.join("o")).unwrap().uid(), map.uid_outside(7).unwrap());
    assert_eq!(fs::symlink_metadata(root.join("o")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn xattrs_and_capabilities_arrive() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let mut tar = tar::Builder::new(Vec::new());
    // CAP_NET_RAW, effective, as setcap(8) writes it: version 2.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let records: [(&str, &[u8]); 3] = [
        ("SCHILY.xattr.user.comment", b"hello"),
        ("SCHILY.xattr.security.capability", &capability),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
    ];
    tar.append_pax_extensions(records).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(4);
    tar.append_data(&mut header, "ping", &b"ping"[..]).unwrap();
    let path = home.path().join("x.tar");
    fs::write(&path, tar.into_inner().unwrap()).unwrap();
    let base = Base::resolve(&format!("tar:{}", path.display()), &home.store).unwrap();
    let ping = base.layer_paths(&map).unwrap()[0].join("ping");
    let mut value = [0; 64];
    let comment = rustix::fs::getxattr(&ping, "user.comment", &mut value);
    assert_eq!(comment.map(|n| value[..n].to_vec()), Ok(b"hello".to_vec()));
    // The kernel makes it version 3, which counts in that user namespace alone.
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(&ping, "security.capability", &mut value).unwrap();
    assert_eq!((length, value[3], value[5]), (24, 3, 0x20));
}

#[test]
fn an_id_outside_the_map_is_told_with_what_to_do() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let name = tar_of(&home, "far.tar", &[("home/far", b'0', "x", 3_000_000)]);
    let error = Base::resolve(&name, &home.store).unwrap().layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnmappedId);
    assert!(error.to_string().contains("`home/far` belongs to user 3000000"), "{error}");
    assert!(error.hint().unwrap().contains("--add-subuids"), "{error:?}");
}

#[test]
fn a_changed_tarball_is_another_base() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let name = tar_of(&home, "x.tar", &[("a", b'0', "one", 0)]);
    let first = Base::resolve(&name, &home.store).unwrap();
    assert_eq!(first.id(), Base::resolve(&name, &home.store).unwrap().id());
    tar_of(&home, "x.tar", &[("a", b'0', "two", 0)]);
    let second = Base::resolve(&name, &home.store).unwrap();
    assert_ne!(first.id(), second.id());
    let root = second.layer_paths(&map).unwrap().remove(0);
    assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "two");
    // The first is not unpacked yet, and its bytes are gone.
    let error = first.layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.hint().unwrap().contains("has changed"), "{error:?}");
}

#[test]
fn what_is_no_tarball_is_told() {
    let home = Home::new();
    let file = home.path().join("x");
    let refused = |kind: ErrorKind, words: &str| {
        let error = Base::resolve(&format!("tar:{}", file.display()), &home.store).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(ErrorKind::NotFound, "ENOENT");
    fs::write(&file, "").unwrap();
    refused(ErrorKind::Corrupt, "empty");
    fs::write(&file, "x".repeat(4096)).unwrap();
    refused(ErrorKind::Corrupt, "header");
    fs::write(&file, b"\x1f\x8bxxxx").unwrap();
    refused(ErrorKind::Corrupt, "compressed data");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(ErrorKind::NotFound, "a directory");
    let error = Base::resolve("dir:/etc/passwd", &home.store).unwrap_err();
    assert_eq!(error.hint(), Some("for a tarball write `tar:/etc/passwd`"));
}

#[test]
fn a_truncated_tarball_leaves_nothing() {
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    let home = Home::new();
    let whole = fs::read(alpine).unwrap();
    let cut = home.path().join("cut.tar.gz");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let base = Base::resolve(&format!("tar:{}", cut.display()), &home.store).unwrap();
    let error = base.layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("truncated"), "{error}");
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn limits_are_held_while_unpacking() {
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    let home = Home::new();
    for limits in [
        Limits { layer_bytes: 1 << 20, ..Limits::default() },
        Limits { layer_entries: 100, ..Limits::default() },
    ] {
        let resolver = Resolver::new(&home.store).limits(limits);
        let base = resolver.resolve(&format!("tar:{}", alpine.display())).unwrap();
        assert_eq!(base.layer_paths(&map).unwrap_err().kind(), ErrorKind::Limit);
    }
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn many_at_once_unpack_once() {
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    let home = Home::new();
    let name = format!("tar:{}", alpine.display());
    std::thread::scope(|scope| {
        let one = || {
            // Another store handle, so that nothing is shared but the disk.
            let store = Store::open(home.store.path()).unwrap();
            Base::resolve(&name, &store).unwrap().layer_paths(&map).unwrap()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(all.iter().all(|paths| *paths == all[0]), "{all:?}");
    });
    assert_eq!(home.store.list().unwrap()[0].layers[0].copies, 1);
}

#[test]
fn a_snapshot_without_a_name_ends_with_its_handle() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let parent = Base::resolve(&tar_of(&home, "p.tar", &[("a", b'0', "x", 0)]), &home.store).unwrap();
    let snapshot = make_snapshot(&home, &parent, None);
    let below = parent.layer_paths(&map).unwrap();
    let paths = snapshot.layer_paths(&map).unwrap();
    assert_eq!(paths[..1], below);
    assert_eq!(fs::read_to_string(paths[1].join("new")).unwrap(), "new");
    // A snapshot of it has both.
    let second = make_snapshot(&home, &snapshot, None);
    assert_eq!(second.layer_paths(&map).unwrap().len(), 3);
    drop(snapshot);
    assert!(paths[1].exists(), "the second still stands on it");
    let error = make(&home, &second, Some("named")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // For another map it cannot be used.
    if let Some(other) = map_with(2000).filter(|other| *other != map) {
        assert_eq!(second.layer_paths(&other).unwrap_err().kind(), ErrorKind::OtherIdMap);
    }
    drop(second);
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn a_named_snapshot_stays() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let parent = Base::resolve(&tar_of(&home, "p.tar", &[("a", b'0', "x", 0)]), &home.store).unwrap();
    let made = make_snapshot(&home, &parent, Some("warm/one"));
    let below = parent.layer_paths(&map).unwrap();
    drop((parent, made));
    let again = Base::resolve("snapshot:warm/one", &home.store).unwrap();
    let paths = again.layer_paths(&map).unwrap();
    assert_eq!(paths[..1], below);
    assert_eq!(fs::read_to_string(paths[1].join("new")).unwrap(), "new");
    assert_eq!(Base::resolve("snapshot:cold", &home.store).unwrap_err().kind(), ErrorKind::NotFound);
    // A snapshot of a directory has the directory below it.
    let directory = Base::resolve(&format!("dir:{}", home.path().display()), &home.store).unwrap();
    let made = make_snapshot(&home, &directory, Some("of-dir"));
    assert_eq!(made.kind(), directory.kind());
    assert_eq!(made.layer_paths(&map).unwrap()[0], fs::canonicalize(home.path()).unwrap());
    // And one of the host has nothing below it.
    let host = Base::resolve("host", &home.store).unwrap();
    assert_eq!(host.layer_paths(&map).unwrap(), Vec::<PathBuf>::new());
    assert_eq!(make_snapshot(&home, &host, Some("of-host")).layer_paths(&map).unwrap().len(), 1);
}

fn make(home: &Home, parent: &Base, name: Option<&str>) -> rootlet_base::Result<Base> {
    let map = map().unwrap();
    let staging = home.store.stage_layer(&map).unwrap();
    let mut worker = Worker::start(&map).unwrap();
    let mut writer = worker.writer(staging.path()).unwrap();
    let meta = rootlet_kernel::Meta { mode: 0o644, uid: 33, gid: 33, ..Default::default() };
    writer.directory(b"private", &rootlet_kernel::Meta { mode: 0o700, ..meta.clone() }).unwrap();
    writer.file(b"private/f", &meta, 1, &mut &b"x"[..]).unwrap();
    writer.file(b"new", &meta, 3, &mut &b"new"[..]).unwrap();
    writer.finish().unwrap();
    staging.adopt(parent, name)
}

fn make_snapshot(home: &Home, parent: &Base, name: Option<&str>) -> Base {
    make(home, parent, name).unwrap()
}

#[test]
fn leftovers_of_the_killed_are_removed() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let tmp = home.store.path().join("tmp");
    fs::create_dir_all(tmp.join("dead/root/usr")).unwrap();
    let alive = home.store.stage_layer(&map).unwrap();
    assert!(!tmp.join("dead").exists());
    let second = home.store.stage_layer(&map).unwrap();
    assert!(alive.path().exists(), "what is locked is left alone");
    drop((alive, second));
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn layouts_and_archives_are_one_image() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let Some(layout) = layout(home.path()) else { skip!("no umoci, skopeo or Alpine") };
    let oci = format!("oci:{}:3.20", layout.display());
    let base = Base::resolve(&oci, &home.store).unwrap();
    let defaults = base.defaults();
    assert_eq!(defaults.user.as_deref(), Some("app:app"));
    assert!(defaults.env.contains(&("GREETING".into(), "hello world".into())));
    assert_eq!(defaults.workdir.as_deref(), Some("/srv"));
    assert_eq!(defaults.volumes, ["/data"]);
    assert_eq!(defaults.exposed_ports, ["80/tcp"]);
    assert_eq!(defaults.labels["who"], "test");
    assert_eq!(defaults.stop_signal.as_deref(), Some("SIGQUIT"));
    let paths = base.layer_paths(&map).unwrap();
    assert_eq!(paths.len(), 2);
    assert_eq!(fs::read_to_string(paths[1].join("srv/app")).unwrap(), "hello");
    assert!(fs::symlink_metadata(paths[1].join("etc/motd")).unwrap().file_type().is_char_device());
    // The only image needs no tag.
    assert_eq!(Base::resolve(&format!("oci:{}", layout.display()), &home.store).unwrap().id(), base.id());
    let error = Base::resolve(&format!("oci:{}:9", layout.display()), &home.store).unwrap_err();
    assert!(
        error.to_string().contains("no image `9`") && error.hint().unwrap().contains("3.20"),
        "{error:?}"
    );

    for (kind, file, tag) in [("oci-archive", "o.tar", ":3.20"), ("docker-archive", "d.tar", ":me/app:3.20")]
    {
        let file = home.path().join(file);
        run("skopeo", &["copy", "-q", &oci, &format!("{kind}:{}{tag}", file.display())]);
        let archive = Base::resolve(&format!("archive:{}", file.display()), &home.store).unwrap();
        assert_eq!(
            archive.layer_paths(&map).unwrap(),
            paths,
            "{kind}: the same diff ids are the same layers"
        );
        let tagged = Base::resolve(&format!("archive:{}{tag}", file.display()), &home.store).unwrap();
        assert_eq!(tagged.id(), archive.id());
        let error = Base::resolve(&format!("archive:{}:nope", file.display()), &home.store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        // Packed as a whole, as `docker save | gzip` does it.
        run("gzip", &["-k", file.to_str().unwrap()]);
        let packed = Base::resolve(&format!("archive:{}.gz", file.display()), &home.store).unwrap();
        assert_eq!(packed.id(), archive.id());
    }
    let tar = tar_of(&home, "root.tar", &[("etc/", b'5', "", 0)]);
    let error = Base::resolve(&tar.replace("tar:", "archive:"), &home.store).unwrap_err();
    assert!(error.to_string().contains("not a saved image"), "{error}");
}

#[test]
fn a_damaged_layout_is_told() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let Some(layout) = layout(home.path()) else { skip!("no umoci, skopeo or Alpine") };
    let name = format!("oci:{}:3.20", layout.display());
    let base = Base::resolve(&name, &home.store).unwrap();
    let blobs = layout.join("blobs/sha256");
    let largest =
        blobs.read_dir().unwrap().map(|e| e.unwrap()).max_by_key(|e| e.metadata().unwrap().len()).unwrap();
    let whole = fs::read(largest.path()).unwrap();
    // A byte behind the compressed data: the tar is whole, and the digest is not.
    fs::OpenOptions::new().append(true).open(largest.path()).unwrap().write_all(b"\0").unwrap();
    let error = base.layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    fs::write(largest.path(), &whole[..whole.len() - 100]).unwrap();
    let error = base.layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    fs::remove_file(largest.path()).unwrap();
    let error = base.layer_paths(&map).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    fs::write(largest.path(), &whole).unwrap();
    base.layer_paths(&map).unwrap();
    fs::write(layout.join("index.json"), "{").unwrap();
    assert_eq!(Base::resolve(&name, &home.store).unwrap_err().kind(), ErrorKind::Corrupt);
    fs::remove_file(layout.join("index.json")).unwrap();
    let error = Base::resolve(&name, &home.store).unwrap_err();
    assert!(error.hint().unwrap().contains("index.json"), "{error:?}");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let (Some(map), Some(alpine)) = (map(), alpine()) else { skip!("no subordinate ids, or no Alpine") };
    // Only root mounts a small disk; the tests run as root, too.
    if !support::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path();
    run("mount", &["-t", "tmpfs", "-o", "size=4m", "none", mount.to_str().unwrap()]);
    let told = std::panic::catch_unwind(|| {
        let store = Store::open(mount.join("store")).unwrap();
        let base = Base::resolve(&format!("tar:{}", alpine.display()), &store).unwrap();
        let error = base.layer_paths(&map).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert!(error.to_string().contains("ENOSPC"), "{error}");
        // What it names is a file, and not what was to be written into it.
        assert!(!error.to_string().contains("\\x"), "{error}");
        assert_eq!(store.path().join("tmp").read_dir().unwrap().count(), 0);
    });
    run("umount", &[mount.to_str().unwrap()]);
    told.unwrap();
}

#[test]
fn a_store_is_not_made_among_other_things() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    assert_eq!(Store::open(directory.path()).unwrap_err().kind(), ErrorKind::Configuration);
    let made = directory.path().join("new/deep");
    let store = Store::open(&made).unwrap();
    assert_eq!(fs::metadata(store.path()).unwrap().mode() & 0o7777, 0o700);
    fs::write(made.join("layout"), "99\n").unwrap();
    assert_eq!(Store::open(&made).unwrap_err().kind(), ErrorKind::Configuration);
}

#[test]
fn a_store_of_somebody_elses_is_not_used() {
    // Only root gives something away.
    if !support::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("store")).unwrap();
    std::os::unix::fs::chown(store.path(), Some(1234), Some(1234)).unwrap();
    let error = Store::open(store.path()).unwrap_err();
    assert!(error.to_string().contains("belongs to uid 1234, not 0"), "{error}");
    assert!(error.hint().is_some());
    // Of another group it is taken back, for whoever is in a user namespace may not use that one.
    std::os::unix::fs::chown(store.path(), Some(0), Some(1234)).unwrap();
    let group = fs::metadata(Store::open(store.path()).unwrap().path()).unwrap().gid();
    assert_eq!(group, rustix::process::getegid().as_raw());
}

#[test]
fn many_make_the_store_at_once() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let open = || Store::open(&path).map(drop);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
    }
}
