//! A layer as others take it: its plain tar, or a blob packed with gzip, which every tool reads.
//!
//! What is packed with gzip already stays as it is, byte for byte. All else is packed anew, and the same bytes give the same
//! blob: no time and no name is in it.

use super::failed_to_write;
use super::output::Unnamed;
use crate::progress::{Step, Task};
use crate::source::open_file;
use crate::store::{Layer, Origin};
use crate::unpack::{Digests, LayerStream, forget, verify};
use crate::{Base, Digest, Error, ErrorKind, PackedLayer, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// As `gzip` has it when nothing is said.
const GZIP_LEVEL: u32 = 6;

/// A layer of a base, as bytes that can be read again.
pub(super) struct Source<'a> {
    base: &'a Base,
    layer: Layer,
    file: PathBuf,
    /// What was a tree until now.
    _packed: Option<PackedLayer>,
}

/// A layer, packed with gzip.
pub(super) struct Blob {
    pub digest: Digest,
    pub size: u64,
    pub diff_id: Digest,
    pub bytes: Bytes,
}

/// Where its bytes are.
pub(super) enum Bytes {
    /// They are the base's own.
    Reused(File),
    /// They were packed for this.
    Made(Unnamed),
}

impl<'a> Source<'a> {
    /// A layer that is packed.
    pub(super) fn of(base: &'a Base, layer: &Layer) -> Self {
        let file = match &layer.origin {
            Origin::File { path, .. } => path.clone(),
            Origin::Blob { digest, .. } => base.store().blob_file(*digest),
            Origin::Unpacked => unreachable!("a layer without bytes is packed first"),
        };
        Self { base, layer: layer.clone(), file, _packed: None }
    }

    /// A tree that was packed for this export.
    pub(super) fn packed(base: &'a Base, packed: PackedLayer) -> Self {
        Self { base, layer: packed.layer(), file: packed.file(), _packed: Some(packed) }
    }

    /// Lets `take` read the plain tar, and sees that it was what the base promises: only then is what `take` made
    /// good for anything.
    pub(super) fn read<T>(
        &self,
        step: Step,
        take: impl FnOnce(&mut LayerStream<'_>) -> Result<T>,
    ) -> Result<(T, Digests)> {
        let id = self.layer.key.to_string();
        let read = || {
            let file = self.open()?;
            let size = file.metadata().ok().map(|m| m.len());
            let resolver = self.base.resolver();
            let task = Task::begin(&*resolver.progress, &id, step, size);
            let mut stream = LayerStream::new(file, resolver.limits, &task)?;
            let taken = take(&mut stream)?;
            let digests = stream.finish()?;
            verify(&self.layer, &digests)?;
            Ok((taken, digests))
        };
        read().map_err(|e: Error| match e.kind() {
            // The disk of the target is no fault of the layer.
            ErrorKind::NoSpace => e,
            _ => forget(self.base.store(), &self.layer, e)
                .within(format!("failed to read the layer {id} of `{}`", self.base.name())),
        })
    }

    /// The layer packed with gzip; what must be packed for it is written into `scratch`.
    pub(super) fn gzip(&self, scratch: &Path) -> Result<Blob> {
        let mut file = self.open()?;
        let mut magic = [0; 2];
        let is_gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        if is_gzip {
            let (_, digests) = self.read(Step::Read, |_| Ok(()))?;
            let failed = |e| Error::io(format!("failed to read {}", self.file.display()), e);
            let size = file.metadata().map_err(failed)?.len();
            let bytes = Bytes::Reused(file);
            return Ok(Blob { digest: digests.packed, size, diff_id: digests.unpacked, bytes });
        }
        let unnamed = Unnamed::within(scratch)?;
        let failed = |e| failed_to_write(scratch, e);
        let (packed, digests) = self.read(Step::Pack, |tar| {
            let hashed = Hashed::new(Failing { to: BufWriter::new(&unnamed.file), at: scratch });
            let mut gzip = GzEncoder::new(hashed, Compression::new(GZIP_LEVEL));
            io::copy(tar, &mut gzip).map_err(|e| Error::io("failed to read", e))?;
            let mut packed = gzip.finish().map_err(failed)?;
            packed.flush().map_err(failed)?;
            Ok(packed.told())
        })?;
        let (digest, size) = packed;
        Ok(Blob { digest, size, diff_id: digests.unpacked, bytes: Bytes::Made(unnamed) })
    }

    fn open(&self) -> Result<File> {
        open_file(&self.file).map_err(|e| match (e.kind(), &self.layer.origin) {
            (ErrorKind::NotFound, Origin::File { .. }) => {
                e.with_hint("the base was made of this file, which is needed again: put it back")
            }
            (ErrorKind::NotFound, _) => {
                e.with_hint("it is not in the store: fetch it again with `rootlet base pull`")
            }
            _ => e,
        })
    }
}

impl Blob {
    /// Copies it, and sees once more that it is what it was: a file of the caller's may change meanwhile.
    pub(super) fn copy(&mut self, to: &mut dyn Write) -> Result<()> {
        let mut file = self.file();
        file.rewind().map_err(|e| Error::io("failed to read a layer again", e))?;
        let mut hashed = Hashed::new(to);
        let copied = io::copy(&mut file.take(self.size), &mut hashed);
        copied.map_err(|e| Error::io("failed to copy a layer", e))?;
        match hashed.told() {
            (digest, _) if digest == self.digest => Ok(()),
            (digest, _) => Err(Error::new(
                ErrorKind::Corrupt,
                format!("the layer {} has changed while it was read: it is {digest} now", self.digest),
            )),
        }
    }

    /// What has its bytes.
    pub(super) fn file(&self) -> &File {
        match &self.bytes {
            Bytes::Reused(file) => file,
            Bytes::Made(unnamed) => &unnamed.file,
        }
    }
}

/// Tells what was written.
pub(super) struct Hashed<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashed<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), bytes: 0 }
    }

    /// Digest and size.
    pub(super) fn told(self) -> (Digest, u64) {
        (Digest::finish(self.hash), self.bytes)
    }

    /// Digest, and what it was written to.
    pub(super) fn parts(self) -> (Digest, W) {
        (Digest::finish(self.hash), self.to)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Says where it could not be written: in a copy that would be taken for the reader's error.
pub(super) struct Failing<'a, W> {
    pub to: W,
    pub at: &'a Path,
}

impl<W: Write> Write for Failing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.to.write(bytes) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(failed_to_write(self.at, e).into()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush().map_err(|e| failed_to_write(self.at, e).into())
    }
}
