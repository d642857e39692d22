//! Trees on disk become layers: directories, and snapshots whose files only somebody inside may read.

mod support;

use rootlet_base::{Base, Error, ErrorKind, Store};
use rootlet_kernel::{IdMap, Meta, NodeKind, OneId, Worker};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use support::rich::{export, flat, forms, names};
use support::tree::{assert_same, tree};
use support::{Home, is_root, map, run, skip, tar_of};

/// What `tar` says of an export of the whole root: a line for each entry, by name.
#[track_caller]
fn listed(base: &Base, home: &Home) -> Vec<String> {
    let file = home.path().join("listed.tar");
    export(base, &format!("tar:{}", file.display()));
    let arguments = ["--numeric-owner", "--full-time", "--utc", "-tvf", file.to_str().unwrap()];
    let text = String::from_utf8(run("tar", &arguments).stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = text.lines().map(words).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The base below a snapshot.
fn below(home: &Home) -> Base {
    let entries: &[_] = &[
        ("etc", b'5', "", 0),
        ("etc/gone", b'0', "x", 0),
        ("etc/stays", b'0', "x", 0),
        ("var", b'5', "", 0),
        ("var/old", b'0', "x", 0),
        ("var/dir", b'5', "", 0),
        ("var/dir/old", b'0', "x", 0),
    ];
    Base::resolve(&tar_of(home, "below.tar", entries), &home.store).unwrap()
}

/// A snapshot, written as a rootlet's writable layer is.
fn snapshot(store: &Store, map: &IdMap, parent: &Base, name: Option<&str>) -> Result<Base, Error> {
    let staging = store.stage_layer(map)?;
    let mut worker = Worker::start(map).unwrap();
    let mut writer = worker.writer(staging.path()).unwrap();
    let meta = |mode, uid| Meta { mode, uid, gid: uid, mtime: (1_000_000_000, 0), ..Meta::default() };
    let note = vec![(b"user.note".to_vec(), b"a=\0\n".to_vec())];
    writer.directory(b"", &meta(0o755, 0)).unwrap();
    writer.directory(b"srv", &meta(0o700, 33)).unwrap();
    writer.file(b"srv/secret", &Meta { xattrs: note, ..meta(0o600, 33) }, 6, &mut &b"secret"[..]).unwrap();
    writer.hard_link(b"srv/secret-too", b"srv/secret").unwrap();
    writer.file(b"srv/own", &meta(0o4711, 1000), 6, &mut &b"secret"[..]).unwrap();
    writer.symlink(b"srv/roots", b"../away", &meta(0, 0)).unwrap();
    writer.symlink(b"srv/sams", b"secret", &meta(0, 1000)).unwrap();
    writer.node(b"srv/pipe", NodeKind::Fifo, &meta(0o620, 0)).unwrap();
    writer.file(b"srv/caf\xe9", &meta(0o640, 0), 0, &mut std::io::empty()).unwrap();
    writer.directory(b"etc", &meta(0o755, 0)).unwrap();
    writer.whiteout(b"etc/gone").unwrap();
    writer.directory(b"var", &meta(0o1777, 0)).unwrap();
    writer.opaque(b"var").unwrap();
    writer.directory(b"var/dir", &meta(0o755, 0)).unwrap();
    writer.finish().unwrap();
    staging.adopt(parent, name)
}

/// What `tar` then lists, with one id or with all.
const LISTED: &[&str] = &[
    "-rw------- 33/33 6 2001-09-09 01:46:40 srv/secret",
    "-rw-r----- 0/0 0 2001-09-09 01:46:40 srv/caf\\351",
    "-rw-r--r-- 0/0 1 2001-09-09 01:46:40 etc/stays",
    "-rws--x--x 1000/1000 6 2001-09-09 01:46:40 srv/own",
    "drwx------ 33/33 0 2001-09-09 01:46:40 srv/",
    "drwxr-xr-x 0/0 0 2001-09-09 01:46:40 etc/",
    "drwxr-xr-x 0/0 0 2001-09-09 01:46:40 var/dir/",
    "drwxrwxrwt 0/0 0 2001-09-09 01:46:40 var/",
    "hrw------- 33/33 0 2001-09-09 01:46:40 srv/secret-too link to srv/secret",
];

#[test]
fn a_snapshot_is_exported_with_its_true_owners() {
    let home = Home::new();
    let parent = below(&home);
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let sam = OneId { uid: 1000, gid: 1000, groups: vec![27] };
    let Some(all) = map() else { skip!("no subordinate ids") };
    for (map, what) in [(all, "all"), (IdMap::one(sam, uid, gid), "one")] {
        let named = snapshot(&home.store, &map, &parent, Some(what)).unwrap();
        let unnamed = snapshot(&home.store, &map, &named, None).unwrap();
        let lines = listed(&named, &home);
        let found: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| !["l", "p"].iter().any(|kind| line.starts_with(kind)) && !line.ends_with(" ./"))
            .collect();
        assert_eq!(found, LISTED, "{what}");
        let others: Vec<&String> = lines.iter().filter(|line| line.starts_with(['l', 'p'])).collect();
        assert!(others[0].contains(" 0/0 ") && others[0].contains("srv/roots -> ../away"), "{others:?}");
        assert!(others[1].contains(" 1000/1000 ") && others[1].contains("srv/sams -> secret"), "{others:?}");
        assert!(others[2].starts_with("p") && others[2].contains(" 0/0 "), "{others:?}");
        // On top of itself it is what it is; and reading has changed nothing of it.
        assert_eq!(listed(&unnamed, &home), lines, "{what}");
        assert_eq!(listed(&named, &home), lines, "{what}");
        let whole = flat(&named, &home);
        let note = b"SCHILY.xattr.user.note=a=\0\n\n";
        assert!(whole.windows(note.len()).any(|bytes| bytes == note), "{what}");
        assert!(!whole.windows(12).any(|bytes| bytes == b"user.rootlet"), "{what}: ours");
        assert!(!whole.windows(12).any(|bytes| bytes == b"user.overlay"), "{what}: overlayfs' own");
        for (target, name) in forms(&home) {
            export(&unnamed, &target);
            let back = Base::resolve(&name, &home.store).unwrap();
            assert_eq!(listed(&back, &home), lines, "{what}, {target}");
        }
    }
    drop(parent);
    assert_eq!(home.list("tmp"), Vec::<String>::new());
}

#[test]
fn a_snapshot_without_mounts_is_the_whole_root() {
    if !is_root() {
        return; // Nobody else makes one.
    }
    let home = Home::new();
    let base = snapshot(&home.store, &IdMap::identity(), &below(&home), Some("whole")).unwrap();
    let lines = listed(&base, &home);
    assert!(lines.iter().any(|line| line.ends_with(" srv/secret")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.ends_with(" etc/stays")), "{lines:#?}");
    let layout = format!("oci:{}:1", home.path().join("layout").display());
    export(&base, &layout);
    assert_eq!(Base::resolve(&layout, &home.store).unwrap().layer_count(), 1);
}

#[test]
fn a_directory_is_exported_as_roots() {
    let home = Home::new();
    let root = home.path().join("root");
    fs::create_dir_all(root.join("bin/deep")).unwrap();
    fs::write(root.join("bin/sh"), "#!").unwrap();
    fs::set_permissions(root.join("bin/sh"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(root.join("bin/sh"), root.join("bin/deep/ash")).unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9\n")), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
    run("mkfifo", &[root.join("pipe").to_str().unwrap()]);
    if is_root() {
        run("chown", &["33:33", root.join("bin/deep").to_str().unwrap()]);
        run("setcap", &["cap_net_bind_service=ep", root.join("bin/sh").to_str().unwrap()]);
    }
    let before = tree(&root, is_root());
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let base = Base::resolve(&format!("dir:{}", root.display()), &home.store).unwrap();
    let lines = listed(&base, &home);
    let foreign: Vec<&String> = lines.iter().filter(|line| !line.contains(" 0/0 ")).collect();
    match &foreign[..] {
        [] => assert!(!is_root(), "{lines:#?}"),
        [one] => assert!(one.contains(" 33/33 ") && one.ends_with(" bin/deep/"), "{lines:#?}"),
        _ => panic!("{foreign:?}"),
    }
    assert!(!lines.iter().any(|line| line.contains("socket")), "{lines:#?}");
    // The same directory gives the same bytes, in every form.
    for (target, name) in forms(&home) {
        assert_eq!(export(&base, &target), export(&base, &target), "{target}");
        let back = Base::resolve(&name, &home.store).unwrap();
        assert_eq!(listed(&back, &home), lines, "{target}");
    }
    let bundle = home.path().join("bundle");
    let image = format!("{}:a-1", home.path().join("layout").display());
    let rootless: &[&str] = if is_root() { &[] } else { &["--rootless"] };
    run("umoci", &[&["unpack", "--image", &image], rootless, &[bundle.to_str().unwrap()]].concat());
    assert_same(&before, &tree(&bundle.join("rootfs"), is_root()), "the directory and umoci's");
}

#[test]
fn what_may_not_be_read_is_told() {
    if is_root() {
        return; // Root reads everything.
    }
    let home = Home::new();
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("shut"), "x").unwrap();
    fs::set_permissions(root.join("shut"), fs::Permissions::from_mode(0o000)).unwrap();
    let base = Base::resolve(&format!("dir:{}", root.display()), &home.store).unwrap();
    for (target, _) in forms(&home) {
        let error = base.export(&target.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().ends_with("root/shut: EACCES"), "{error}");
        assert!(error.hint().is_some());
    }
    assert_eq!(names(home.path()), ["root", "store"]);
    assert!(Path::new(&root).exists());
}
