//! The real files by which well-known projects are deployed: each is read, and what is not carried over is listed. The list is
//! kept, so that a change of a reader is seen.

use rootlet::like::{Like, read};
use rootlet_tests::{manifest_directory, manifests};
use std::fmt::Write;
use std::path::Path;

/// Set, the list is written anew.
const VARIABLE: &str = "ROOTLET_WRITE_SNAPSHOTS";

#[test]
fn real_files_are_read_and_their_losses_are_listed() {
    let Some(directory) = manifests() else {
        return rootlet_tests::skipped("no files of well-known projects");
    };
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = String::new();
    for file in &files {
        for name in choices(file) {
            let like = read(&[&name]).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            describe(&mut all, file, &like);
        }
    }
    let kept = manifest_directory().join("parity/manifests.txt");
    if std::env::var_os(VARIABLE).is_some() {
        std::fs::write(&kept, &all).unwrap();
    }
    let expected = std::fs::read_to_string(&kept).unwrap();
    for (line, (found, expected)) in all.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {} ({VARIABLE}=1 writes it)", line + 1, kept.display());
    }
    assert_eq!(all.lines().count(), expected.lines().count());
}

/// The file, or, where it has several containers, each of them.
fn choices(file: &Path) -> Vec<String> {
    let name = file.display().to_string();
    let e = match read(&[&name]) {
        Ok(_) => return vec![name],
        Err(e) => e.to_string(),
    };
    let (_, names) =
        e.rsplit_once(": ").filter(|_| e.contains("several")).unwrap_or_else(|| panic!("{name}: {e}"));
    names.split(", ").map(|choice| format!("{name}#{choice}")).collect()
}

fn describe(all: &mut String, file: &Path, like: &Like) {
    let name = file.file_name().unwrap().to_string_lossy();
    writeln!(all, "== {name}\n{}: {}", like.kind, like.what.rsplit('/').next().unwrap()).unwrap();
    let spec = &like.spec;
    let user = spec.user.as_ref().map_or_else(|| "the image's".into(), ToString::to_string);
    let groups: Vec<_> = spec.groups.iter().map(ToString::to_string).collect();
    let caps = spec.caps.mask().unwrap();
    writeln!(all, "image {:?}, user {user}, groups {groups:?}, non-root {}", like.image, like.non_root)
        .unwrap();
    writeln!(
        all,
        "capabilities {caps:#x}, new privileges {}, read-only {}",
        spec.allow_new_privileges, spec.read_only
    )
    .unwrap();
    for mount in &spec.mounts {
        let json = serde_json::to_value(mount).unwrap();
        let rights = &json["rights"];
        let rights = if rights.is_null() { String::new() } else { format!(" {rights}") };
        writeln!(all, "mount {} {}{rights}", mount.target(), json["type"]).unwrap();
    }
    for loss in &like.losses {
        writeln!(all, "loss {loss}").unwrap();
    }
}
