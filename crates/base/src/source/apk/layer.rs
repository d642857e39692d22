//! The layer of all files: directories first, then each package's files as they stand in it, then what we write ourselves.

use super::contents;
use super::database::Written;
use super::package;
use super::tree::{Directory, Part, Tree};
use crate::progress::{Step, Task};
use crate::{Error, ErrorKind, LayerWriter, PackEntry, PackKind, PackedLayer, Resolver, Result};
use std::collections::HashSet;
use std::io;

/// Writes it. The same packages give the same bytes; `epoch` is the time of what no package has.
///
/// Errors: a package changed since it was looked at; the disk is full.
pub(super) fn write(
    resolver: &Resolver,
    parts: &[Part<'_>],
    tree: &Tree,
    written: &[Written],
    epoch: u64,
) -> Result<PackedLayer> {
    let mut layer = LayerWriter::begin(&resolver.store)?;
    let root = Directory {
        owner: contents::Owner { mode: 0o755, ..contents::Owner::default() },
        mtime: epoch,
        xattrs: Vec::new(),
    };
    layer.append(&directory(b"", &root), &mut io::empty())?;
    for (path, found) in &tree.directories {
        layer.append(&directory(path, found), &mut io::empty())?;
    }
    let ours: HashSet<&[u8]> = written.iter().map(|file| file.path.as_bytes()).collect();
    for (at, part) in parts.iter().enumerate() {
        let copied = copy(resolver, part, &mut layer, |path| {
            tree.others.get(path) == Some(&at) && !ours.contains(path)
        });
        copied.map_err(|e| e.within(format!("the package `{}` cannot be used", part.package.id())))?;
    }
    for file in written {
        let entry = PackEntry {
            path: file.path.clone().into(),
            kind: PackKind::File(file.content.len() as u64),
            mode: file.mode,
            uid: 0,
            gid: 0,
            mtime: epoch,
            xattrs: Vec::new(),
        };
        layer.append(&entry, &mut file.content.as_slice())?;
    }
    layer.finish()
}

fn directory(path: &[u8], found: &Directory) -> PackEntry {
    PackEntry {
        path: path.to_vec(),
        kind: PackKind::Directory,
        mode: found.owner.mode,
        uid: found.owner.uid,
        gid: found.owner.gid,
        mtime: found.mtime,
        xattrs: found.xattrs.clone(),
    }
}

/// Copies the files of a package that it has in this root.
fn copy(
    resolver: &Resolver,
    part: &Part<'_>,
    layer: &mut LayerWriter,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<()> {
    let id = part.package.id();
    let file = part.file.try_clone().map_err(|e| Error::io("failed to read it", e))?;
    let task = Task::begin(&*resolver.progress, &id, Step::Unpack, Some(part.package.size));
    let mut tar = package::data(file, &part.opened, resolver, &task)?;
    let mut items = part.items.iter();
    while let Some(entry) = tar.next()? {
        let Some(path) = contents::place(&entry)? else { continue };
        let Some(item) = items.next().filter(|item| item.path == path) else {
            return Err(Error::new(ErrorKind::Corrupt, "it changed while it was read"));
        };
        if item.kind == PackKind::Directory || !is_wanted(&path) {
            continue;
        }
        let entry = PackEntry {
            path,
            kind: item.kind.clone(),
            mode: item.owner.mode,
            uid: item.owner.uid,
            gid: item.owner.gid,
            mtime: item.mtime,
            xattrs: item.xattrs.clone(),
        };
        layer.append(&entry, &mut tar)?;
    }
    Ok(())
}
