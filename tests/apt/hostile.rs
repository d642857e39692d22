//! Packages that no honest builder makes, and such as were damaged on their way.

use super::{SUITE, Scene, says, scene, scene_with};
use rootlet::base::ErrorKind;
use rootlet_tests::repository::Deb;
use std::fs::{self, OpenOptions};
use std::path::Path;
use tar::EntryType::{self, Block, Char, Directory, Fifo, Link, Regular, Symlink};

/// A package of these entries, in a system.
fn with(entries: &[(&str, EntryType, &str, &str)]) -> Option<Scene> {
    scene_with(&[Deb::new("evil").field("Essential", "yes").entries(entries)])
}

#[test]
fn no_path_leads_out_of_the_root() {
    let outside = tempfile::tempdir().unwrap();
    let (out, beside) = (outside.path().to_str().unwrap(), outside.path().join("evil"));
    let hostile = ErrorKind::Hostile;
    for (entries, kind, why) in [
        (vec![("../evil", Regular, "", "x")], hostile, "`../evil`"),
        (vec![("usr/../../evil", Regular, "", "x")], hostile, "`usr/../../evil`"),
        (vec![("usr/bin/x", Link, "../../../../etc/passwd", "")], hostile, "`../../../../etc/passwd`"),
        (vec![("x\ny", Regular, "", "x")], hostile, "no honest package has"),
        // Through a symlink nobody writes, wherever it leads.
        (
            vec![("dir", Symlink, out, ""), ("dir/evil", Regular, "", "x")],
            ErrorKind::Unsolvable,
            "`/dir` is no directory",
        ),
        (
            vec![("dir", Symlink, out, ""), ("dir", Directory, "", "")],
            ErrorKind::Unsolvable,
            "`/dir` is no directory",
        ),
        (
            vec![("dir", Symlink, out, ""), ("dir/a/b/evil", Regular, "", "x")],
            ErrorKind::Unsolvable,
            "`/dir` is no directory",
        ),
    ] {
        let Some(scene) = with(&entries) else { return };
        let told = scene.refused(&scene.name(), kind, why);
        assert!(told.contains("failed to unpack the package `evil`"), "{told}");
        assert!(!beside.exists());
    }
    // An absolute one is one of the root, as for tar and dpkg.
    let absolute = outside.path().join("absolute");
    let Some(scene) = with(&[(absolute.to_str().unwrap(), Regular, "", "inside\n")]) else { return };
    let base = scene.resolve(&scene.name()).unwrap();
    assert_eq!(says(&base, &format!("cat {}", absolute.display())), "inside\n");
    assert!(!absolute.exists());
}

#[test]
fn devices_are_left_out_and_fifos_are_not() {
    let entries = [
        ("dev", Directory, "", ""),
        ("dev/mine", Char, "", ""),
        ("srv", Directory, "", ""),
        ("srv/disk", Block, "", ""),
        ("srv/fifo", Fifo, "", ""),
    ];
    let Some(scene) = with(&entries) else { return };
    let base = scene.resolve(&scene.name()).unwrap();
    assert_eq!(says(&base, "ls /srv; [ ! -e /dev/mine ]; [ -p /srv/fifo ]"), "fifo\n");
}

#[test]
fn the_bits_of_a_file_are_kept() {
    let deb = Deb::new("bits")
        .field("Essential", "yes")
        .file("usr/bin/up", "x", 0o4755)
        .file("usr/bin/group", "x", 0o2750)
        .directory("srv/shared", 0o3777)
        .file("srv/secret", "x", 0o600);
    let Some(scene) = scene_with(&[deb]) else { return };
    let base = scene.resolve(&scene.name()).unwrap();
    let told = says(&base, "cd /; stat -c '%n %a %u' usr/bin/up usr/bin/group srv/shared srv/secret");
    assert_eq!(told, "usr/bin/up 4755 0\nusr/bin/group 2750 0\nsrv/shared 3777 0\nsrv/secret 600 0\n");
}

#[test]
fn a_file_is_one_packages() {
    let one = Deb::new("one").field("Essential", "yes").file("usr/share/x", "one\n", 0o644);
    let two = Deb::new("two").field("Essential", "yes").file("usr/share/x", "two\n", 0o644);
    let Some(scene) = scene_with(&[one.clone(), two.clone()]) else { return };
    let told =
        scene.refused(&scene.name(), ErrorKind::Unsolvable, "`/usr/share/x` is also in the package `one`");
    assert!(told.contains("failed to unpack the package `two`"), "{told}");
    // Who replaces the other has it, whichever comes first.
    for (one, two, wins) in [
        (one.clone(), two.clone().field("Replaces", "one (<< 2)"), "two\n"),
        (one.clone().field("Replaces", "two"), two.clone(), "one\n"),
    ] {
        let Some(scene) = scene_with(&[one, two]) else { return };
        let base = scene.resolve(&scene.name()).unwrap();
        assert_eq!(says(&base, "cat /usr/share/x"), wins);
        let owners = says(
            &base,
            "cd /var/lib/dpkg/info; for l in one two; do sed -n \"s|^/usr/share/x|$l|p\" $l.list; done",
        );
        assert_eq!(owners, wins, "the file is in one list");
    }
    // A version that it does not replace is not.
    let Some(scene) = scene_with(&[one, two.field("Replaces", "one (<< 1)")]) else { return };
    scene.refused(&scene.name(), ErrorKind::Unsolvable, "is also in the package `one`");
}

#[test]
fn a_file_and_a_directory_have_not_one_place() {
    for (first, second) in [("usr/share/x", "usr/share/x/y"), ("usr/share/x/y", "usr/share/x")] {
        let one = Deb::new("one").field("Essential", "yes").file(first, "", 0o644);
        let two = Deb::new("two").field("Essential", "yes").file(second, "", 0o644);
        let Some(scene) = scene_with(&[one, two]) else { return };
        scene.refused(&scene.name(), ErrorKind::Unsolvable, "`/usr/share/x`");
    }
}

/// Writes over a package that the index has promised, with what `change` makes of it; the index promises that, if it is `told`.
fn changed(told: bool, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Option<Scene> {
    let mut scene = scene()?;
    let file = scene.repository.add(&Deb::new("late").field("Essential", "yes").file(
        "usr/share/late",
        "late",
        0o644,
    ));
    let bytes = change(fs::read(&file).unwrap());
    fs::write(&file, bytes).unwrap();
    if told {
        scene.repository.promise(&file);
    }
    scene.repository.publish(SUITE, &scene.signer);
    Some(scene)
}

#[test]
fn a_package_is_what_the_index_promised() {
    let flipped = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let Some(scene) = changed(false, flipped) else { return };
    let told = scene.refused(&scene.name(), ErrorKind::Corrupt, "the package late 1 has the digest sha256:");
    assert!(told.contains(&scene.repository.url()), "{told}");
    // Once more: nothing wrong was kept, and when the mirror is well it is fetched.
    scene.refused(&scene.name(), ErrorKind::Corrupt, "has the digest");
    let file = scene.repository.path().join("pool/late_1.deb");
    let bytes = flipped(fs::read(&file).unwrap());
    fs::write(&file, bytes).unwrap();
    scene.resolve(&scene.name()).unwrap();

    let Some(scene) = changed(false, |bytes| bytes[..bytes.len() - 7].into()) else { return };
    scene.refused(&scene.name(), ErrorKind::Corrupt, "were promised");
    let Some(scene) = changed(false, |bytes| [bytes, b"more".into()].concat()) else { return };
    scene.refused(&scene.name(), ErrorKind::Corrupt, "more bytes than was promised");
}

#[test]
fn what_is_promised_and_no_package_is_refused() {
    for (change, why) in [
        (&(|bytes: Vec<u8>| bytes[..bytes.len() - 30].to_vec()) as &dyn Fn(Vec<u8>) -> Vec<u8>, "cut short"),
        (&|_| b"<html>not found</html>".to_vec(), "not a package"),
        (&|_| Vec::new(), "cut short"),
        (&|bytes| bytes[..70].to_vec(), "cut short"),
        (&|bytes| bytes.iter().map(|&byte| if byte == b'`' { b' ' } else { byte }).collect(), "no ar's"),
    ] {
        let Some(scene) = changed(true, change) else { return };
        let told = scene.refused(&scene.name(), ErrorKind::Corrupt, why);
        assert!(told.contains("failed to unpack the package `late`"), "{told}");
    }
}

#[test]
fn an_index_is_what_the_release_promised() {
    let Some(scene) = scene() else { return };
    let index = scene.repository.suite(SUITE).join(scene.repository.index_path());
    let good = fs::read(&index).unwrap();
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    fs::write(&index, flipped).unwrap();
    scene.refused(&scene.name(), ErrorKind::Corrupt, "has the digest");
    OpenOptions::new().write(true).open(&index).unwrap().set_len(10).unwrap();
    scene.refused(&scene.name(), ErrorKind::Corrupt, "were promised");
    fs::remove_file(&index).unwrap();
    scene.refused(&scene.name(), ErrorKind::NotFound, "Packages");
    fs::write(&index, good).unwrap();
    scene.resolve(&scene.name()).unwrap();
}

#[test]
fn a_package_that_calls_itself_otherwise_is_refused() {
    let Some(mut scene) = scene() else { return };
    scene.repository.add(&Deb::new("late").field("Essential", "yes"));
    let other = Deb::new("other").file("usr/share/other", "", 0o644);
    let place = scene.repository.path().join("pool/late_1.deb");
    let other = scene.repository.add(&other);
    fs::copy(other, &place).unwrap();
    scene.repository.promise(Path::new(&place));
    scene.repository.publish(SUITE, &scene.signer);
    scene.refused(&scene.name(), ErrorKind::Corrupt, "it says that it is `other`");
}
