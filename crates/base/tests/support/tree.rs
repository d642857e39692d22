//! What a tree of files is, as text that can be compared.

use rustix::fs::FileType;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A line for each file: type, mode, time, contents, and which other name it is a link to. With `owners` also these and
/// extended attributes, which only root can give to what it unpacks.
pub fn tree(root: &Path, owners: bool) -> BTreeMap<PathBuf, String> {
    let (mut all, mut first) = (BTreeMap::new(), HashMap::new());
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        let mut entries: Vec<PathBuf> =
            directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        left.extend(entries.iter().filter(|path| path.is_dir() && !path.is_symlink()).cloned());
        for path in entries {
            let name = path.strip_prefix(root).unwrap().to_owned();
            all.insert(name.clone(), line(&path, owners));
            let m = fs::symlink_metadata(&path).unwrap();
            if !m.is_dir() && m.nlink() > 1 {
                first.entry((m.dev(), m.ino())).or_insert_with(Vec::new).push(name);
            }
        }
    }
    for mut names in first.into_values() {
        names.sort();
        let one = format!(" one of {names:?}");
        names.iter().for_each(|name| *all.get_mut(name).unwrap() += &one);
    }
    all
}

fn line(path: &Path, owners: bool) -> String {
    let m = fs::symlink_metadata(path).unwrap();
    let kind = FileType::from_raw_mode(m.mode());
    let mut line = match kind {
        FileType::Symlink => format!("link {:?}", fs::read_link(path).unwrap()),
        FileType::RegularFile => {
            let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            format!("file {:o} {}", m.mode() & 0o7777, rootlet_base::Digest::of(&bytes).hex())
        }
        kind => format!("{kind:?} {:o}", m.mode() & 0o7777),
    };
    // umoci sets the times of symlinks, or not, as the kernel lets it.
    if kind != FileType::Symlink {
        line += &format!(" at {}", m.mtime());
    }
    if owners {
        line += &format!(" of {}:{}{}", m.uid(), m.gid(), attributes(path));
    }
    line
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 65536];
    let length = rustix::fs::llistxattr(path, names.as_mut_slice()).unwrap();
    let mut all: Vec<String> = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0u8; 65536];
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap();
        all.push(format!(" {}={:?}", String::from_utf8_lossy(name), &value[..length]));
    }
    all.sort();
    all.concat()
}

/// The first differences of two trees, for a person; panics when there are any.
#[track_caller]
pub fn assert_same(one: &BTreeMap<PathBuf, String>, other: &BTreeMap<PathBuf, String>, what: &str) {
    let names: std::collections::BTreeSet<&PathBuf> = one.keys().chain(other.keys()).collect();
    let differ = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    let text: Vec<String> = differ
        .take(10)
        .map(|name| {
            let name_shown = name.as_os_str().as_bytes().escape_ascii();
            format!("{name_shown}\n    {:?}\n    {:?}", one.get(name), other.get(name))
        })
        .collect();
    assert!(text.is_empty(), "{what}:\n{}", text.join("\n"));
}
