//! A layer's bytes: hashed as they come, decompressed, hashed again, and never more than allowed.

use super::tar::unreadable;
use crate::progress::Task;
use crate::resolve::Limits;
use crate::{Digest, Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// A reader of the tar within a layer, whatever it is compressed with.
pub(crate) struct LayerStream<'a> {
    decoder: Box<dyn Read + 'a>,
    packed: Rc<Tally>,
    unpacked: Tally,
    limits: Limits,
}

/// What the bytes of a stream are, all together.
#[derive(Debug)]
pub(crate) struct Digests {
    /// Of the bytes as they are stored.
    pub packed: Digest,
    /// Of the tar: the diff id.
    pub unpacked: Digest,
}

#[derive(Default)]
struct Tally {
    bytes: Cell<u64>,
    hash: RefCell<Sha256>,
}

impl Tally {
    fn add(&self, bytes: &[u8]) {
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        self.hash.borrow_mut().update(bytes);
    }

    fn digest(&self) -> Digest {
        Digest::finish(self.hash.take())
    }
}

impl<'a> LayerStream<'a> {
    /// `task` hears how many of the packed bytes were read.
    pub(crate) fn new(packed: impl Read + 'a, limits: Limits, task: &'a Task<'a>) -> Result<Self> {
        let tally = Rc::new(Tally::default());
        let tap = Tap { inner: packed, tally: tally.clone(), task };
        let decoder = decoder(BufReader::with_capacity(128 << 10, tap))?;
        Ok(Self { decoder, packed: tally, unpacked: Tally::default(), limits })
    }

    /// Reads what stands behind the tar, and tells what all of it was.
    pub(crate) fn finish(mut self) -> Result<Digests> {
        io::copy(&mut self, &mut io::sink()).map_err(unreadable)?;
        Ok(Digests { packed: self.packed.digest(), unpacked: self.unpacked.digest() })
    }

    /// Whether another read may be given.
    fn check(&self) -> Result<()> {
        let (packed, unpacked) = (self.packed.bytes.get(), self.unpacked.bytes.get());
        if unpacked > self.limits.layer_bytes {
            return Err(too_large(self.limits.layer_bytes));
        }
        if unpacked > self.limits.layer_bytes / 32 && unpacked / self.limits.ratio.max(1) > packed {
            return Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "{packed} bytes unpack to more than {unpacked}, {} times as many: this is a bomb",
                    self.limits.ratio
                ),
            )
            .with_hint("if it is not, raise the limit: `Limits::ratio`"));
        }
        Ok(())
    }
}

pub(super) fn too_large(limit: u64) -> Error {
    Error::new(ErrorKind::Limit, format!("it unpacks to more than {limit} bytes"))
        .with_hint("if that is right, raise the limit: `Limits::layer_bytes`")
}

impl Read for LayerStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.unpacked.add(&buffer[..read]);
        self.check()?;
        Ok(read)
    }
}

struct Tap<'a, R> {
    inner: R,
    tally: Rc<Tally>,
    task: &'a Task<'a>,
}

impl<R: Read> Read for Tap<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.tally.add(&buffer[..read]);
        self.task.advance(self.tally.bytes.get());
        Ok(read)
    }
}

/// What it is compressed with is told by its first bytes: neither names nor media types can be trusted.
pub(crate) fn decoder<'a>(mut packed: BufReader<impl Read + 'a>) -> Result<Box<dyn Read + 'a>> {
    const XZ_MEMORY_KIB: u32 = 1 << 20;
    let magic = packed.fill_buf().map_err(unreadable)?;
    Ok(match magic {
        // Several members one after the other are one stream: pigz, estargz.
        [0x1f, 0x8b, ..] => Box::new(buffered(flate2::bufread::MultiGzDecoder::new(packed))),
        // A frame, or one that is skipped (zstd:chunked has them).
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(buffered(zstd::stream::read::Decoder::with_buffer(packed).map_err(unreadable)?))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Box::new(buffered(lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB)))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            return Err(Error::new(ErrorKind::Unsupported, "it is compressed with bzip2")
                .with_hint("pack it anew: `bzcat FILE | gzip > FILE.gz`"));
        }
        _ => Box::new(packed),
    })
}

/// Small reads, of headers, are served from memory.
fn buffered<R: Read>(decoder: R) -> BufReader<R> {
    BufReader::with_capacity(256 << 10, decoder)
}
