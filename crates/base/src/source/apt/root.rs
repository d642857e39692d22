//! A layer of many packages, unpacked and not yet configured, as `dpkg --unpack` would leave them.

use super::ahead::ahead;
use super::database::{self, Control};
use super::manifest::{Manifest, Pinned};
use super::relation::{Wants, groups};
use crate::pack::{LayerWriter, PackEntry, PackKind};
use crate::progress::{Step, Task};
use crate::unpack::{TarEntry, TarReader, normalise};
use crate::{Error, ErrorKind, Resolver, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::PathBuf;
use tar::EntryType;

/// Directories of old that are links into /usr where it is merged.
const ALIASES: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];
/// A configuration file is text that a person writes.
const CONFFILE_BYTES: u64 = 16 << 20;

/// Writes all files of the packages and dpkg's database of them. `debs` are in the order in which directories are made.
///
/// Errors: a package is damaged; two have the same file; the disk is full.
pub(super) fn write(
    debs: &[&Pinned],
    manifest: &Manifest,
    layer: &mut LayerWriter,
    resolver: &Resolver,
) -> Result<Vec<Control>> {
    let Manifest { merged, epoch, extra, .. } = manifest;
    let (merged, epoch) = (*merged, *epoch);
    let mut root = Root {
        layer,
        merged,
        epoch,
        owners: HashMap::new(),
        sums: BTreeMap::new(),
        controls: Vec::new(),
        lists: Vec::new(),
    };
    let task = Task::begin(
        &*resolver.progress,
        "packages",
        Step::Unpack,
        Some(debs.iter().map(|deb| deb.size).sum()),
    );
    let mut done = 0;
    let paths: Vec<PathBuf> = debs.iter().map(|deb| resolver.store.blob_file(deb.sha256)).collect();
    ahead(&paths, |at, control, data| {
        let about = |e: Error| e.within(format!("failed to unpack the package `{}`", debs[at].name));
        let control = control.and_then(|control| control.of(&debs[at].name)).map_err(about)?;
        root.package(control, data).map_err(about)?;
        done += debs[at].size;
        task.advance(done);
        Ok(())
    })?;
    root.database()?;
    for file in extra {
        root.file(&file.path, &file.bytes(), 0o644, epoch)?;
    }
    Ok(root.controls)
}

struct Root<'a> {
    layer: &'a mut LayerWriter,
    merged: bool,
    epoch: u64,
    /// Every path that was written: `None` for a directory, else whose it is.
    owners: HashMap<Vec<u8>, Option<usize>>,
    sums: BTreeMap<String, String>,
    controls: Vec<Control>,
    /// What each package owns, as `.list` has it.
    lists: Vec<String>,
}

impl Root<'_> {
    fn package(&mut self, control: Control, data: &mut dyn Read) -> Result<()> {
        let conffiles: BTreeSet<String> = control.conffiles().into_iter().collect();
        self.controls.push(control);
        self.lists.push(String::new());
        let mut tar = TarReader::new(data);
        while let Some(entry) = tar.next()? {
            let shipped = normalise(&entry.name)?;
            // The list has a line for each.
            if shipped.contains(&b'\n') {
                return Err(odd(&shipped));
            }
            let list = self.lists.last_mut().expect("it was pushed");
            list.push('/');
            list.push_str(if shipped.is_empty() {
                "."
            } else {
                std::str::from_utf8(&shipped).map_err(|_| odd(&shipped))?
            });
            list.push('\n');
            if !shipped.is_empty() {
                self.entry(shipped, &entry, &mut tar, &conffiles)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        shipped: Vec<u8>,
        entry: &TarEntry,
        data: &mut dyn Read,
        conffiles: &BTreeSet<String>,
    ) -> Result<()> {
        let is_directory = entry.kind == EntryType::Directory;
        let path = self.place(&shipped, is_directory)?;
        self.stands_in_a_directory(&path)?;
        if is_directory {
            return self.directory(path, entry);
        }
        if !self.take(&path)? {
            return Ok(());
        }
        let kind = match entry.kind {
            EntryType::Regular | EntryType::Continuous => PackKind::File(entry.size),
            EntryType::Symlink => PackKind::Symlink(entry.link.clone()),
            EntryType::Link => PackKind::HardLink(self.place(&normalise(&entry.link)?, false)?),
            EntryType::Fifo => PackKind::Fifo,
            // A container's /dev is made anew each time, and nothing else of a package is a device.
            EntryType::Char | EntryType::Block => return Ok(()),
            other => {
                return Err(Error::new(
                    ErrorKind::Hostile,
                    format!("it holds an entry of the kind {other:?}"),
                ));
            }
        };
        let absolute = format!("/{}", String::from_utf8_lossy(&shipped));
        if conffiles.contains(&absolute) && entry.size <= CONFFILE_BYTES {
            let mut bytes = Vec::new();
            data.read_to_end(&mut bytes).map_err(|e| Error::io("failed to read a package", e))?;
            self.sums.insert(absolute, database::md5(&bytes));
            return self.layer.append(&packed(path, kind, entry)?, &mut bytes.as_slice());
        }
        self.layer.append(&packed(path, kind, entry)?, data)
    }

    /// The first package that has a directory says what it is like, as for dpkg.
    fn directory(&mut self, path: Vec<u8>, entry: &TarEntry) -> Result<()> {
        match self.owners.get(&path) {
            Some(None) => Ok(()),
            Some(Some(owner)) => Err(self.no_directory(&path, *owner)),
            None => {
                self.owners.insert(path.clone(), None);
                self.layer.append(&packed(path, PackKind::Directory, entry)?, &mut io::empty())
            }
        }
    }

    /// What is a file or a symlink of some package has nothing in it: nobody writes through it.
    fn stands_in_a_directory(&self, path: &[u8]) -> Result<()> {
        let mut above = path;
        while let Some(at) = above.iter().rposition(|byte| *byte == b'/') {
            above = &above[..at];
            match self.owners.get(above) {
                Some(None) => return Ok(()),
                Some(Some(owner)) => return Err(self.no_directory(above, *owner)),
                None => {}
            }
        }
        Ok(())
    }

    fn no_directory(&self, path: &[u8], owner: usize) -> Error {
        clash(path, &format!("is no directory in the package `{}`", self.controls[owner].name))
    }

    /// Where a path of a package lies: below /usr, where its directory is a link there.
    fn place(&mut self, shipped: &[u8], is_directory: bool) -> Result<Vec<u8>> {
        let first = shipped.split(|byte| *byte == b'/').next().unwrap_or_default();
        let Some(alias) = ALIASES.iter().find(|alias| alias.as_bytes() == first && self.merged) else {
            return Ok(shipped.to_vec());
        };
        // The link itself: newer releases have it in a package.
        if shipped == first && !is_directory {
            return Ok(shipped.to_vec());
        }
        if let std::collections::hash_map::Entry::Vacant(free) = self.owners.entry(first.to_vec()) {
            free.insert(None);
            let entry = |path: &str, kind, mode| PackEntry {
                path: path.into(),
                kind,
                mode,
                uid: 0,
                gid: 0,
                mtime: self.epoch,
                xattrs: Vec::new(),
            };
            let real = format!("usr/{alias}");
            self.layer
                .append(&entry(alias, PackKind::Symlink(real.clone().into()), 0o777), &mut io::empty())?;
            for directory in ["usr", &real] {
                if self.owners.insert(directory.into(), None).is_none() {
                    self.layer.append(&entry(directory, PackKind::Directory, 0o755), &mut io::empty())?;
                }
            }
        }
        Ok([b"usr/", shipped].concat())
    }

    /// Whether the package at hand gets the path. Another that has it already may have been replaced, or replace it.
    fn take(&mut self, path: &[u8]) -> Result<bool> {
        let new = self.controls.len() - 1;
        let old = match self.owners.get(path) {
            None => None,
            Some(Some(old)) => Some(*old),
            // A link that is there already, made for an older release's package.
            Some(None) if ALIASES.iter().any(|alias| alias.as_bytes() == path) => return Ok(false),
            Some(None) => return Err(clash(path, "is a directory of another package")),
        };
        if let Some(old) = old {
            let replaces = |one: usize, other: &Control| {
                let fits = |wants: Wants<'_>| wants.name == other.name && wants.allows(&other.version);
                groups(self.controls[one].field("Replaces")).flatten().any(fits)
            };
            if !replaces(new, &self.controls[old]) {
                if !replaces(old, &self.controls[new]) {
                    return Err(clash(
                        path,
                        &format!("is also in the package `{}`", self.controls[old].name),
                    ));
                }
                self.disown(new, path);
                return Ok(false);
            }
            self.disown(old, path);
        }
        self.owners.insert(path.to_vec(), Some(new));
        Ok(true)
    }

    /// A package has the file no more, by whichever of its names it shipped it.
    fn disown(&mut self, package: usize, path: &[u8]) {
        let path = String::from_utf8_lossy(path);
        let names = [format!("/{path}\n"), format!("/{}\n", path.strip_prefix("usr/").unwrap_or(&path))];
        let list = &mut self.lists[package];
        *list = list.split_inclusive('\n').filter(|line| !names.iter().any(|name| name == line)).collect();
    }

    fn database(&mut self) -> Result<()> {
        let home = "var/lib/dpkg";
        for directory in ["", "/alternatives", "/info", "/parts", "/triggers", "/updates"] {
            self.made_directory(&format!("{home}{directory}"))?;
        }
        let status = database::status(&self.controls, &self.sums);
        for (name, text) in [
            ("status", status.as_str()),
            ("available", ""),
            ("diversions", ""),
            ("statoverride", ""),
            ("info/format", "1\n"),
        ] {
            self.file(&format!("{home}/{name}"), text.as_bytes(), 0o644, self.epoch)?;
        }
        for (name, text) in database::triggers(&self.controls) {
            self.file(&format!("{home}/triggers/{name}"), text.as_bytes(), 0o644, self.epoch)?;
        }
        for at in 0..self.controls.len() {
            let info = format!("{home}/info/{}", self.controls[at].info);
            let list = std::mem::take(&mut self.lists[at]);
            self.file(&format!("{info}.list"), list.as_bytes(), 0o644, self.epoch)?;
            let files = std::mem::take(&mut self.controls[at].files);
            for file in files.iter().filter(|file| file.name != "control") {
                let is_script =
                    matches!(file.name.as_str(), "preinst" | "postinst" | "prerm" | "postrm" | "config");
                let mode = if is_script { 0o755 } else { 0o644 };
                self.file(&format!("{info}.{}", file.name), &file.bytes, mode, file.mtime)?;
            }
            self.controls[at].files = files;
        }
        Ok(())
    }

    fn made_directory(&mut self, path: &str) -> Result<()> {
        if self.owners.contains_key(path.as_bytes()) {
            return Ok(());
        }
        self.owners.insert(path.into(), None);
        let (kind, mtime) = (PackKind::Directory, self.epoch);
        let entry =
            PackEntry { path: path.into(), kind, mode: 0o755, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
        self.layer.append(&entry, &mut io::empty())
    }

    fn file(&mut self, path: &str, bytes: &[u8], mode: u32, mtime: u64) -> Result<()> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.made_directory(parent)?;
        }
        let kind = PackKind::File(bytes.len() as u64);
        let entry = PackEntry { path: path.into(), kind, mode, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
        self.layer.append(&entry, &mut &bytes[..])
    }
}

fn packed(path: Vec<u8>, kind: PackKind, entry: &TarEntry) -> Result<PackEntry> {
    let id = |id: u64| u32::try_from(id).map_err(|_| odd(&path));
    let (uid, gid) = (id(entry.uid)?, id(entry.gid)?);
    let mtime = u64::try_from(entry.mtime.0).unwrap_or(0);
    Ok(PackEntry { path, kind, mode: entry.mode, uid, gid, mtime, xattrs: Vec::new() })
}

fn odd(path: &[u8]) -> Error {
    Error::new(ErrorKind::Hostile, format!("no honest package has `{}`", String::from_utf8_lossy(path)))
}

fn clash(path: &[u8], why: &str) -> Error {
    Error::new(ErrorKind::Unsolvable, format!("`/{}` {why}", String::from_utf8_lossy(path)))
}
