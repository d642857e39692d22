//! Writes a layer: a tar, packed with zstd, as OCI images have them.
//!
//! The same entries give the same bytes, on every machine and at any time. Nothing of a layer but the entry at hand is in memory.

use crate::base::{Base, BaseKind, Defaults, Held};
use crate::store::{Content, Layer, Origin, Store, TmpDir};
use crate::unpack::TarEntry;
use crate::{Digest, Error, Resolver, Result, entry};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

/// Fast, and hardly larger than what gzip gives.
const ZSTD_LEVEL: i32 = 1;

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// Relative to the root, without a leading slash or `..`; empty for the root itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: PackKind,
    /// Permission bits (07777).
    pub mode: u32,
    /// Owner, as an id inside.
    pub uid: u32,
    /// Group, as an id inside.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Names and values, sorted by name for the sake of equal bytes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// What an entry of a layer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackKind {
    /// A file of so many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symlink, and what it says.
    Symlink(Vec<u8>),
    /// Another name of a file that came before, by its path.
    HardLink(Vec<u8>),
    /// A FIFO.
    Fifo,
}

/// A layer that is being written. Dropped, it leaves nothing.
pub struct LayerWriter {
    tar: tar::Builder<Unpacked>,
    directory: TmpDir,
}

/// A layer that was written and has no place among the blobs yet: [`Base::with_layers`] gives it one.
pub struct PackedLayer {
    directory: TmpDir,
    diff_id: Digest,
    digest: Digest,
    size: u64,
}

impl LayerWriter {
    /// Begins an empty one.
    ///
    /// Errors: the store cannot be written.
    pub fn begin(store: &Store) -> Result<Self> {
        let directory = store.stage()?;
        let path = directory.path().join("layer");
        let file =
            File::create(&path).map_err(|e| Error::io(format!("failed to make {}", path.display()), e))?;
        let packed = Packed { file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
        let zstd = zstd::stream::write::Encoder::new(packed, ZSTD_LEVEL).map_err(failed)?;
        Ok(Self { tar: tar::Builder::new(Unpacked { zstd, hash: Sha256::new() }), directory })
    }

    /// Appends an entry; of a file, `data` gives the contents.
    ///
    /// Errors: the disk is full; `data` fails, or has not as many bytes as the entry says.
    pub fn append(&mut self, entry: &PackEntry, data: &mut dyn Read) -> Result<()> {
        self.append_entry(&entry.to_entry(), data).map_err(|e| {
            Error::io(format!("failed to write `{}` into a layer", String::from_utf8_lossy(&entry.path)), e)
        })
    }

    /// Says that what the layers below have at this path is gone.
    ///
    /// Errors: the disk is full.
    pub fn remove(&mut self, path: &[u8]) -> Result<()> {
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let whiteout = [&path[..at], b".wh.", &path[at..]].concat();
        self.append(&marker(whiteout), &mut io::empty())
    }

    /// Says that nothing of the layers below shows through in this directory.
    ///
    /// Errors: the disk is full.
    pub fn hide_lower(&mut self, directory: &[u8]) -> Result<()> {
        self.append(&marker([directory, b"/.wh..wh..opq"].concat()), &mut io::empty())
    }

    /// Ends the layer.
    ///
    /// Errors: the disk is full.
    pub fn finish(self) -> Result<PackedLayer> {
        let unpacked = self.tar.into_inner().map_err(failed)?;
        let diff_id = Digest::finish(unpacked.hash);
        let mut packed = unpacked.zstd.finish().map_err(failed)?;
        packed.file.flush().map_err(failed)?;
        let digest = Digest::finish(packed.hash);
        Ok(PackedLayer { directory: self.directory, diff_id, digest, size: packed.bytes })
    }

    /// Likewise, of what a tar's entry can say.
    pub(crate) fn append_entry(&mut self, entry: &TarEntry, data: &mut dyn Read) -> io::Result<()> {
        entry::append(&mut self.tar, entry, data)
    }
}

impl PackEntry {
    fn to_entry(&self) -> TarEntry {
        let mut name = self.path.clone();
        let (kind, link, size): (_, &[u8], _) = match &self.kind {
            PackKind::File(size) => (tar::EntryType::Regular, b"", *size),
            PackKind::Directory => {
                name.push(b'/');
                (tar::EntryType::Directory, b"", 0)
            }
            PackKind::Symlink(target) => (tar::EntryType::Symlink, target, 0),
            PackKind::HardLink(first) => (tar::EntryType::Link, first, 0),
            PackKind::Fifo => (tar::EntryType::Fifo, b"", 0),
        };
        let xattrs = self.xattrs.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone()));
        TarEntry {
            name,
            link: link.to_vec(),
            kind,
            mode: self.mode,
            uid: self.uid.into(),
            gid: self.gid.into(),
            mtime: (i64::try_from(self.mtime).unwrap_or(i64::MAX), 0),
            xattrs: xattrs.collect(),
            device: (0, 0),
            size,
            holes: 0,
        }
    }
}

impl PackedLayer {
    /// Digest of the tar.
    pub fn diff_id(&self) -> Digest {
        self.diff_id
    }

    /// Where its bytes are, as long as it lives.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("layer")
    }

    pub(crate) fn layer(&self) -> Layer {
        let origin = Origin::Blob { digest: self.digest, size: self.size };
        Layer { key: self.diff_id, diff_id: Some(self.diff_id), origin }
    }
}

impl Base {
    /// This base with more layers on top and other defaults, kept in the store as `name`, in place of an older one of that
    /// name. It serves every id map, as an image does. `how` tells a person how it was made; `blobs` are the
    /// downloads that belong to it and stay as long as it does.
    ///
    /// Errors: the store cannot be written.
    pub fn with_layers(
        &self,
        layers: Vec<PackedLayer>,
        defaults: Defaults,
        name: &str,
        how: &str,
        blobs: &[Digest],
    ) -> Result<Base> {
        let mut content = self.content();
        content.defaults = defaults;
        content.documents.extend_from_slice(blobs);
        put(self.resolver(), content, layers, Some(name), how, None)
    }
}

impl Resolver {
    /// A base of nothing at all, in the store as `scratch`.
    ///
    /// Errors: the store cannot be written.
    pub fn nothing(&self) -> Result<Base> {
        const NAME: &str = "scratch";
        if let Some(base) = self.known(NAME)? {
            return Ok(base);
        }
        let content = Content {
            bottom: BaseKind::Layers,
            layers: Vec::new(),
            defaults: Defaults::default(),
            documents: Vec::new(),
        };
        put(self, content, Vec::new(), Some(NAME), "nothing", None)
    }
}

/// Gives the layers their places and the content its name; without one, it stays as long as somebody holds it. `key` is what a
/// later one may be known by: see [`Resolver::stored_manifest`].
pub(crate) fn put(
    resolver: &Resolver,
    mut content: Content,
    layers: Vec<PackedLayer>,
    name: Option<&str>,
    how: &str,
    key: Option<Digest>,
) -> Result<Base> {
    content.layers.extend(layers.iter().map(PackedLayer::layer));
    // Before the blobs get their places: what a content names is not collected.
    let held = resolver.store.hold_new_content(&content)?;
    for layer in layers {
        let place = resolver.store.blob_file(layer.digest);
        fs::rename(layer.file(), &place)
            .map_err(|e| Error::io(format!("failed to move a layer to {}", place.display()), e))?;
    }
    match name {
        Some(name) => resolver.name(name.into(), &content, held, how.into(), key, None),
        None => {
            let id = content.id().to_string();
            Ok(Base::new(resolver, id.clone(), id, content, Held::Content(held)))
        }
    }
}

/// A whiteout: an empty file whose name says it (OCI image specification, "Representing Changes").
fn marker(path: Vec<u8>) -> PackEntry {
    PackEntry { path, kind: PackKind::File(0), mode: 0, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() }
}

fn failed(error: io::Error) -> Error {
    Error::io("failed to write a layer", error)
}

/// The tar: hashed on its way to the packer.
struct Unpacked {
    zstd: zstd::stream::write::Encoder<'static, Packed>,
    hash: Sha256,
}

impl Write for Unpacked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zstd.write_all(bytes)?;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zstd.flush()
    }
}

/// The packed bytes: hashed on their way to the disk.
struct Packed {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(store: &Store) -> PackedLayer {
        let mut writer = LayerWriter::begin(store).unwrap();
        let entry = |path: &str, kind| PackEntry {
            path: path.into(),
            kind,
            mode: 0o640,
            uid: 7,
            gid: 3_000_000,
            mtime: 1,
            xattrs: vec![("user.a".into(), b"x\ny".to_vec())],
        };
        let long = "d/".repeat(80) + "f";
        writer.append(&entry("d", PackKind::Directory), &mut io::empty()).unwrap();
        writer.append(&entry(&long, PackKind::File(5)), &mut &b"hello"[..]).unwrap();
        writer.append(&entry("l", PackKind::HardLink(long.clone().into())), &mut io::empty()).unwrap();
        writer.append(&entry("s", PackKind::Symlink(long.into())), &mut io::empty()).unwrap();
        writer.remove(b"etc/gone").unwrap();
        writer.hide_lower(b"d").unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_same_entries_give_the_same_bytes_and_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let (first, second) = (write(&store), write(&store));
        assert_eq!((first.digest, first.diff_id), (second.digest, second.diff_id));
        let file = File::open(first.directory.path().join("layer")).unwrap();
        let task = crate::progress::Task::begin(&crate::progress::Silent, "", crate::Step::Read, None);
        let stream = crate::unpack::LayerStream::new(file, Default::default(), &task).unwrap();
        let mut tar = crate::unpack::TarReader::new(stream);
        let mut names = Vec::new();
        while let Some(entry) = tar.next().unwrap() {
            if entry.kind == tar::EntryType::Regular && entry.size > 0 {
                assert_eq!((entry.uid, entry.gid, entry.mode), (7, 3_000_000, 0o640));
                assert_eq!(entry.xattrs, [(b"user.a".to_vec(), b"x\ny".to_vec())]);
            }
            names.push((String::from_utf8(entry.name).unwrap(), entry.link.len()));
        }
        assert_eq!(names[1].0.len(), 161);
        assert_eq!(names[2..4], [("l".into(), 161), ("s".into(), 161)]);
        assert_eq!(names[4..], [("etc/.wh.gone".into(), 0), ("d/.wh..wh..opq".into(), 0)]);
        assert_eq!(tar.into_inner().finish().unwrap().unpacked, first.diff_id);
    }

    #[test]
    fn what_is_shorter_than_it_says_is_refused_and_nothing_stays() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let mut writer = LayerWriter::begin(&store).unwrap();
        let mut entry = marker(b"x".to_vec());
        entry.kind = PackKind::File(10);
        let error = writer.append(&entry, &mut &b"short"[..]).unwrap_err();
        assert!(error.to_string().contains("it has 5 bytes, and 10 were expected"), "{error}");
        drop(writer);
        assert_eq!(store.tmp().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_base_gets_a_layer_and_keeps_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let resolver = Resolver::new(&store);
        let content = Content {
            bottom: crate::BaseKind::Layers,
            layers: Vec::new(),
            defaults: Defaults::default(),
            documents: Vec::new(),
        };
        let below = put(&resolver, content, vec![write(&store)], Some("below"), "made", None).unwrap();
        let above =
            below.with_layers(vec![write(&store)], Defaults::default(), "above", "made", &[]).unwrap();
        assert_eq!(above.layer_count(), 2);
        assert_eq!(resolver.stored("above").unwrap().unwrap().1.id(), above.id());
    }
}
