//! What is not as it should be: each is refused, and said why; nothing is left.

use crate::alpine::{self, Apk, Entry, Tar, directory, entry, file, symlink};
use crate::{Scene, scene};
use rootlet_base::{ErrorKind, Limits};
use std::fs;
use std::path::Path;

/// Changes one byte of a file.
fn change(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A package of these entries is refused.
#[track_caller]
fn refused(entries: &[Entry], kind: ErrorKind, words: &[&str]) {
    let mut scene = Scene::new();
    let app = Apk { entries: entries.to_vec(), ..Apk::new("app", "1-r0") };
    scene.repository.add(app);
    scene.repository.publish();
    let error = scene.fails("+app", kind, words);
    assert!(error.to_string().contains("app-1-r0"), "{error}");
}

#[test]
fn an_index_that_nobody_trusted_signed() {
    let scene = scene!();
    scene.repository.publish();
    let index = scene.repository.index_file();
    let whole = fs::read(&index).unwrap();
    // The last bytes of gzip are a length and a checksum: the index itself is as it was.
    change(&index, |length| length - 1);
    scene.fails("", ErrorKind::Untrusted, &["its signature by `test@localhost-1.rsa.pub` is wrong", "main"]);
    // Another index behind a signature.
    let (good, other) = (scene.repository.sign(b"something else", "sha1"), alpine::gzip(b"x"));
    fs::write(&index, [good, other].concat()).unwrap();
    scene.fails("", ErrorKind::Untrusted, &["is wrong"]);
    // No signature.
    fs::write(&index, alpine::gzip(&alpine::tar(&[file("APKINDEX", "")], Tar::Whole))).unwrap();
    scene.fails("", ErrorKind::Untrusted, &["the index is not signed"]);
    fs::write(&index, &whole[..whole.len() / 2]).unwrap();
    scene.fails("", ErrorKind::Untrusted, &["is wrong"]);
    fs::write(&index, "this is not an index at all").unwrap();
    scene.fails("", ErrorKind::Corrupt, &["not packed with gzip"]);
    // Another key of that name, and none.
    fs::write(&index, whole).unwrap();
    let key = scene.repository.keys().join(&scene.repository.key);
    alpine::make_key(&scene.home.path().join("other.pem"), &key);
    scene.fails("", ErrorKind::Untrusted, &["is wrong", "hint: "]);
    fs::write(&key, "no key").unwrap();
    scene.fails("", ErrorKind::Corrupt, &["is not an RSA key"]);
    fs::remove_file(&key).unwrap();
    scene.fails(
        "",
        ErrorKind::Untrusted,
        &["signed by `test@localhost-1.rsa.pub`, and", "no such key", "?keys="],
    );
}

#[test]
fn the_newer_hash_of_a_signature() {
    let scene = scene!();
    scene.repository.publish_index("", "sha256");
    scene.fails("", ErrorKind::Unsolvable, &["`alpine-baselayout` is wanted, and no package"]);
    change(&scene.repository.index_file(), |length| length - 1);
    scene.fails("", ErrorKind::Untrusted, &["is wrong"]);
}

#[test]
fn one_signature_of_several_is_enough() {
    let scene = scene!();
    let body = alpine::gzip(&alpine::tar(&[file("APKINDEX", "")], Tar::Whole));
    let other = entry(".SIGN.RSA.other.rsa.pub", b'0', "not known", 0o644);
    let own = scene.repository.signature(&body, "sha1");
    let publish = |signatures: &[Entry]| {
        let signatures = alpine::gzip(&alpine::tar(signatures, Tar::Part));
        fs::write(scene.repository.index_file(), [signatures, body.clone()].concat()).unwrap();
    };
    publish(&[other.clone(), own]);
    scene.fails("", ErrorKind::Unsolvable, &[]);
    // What stands behind the index is signed, too, and yet nothing of it.
    let more = [body.clone(), alpine::gzip(b"more")].concat();
    fs::write(scene.repository.index_file(), [scene.repository.sign(&more, "sha1"), more].concat()).unwrap();
    scene.fails("", ErrorKind::Corrupt, &["goes on behind its end"]);
    publish(&[other]);
    scene.fails("", ErrorKind::Untrusted, &["signed by `other.rsa.pub`"]);
}

#[test]
fn a_package_that_is_not_what_the_index_says() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("app", "1-r0").with(file("x", "content")));
    scene.repository.publish();
    let path = scene.repository.file("app-1-r0");
    let whole = fs::read(&path).unwrap();
    let (control, data) = scene.repository.packages["app-1-r0"].parts();
    // A time in the header of gzip: what is unpacked is the same.
    let to_control = whole.len() - data.len() - control.len() + 4;
    change(&path, |_| to_control);
    scene.fails("+app", ErrorKind::Corrupt, &["`app-1-r0`", "the checksum of its control part"]);
    fs::write(&path, &whole).unwrap();
    change(&path, |length| length - data.len() + 4);
    scene.fails("+app", ErrorKind::Corrupt, &["`app-1-r0`", "its data is not what its control part says"]);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    scene.fails("+app", ErrorKind::Corrupt, &["`app-1-r0`", "the index says"]);
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    scene.fails("+app", ErrorKind::Corrupt, &["app-1-r0.apk", "more than the promised"]);
    fs::write(&path, vec![b'x'; whole.len()]).unwrap();
    scene.fails("+app", ErrorKind::Corrupt, &["`app-1-r0`", "not packed with gzip"]);
    fs::remove_file(&path).unwrap();
    scene.fails("+app", ErrorKind::NotFound, &["app-1-r0.apk: ENOENT"]);
    fs::write(&path, whole).unwrap();
    scene.resolve("+app").unwrap();
}

#[test]
fn what_cannot_be_had_together() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("app", "1-r0").says("D:lib>=2"));
    scene.repository.add(Apk::new("lib", "1-r0"));
    scene.repository.add(Apk::new("angry", "1-r0").says("D:!lib"));
    scene.repository.add(Apk::new("one", "1-r0").says("D:two").with(file("etc/x", "")));
    scene.repository.add(Apk::new("two", "1-r0").says("D:one"));
    scene.repository.add(Apk::new("same", "1-r0").with(file("etc/x", "")));
    scene.repository.publish();
    scene.fails("+gone", ErrorKind::Unsolvable, &["`gone` is wanted, and no package of these repositories"]);
    scene.fails("+app", ErrorKind::Unsolvable, &["`app-1-r0` wants `lib>=2`, and there is only `lib-1-r0`"]);
    scene.fails("+lib+angry", ErrorKind::Unsolvable, &["`angry-1-r0` does not bear `lib-1-r0`"]);
    scene.fails("+one+same", ErrorKind::Corrupt, &["`one-1-r0` and `same-1-r0` both have `etc/x`"]);
    scene.resolve("+one").unwrap();
}

#[test]
fn a_mirror_that_is_not_there() {
    let scene = scene!();
    scene.repository.publish();
    let name = scene.repository.name("");
    let fails = |name: &str, kind, words: &[&str]| {
        let error = scene.resolver().resolve(name).unwrap_err();
        let text = format!("{error:?}");
        words.iter().for_each(|word| assert!(text.contains(word), "no `{word}` in: {text}"));
        assert_eq!(error.kind(), kind, "{text}");
    };
    fails(
        &format!("{name}&repositories=main,testing"),
        ErrorKind::NotFound,
        &["v3.20/testing/", "does not have it"],
    );
    fails(&name.replace("v3.20", "v9"), ErrorKind::NotFound, &["v9/main/", "does not have it", "hint: "]);
    fails(&name.replace("mirror=file:", "mirror=file:/gone"), ErrorKind::NotFound, &["does not have it"]);
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, keys) = name.split_once("?").unwrap();
    let (keys, _) = keys.split_once("&").unwrap();
    fails(
        &format!("apk:v3.20?mirror=http://me:secret@{refused}&{keys}"),
        ErrorKind::Network,
        &["refused", "hint: "],
    );
    let error =
        scene.resolver().resolve(&format!("apk:v3.20?mirror=http://me:secret@{refused}&{keys}")).unwrap_err();
    let why = error.to_string();
    assert!(!why.contains("secret"), "{why}");
}

#[test]
fn paths_that_lead_out() {
    if !crate::has("openssl") {
        crate::support::skip!("no openssl");
    }
    use ErrorKind::{Hostile, Unsupported};
    refused(&[file("../x", "")], Hostile, &["holds `..`"]);
    refused(&[file("usr/../../x", "")], Hostile, &["holds `..`"]);
    refused(&[symlink("etc/d", "/"), file("etc/d/x", "")], Hostile, &["lies below `etc/d`"]);
    refused(&[file("etc/d/x", ""), symlink("etc/d", "/")], Hostile, &["lies below `etc/d`"]);
    refused(&[symlink("tmp", "/")], Hostile, &["is a directory of `alpine-baselayout-3.6.5-r0`"]);
    refused(&[entry("x", b'1', "../../etc/passwd", 0)], Hostile, &["holds `..`"]);
    refused(&[entry("x", b'1', "/etc/passwd", 0)], Hostile, &["is a link to nothing before it"]);
    refused(&[file("etc/.wh.passwd", "")], Hostile, &["files are gone"]);
    refused(&[file("etc/.wh..wh..opq", "")], Hostile, &["files are gone"]);
    refused(&[file("etc/.wh.x/y", "")], Hostile, &["files are gone"]);
    refused(&[file("etc/x\nP:evil", "")], Hostile, &["holds the end of a line"]);
    refused(&[symlink("etc/x", "a\nP:evil")], Hostile, &["holds the end of a line"]);
    refused(&[file("etc/x", ""), file("etc/x", "")], Hostile, &["is in it twice"]);
    refused(&[entry("dev/sda", b'4', "", 0o666)], Unsupported, &["is a device"]);
    refused(&[Entry { ids: (u64::from(u32::MAX), 0), ..file("x", "") }], Hostile, &["is no id"]);
}

#[test]
fn nothing_is_in_the_place_of_the_database() {
    for (entries, words) in [
        (vec![symlink("lib", "usr/lib")], "lies below `lib`"),
        (vec![file("etc/apk/keys", "")], "lies below `etc/apk/keys`"),
        (vec![directory("lib/apk/db/installed")], "is a directory of a package"),
    ] {
        let mut scene = scene!();
        scene.repository.add(Apk { entries, ..Apk::new("app", "1-r0") });
        scene.repository.publish();
        scene.fails("+app", ErrorKind::Hostile, &[words]);
    }
    let mut scene = scene!();
    let forged = file("lib/apk/db/installed", "P:forged");
    scene.repository.add(Apk::new("app", "1-r0").with(forged));
    scene.repository.publish();
    let base = scene.resolve("+app").unwrap();
    let Some(root) = scene.layer(&base) else { crate::support::skip!("no subordinate ids") };
    assert!(!fs::read_to_string(root.join("lib/apk/db/installed")).unwrap().contains("forged"));
}

#[test]
fn an_absolute_path_is_one_of_the_root() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("app", "1-r0").with(file("/etc/./x", "here")).with(file(".own", "")));
    scene.repository.publish();
    let base = scene.resolve("+app").unwrap();
    let Some(root) = scene.layer(&base) else { crate::support::skip!("no subordinate ids") };
    assert_eq!(fs::read_to_string(root.join("etc/x")).unwrap(), "here");
    assert!(!root.join(".own").exists());
}

#[test]
fn bombs_are_not_unpacked() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("app", "1-r0").with(entry("x", b'0', vec![0; 4 << 20], 0o644)));
    scene.repository.publish();
    let limits = Limits { layer_bytes: 1 << 20, ..Limits::default() };
    let small = scene.resolver().limits(limits);
    assert_eq!(small.resolve(&scene.repository.name("+app")).unwrap_err().kind(), ErrorKind::Limit);
    let limits = Limits { layer_bytes: 8 << 20, ratio: 100, ..Limits::default() };
    let error = scene.resolver().limits(limits).resolve(&scene.repository.name("+app")).unwrap_err();
    assert!(error.to_string().contains("this is a bomb"), "{error}");
    let limits = Limits { layer_entries: 2, ..Limits::default() };
    assert_eq!(
        scene.resolver().limits(limits).resolve(&scene.repository.name("")).unwrap_err().kind(),
        ErrorKind::Limit
    );
    // Before anybody has signed for it.
    fs::write(scene.repository.index_file(), alpine::gzip(&vec![0; 4 << 20])).unwrap();
    scene.fails("", ErrorKind::Limit, &["a part of it unpacks to more than 65536 bytes"]);
    // Of all packages together.
    let mut scene = scene!();
    for name in ["a", "b", "c"] {
        let half: Vec<u8> =
            (0..700_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).take(700_000).collect();
        scene.repository.add(Apk::new(name, "1-r0").with(entry(name, b'0', half, 0o644)));
    }
    scene.repository.publish();
    let limits = Limits { layer_bytes: 1 << 20, ..Limits::default() };
    let error = scene.resolver().limits(limits).resolve(&scene.repository.name("+a+b+c")).unwrap_err();
    assert!(error.to_string().contains("its packages unpack to more than"), "{error}");
}
