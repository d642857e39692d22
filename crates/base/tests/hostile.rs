//! What attackers put into layers, unpacked by the real worker: it stays within its directory, or is refused with
//! nothing left.

mod support;

use rootlet_base::{Base, ErrorKind};
use rootlet_kernel::{Meta, Worker};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use support::{Home, map, run, skip, tar_of};

/// A place outside that everybody may write, with a file in it.
fn outside(home: &Home) -> PathBuf {
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "untouched").unwrap();
    for (path, mode) in [(home.path(), 0o755), (&outside, 0o777), (&outside.join("file"), 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    outside
}

#[track_caller]
fn untouched(outside: &Path) {
    assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    let meta = fs::metadata(outside.join("file")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o666, 1));
}

#[test]
fn a_way_out_leads_back_in() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let outside = outside(&home);
    let out = outside.to_str().unwrap();
    let inner = &format!("{}/", &out[1..]);
    let entries = [
        // The same place within the layer, so that every way has an end.
        (inner.as_str(), b'5', "", 0),
        ("absolute", b'2', out, 0),
        ("absolute/one", b'0', "1", 0),
        ("up", b'2', "../../../../../../../../../../..", 0),
        ("up/two", b'0', "2", 0),
        ("up/absolute/three", b'0', "3", 0),
        // A hard link to a link is a link: what is written there takes its place.
        ("to-file", b'2', &format!("{out}/file"), 0),
        ("hard", b'1', "to-file", 0),
        ("hard", b'0', "own", 0),
        // A way to a file goes through links too.
        ("absolute/file", b'0', "inner", 0),
        ("also", b'1', "up/absolute/file", 0),
        // What stood there is replaced, not followed.
        ("swap", b'2', out, 0),
        ("swap", b'5', "", 0),
        ("swap/four", b'0', "4", 0),
    ];
    let root = Base::resolve(&tar_of(&home, "x.tar", &entries), &home.store).unwrap();
    let root = root.layer_paths(&map).unwrap().remove(0);
    let inside = root.join(&out[1..]);
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    assert_eq!(read(inside.join("one")), "1");
    assert_eq!(read(root.join("two")), "2");
    assert_eq!(read(inside.join("three")), "3");
    assert_eq!(read(root.join("hard")), "own");
    assert_eq!((read(inside.join("file")), read(root.join("also"))), ("inner".into(), "inner".into()));
    assert_eq!(read(root.join("swap/four")), "4");
    assert!(fs::symlink_metadata(root.join("to-file")).unwrap().is_symlink());
    untouched(&outside);
}

#[test]
fn what_is_not_in_the_layer_cannot_be_linked() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let outside = outside(&home);
    let file = format!("{}/file", outside.display());
    for entries in [
        &[("hard", b'1', file.as_str(), 0)][..],
        &[("link", b'2', outside.to_str().unwrap(), 0), ("hard", b'1', "link/file", 0)],
        &[("a/", b'5', "", 0), ("hard", b'1', "a", 0)],
    ] {
        let base = Base::resolve(&tar_of(&home, "x.tar", entries), &home.store).unwrap();
        let error = base.layer_paths(&map).unwrap_err();
        assert!(error.to_string().contains("failed to make `hard`: E"), "{error}");
        assert_eq!(home.list("tmp"), Vec::<String>::new());
    }
    untouched(&outside);
}

#[test]
fn links_in_a_circle_end() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let entries = [("a", b'2', "b", 0), ("b", b'2', "a", 0), ("a/x", b'0', "x", 0)];
    let base = Base::resolve(&tar_of(&home, "x.tar", &entries), &home.store).unwrap();
    let error = base.layer_paths(&map).unwrap_err();
    assert!(error.to_string().contains("ELOOP"), "{error}");
}

#[test]
fn nothing_but_a_whiteout_makes_a_device() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let entries =
        [("null", b'3', "", 0), ("sda", b'4', "", 0), ("f", b'6', "", 0), (".wh.gone", b'0', "", 0)];
    let base = Base::resolve(&tar_of(&home, "x.tar", &entries), &home.store).unwrap();
    let root = base.layer_paths(&map).unwrap().remove(0);
    let mut devices: Vec<_> = fs::read_dir(root).unwrap().flatten().collect();
    devices.retain(|entry| {
        entry.file_type().unwrap().is_char_device() || entry.file_type().unwrap().is_block_device()
    });
    assert_eq!(devices.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), ["gone"]);
    assert_eq!(home.store.show(base.name()).unwrap().layers[0].devices, 2);
}

#[test]
fn set_user_id_programs_are_out_of_reach_of_others() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let base = Base::resolve(&tar_of(&home, "x.tar", &[("su", b'0', "x", 0)]), &home.store).unwrap();
    let root = base.layer_paths(&map).unwrap().remove(0);
    assert!(root.starts_with(home.store.path()));
    let way: Vec<_> =
        root.ancestors().take_while(|path| path.starts_with(home.store.path())).skip(1).collect();
    assert!(way.len() > 3);
    for directory in way {
        assert_eq!(fs::metadata(directory).unwrap().mode() & 0o077, 0, "{}", directory.display());
    }
}

#[test]
fn the_deepest_tree_can_be_removed() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let deep = |levels: usize| {
        let mut tar = tar::Builder::new(Vec::new());
        let path = "d/".repeat(levels);
        tar.append_pax_extensions([("path", path.as_bytes())]).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o700);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        tar.append_data(&mut header, "d/", &b""[..]).unwrap();
        let file = home.path().join("deep.tar");
        fs::write(&file, tar.into_inner().unwrap()).unwrap();
        Base::resolve(&format!("tar:{}", file.display()), &home.store).unwrap()
    };
    let root = deep(500).layer_paths(&map).unwrap().remove(0);
    assert!(root.join("d").is_dir());
    // The store is emptied when the test ends, which would fail.
    assert_eq!(deep(501).layer_paths(&map).unwrap_err().kind(), ErrorKind::Hostile);
}

/// A command in a rootlet goes deeper than any layer may: its files are in the writable layer, which goes with it.
#[test]
fn a_deeper_tree_can_be_removed_too() {
    let Some(map) = map() else { skip!("no subordinate ids") };
    let home = Home::new();
    let staging = home.store.stage_layer(&map).unwrap();
    let mut worker = Worker::start(&map).unwrap();
    let mut writer = worker.writer(staging.path()).unwrap();
    // The production user is the caller itself where that is no root: nothing says that others are needed.
    let own = Meta { mode: 0o755, uid: 1000, gid: 1000, ..Meta::default() };
    for levels in 0..1200 {
        writer.directory("d/".repeat(levels).trim_end_matches('/').as_bytes(), &own).unwrap();
    }
    writer.finish().unwrap();
    drop(staging);
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

/// The same where few files may be open: what descends a descriptor at a time is at its end soon.
#[test]
fn a_deeper_tree_can_be_removed_with_few_descriptors() {
    let test = std::env::current_exe().unwrap();
    let test = [test.to_str().unwrap(), "a_deeper_tree_can_be_removed_too", "--exact"];
    let script = ["-c", "ulimit -n 64 && exec \"$0\" \"$@\""];
    run("sh", &[&script[..], &test[..]].concat());
}

#[test]
fn what_never_ends_is_not_read() {
    let home = Home::new();
    let fifo = home.path().join("fifo");
    run("mkfifo", &[fifo.to_str().unwrap()]);
    let layout = home.path().join("layout");
    fs::create_dir(&layout).unwrap();
    fs::rename(&fifo, layout.join("index.json")).unwrap();
    let fifo = layout.join("index.json");
    for name in [
        format!("tar:{}", fifo.display()),
        format!("archive:{}", fifo.display()),
        format!("oci:{}", layout.display()),
        "tar:/dev/zero".into(),
        "archive:/dev/zero".into(),
    ] {
        let error = Base::resolve(&name, &home.store).unwrap_err();
        assert!(error.to_string().contains("is not a file"), "{name}: {error}");
    }
}
