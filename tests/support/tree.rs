//! Whole roots as they are written down: a base's layers laid on each other, or a tarball.

use rootlet::Base;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tar::{Archive, EntryType};

/// All that is said of a file but its times.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    /// `f`, `d`, `l`, or `o` for others.
    pub kind: char,
    /// Permission bits, 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// A file's contents, a symlink's target.
    pub bytes: Vec<u8>,
    /// Its capabilities and other attributes.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mode, uid, gid, bytes, attributes } = self;
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        write!(f, "{kind} {mode:o} {uid}:{gid} {} bytes {start:?} {attributes:?}", bytes.len())
    }
}

/// A root by path, without a slash at the beginning or the end.
pub type Tree = BTreeMap<String, Facts>;

/// A tarball that is not packed.
pub fn of_tarball(tarball: &Path) -> Tree {
    let mut tree = Tree::new();
    lay(&mut tree, File::open(tarball).unwrap());
    tree
}

/// What lies in the blobs of the store, without a rootlet: what another tool would be handed. A tarball that the base begins with
/// is none of them.
pub fn of_base(base: &Base) -> Tree {
    let id = base.id().strip_prefix("sha256:").unwrap();
    let content = base.store().path().join("contents").join(id).join("content.json");
    let content: Value = serde_json::from_reader(File::open(content).unwrap()).unwrap();
    let mut tree = Tree::new();
    for layer in content["layers"].as_array().unwrap() {
        let Some(digest) = layer["origin"]["blob"]["digest"].as_str() else { continue };
        let digest = digest.strip_prefix("sha256:").unwrap();
        let blob = File::open(base.store().path().join("images/blobs/sha256").join(digest)).unwrap();
        lay(&mut tree, zstd::Decoder::new(blob).unwrap());
    }
    tree
}

fn lay(tree: &mut Tree, tar: impl Read) {
    let mut archive = Archive::new(tar);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = name(&entry.path_bytes());
        if let Some((parent, gone)) =
            path.rsplit_once('/').or(Some(("", &path))).filter(|(_, name)| name.starts_with(".wh."))
        {
            let prefix = match gone {
                ".wh..wh..opq" => format!("{parent}/"),
                gone => format!("{parent}/{}", &gone[4..]),
            };
            tree.retain(|path, _| {
                path != &prefix && !path.starts_with(&format!("{}/", prefix.trim_end_matches('/')))
            });
            continue;
        }
        let header = entry.header().clone();
        let kind = match header.entry_type() {
            EntryType::Regular => 'f',
            EntryType::Directory => 'd',
            EntryType::Symlink => 'l',
            EntryType::Link => {
                let first = tree[&name(&entry.link_name_bytes().unwrap())].clone();
                tree.insert(path, first);
                continue;
            }
            _ => 'o',
        };
        let mut attributes = BTreeMap::new();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten().flatten() {
            if let Some(name) = extension.key().unwrap().strip_prefix("SCHILY.xattr.") {
                attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
            }
        }
        let mut bytes = Vec::new();
        match kind {
            'l' => bytes = entry.link_name_bytes().unwrap().into_owned(),
            _ => drop(entry.read_to_end(&mut bytes).unwrap()),
        }
        let id = |id: u64| u32::try_from(id).unwrap();
        let (uid, gid) = (id(header.uid().unwrap()), id(header.gid().unwrap()));
        tree.insert(path, Facts { kind, mode: header.mode().unwrap() & 0o7777, uid, gid, bytes, attributes });
    }
}

fn name(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/').to_owned()
}
