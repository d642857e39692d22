//! What is in a package: its files, as they will be in the root.

use super::checksum;
use super::package::{self, Opened};
use crate::progress::{Step, Task};
use crate::unpack::{TarEntry, TarReader, for_layer};
use crate::{Error, ErrorKind, PackKind, Resolver, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

/// Bytes of a table of users; honest ones have less than 100 KiB.
const TABLE_BYTES: u64 = 4 << 20;

/// A file, directory or link of a package.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Relative to the root.
    pub path: Vec<u8>,
    pub kind: PackKind,
    pub owner: Owner,
    /// Seconds since 1970.
    pub mtime: u64,
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Of the content, or of what a symlink says; directories have none.
    pub checksum: Option<String>,
    /// The content of a table of users or groups.
    text: Option<Vec<u8>>,
}

/// Who owns it, and who may do what with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    /// User and group by their names, while nobody has told which ids these have; empty for none.
    pub names: [String; 2],
}

/// Reads a package's files, in their order.
///
/// Errors: it is damaged; it holds a name, a link or a kind of file that no honest package holds.
pub(super) fn read(file: &File, opened: &Opened, resolver: &Resolver, id: &str) -> Result<Vec<Item>> {
    let read = || {
        let file = file.try_clone().map_err(|e| Error::io("failed to read it", e))?;
        let size = file.metadata().map(|m| m.len()).ok();
        let task = Task::begin(&*resolver.progress, id, Step::Read, size);
        let mut tar = package::data(file, opened, resolver, &task)?;
        let mut items = Vec::new();
        // What is linked is in the same package, and comes first.
        let mut checksums: HashMap<Vec<u8>, Option<String>> = HashMap::new();
        while let Some(item) = next(&mut tar, &checksums)? {
            if checksums.insert(item.path.clone(), item.checksum.clone()).is_some()
                && item.kind != PackKind::Directory
            {
                return Err(hostile(&item.path, "is in it twice"));
            }
            if checksums.len() as u64 > resolver.limits.layer_entries {
                return Err(Error::new(ErrorKind::Limit, "it holds too many files"));
            }
            items.push(item);
        }
        tar.into_inner().finish()?;
        Ok(items)
    };
    read().map_err(|e: Error| e.within(format!("the package `{id}` cannot be used")))
}

/// Where an entry is in the root; `None` for what is apk's own: names at the top that begin with a dot.
///
/// Errors: the name leads elsewhere, or says something to others than the file system.
pub(super) fn place(entry: &TarEntry) -> Result<Option<Vec<u8>>> {
    let path = for_layer(&entry.name)?;
    // The database has a line for each.
    if path.iter().chain(&entry.link).any(|byte| matches!(byte, b'\n' | 0)) {
        return Err(hostile(&path, "holds the end of a line"));
    }
    let is_own = path.is_empty() || (path.starts_with(b".") && !path.contains(&b'/'));
    Ok((!is_own).then_some(path))
}

/// The next entry that is part of the root.
fn next<R: Read>(
    tar: &mut TarReader<R>,
    checksums: &HashMap<Vec<u8>, Option<String>>,
) -> Result<Option<Item>> {
    loop {
        let Some(entry) = tar.next()? else { return Ok(None) };
        let Some(path) = place(&entry)? else { continue };
        let names = tar.owners().map(account);
        let mut item = Item {
            owner: Owner { uid: id(entry.uid)?, gid: id(entry.gid)?, mode: entry.mode, names },
            mtime: entry.mtime.0.try_into().unwrap_or(0),
            xattrs: xattrs(entry.xattrs)?,
            checksum: None,
            text: None,
            kind: PackKind::Directory,
            path,
        };
        match entry.kind {
            tar::EntryType::Directory => {}
            tar::EntryType::Regular => file(tar, &mut item, entry.size)?,
            tar::EntryType::Symlink => {
                item.checksum = Some(checksum::of(&entry.link));
                item.kind = PackKind::Symlink(entry.link);
            }
            tar::EntryType::Link => {
                let target = for_layer(&entry.link)?;
                let known = checksums.get(&target).filter(|known| known.is_some());
                item.checksum =
                    known.ok_or_else(|| hostile(&item.path, "is a link to nothing before it"))?.clone();
                item.kind = PackKind::HardLink(target);
            }
            tar::EntryType::Fifo => item.kind = PackKind::Fifo,
            _ => {
                let what =
                    format!("`{}` is a device, or something else that a root cannot have", show(&item.path));
                return Err(Error::new(ErrorKind::Unsupported, what));
            }
        }
        return Ok(Some(item));
    }
}

/// Reads a file's content, and forgets all but what is needed.
fn file(tar: &mut impl Read, item: &mut Item, size: u64) -> Result<()> {
    let (mut hash, mut text) = (checksum::begin(), Vec::new());
    let is_table = matches!(item.path.as_slice(), b"etc/passwd" | b"etc/group");
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = tar.read(&mut buffer).map_err(|e| Error::io("failed to read it", e))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        if is_table && size <= TABLE_BYTES {
            text.extend_from_slice(&buffer[..read]);
        }
    }
    item.checksum = Some(checksum::finish(hash.finish()));
    item.kind = PackKind::File(size);
    item.text = is_table.then_some(text);
    Ok(())
}

/// Turns names of users and groups into the ids that they have in this root, as apk does: the numbers in a package are those of
/// the machine that built it. A name that the root does not know yet is kept where a script may still make it (`later`).
pub(super) fn resolve_names(packages: &mut [&mut Vec<Item>], later: bool) {
    let tables = ["etc/passwd", "etc/group"].map(|path| {
        let mut items = packages.iter().flat_map(|items| items.iter());
        let text = items.find_map(|item| item.text.as_deref().filter(|_| item.path == path.as_bytes()));
        table(text.unwrap_or_default())
    });
    for owner in packages.iter_mut().flat_map(|items| items.iter_mut()).map(|item| &mut item.owner) {
        let ids = [&mut owner.uid, &mut owner.gid];
        for ((name, id), table) in owner.names.iter_mut().zip(ids).zip(&tables) {
            let known = if name == "root" { Some(&0) } else { table.get(name.as_str()) };
            *id = known.copied().unwrap_or(*id);
            if known.is_some() || !later {
                name.clear();
            }
        }
    }
}

/// `NAME:x:ID:…`
fn table(text: &[u8]) -> HashMap<String, u32> {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().rev().filter_map(line).collect()
}

/// A name of a user or a group that a script may be told.
fn account(name: &[u8]) -> String {
    let byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    match name.iter().all(byte) && !name.starts_with(b"-") && !name.iter().all(u8::is_ascii_digit) {
        true => String::from_utf8_lossy(name).into_owned(),
        false => String::new(),
    }
}

fn id(id: u64) -> Result<u32> {
    let wrong = || Error::new(ErrorKind::Hostile, format!("{id} is no id of a user or a group"));
    u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or_else(wrong)
}

fn xattrs(found: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<(String, Vec<u8>)>> {
    let text = |(name, value)| {
        let name = String::from_utf8(name);
        Ok((name.map_err(|_| Error::new(ErrorKind::Hostile, "the name of an attribute is no text"))?, value))
    };
    let mut xattrs: Vec<_> = found.into_iter().map(text).collect::<Result<_>>()?;
    xattrs.sort();
    Ok(xattrs)
}

pub(super) fn hostile(path: &[u8], why: &str) -> Error {
    Error::new(ErrorKind::Hostile, format!("`{}` {why}", show(path)))
}

/// For a person.
pub(super) fn show(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_win_over_numbers() {
        assert_eq!(table(b"root:x:0:0:\nbad\nshadow:x:42:\n")["shadow"], 42);
        for (name, account_name) in
            [("nginx", "nginx"), ("a b", ""), ("$(x)", ""), ("-x", ""), ("1000", ""), ("", "")]
        {
            assert_eq!(account(name.as_bytes()), account_name, "{name}");
        }
        let item = |path: &str, text: Option<&str>, names: [&str; 2]| Item {
            path: path.into(),
            kind: PackKind::File(0),
            owner: Owner { uid: 7, gid: 7, mode: 0o644, names: names.map(str::to_owned) },
            mtime: 0,
            xattrs: Vec::new(),
            checksum: None,
            text: text.map(Into::into),
        };
        let mut items = vec![
            item("etc/passwd", Some("root:x:0:0\nsam:x:1000:1000\n"), ["root", "root"]),
            item("home/sam", None, ["sam", "nginx"]),
        ];
        let mut again = items.clone();
        resolve_names(&mut [&mut items], true);
        assert_eq!((items[0].owner.uid, items[0].owner.gid), (0, 0));
        assert_eq!((items[1].owner.uid, items[1].owner.gid), (1000, 7));
        assert_eq!(items[1].owner.names, ["", "nginx"]);
        resolve_names(&mut [&mut again], false);
        assert_eq!(again[1].owner.names, ["", ""]);
    }
}
