//! apk's own database of what is installed, so that it goes on from here: `apk add`, `apk info`, `apk audit`.
//!
//! ```text
//! /lib/apk/db/installed     the stanza of each package, and its files: F: directory (M: its mode), R: file (a: its mode, Z: checksum)
//! /lib/apk/db/scripts.tar   NAME-VERSION.CHECKSUM.post-install and the like
//! /lib/apk/db/triggers      CHECKSUM and the directories that it watches
//! /etc/apk/                 world: what was asked for; repositories, keys, arch
//! ```

use super::contents::{Item, Owner};
use super::keys::Key;
use super::tree::{Part, Tree};
use crate::{Error, PackKind, Result};
use std::collections::BTreeMap;
use std::io;

/// A file that no package has.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// Relative to the root.
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

/// Directories that apk makes itself.
pub(super) const DIRECTORIES: &[&str] =
    &["etc/apk/keys", "etc/apk/protected_paths.d", "lib/apk/db", "lib/apk/exec", "var/cache/apk"];

/// What apk's database says of where packages come from.
pub(super) struct Origin<'a> {
    pub world: &'a [String],
    /// As lines of `/etc/apk/repositories`.
    pub repositories: Vec<String>,
    pub keys: &'a [Key],
    pub arch: &'a str,
}

/// The files of the database.
///
/// Errors: a script cannot be written, which memory does not refuse.
pub(super) fn files(parts: &[Part<'_>], tree: &Tree, origin: &Origin<'_>) -> Result<Vec<Written>> {
    let file = |path: &str, content: Vec<u8>| Written { path: path.into(), mode: 0o644, content };
    let lines =
        |lines: &[String]| lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into();
    let mut world = origin.world.to_vec();
    world.sort();
    world.dedup();
    let mut files = vec![
        file("etc/apk/arch", format!("{}\n", origin.arch).into()),
        file("etc/apk/repositories", lines(&origin.repositories)),
        file("etc/apk/world", lines(&world)),
        file("lib/apk/db/installed", installed(parts, tree)),
        Written { path: "lib/apk/db/lock".into(), mode: 0o600, content: Vec::new() },
        file("lib/apk/db/scripts.tar", scripts(parts)?),
        file("lib/apk/db/triggers", triggers(parts).into()),
    ];
    // A package of keys may have them, too.
    let keys = origin.keys.iter().map(|key| file(&format!("etc/apk/keys/{}", key.name), key.pem.clone()));
    files.extend(keys.filter(|key| !tree.others.contains_key(key.path.as_bytes())));
    Ok(files)
}

/// The packages that apk is told of.
fn told<'a, 'b>(parts: &'b [Part<'a>]) -> impl Iterator<Item = (usize, &'b Part<'a>)> {
    parts.iter().enumerate().filter(|(_, part)| part.is_installed)
}

fn installed(parts: &[Part<'_>], tree: &Tree) -> Vec<u8> {
    let mut sorted: Vec<_> = told(parts).collect();
    sorted.sort_by(|(_, a), (_, b)| a.package.name.cmp(&b.package.name));
    let mut text = Vec::new();
    for (at, part) in sorted {
        text.extend_from_slice(part.package.lines.as_bytes());
        if !part.opened.replaces.is_empty() {
            text.extend(format!("r:{}\n", part.opened.replaces.join(" ")).bytes());
        }
        if let Some(priority) = part.opened.replaces_priority {
            text.extend(format!("q:{priority}\n").bytes());
        }
        let own = |item: &&Item| item.kind == PackKind::Directory || tree.others.get(&item.path) == Some(&at);
        files_of(part.items.iter().filter(own), &mut text);
        text.push(b'\n');
    }
    text
}

fn files_of<'a>(items: impl Iterator<Item = &'a Item>, text: &mut Vec<u8>) {
    #[derive(Default)]
    struct Directory<'a> {
        owner: Option<&'a Owner>,
        files: BTreeMap<&'a [u8], &'a Item>,
    }
    let mut directories: BTreeMap<&[u8], Directory<'_>> = BTreeMap::new();
    for item in items {
        if item.kind == PackKind::Directory {
            directories.entry(&item.path).or_default().owner = Some(&item.owner);
            continue;
        }
        let slash = item.path.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = match slash {
            Some(at) => (&item.path[..at], &item.path[at + 1..]),
            None => (&[][..], &item.path[..]),
        };
        directories.entry(directory).or_default().files.insert(name, item);
    }
    for (path, Directory { owner, files }) in directories {
        line(text, b"F:", path);
        if let Some(owner) = owner.filter(|owner| !is_plain(owner, 0o755)) {
            line(text, b"M:", rights(owner).as_bytes());
        }
        for (name, item) in files {
            line(text, b"R:", name);
            if !is_plain(&item.owner, 0o644) {
                line(text, b"a:", rights(&item.owner).as_bytes());
            }
            if let Some(checksum) = &item.checksum {
                line(text, b"Z:", checksum.as_bytes());
            }
        }
    }
}

fn line(text: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    text.extend_from_slice(key);
    text.extend_from_slice(value);
    text.push(b'\n');
}

fn is_plain(owner: &Owner, mode: u32) -> bool {
    *owner == Owner { mode, ..Owner::default() }
}

/// `USER:GROUP:MODE`: ids, or names that the scripts of packages may make; the same scripts put ids in their place.
fn rights(owner: &Owner) -> String {
    let or = |name: &str, id: u32| if name.is_empty() { id.to_string() } else { name.to_owned() };
    let [user, group] = &owner.names;
    format!("{}:{}:{:o}", or(user, owner.uid), or(group, owner.gid), owner.mode)
}

/// The name of a script in the archive of scripts.
pub(super) fn script_name(part: &Part<'_>, kind: &str) -> String {
    format!("{}.{}.{kind}", part.package.id(), part.package.checksum)
}

fn scripts(parts: &[Part<'_>]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let failed = |e: io::Error| Error::io("failed to write the scripts of packages", e);
    for (_, part) in told(parts) {
        for script in &part.opened.scripts {
            let mut header = tar::Header::new_gnu();
            header.set_size(script.text.len() as u64);
            header.set_mode(0o755);
            header.set_mtime(script.mtime);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username("root").and_then(|()| header.set_groupname("root")).map_err(failed)?;
            let name = script_name(part, script.kind);
            tar.append_data(&mut header, name, script.text.as_slice()).map_err(failed)?;
        }
    }
    tar.into_inner().map_err(failed)
}

fn triggers(parts: &[Part<'_>]) -> String {
    let with = told(parts).map(|(_, part)| part).filter(|part| !part.opened.triggers.is_empty());
    with.map(|part| format!("{} {}\n", part.package.checksum, part.opened.triggers.join(" "))).collect()
}
