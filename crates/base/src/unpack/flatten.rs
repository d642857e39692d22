//! All layers of a base in one tree, with its true owners, for roots without mounts: what a layer takes away is removed.

use super::entries::{self, Sink, failed};
use super::layer::{forget, open, verify};
use super::lower::Lower;
use super::path::{follow, join, split};
use super::stream::LayerStream;
use super::tar::TarReader;
use crate::progress::{Step, Task};
use crate::store::Layer;
use crate::{Error, Resolver, Result};
use rootlet_kernel::{IdMap, Meta, NodeKind, TreeError, TreeWriter, Worker};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Unpacks `layers`, bottom first, into the empty directory `tree`.
pub(crate) fn flatten(name: &str, layers: &[Layer], resolver: &Resolver, tree: &Path) -> Result<()> {
    let map = IdMap::identity();
    let mut worker = Worker::start(&map).map_err(Error::no_worker)?;
    for layer in layers {
        let id = layer.key.to_string();
        let context = || format!("failed to unpack the layer {id} of `{name}`");
        let (file, size) = open(&resolver.store, layer).map_err(|e| e.within(context()))?;
        let task = Task::begin(&*resolver.progress, &id, Step::Unpack, Some(size));
        let devices = add(file, layer, tree, &mut worker, &map, resolver, &task)
            .map_err(|e| forget(&resolver.store, layer, e).within(context()))?;
        if devices > 0 {
            resolver.progress.note(&format!("{name}: {devices} device nodes were left out"));
        }
    }
    Ok(())
}

/// Unpacks one layer upon those below it; how many devices were left out.
fn add(
    file: File,
    layer: &Layer,
    tree: &Path,
    worker: &mut Worker,
    map: &IdMap,
    resolver: &Resolver,
    task: &Task<'_>,
) -> Result<u64> {
    let mut tar = TarReader::new(LayerStream::new(file, resolver.limits, task)?);
    let (about, noted) = {
        let writer = worker
            .writer(tree)
            .map_err(|e| Error::io(format!("failed to write into {}", tree.display()), e))?;
        let mut flat = Flat { writer, noted: Noted::default() };
        let lower = Lower { paths: &[tree.to_owned()], map };
        let about = entries::unpack(&mut tar, &mut flat, layer.key, map, &lower, &resolver.limits)?;
        flat.writer.finish().map_err(failed)?;
        (about, flat.noted)
    };
    verify(layer, &tar.into_inner().finish()?)?;
    let removal = |e| Error::io("failed to remove what the layer takes away", e);
    let root = File::open(tree).map_err(removal)?.into();
    let remover = Remover { root, tree, placed: &noted.placed };
    for path in noted.taken {
        remover.take(&path, worker).map_err(removal)?;
    }
    let all = about.hides_lower.then(Vec::new);
    for path in noted.hidden.into_iter().chain(all) {
        remover.hide(path, worker).map_err(removal)?;
    }
    Ok(about.devices)
}

/// Writes entries; what a layer takes away is remembered for its end, since that never concerns its own entries.
struct Flat<'a> {
    writer: TreeWriter<'a>,
    noted: Noted,
}

#[derive(Default)]
struct Noted {
    /// What the layer made, by the names without symlinks of its own.
    placed: HashSet<Vec<u8>>,
    /// Its symlinks, and where they lead.
    links: HashMap<Vec<u8>, Vec<u8>>,
    /// What is removed, and the directories whose contents are.
    taken: Vec<Vec<u8>>,
    hidden: Vec<Vec<u8>>,
}

impl Noted {
    /// Something was made: perhaps in a directory that no entry speaks of, behind a symlink.
    fn place(&mut self, path: &[u8], target: Option<&[u8]>) {
        let (parent, name) = split(path);
        let parent = follow(parent, |name| self.links.get(name).map(Vec::as_slice));
        let parent = parent.unwrap_or_else(|| split(path).0.to_vec());
        let path = join(&parent, name);
        match target {
            Some(target) => self.links.insert(path.clone(), target.to_vec()),
            None => self.links.remove(&path),
        };
        let above =
            path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| path[..at].to_vec());
        self.placed.extend(above);
        self.placed.insert(path);
    }
}

impl Sink for Flat<'_> {
    fn directory(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.noted.place(path, None);
        self.writer.directory(path, meta)
    }
    fn file(&mut self, path: &[u8], meta: &Meta, size: u64, data: &mut dyn Read) -> Result<(), TreeError> {
        self.noted.place(path, None);
        self.writer.file(path, meta, size, data)
    }
    fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.noted.place(path, Some(target));
        self.writer.symlink(path, target, meta)
    }
    fn hard_link(&mut self, path: &[u8], existing: &[u8]) -> Result<(), TreeError> {
        self.noted.place(path, None);
        self.writer.hard_link(path, existing)
    }
    fn fifo(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.noted.place(path, None);
        self.writer.node(path, NodeKind::Fifo, meta)
    }
    fn whiteout(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.noted.taken.push(path.to_vec());
        Ok(())
    }
    fn opaque(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.noted.hidden.push(path.to_vec());
        Ok(())
    }
}

struct Remover<'a> {
    root: OwnedFd,
    tree: &'a Path,
    placed: &'a HashSet<Vec<u8>>,
}

impl Remover<'_> {
    /// Removes what was there below at `path`; where the layer has made a directory of it, what was in it.
    fn take(&self, path: &[u8], worker: &mut Worker) -> io::Result<()> {
        if self.placed.contains(path) {
            return self.hide(path.to_vec(), worker);
        }
        // Only what is reached without a symlink is what the layer means; the rest is not there.
        if self.open(path, OFlags::PATH | OFlags::NOFOLLOW).is_none() {
            return Ok(());
        }
        worker.remove(&self.tree.join(Path::new(std::ffi::OsStr::from_bytes(path)))).map_err(|e| e.source)
    }

    /// Removes all that was in a directory before this layer.
    fn hide(&self, path: Vec<u8>, worker: &mut Worker) -> io::Result<()> {
        let mut left = vec![path];
        while let Some(path) = left.pop() {
            let Some(directory) = self.open(&path, OFlags::RDONLY | OFlags::DIRECTORY) else { continue };
            let mut room = [MaybeUninit::<u8>::uninit(); 8192];
            let mut entries = RawDir::new(directory.as_fd(), &mut room);
            let mut names = Vec::new();
            while let Some(entry) = entries.next() {
                let name = entry?.file_name().to_owned();
                if !matches!(name.to_bytes(), b"." | b"..") {
                    names.push(name);
                }
            }
            for name in names {
                let inner = match path.is_empty() {
                    true => name.to_bytes().to_vec(),
                    false => [&path[..], b"/", name.to_bytes()].concat(),
                };
                let st = rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                match self.placed.contains(&inner) {
                    true if FileType::from_raw_mode(st.st_mode) == FileType::Directory => left.push(inner),
                    true => {}
                    false => self.take(&inner, worker)?,
                }
            }
        }
        Ok(())
    }

    fn open(&self, path: &[u8], flags: OFlags) -> Option<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).ok()
    }
}
