//! `tar:FILE`: the whole root as one tar, as though its layers lay on top of each other.
//!
//! The layers are read twice. First their names are laid upon each other, which tells where each file of the root is: in
//! which layer, as which entry. Then they are written as they come along, each behind its directory, of which is said what the
//! topmost layer says. So nothing is unpacked, and an ordinary user needs no other user's ids.

use super::layer::Hashed;
use super::output::Output;
use crate::progress::Step;
use crate::unpack::{
    LayerStream, Name, TarEntry, TarReader, follow, join, normalise, read_name, show, split,
};
use crate::{Base, Digest, Error, ErrorKind, Result, entry};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use tar::EntryType;

/// Writes the tar; its digest.
pub(super) fn export(base: &Base, path: &Path) -> Result<Digest> {
    let tar = tar::Builder::new(Hashed::new(Output::begin(path)?));
    let sources = base.sources()?;
    let mut root = Root::default();
    for (layer, source) in sources.iter().enumerate() {
        let (names, _) = source.read(Step::Read, |stream| Reading::read(stream, layer, &root, base))?;
        root.lay(names);
    }
    let files = root.files();
    let mut writer =
        Writer { tar, root: &root, written: HashSet::new(), open: Vec::new(), again: BTreeSet::new() };
    writer.directory(b"")?;
    let none = Files::new();
    for (layer, source) in sources.iter().enumerate() {
        let files = files.get(&layer).unwrap_or(&none);
        source.read(Step::Pack, |stream| writer.layer(stream, files))?;
    }
    let (digest, output) = writer.finish()?.into_inner().map_err(failed)?.parts();
    output.finish()?;
    Ok(digest)
}

/// Which names each entry of a layer has in the root: the first is the file's, the others are links to it.
type Files<'a> = HashMap<u64, Vec<&'a [u8]>>;

/// Writes what the root holds, in the order of its layers.
struct Writer<'a> {
    tar: tar::Builder<Hashed<Output>>,
    root: &'a Root,
    /// Directories that are there.
    written: HashSet<&'a [u8]>,
    /// Those that the last entry lies in.
    open: Vec<&'a [u8]>,
    /// Those that got something after their turn. They are said once more at the end: GNU tar sets the time of a
    /// directory when it meets an entry that does not lie in it, and never again.
    again: BTreeSet<&'a [u8]>,
}

impl<'a> Writer<'a> {
    /// What of a layer is in the root.
    fn layer(&mut self, stream: &mut LayerStream<'_>, files: &Files<'a>) -> Result<()> {
        let mut layer = TarReader::new(stream);
        let mut number = 0;
        while let Some(entry) = layer.next()? {
            number += 1;
            if let Some((first, links)) = files.get(&number).and_then(|names| names.split_first()) {
                self.enter(first)?;
                let entry = TarEntry { name: first.to_vec(), ..entry };
                entry::append(&mut self.tar, &entry, &mut layer).map_err(failed)?;
                links.iter().try_for_each(|link| self.link(link, &entry))?;
            } else if let (EntryType::Directory, Ok(Name::Path(path))) = (entry.kind, read_name(&entry.name))
            {
                // In its own place, also where nothing is in it.
                self.directory(&path)?;
            }
        }
        Ok(())
    }

    fn link(&mut self, name: &'a [u8], first: &TarEntry) -> Result<()> {
        self.enter(name)?;
        let (name, link) = (name.to_vec(), first.name.clone());
        let link =
            TarEntry { name, link, kind: EntryType::Link, size: 0, xattrs: Vec::new(), ..first.clone() };
        entry::append(&mut self.tar, &link, &mut io::empty()).map_err(failed)
    }

    /// Sees to it that the directory of `path` is there.
    fn enter(&mut self, path: &[u8]) -> Result<()> {
        let (parent, _) = split(path);
        self.directory(parent)?;
        while self.open.last().is_some_and(|open| !lies_in(path, open)) {
            self.open.pop();
        }
        if self.open.last() != Some(&parent)
            && let Some((parent, _)) = self.root.0.get_key_value(parent)
        {
            self.again.insert(parent);
        }
        Ok(())
    }

    /// Writes a directory of the root, unless it is there.
    fn directory(&mut self, path: &[u8]) -> Result<()> {
        let Some((path, Node::Directory(of))) = self.root.0.get_key_value(path) else { return Ok(()) };
        if self.written.insert(path) {
            if !path.is_empty() {
                self.enter(path)?;
            }
            self.say(path, of)?;
            self.open.push(path);
        }
        Ok(())
    }

    fn say(&mut self, path: &[u8], directory: &TarEntry) -> Result<()> {
        let name = if path.is_empty() { b"./".to_vec() } else { [path, b"/"].concat() };
        let entry = TarEntry { name, ..directory.clone() };
        entry::append(&mut self.tar, &entry, &mut io::empty()).map_err(failed)
    }

    /// What no entry speaks of comes last: nothing but directories that only removed files spoke of.
    fn finish(mut self) -> Result<tar::Builder<Hashed<Output>>> {
        self.root.0.keys().try_for_each(|path| self.directory(path))?;
        for path in std::mem::take(&mut self.again) {
            if let Some(Node::Directory(of)) = self.root.0.get(path) {
                self.say(path, of)?;
            }
        }
        Ok(self.tar)
    }
}

/// Whether `path` is below `directory`.
fn lies_in(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

/// What the root, or a layer, has under a name.
#[derive(Clone)]
enum Node {
    /// A directory, and what is said of it.
    Directory(TarEntry),
    /// Anything else: the layer, and the number of its entry there; of a symlink, where it leads.
    File(usize, u64, Option<Vec<u8>>),
}

/// All names of the root.
struct Root(BTreeMap<Vec<u8>, Node>);

impl Default for Root {
    fn default() -> Self {
        Self(BTreeMap::from([(Vec::new(), Node::Directory(plain_directory()))]))
    }
}

impl Root {
    /// Lays a layer upon it. What that takes away never concerns its own entries.
    fn lay(&mut self, layer: Names) {
        for path in layer.hidden {
            remove_below(&mut self.0, &path);
        }
        for path in layer.removed {
            remove_below(&mut self.0, &path);
            self.0.remove(&path);
        }
        for (path, node) in layer.names {
            if let (Node::File(..), Some(Node::Directory(_))) = (&node, self.0.get(&path)) {
                remove_below(&mut self.0, &path);
            }
            self.0.insert(path, node);
        }
    }

    /// By layer.
    fn files(&self) -> HashMap<usize, Files<'_>> {
        let mut files: HashMap<usize, Files<'_>> = HashMap::new();
        for (path, node) in &self.0 {
            if let Node::File(layer, number, _) = node {
                files.entry(*layer).or_default().entry(*number).or_default().push(path);
            }
        }
        files
    }
}

/// Whoever has `dir` loses `dir/…`; of the root, all.
fn remove_below(names: &mut BTreeMap<Vec<u8>, Node>, directory: &[u8]) {
    if directory.is_empty() {
        return names.retain(|path, _| path.is_empty());
    }
    // The byte behind `/` is `0`.
    let all = [directory, b"/"].concat()..[directory, b"0"].concat();
    let below: Vec<Vec<u8>> = names.range(all).map(|(path, _)| path.clone()).collect();
    below.iter().for_each(|path| drop(names.remove(path)));
}

fn plain_directory() -> TarEntry {
    TarEntry {
        name: Vec::new(),
        link: Vec::new(),
        kind: EntryType::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: (0, 0),
        xattrs: Vec::new(),
        device: (0, 0),
        size: 0,
        holes: 0,
    }
}

/// The names of a layer.
#[derive(Default)]
struct Names {
    names: BTreeMap<Vec<u8>, Node>,
    /// What the layers below lose, and the directories of which they lose the contents.
    removed: HashSet<Vec<u8>>,
    hidden: HashSet<Vec<u8>>,
}

/// Reads them as unpacking does.
struct Reading<'a> {
    layer: usize,
    below: &'a Root,
    found: Names,
}

impl Reading<'_> {
    fn read(stream: &mut LayerStream<'_>, layer: usize, below: &Root, base: &Base) -> Result<Names> {
        let limits = &base.resolver().limits;
        let mut reading = Reading { layer, below, found: Names::default() };
        let (mut number, mut bytes) = (0, 0);
        let mut tar = TarReader::new(stream);
        while let Some(entry) = tar.next()? {
            number += 1;
            bytes += entry.name.len() as u64;
            if number > limits.layer_entries || bytes > limits.layer_bytes / 64 {
                return Err(Error::new(ErrorKind::Limit, "it has more names than the limits allow"));
            }
            match read_name(&entry.name)? {
                Name::Path(path) => reading.place(path, entry, number)?,
                Name::Whiteout(path) => {
                    reading.imply(split(&path).0);
                    reading.found.removed.insert(path);
                }
                Name::Opaque(path) => {
                    reading.imply(&path);
                    reading.found.hidden.insert(path);
                }
                Name::Bookkeeping => {}
            }
        }
        Ok(reading.found)
    }

    /// An entry: a later one takes the place of an earlier one, but a directory stays.
    fn place(&mut self, path: Vec<u8>, entry: TarEntry, number: u64) -> Result<()> {
        let path = self.resolve(&path)?;
        let node = match entry.kind {
            EntryType::Directory => Node::Directory(entry),
            _ if path.is_empty() => return Err(damaged(&entry.name, "is the root, and no directory")),
            EntryType::Link => match self.linked(&entry)? {
                Some((existing, _)) if existing == path => return Ok(()),
                Some((_, node @ Node::File(..))) => node,
                _ => return Err(damaged(&entry.name, "is a link to what is no file")),
            },
            EntryType::Symlink => Node::File(self.layer, number, Some(entry.link)),
            // GNU's name of the volume.
            other if other.as_byte() == b'V' => return Ok(()),
            _ => Node::File(self.layer, number, None),
        };
        if !matches!(node, Node::Directory(_)) {
            remove_below(&mut self.found.names, &path);
        }
        self.found.names.insert(path, node);
        Ok(())
    }

    /// What a hard link leads to, in this layer or, for some tools write that, below.
    fn linked(&self, entry: &TarEntry) -> Result<Option<(Vec<u8>, Node)>> {
        let existing = normalise(&entry.link)?;
        let (parent, _) = split(&existing);
        let parent = self.follow(parent)?;
        let existing = join(&parent, split(&existing).1);
        let node = self.found.names.get(&existing).or_else(|| self.below.0.get(&existing));
        Ok(node.cloned().map(|node| (existing, node)))
    }

    /// The path without symlinks of this layer on the way; what is missing there is made.
    fn resolve(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        if path.is_empty() {
            return Ok(Vec::new());
        }
        let (parent, name) = split(path);
        let parent = self.follow(parent)?;
        match self.imply(&parent) {
            true => Ok(join(&parent, name)),
            false => Err(damaged(path, "lies in what is no directory")),
        }
    }

    /// Makes a directory and those above it, where nothing was said of them yet, as they are below; `false` where one is no
    /// directory.
    fn imply(&mut self, path: &[u8]) -> bool {
        let Names { names, removed, hidden } = &mut self.found;
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        // The root itself has no end: it is there, and all is below it.
        let mut gone = hidden.contains(b"".as_slice());
        ends.chain([path.len()]).all(|end| {
            let path = &path[..end];
            gone |= removed.contains(path);
            let node = names.entry(path.to_vec()).or_insert_with(|| match self.below.0.get(path) {
                Some(Node::Directory(of)) if !gone || path.is_empty() => Node::Directory(of.clone()),
                _ => Node::Directory(plain_directory()),
            });
            gone |= hidden.contains(path);
            matches!(node, Node::Directory(_))
        })
    }

    /// Where a directory is, through the symlinks of this layer.
    fn follow(&self, path: &[u8]) -> Result<Vec<u8>> {
        let target = |name: &[u8]| match self.found.names.get(name) {
            Some(Node::File(_, _, target)) => target.as_deref(),
            _ => None,
        };
        follow(path, target).ok_or_else(|| damaged(path, "leads round in a circle"))
    }
}

fn damaged(path: &[u8], why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("`{}` {why}", show(path)))
}

/// What cannot be written says itself where.
fn failed(error: io::Error) -> Error {
    Error::io("failed to write a tar", error)
}
