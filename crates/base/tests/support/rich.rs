//! A base that has all that layers can have, and exports of it.
#![allow(unused_imports, unused_macros, reason = "each test takes what it needs")]

use super::{Home, alpine};
use rootlet_base::{Base, Digest, Healthcheck, LayerWriter, PackEntry, PackKind, Store};
use std::collections::BTreeMap;
use std::fs;

/// Alpine with two layers on top that have all that layers can have.
pub fn make(store: &Store) -> Option<Base> {
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
    let test = vec!["CMD-SHELL".into(), "true".into()];
    defaults.healthcheck =
        Some(Healthcheck { test, interval: 5_000_000_000, retries: 3, ..Healthcheck::default() });
    defaults.shell = vec!["/bin/ash".into(), "-c".into()];
    defaults.on_build = vec!["RUN true".into()];
    Some(below.with_layers(vec![first, second], defaults, "rich", "made", &[]).unwrap())
}

macro_rules! rich {
    ($home:expr) => {
        match $crate::support::rich::make(&$home.store) {
            Some(base) => base,
            None => $crate::support::skip!("no Alpine"),
        }
    };
}
pub(crate) use rich;

#[track_caller]
pub fn export(base: &Base, target: &str) -> Digest {
    base.export(&target.parse().unwrap()).unwrap().digest
}

/// The whole root as one tar.
#[track_caller]
pub fn flat(base: &Base, home: &Home) -> Vec<u8> {
    let file = home.path().join("flat.tar");
    let digest = export(base, &format!("tar:{}", file.display()));
    let bytes = fs::read(&file).unwrap();
    assert_eq!(digest, Digest::of(&bytes));
    fs::remove_file(file).unwrap();
    bytes
}

/// Where an export of each form goes, and how that is named as a base.
pub fn forms(home: &Home) -> Vec<(String, String)> {
    let at = |name: &str| home.path().join(name).display().to_string();
    vec![
        (format!("oci:{}:a-1", at("layout")), format!("oci:{}:a-1", at("layout"))),
        (format!("oci-archive:{}:a-1", at("o.tar")), format!("archive:{}:a-1", at("o.tar"))),
        (format!("docker-archive:{}:me/x:1", at("d.tar")), format!("archive:{}:me/x:1", at("d.tar"))),
        (format!("tar:{}", at("t.tar")), format!("tar:{}", at("t.tar"))),
    ]
}

/// What is in a directory, hidden or not.
pub fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = directory.read_dir().unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
