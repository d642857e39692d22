//! What differs between a root and what it was made like.

use super::walk::{Entry, Tree, below, list};
use rustix::fs::{AtFlags, FileType, Stat, statat};
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Something that differs: the stat of what there was and of what there is.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Relative to the root.
    pub path: PathBuf,
    /// Before; `None`: nothing.
    pub before: Option<Stat>,
    /// Now; `None`: nothing.
    pub now: Option<Stat>,
}

/// Compares type, mode, owner, size and time of modification; what stands at `hidden` and below it is passed over. Of a directory that
/// is gone, what was in it is not told.
pub(super) fn compare(old: &Tree, new: &Tree, hidden: &[PathBuf]) -> io::Result<Vec<Difference>> {
    let mut found = Vec::new();
    let mut left = vec![(PathBuf::new(), true)];
    while let Some((path, was_there)) = left.pop() {
        let now = new.directory(&path)?;
        let before = if was_there { Some(old.directory(&path)?) } else { None };
        let mut known: HashMap<CString, Entry> = match &before {
            Some(before) => list(before.as_fd())?.into_iter().map(|e| (e.name.clone(), e)).collect(),
            None => HashMap::new(),
        };
        let is_hidden = |entry: &Entry| hidden.contains(&below(&path, &entry.name));
        for entry in list(now.as_fd())? {
            let was = known.remove(&entry.name);
            if is_hidden(&entry) {
                continue;
            }
            if let (Some(before), Some(was)) = (&before, &was)
                && old.is_same(before.as_fd(), was, now.as_fd(), &entry)
            {
                continue;
            }
            let st = stat(now.as_fd(), &entry)?;
            let old = match (&before, &was) {
                (Some(before), Some(was)) => Some(stat(before.as_fd(), was)?),
                _ => None,
            };
            let path = below(&path, &entry.name);
            if entry.kind == FileType::Directory {
                left.push((path.clone(), was.is_some_and(|was| was.kind == FileType::Directory)));
            }
            if old.as_ref().is_none_or(|old| !same(old, &st)) {
                found.push(Difference { path, before: old, now: Some(st) });
            }
        }
        for gone in known.values().filter(|entry| !is_hidden(entry)) {
            let before = before.as_ref().map(|before| stat(before.as_fd(), gone)).transpose()?;
            found.push(Difference { path: below(&path, &gone.name), before, now: None });
        }
    }
    Ok(found)
}

fn stat(dir: BorrowedFd<'_>, entry: &Entry) -> io::Result<Stat> {
    Ok(statat(dir, entry.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn same(old: &Stat, new: &Stat) -> bool {
    let owner = |st: &Stat| (st.st_mode, st.st_uid, st.st_gid);
    let contents = |st: &Stat| (st.st_size, st.st_mtime, st.st_mtime_nsec);
    let is_directory = FileType::from_raw_mode(new.st_mode) == FileType::Directory;
    owner(old) == owner(new) && (is_directory || contents(old) == contents(new))
}

/// Whether `path` is one of these or below one.
pub(super) fn is_within(path: &Path, places: &[PathBuf]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}
