//! From the mounts of a Spec to those of a plan: what is bound or filled becomes a source of the nursery.

use crate::host_directory;
use crate::plan::PlannedMount;
use crate::prepared::Guards;
use crate::who::Who;
use crate::{Error, ErrorKind, Result};
use rootlet_kernel::{Access as Kept, Nursery, Source, Tree};
use rootlet_spec::{Access, Content, Entry, Mount, Rights, Spec};
use std::path::Path;
use std::sync::Arc;

pub(crate) fn planned(
    nursery: &Arc<Nursery>,
    who: &Who,
    spec: &Spec,
    guards: &mut Guards,
) -> Result<Vec<PlannedMount>> {
    let mut planned = Vec::new();
    for (i, mount) in spec.mounts.iter().enumerate() {
        guards.made.push(mount.target().trim_end_matches('/').to_owned());
        planned.push(match mount.clone() {
            Mount::Bind { source, target, read_only } => bound(nursery, &source, target, read_only, guards)?,
            Mount::Overlay { source, target, as_user } => {
                let user = as_user.then_some(who);
                overlay(nursery, &source, target, user, guards)?
            }
            Mount::Tmpfs { target, size, mode } => PlannedMount::Tmpfs { target, size, mode },
            Mount::Volume { target } => PlannedMount::Volume { target },
            Mount::Directory { target, volume, sub_path, rights, size, read_only } => {
                let same = |other: &Mount| matches!(other, Mount::Directory { volume: known, .. } if *known == volume);
                let room = spec.mounts.iter().position(same).unwrap_or(i);
                let owner = owner(rights, who);
                PlannedMount::Directory { target, room, sub_path, owner, size, read_only }
            }
            Mount::Files { target, entries, sub_path } => {
                let is_directory = is_directory(&entries, &sub_path)?;
                let source = filled(nursery, who, &entries)?;
                let place = if sub_path.is_empty() { source.place() } else { format!("{}/{sub_path}", source.place()) };
                guards.held.push(source);
                PlannedMount::Bind { target, place, is_directory, read_only: true }
            }
            Mount::Itself { target, access, optional } => {
                let access = match access {
                    Access::Writable => Kept::Writable,
                    Access::ReadOnly => Kept::ReadOnly,
                    Access::Hidden => {
                        let source = nothing(nursery)?;
                        let place = |name| format!("{}/{name}", source.place());
                        let hidden = Kept::Hidden(place("directory"), place("file"));
                        guards.held.push(source);
                        hidden
                    }
                };
                PlannedMount::Itself { target, access, optional }
            }
        });
    }
    Ok(planned)
}

fn bound(
    nursery: &Arc<Nursery>,
    source: &Path,
    target: String,
    read_only: bool,
    guards: &mut Guards,
) -> Result<PlannedMount> {
    let what = || format!("failed to bind {} on {target}", source.display());
    let is_directory = std::fs::metadata(source).map_err(|e| Error::io(what(), e))?.is_dir();
    let (bound, exact) = host_directory::bound(nursery, source).map_err(|e| Error::io(what(), e))?;
    if !exact {
        let note = format!("owners in {target}: its file system cannot be mounted with other ids");
        guards.not_reproduced.push(note);
    }
    let place = bound.place();
    guards.volumes.push((source.display().to_string(), bound));
    Ok(PlannedMount::Bind { target, place, is_directory, read_only })
}

/// With `user`, what the caller owns is that user's.
fn overlay(
    nursery: &Arc<Nursery>,
    source: &Path,
    target: String,
    user: Option<&Who>,
    guards: &mut Guards,
) -> Result<PlannedMount> {
    let what = || format!("failed to lay {} on {target}, copy-on-write", source.display());
    if !std::fs::metadata(source).map_err(|e| Error::io(what(), e))?.is_dir() {
        return Err(Error::new(ErrorKind::Spec, what())
            .with_hint("only a directory can be copy-on-write; bind a file read-only (`:ro`)"));
    }
    let user = user.map(|who| &who.identity);
    let lower = host_directory::lower(nursery, source, user).map_err(|e| Error::io(what(), e))?;
    let place = lower.place();
    guards.volumes.push((source.display().to_string(), lower));
    Ok(PlannedMount::Overlay { target, place })
}

/// Mode, owner, group.
pub(crate) fn owner(rights: Rights, who: &Who) -> (u32, u32, u32) {
    let Rights { uid, gid, mode } = rights;
    (mode, uid.unwrap_or(who.identity.uid), gid.unwrap_or(who.identity.gid))
}

/// Whether what is mounted is a directory.
pub(crate) fn is_directory(entries: &[Entry], sub_path: &str) -> Result<bool> {
    if sub_path.is_empty() {
        return Ok(true);
    }
    match entries.iter().find(|entry| entry.path == sub_path).map(|entry| &entry.content) {
        Some(Content::Directory) => Ok(true),
        Some(Content::File(_)) => Ok(false),
        Some(Content::Symlink(_)) | None => {
            Err(Error::new(ErrorKind::Spec, format!("the files that are mounted have no {sub_path}")))
        }
    }
}

fn filled(nursery: &Arc<Nursery>, who: &Who, entries: &[Entry]) -> Result<Source> {
    let mut tree = Tree::for_ids(nursery.map());
    if entries.first().is_none_or(|entry| !entry.path.is_empty()) {
        tree.directory("", 0o755, 0, 0);
    }
    lay_out(&mut tree, "", entries, who)?;
    nursery.add_tree(&tree).map_err(|e| Error::io("failed to make the files of a volume", e))
}

/// The entries below a directory of a tree.
pub(crate) fn lay_out(tree: &mut Tree, below: &str, entries: &[Entry], who: &Who) -> Result<()> {
    for Entry { path, content, rights } in entries {
        if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\0') {
            return Err(Error::new(ErrorKind::Spec, format!("a file of a volume cannot be called {path:?}")));
        }
        let whole = match (below, path.as_str()) {
            ("", path) => path.to_owned(),
            (below, "") => below.to_owned(),
            (below, path) => format!("{below}/{path}"),
        };
        let (mode, uid, gid) = owner(*rights, who);
        match content {
            Content::Directory => tree.directory(&whole, mode, uid, gid),
            Content::File(data) => tree.file(&whole, mode, uid, gid, data),
            Content::Symlink(to) => tree.symlink(&whole, to),
        };
    }
    Ok(())
}

/// What lies at and below an entry, as if it were all; below the empty path lies everything.
pub(crate) fn below(entries: &[Entry], top: &str) -> Vec<Entry> {
    if top.is_empty() {
        return entries.to_vec();
    }
    let rest = |entry: &Entry| {
        let rest = entry.path.strip_prefix(top)?;
        let path = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        Some(Entry { path: path.to_owned(), ..entry.clone() })
    };
    entries.iter().filter_map(rest).collect()
}

/// What stands in the place of something that is hidden.
fn nothing(nursery: &Arc<Nursery>) -> Result<Source> {
    let mut tree = Tree::for_ids(nursery.map());
    tree.directory("", 0o755, 0, 0).directory("directory", 0, 0, 0).file("file", 0, 0, 0, b"");
    nursery.add_tree(&tree).map_err(|e| Error::io("failed to make what hides something", e))
}
