//! From the entries of a tar to the calls that make an overlay's layer.
//!
//! | in the tar | in the layer |
//! |---|---|
//! | a name with `..` or NUL, longer than 4095 bytes, or more than 500 directories deep | refused |
//! | an absolute name | taken from the layer's root, as docker does |
//! | the root itself | its owner; mode 0755 whatever it says; anything but a directory is refused |
//! | a parent that has no entry | owner and mode that it has in the layers below, else root's and 0755 |
//! | `.wh.X`, `.wh..wh..opq` | overlayfs' whiteout and opaque directory; they hide the layers below, never this one's own entries |
//! | xattrs | `user.*` but `user.overlay.*` and `user.rootlet`, and `security.capability`; the others are dropped, with POSIX ACLs (`system.*`) among them |
//! | device nodes | left out and counted: a user namespace cannot make them, and `/dev` is rootlet's own |
//! | setuid, setgid and sticky bits | kept |

use super::lower::Lower;
use super::path::{self, Name, show, split};
use super::stream::too_large;
use super::tar::{Entry, TarReader, unreadable};
use crate::resolve::Limits;
use crate::store::{About, unmapped};
use crate::{Digest, Error, ErrorKind, Result};
use rootlet_kernel::one_id::TRUTH;
use rootlet_kernel::{IdMap, Meta, NodeKind, TreeError, TreeWriter};
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use tar::EntryType;

/// What makes the entries: [`TreeWriter`], or a list of them in tests.
pub(crate) trait Sink {
    fn directory(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError>;
    fn file(&mut self, path: &[u8], meta: &Meta, size: u64, data: &mut dyn Read) -> Result<(), TreeError>;
    fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> Result<(), TreeError>;
    fn hard_link(&mut self, path: &[u8], existing: &[u8]) -> Result<(), TreeError>;
    fn fifo(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError>;
    fn whiteout(&mut self, path: &[u8]) -> Result<(), TreeError>;
    fn opaque(&mut self, path: &[u8]) -> Result<(), TreeError>;
}

impl Sink for TreeWriter<'_> {
    fn directory(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        TreeWriter::directory(self, path, meta)
    }
    fn file(&mut self, path: &[u8], meta: &Meta, size: u64, data: &mut dyn Read) -> Result<(), TreeError> {
        TreeWriter::file(self, path, meta, size, data)
    }
    fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> Result<(), TreeError> {
        TreeWriter::symlink(self, path, target, meta)
    }
    fn hard_link(&mut self, path: &[u8], existing: &[u8]) -> Result<(), TreeError> {
        TreeWriter::hard_link(self, path, existing)
    }
    fn fifo(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        TreeWriter::node(self, path, NodeKind::Fifo, meta)
    }
    fn whiteout(&mut self, path: &[u8]) -> Result<(), TreeError> {
        TreeWriter::whiteout(self, path)
    }
    fn opaque(&mut self, path: &[u8]) -> Result<(), TreeError> {
        TreeWriter::opaque(self, path)
    }
}

/// Makes all entries of `tar`, and tells what was found. The tar is read to its end, not behind it.
pub(crate) fn unpack<R: Read>(
    tar: &mut TarReader<R>,
    sink: &mut dyn Sink,
    layer: Digest,
    map: &IdMap,
    lower: &Lower<'_>,
    limits: &Limits,
) -> Result<About> {
    let mut about = About::default();
    // The root of the tree and the parents without an entry are root's.
    about.uids.insert(0, "/".into());
    about.gids.insert(0, "/".into());
    let mut unpacker = Unpacker {
        sink,
        layer,
        map,
        lower,
        about,
        placed: HashMap::new(),
        whiteouts: HashSet::new(),
        opaque: HashSet::new(),
        sticky: HashSet::new(),
        names: 0,
        names_limit: limits.layer_bytes / 64,
    };
    let (mut entries, mut bytes, mut holes) = (0u64, 0u64, 0u64);
    while let Some(entry) = tar.next()? {
        entries += 1;
        bytes = bytes.saturating_add(entry.size);
        holes = holes.saturating_add(entry.holes);
        if entries > limits.layer_entries {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("it has more than {} entries", limits.layer_entries),
            )
            .with_hint("if that is right, raise the limit: `Limits::layer_entries`"));
        }
        if bytes > limits.layer_bytes {
            return Err(too_large(limits.layer_bytes));
        }
        // They cost the tar nothing: what tells a bomb from a large file does not see them.
        if holes > limits.layer_bytes / 32 {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("its sparse files have more than {} bytes of nothing", limits.layer_bytes / 32),
            )
            .with_hint("if that is right, raise the limit: a 32nd of `Limits::layer_bytes`"));
        }
        unpacker.entry(entry, tar)?;
    }
    unpacker.about.bytes = bytes;
    Ok(unpacker.about)
}

struct Unpacker<'a> {
    sink: &'a mut dyn Sink,
    layer: Digest,
    map: &'a IdMap,
    lower: &'a Lower<'a>,
    about: About,
    /// Every path that this layer has made; whether it is a directory.
    placed: HashMap<Vec<u8>, bool>,
    /// Paths that a whiteout stands at.
    whiteouts: HashSet<Vec<u8>>,
    /// Directories that hide what lies below them.
    opaque: HashSet<Vec<u8>>,
    /// Directories in which only owners remove.
    sticky: HashSet<Vec<u8>>,
    /// Bytes of all these names, and how many there may be: they are in memory together.
    names: u64,
    names_limit: u64,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: Entry, data: &mut dyn Read) -> Result<()> {
        self.remember(entry.name.len())?;
        match path::read(&entry.name)? {
            Name::Path(path) if path.is_empty() => self.root(&entry),
            Name::Path(path) => self.place(path, entry, data),
            Name::Whiteout(path) => self.whiteout(path),
            Name::Opaque(path) => self.hide_lower(path),
            Name::Bookkeeping => Ok(()),
        }
    }

    fn remember(&mut self, name: usize) -> Result<()> {
        self.names += name as u64;
        if self.names <= self.names_limit {
            return Ok(());
        }
        let what = format!("its names take more than {} bytes", self.names_limit);
        Err(Error::new(ErrorKind::Limit, what)
            .with_hint("if that is right, raise the limit: a 64th of `Limits::layer_bytes`"))
    }

    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != EntryType::Directory {
            return Err(Error::new(
                ErrorKind::Hostile,
                format!("the root of the layer, `{}`, is not a directory", show(&entry.name)),
            ));
        }
        let meta = Meta { mode: 0o755, ..self.meta(b"", entry)? };
        self.sink.directory(b"", &meta).map_err(failed)
    }

    fn place(&mut self, path: Vec<u8>, entry: Entry, data: &mut dyn Read) -> Result<()> {
        match entry.kind {
            EntryType::Directory => {
                let meta = self.meta(&path, &entry)?;
                self.parents(&path)?;
                self.directory(path, &meta)
            }
            EntryType::Regular | EntryType::Continuous => {
                let meta = self.meta(&path, &entry)?;
                self.parents(&path)?;
                let mut data = Remembering { data, error: None };
                let made = self.sink.file(&path, &meta, entry.size, &mut data);
                match (data.error, made) {
                    (Some(error), _) => return Err(unreadable(error)),
                    (None, made) => made.map_err(failed)?,
                }
                self.placed(path)
            }
            EntryType::Symlink => {
                let meta = self.meta(&path, &entry)?;
                check_target(&path, &entry.link)?;
                self.parents(&path)?;
                self.sink.symlink(&path, &entry.link, &meta).map_err(failed)?;
                self.placed(path)
            }
            EntryType::Link => {
                let existing = path::normalise(&entry.link)?;
                // A link to itself says nothing.
                if existing == path {
                    return Ok(());
                }
                self.parents(&path)?;
                self.sink.hard_link(&path, &existing).map_err(failed)?;
                self.placed(path)
            }
            EntryType::Fifo => {
                let meta = self.meta(&path, &entry)?;
                self.parents(&path)?;
                self.sink.fifo(&path, &meta).map_err(failed)?;
                self.placed(path)
            }
            EntryType::Char | EntryType::Block => {
                self.about.devices += 1;
                Ok(())
            }
            // GNU's name of the volume.
            other if other.as_byte() == b'V' => Ok(()),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("`{}` is of type {:?}, which is not known", show(&path), char::from(other.as_byte())),
            )),
        }
    }

    fn placed(&mut self, path: Vec<u8>) -> Result<()> {
        self.whiteouts.remove(&path);
        self.placed.insert(path, false);
        Ok(())
    }

    fn directory(&mut self, path: Vec<u8>, meta: &Meta) -> Result<()> {
        if meta.mode & 0o1000 != 0 {
            self.sticky.insert(path.clone());
        }
        self.sink.directory(&path, meta).map_err(failed)?;
        // The layers below lost what stood here, and a directory of this layer must not bring it back.
        if self.whiteouts.remove(&path) {
            self.sink.opaque(&path).map_err(failed)?;
            self.opaque.insert(path.clone());
        }
        self.placed.insert(path, true);
        Ok(())
    }

    /// Makes the parents that this layer has not made yet, as they are in the layers below.
    fn parents(&mut self, path: &[u8]) -> Result<()> {
        let (parent, _) = split(path);
        self.make_parents(path, parent)?;
        self.about.fills_sticky |= self.sticky.contains(parent);
        Ok(())
    }

    fn make_parents(&mut self, path: &[u8], parent: &[u8]) -> Result<()> {
        if parent.is_empty() || self.placed.contains_key(parent) {
            return Ok(());
        }
        let mut hidden = self.about.hides_lower;
        let ends = parent.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([parent.len()]) {
            let prefix = &path[..end];
            match self.placed.get(prefix) {
                Some(true) => hidden |= self.opaque.contains(prefix),
                // A symlink of this layer: the rest is resolved through it, within the tree.
                Some(false) => return Ok(()),
                None => {
                    self.remember(prefix.len())?;
                    hidden |= self.whiteouts.contains(prefix);
                    self.about.leans_on_lower = true;
                    let found = if hidden { None } else { self.lower.directory(prefix) };
                    self.directory(
                        prefix.to_vec(),
                        &found.unwrap_or(Meta { mode: 0o755, ..Meta::default() }),
                    )?;
                }
            }
        }
        Ok(())
    }

    fn whiteout(&mut self, path: Vec<u8>) -> Result<()> {
        match self.placed.get(&path) {
            Some(true) => self.hide_lower(path),
            Some(false) => Ok(()),
            None => {
                self.parents(&path)?;
                self.sink.whiteout(&path).map_err(failed)?;
                self.whiteouts.insert(path);
                Ok(())
            }
        }
    }

    fn hide_lower(&mut self, path: Vec<u8>) -> Result<()> {
        if path.is_empty() {
            // Overlayfs merges the roots of all layers whatever they say, so the layers below are left out.
            self.about.hides_lower = true;
            return Ok(());
        }
        match self.placed.get(&path) {
            // There is nothing that could show through.
            Some(false) => return Ok(()),
            Some(true) => {}
            None => self.parents(&[path.as_slice(), b"/x"].concat())?,
        }
        self.sink.opaque(&path).map_err(failed)?;
        self.opaque.insert(path);
        Ok(())
    }

    /// Owner, mode and the rest, once its ids are known to the map.
    fn meta(&mut self, path: &[u8], entry: &Entry) -> Result<Meta> {
        let id = |id: u64, what| {
            let id = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
            id.ok_or_else(|| {
                Error::new(
                    ErrorKind::Hostile,
                    format!("`{}` belongs to a {what} that Linux cannot have", show(path)),
                )
            })
        };
        let (uid, gid) = (id(entry.uid, "user")?, id(entry.gid, "group")?);
        if !self.about.uids.contains_key(&uid) {
            if self.map.uid_outside(uid).is_none() {
                return Err(unmapped("user", uid, &show(path), &self.map.uids, self.layer));
            }
            self.about.uids.insert(uid, show(path));
        }
        if !self.about.gids.contains_key(&gid) {
            if self.map.gid_outside(gid).is_none() {
                return Err(unmapped("group", gid, &show(path), &self.map.gids, self.layer));
            }
            self.about.gids.insert(gid, show(path));
        }
        // A capability of a file is that of a root, who must have a number to be stored.
        let no_root = self.map.one.as_ref().is_some_and(|one| one.uid != 0);
        let kept = |name: &[u8]| is_kept(name) && !(no_root && name.starts_with(b"security."));
        let xattrs = entry.xattrs.iter().filter(|(name, _)| kept(name)).cloned().collect();
        Ok(Meta { mode: entry.mode, uid, gid, mtime: entry.mtime, xattrs })
    }
}

/// What a layer may say about itself: not what overlayfs, the kernel's security modules, this host or rootlet believe.
pub(crate) fn is_kept(xattr: &[u8]) -> bool {
    let ours = xattr.starts_with(b"user.overlay.") || xattr == TRUTH.to_bytes();
    (xattr.starts_with(b"user.") && !ours && !xattr.contains(&0)) || xattr == b"security.capability"
}

fn check_target(path: &[u8], target: &[u8]) -> Result<()> {
    let why = match target {
        [] => "has no target",
        target if target.contains(&0) => "has NUL in its target",
        target if target.len() > 4095 => "has a target longer than 4095 bytes",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Hostile, format!("the symlink `{}` {why}", show(path))))
}

pub(super) fn failed(error: TreeError) -> Error {
    Error::io(format!("failed to make `{}`", show(&error.path)), error.source)
}

/// Keeps the error of a reader, so that it is not taken for one of the writer.
struct Remembering<'a> {
    data: &'a mut dyn Read,
    error: Option<io::Error>,
}

impl Read for Remembering<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.data.read(buffer).map_err(|error| {
            let shown = io::Error::from(error.kind());
            self.error = Some(error);
            shown
        })
    }
}
