//! The files of all packages as one tree: who has which path, and what directories are like.

use super::contents::{Item, Owner, hostile, show};
use super::index::Package;
use super::package::Opened;
use crate::{Error, ErrorKind, PackKind, Result};
use std::collections::BTreeMap;

/// A package that is part of the root.
pub(super) struct Part<'a> {
    pub package: &'a Package,
    pub file: std::fs::File,
    pub opened: Opened,
    pub items: Vec<Item>,
    /// Whether apk is told of it; else the root just has what it has in `/etc`.
    pub is_installed: bool,
}

impl Part<'_> {
    fn wanted(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| self.is_installed || item.path.starts_with(b"etc/"))
    }
}

/// The whole root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By path; the root itself is not among them.
    pub directories: BTreeMap<Vec<u8>, Directory>,
    /// Who has what is no directory: the place of the part.
    pub others: BTreeMap<Vec<u8>, usize>,
}

/// A directory, which several packages may have.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub owner: Owner,
    pub mtime: u64,
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Tree {
    /// Lays the parts, in the order in which they would be installed, on each other.
    ///
    /// Errors: two have the same file and neither replaces the other's; something lies below a file or a symlink; it is larger
    /// than `bytes`.
    pub fn merge(parts: &[Part<'_>], bytes: u64) -> Result<Self> {
        let mut tree = Self::default();
        let mut sum = 0_u64;
        for (at, part) in parts.iter().enumerate() {
            for item in part.wanted() {
                match item.kind {
                    PackKind::Directory => tree.add_directory(item),
                    _ => tree.add_other(item, at, parts)?,
                }
                if let PackKind::File(size) = item.kind {
                    sum = sum.saturating_add(size);
                }
            }
        }
        if sum > bytes {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("its packages unpack to more than {bytes} bytes"),
            )
            .with_hint("if that is right, raise the limit: `Limits::layer_bytes`"));
        }
        for (at, part) in parts.iter().enumerate() {
            for item in part.wanted() {
                tree.check_place(item, at, parts)?;
            }
        }
        Ok(tree)
    }

    /// Of several owners the one with the lowest ids is taken, and of equal ones the rights that all of them give: apk's rule.
    fn add_directory(&mut self, item: &Item) {
        let new = Directory { owner: item.owner.clone(), mtime: item.mtime, xattrs: item.xattrs.clone() };
        let Some(known) = self.directories.get_mut(&item.path) else {
            self.directories.insert(item.path.clone(), new);
            return;
        };
        known.mtime = known.mtime.max(new.mtime);
        match (new.owner.uid, new.owner.gid).cmp(&(known.owner.uid, known.owner.gid)) {
            std::cmp::Ordering::Less => (known.owner, known.xattrs) = (new.owner, new.xattrs),
            std::cmp::Ordering::Equal => known.owner.mode &= new.owner.mode,
            std::cmp::Ordering::Greater => {}
        }
    }

    fn add_other(&mut self, item: &Item, at: usize, parts: &[Part<'_>]) -> Result<()> {
        let Some(&before) = self.others.get(&item.path) else {
            self.others.insert(item.path.clone(), at);
            return Ok(());
        };
        let (first, second) = (&parts[before], &parts[at]);
        match overwrites(first, second) {
            Some(true) => drop(self.others.insert(item.path.clone(), at)),
            Some(false) => {}
            None => {
                let (first, second) = (first.package.id(), second.package.id());
                let what = format!("`{first}` and `{second}` both have `{}`", show(&item.path));
                return Err(Error::new(ErrorKind::Corrupt, what).with_hint(
                    "leave one of them out, or what wants it: neither says that it replaces the other",
                ));
            }
        }
        Ok(())
    }

    /// Makes the directories above an item that no package has, and sees that nothing else is in their place.
    fn check_place(&mut self, item: &Item, at: usize, parts: &[Part<'_>]) -> Result<()> {
        let id = || parts[at].package.id();
        if item.kind == PackKind::Directory && self.others.contains_key(&item.path) {
            let other = parts[self.others[&item.path]].package.id();
            return Err(hostile(
                &item.path,
                &format!("is a directory of `{}` and something else of `{other}`", id()),
            ));
        }
        let has = |tree: &Self, path: &[u8]| tree.others.get(path) == Some(&at);
        if let PackKind::HardLink(target) = &item.kind
            && has(self, &item.path)
            && !has(self, target)
        {
            let what = format!("of `{}` is a link to `{}`, which another package has", id(), show(target));
            return Err(hostile(&item.path, &what));
        }
        self.make_above(&item.path, parts[at].package.built).map_err(|e| e.within(format!("`{}`", id())))
    }

    /// Makes the directories above a path.
    ///
    /// Errors: something else is in their place.
    pub fn make_above(&mut self, path: &[u8], mtime: u64) -> Result<()> {
        for end in path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).rev() {
            let above = &path[..end];
            if self.others.contains_key(above) {
                let what =
                    format!("lies below `{}`, which is no directory but a file or a link", show(above));
                return Err(hostile(path, &what));
            }
            if self.directories.contains_key(above) {
                continue;
            }
            let owner = Owner { mode: 0o755, ..Owner::default() };
            self.directories.insert(above.to_vec(), Directory { owner, mtime, xattrs: Vec::new() });
        }
        Ok(())
    }
}

/// Whether the second of two packages takes a file over that the first has; `None` is a conflict.
fn overwrites(first: &Part<'_>, second: &Part<'_>) -> Option<bool> {
    let replaces = |by: &Part<'_>, whom: &Part<'_>| {
        let words = by.opened.replaces.iter().filter_map(|word| super::dependency::Dependency::parse(word));
        let says_so = words.into_iter().any(|whose| whom.package.meets(&whose));
        says_so.then_some(by.opened.replaces_priority.unwrap_or(0))
    };
    let origin = &second.package.origin;
    // What apk is not told of gives way.
    if !second.is_installed {
        return Some(false);
    }
    if !origin.is_empty() && *origin == first.package.origin {
        return Some(true);
    }
    match (replaces(first, second), replaces(second, first)) {
        (Some(first), Some(second)) => Some(first <= second),
        (Some(_), None) => Some(false),
        (None, Some(_)) => Some(true),
        (None, None) => None,
    }
}
