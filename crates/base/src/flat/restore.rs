//! Making a root what it was: only what differs is touched. A file that is shared is known to be untouched by its number alone,
//! since nobody inside could change it; so a whole tree is looked through without a stat(2) of its files.

use super::make::{Maker, attributes, ids, settle};
use super::walk::{Entry, below, list, remove, stat_of};
use rustix::fs::{AtFlags, FileType, Mode, Stat, fstat, mkdirat, statat};
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Makes what is at these places of `maker.to` as it is in `maker.from`, and all below them.
pub(super) fn restore(maker: &Maker<'_>, places: &[PathBuf]) -> io::Result<()> {
    for place in places {
        if place.as_os_str().is_empty() {
            tree(maker, PathBuf::new())?;
            continue;
        }
        let ((from, name), (to, _)) = (maker.from.parent(place)?, maker.to.parent(place)?);
        let name = CString::new(name.as_encoded_bytes()).map_err(io::Error::other)?;
        let find = |dir: BorrowedFd<'_>| -> io::Result<Option<Entry>> {
            let found = stat_of(dir, place.file_name().unwrap_or_default())?;
            let entry = |st: Stat| {
                let kind = FileType::from_raw_mode(st.st_mode);
                Entry { name: name.clone(), ino: st.st_ino, kind }
            };
            Ok(found.map(entry))
        };
        let (wanted, there) = (find(from.as_fd())?, find(to.as_fd())?);
        let parent = place.parent().unwrap_or(Path::new(""));
        if let Some(below) =
            entry(maker, (from.as_fd(), to.as_fd()), parent, wanted.as_ref(), there.as_ref())?
        {
            tree(maker, below)?;
        }
        let st = fstat(&from)?;
        metadata(from.as_fd(), to.as_fd(), &st)?;
    }
    Ok(())
}

fn tree(maker: &Maker<'_>, top: PathBuf) -> io::Result<()> {
    let mut left = vec![top];
    while let Some(path) = left.pop() {
        let (from, to) = (maker.from.directory(&path)?, maker.to.directory(&path)?);
        let both = (from.as_fd(), to.as_fd());
        let mut there: HashMap<CString, Entry> =
            list(to.as_fd())?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        for wanted in list(from.as_fd())? {
            let found = there.remove(&wanted.name);
            left.extend(entry(maker, both, &path, Some(&wanted), found.as_ref())?);
        }
        for extra in there.values() {
            entry(maker, both, &path, None, Some(extra))?;
        }
        metadata(from.as_fd(), to.as_fd(), &fstat(&from)?)?;
    }
    Ok(())
}

/// Makes one entry of a directory what is wanted; gives the directory that is to be looked into.
fn entry(
    maker: &Maker<'_>,
    (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
    path: &Path,
    wanted: Option<&Entry>,
    there: Option<&Entry>,
) -> io::Result<Option<PathBuf>> {
    if let (Some(wanted), Some(there)) = (wanted, there) {
        if (wanted.kind, there.kind) == (FileType::Directory, FileType::Directory) {
            return Ok(Some(below(path, &wanted.name)));
        }
        if maker.from.is_same(from, wanted, to, there)
            || same_node(from, to, wanted, there)?
            || untouched(maker, (from, to), wanted, there)?
        {
            return Ok(None);
        }
    }
    if let Some(there) = there {
        remove(to, &there.name, there.kind == FileType::Directory)?;
    }
    match wanted {
        Some(wanted) if wanted.kind == FileType::Directory => {
            mkdirat(to, wanted.name.as_c_str(), Mode::RWXU)?;
            maker.fill(below(path, &wanted.name))?;
        }
        Some(wanted) => drop(maker.entry(from, to, wanted)?),
        None => {}
    }
    Ok(None)
}

/// A copy that nobody has changed.
fn untouched(
    maker: &Maker<'_>,
    (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
    wanted: &Entry,
    there: &Entry,
) -> io::Result<bool> {
    if maker.ledger.is_empty() || wanted.kind != there.kind {
        return Ok(false);
    }
    let stat = |dir, entry: &Entry| statat(dir, entry.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW);
    Ok(maker.ledger.is_untouched(&stat(from, wanted)?, &stat(to, there)?))
}

/// Devices and their kin are never shared, and are what they say they are.
fn same_node(from: BorrowedFd<'_>, to: BorrowedFd<'_>, one: &Entry, other: &Entry) -> io::Result<bool> {
    if one.kind != other.kind || matches!(one.kind, FileType::RegularFile | FileType::Symlink) {
        return Ok(false);
    }
    let facts = |st: Stat| (st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_nlink);
    let of = |dir, entry: &Entry| statat(dir, entry.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).map(facts);
    Ok(of(from, one)? == of(to, other)?)
}

/// A directory's own mode, owner, time and attributes.
fn metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>, wanted: &Stat) -> io::Result<()> {
    let facts = |st: &Stat| (st.st_mode, ids(st), st.st_mtime, st.st_mtime_nsec);
    match facts(wanted) == facts(&fstat(to)?) {
        true => attributes(from, to),
        false => settle(from, to, wanted),
    }
}
