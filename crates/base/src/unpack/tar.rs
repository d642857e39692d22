//! Reads a tar as docker does: what `archive/tar` of Go takes for an entry is one here, byte for byte.
//!
//! The `tar` crate decodes the fields of a header. Going from one to the next is ours, because its iterator
//! splits pax records at newlines (a value may hold some, and then bytes of an xattr become a path), reads
//! extension headers of any size into memory, and knows one of the four sparse formats.

use super::sparse::{self, Segment};
use crate::{Error, ErrorKind, Result};
use std::io::{self, Read};
use tar::{EntryType, GnuExtSparseHeader, Header};

/// No honest name, link or set of xattrs is larger: a name has 4096 bytes, an xattr 64 KiB.
const EXTENSION_BYTES: u64 = 1 << 20;
const BLOCK: u64 = 512;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As written: it may be absolute, hold `..`, end in `/`.
    pub name: Vec<u8>,
    /// Target of a hard link or a symlink, as written.
    pub link: Vec<u8>,
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Bytes that [`TarReader`] gives for it, holes included.
    pub size: u64,
    /// Bytes of it that are not in the tar.
    pub holes: u64,
}

/// Gives the entries of a tar one after the other; between two, it is the content of the first.
pub(crate) struct TarReader<R> {
    inner: R,
    /// Bytes of the entry that are still in the tar, and what fills its last block.
    stored: u64,
    padding: u64,
    /// Where the stored bytes lie in a sparse file, and how much of it was given.
    segments: Option<Vec<Segment>>,
    given: u64,
    size: u64,
    /// How many headers were read.
    headers: u64,
    /// User and group of the entry, by name, as the header has them.
    owners: [u8; 64],
}

/// Extension headers that belong to the next entry.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, stored: 0, padding: 0, segments: None, given: 0, size: 0, headers: 0, owners: [0; 64] }
    }

    /// The reader, at whatever stands behind the last entry that was asked for.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    /// How many headers were read: none in a file that is no tar.
    pub(crate) fn headers(&self) -> u64 {
        self.headers
    }

    /// User and group of the last entry as names, which most archives have beside the numbers.
    #[cfg_attr(
        not(feature = "packages"),
        allow(dead_code, reason = "ids of packages are those of their root")
    )]
    pub(crate) fn owners(&self) -> [&[u8]; 2] {
        let (user, group) = self.owners.split_at(32);
        [user, group].map(|name| &name[..name.iter().position(|byte| *byte == 0).unwrap_or(name.len())])
    }

    /// The next entry; what is left of the last one is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        self.skip(self.stored.saturating_add(self.padding))?;
        let mut extensions = Extensions::default();
        let mut pending = false;
        while let Some(header) = self.header()? {
            let stored = number(&header.as_old().size, header.entry_size(), "size")?;
            match header.entry_type() {
                EntryType::GNULongName => extensions.name = Some(until_nul(self.extension(stored)?)),
                EntryType::GNULongLink => extensions.link = Some(until_nul(self.extension(stored)?)),
                EntryType::XHeader => extensions.pax = pax_records(&self.extension(stored)?)?,
                // Docker ignores them, and so does everybody who follows it.
                EntryType::XGlobalHeader => drop(self.extension(stored)?),
                _ => return self.entry(&header, stored, extensions).map(Some),
            }
            pending = true;
        }
        match pending {
            false => Ok(None),
            true => Err(truncated("an extension header is the last thing in it")),
        }
    }

    /// The next header that is not the end.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            let whole = self.block(header.as_mut_bytes())?;
            return match whole && header.as_bytes().iter().any(|byte| *byte != 0) {
                true => Err(Error::new(ErrorKind::Corrupt, "the tar goes on behind its end")),
                false => Ok(None),
            };
        }
        let sum: u32 = header.as_bytes().iter().map(|byte| u32::from(*byte)).sum();
        let field: u32 = header.as_bytes()[148..156].iter().map(|byte| u32::from(*byte)).sum();
        if header.cksum().ok() != Some(sum - field + 8 * 32) {
            let what = match self.headers {
                0 => "it is not a tar: the checksum of its first header is wrong",
                _ => "the checksum of a header is wrong",
            };
            return Err(Error::new(ErrorKind::Corrupt, what));
        }
        self.headers += 1;
        Ok(Some(header))
    }

    /// Fills a block; `false` at the end of the file.
    fn block(&mut self, block: &mut [u8]) -> Result<bool> {
        let mut filled = 0;
        while filled < block.len() {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(truncated("it ends within a header")),
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(unreadable(e)),
            }
        }
        Ok(true)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > EXTENSION_BYTES {
            return Err(Error::new(
                ErrorKind::Hostile,
                format!(
                    "a header's names and attributes take {size} bytes, and more than {EXTENSION_BYTES} is \
                        refused"
                ),
            ));
        }
        let mut bytes = Vec::new();
        (&mut self.inner).take(size).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != size {
            return Err(truncated("it ends within a header"));
        }
        self.skip(padding(size))?;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        let skipped = io::copy(&mut (&mut self.inner).take(bytes), &mut io::sink()).map_err(unreadable)?;
        (self.stored, self.padding) = (0, 0);
        match skipped == bytes {
            true => Ok(()),
            false => Err(truncated("it ends within an entry")),
        }
    }

    fn entry(&mut self, header: &Header, stored: u64, extensions: Extensions) -> Result<Entry> {
        let old = header.as_old();
        self.owners = [0; 64];
        if header.as_bytes()[257..].starts_with(b"ustar") {
            self.owners.copy_from_slice(&header.as_bytes()[265..329]);
        }
        let mut entry = Entry {
            name: header.path_bytes().into_owned(),
            link: header.link_name_bytes().unwrap_or_default().into_owned(),
            kind: header.entry_type(),
            mode: number(&old.mode, header.mode().map(u64::from), "mode")? as u32 & 0o7777,
            uid: number(&old.uid, header.uid(), "user id")?,
            gid: number(&old.gid, header.gid(), "group id")?,
            // Before 1970, or nonsense: nothing depends on it.
            mtime: (header.mtime().ok().and_then(|s| s.try_into().ok()).unwrap_or(0), 0),
            xattrs: Vec::new(),
            device: device(header),
            size: stored,
            holes: 0,
        };
        for (key, value) in &extensions.pax {
            entry.apply(key, value)?;
        }
        entry.name = extensions.name.unwrap_or(entry.name);
        entry.link = extensions.link.unwrap_or(entry.link);
        // The old way to write a directory.
        if header.as_bytes()[156] == 0 && entry.name.ends_with(b"/") {
            entry.kind = EntryType::Directory;
        }
        // Of these the size means nothing, whatever it says.
        if is_header_only(entry.kind) {
            entry.size = 0;
        }
        self.stored = entry.size;
        self.padding = padding(self.stored);
        self.given = 0;
        self.segments = self.sparse(header, &extensions.pax, &mut entry)?;
        let data = |segments: &Vec<Segment>| segments.iter().map(|segment| segment.length).sum::<u64>();
        entry.holes = self.segments.as_ref().map_or(0, |segments| entry.size - data(segments));
        self.size = entry.size;
        Ok(entry)
    }

    /// Where the data of a sparse file lies, for the four ways to write that; `entry.size` becomes the real
    /// size.
    fn sparse(
        &mut self,
        header: &Header,
        pax: &[(Vec<u8>, Vec<u8>)],
        entry: &mut Entry,
    ) -> Result<Option<Vec<Segment>>> {
        let found = if entry.kind == EntryType::GNUSparse {
            entry.kind = EntryType::Regular;
            Some(self.old_gnu_sparse(header)?)
        } else if entry.kind == EntryType::Regular {
            sparse::of_pax(pax, || self.line())?
        } else {
            None
        };
        let Some(found) = found else { return Ok(None) };
        // Format 1.0 fills the block of its map; after it data begins.
        let fill = ((self.stored % BLOCK + self.padding) % BLOCK).min(self.stored);
        if found.map_in_data {
            io::copy(&mut (&mut self.inner).take(fill), &mut io::sink()).map_err(unreadable)?;
            self.stored -= fill;
        }
        sparse::check(&found.segments, found.size, self.stored)?;
        entry.name = found.name.unwrap_or(std::mem::take(&mut entry.name));
        entry.size = found.size;
        Ok(Some(found.segments))
    }

    fn old_gnu_sparse(&mut self, header: &Header) -> Result<sparse::Sparse> {
        let gnu = header.as_gnu().ok_or_else(|| sparse::bad("the header is not GNU's"))?;
        let mut segments = Vec::new();
        let mut add = |blocks: &[tar::GnuSparseHeader]| {
            for block in blocks.iter().filter(|block| !block.is_empty()) {
                let read =
                    |field: io::Result<u64>| field.map_err(|_| sparse::bad("its map is not of numbers"));
                segments.push(Segment { offset: read(block.offset())?, length: read(block.length())? });
            }
            match segments.len() > sparse::MAX_SEGMENTS {
                true => Err(sparse::bad("it has too many pieces")),
                false => Ok(()),
            }
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            if !self.block(extension.as_mut_bytes())? {
                return Err(truncated("it ends within a sparse map"));
            }
            add(&extension.sparse)?;
            more = extension.is_extended();
        }
        let size = gnu.real_size().map_err(|_| sparse::bad("its size is not a number"))?;
        Ok(sparse::Sparse { segments, size, name: None, map_in_data: false })
    }

    /// A line of the map at the beginning of the data, without its end.
    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            if self.stored == 0 || line.len() > 20 || !self.block(&mut byte)? {
                return Err(sparse::bad("its map does not end"));
            }
            self.stored -= 1;
            if byte == *b"\n" {
                return Ok(line);
            }
            line.push(byte[0]);
        }
    }

    fn read_stored(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.stored).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(truncated("it ends within an entry").into());
        }
        self.stored -= read as u64;
        Ok(read)
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(segments) = &self.segments else { return self.read_stored(buffer) };
        let (is_data, length) = sparse::at(segments, self.given, self.size);
        let wanted = buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        let read = match is_data {
            true => self.read_stored(&mut buffer[..wanted])?,
            false => {
                buffer[..wanted].fill(0);
                wanted
            }
        };
        self.given += read as u64;
        Ok(read)
    }
}

impl Entry {
    /// A pax record, which wins over the header's field.
    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let number = || {
            let text = std::str::from_utf8(value).ok();
            text.and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!("the pax record `{}` is not a number", String::from_utf8_lossy(key)),
                )
            })
        };
        match key {
            b"path" => self.name = value.to_vec(),
            b"linkpath" => self.link = value.to_vec(),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.mtime = time(value).unwrap_or(self.mtime),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// `LENGTH KEY=VALUE\n`, again and again: the length, in digits, is of the whole record. An empty value takes
/// an earlier record of that key away.
fn pax_records(mut bytes: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let bad = || Error::new(ErrorKind::Corrupt, "a pax record cannot be read");
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|byte| *byte == b' ').ok_or_else(bad)?;
        let length: usize = std::str::from_utf8(&bytes[..space])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(bad)?;
        if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
            return Err(bad());
        }
        let record = &bytes[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        // Format 0.0 of sparse files repeats its keys: their order is what they say.
        if !key.starts_with(b"GNU.sparse.") {
            records.retain(|(known, _)| known != key);
        }
        if !value.is_empty() {
            records.push((key.to_vec(), value.to_vec()));
        }
        bytes = &bytes[length..];
    }
    Ok(records)
}

/// `SECONDS.FRACTION`, with a sign or not.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = seconds.parse().ok()?;
    let nanos: u32 = format!("{fraction:0<9}")[..9].parse().ok()?;
    // -1.25 is 1.25 before 1970: two seconds before, and three quarters on.
    match text.starts_with('-') && nanos > 0 {
        true => Some((whole.checked_sub(1)?, 1_000_000_000 - nanos)),
        false => Some((whole, nanos)),
    }
}

/// Older headers have no numbers, and of what is no device they mean nothing.
fn device(header: &Header) -> (u32, u32) {
    let number = |number: io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
    (number(header.device_major()), number(header.device_minor()))
}

fn is_header_only(kind: EntryType) -> bool {
    use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    matches!(kind, Link | Symlink | Char | Block | Directory | Fifo)
}

/// A number of a header. Some writers leave out what they do not know, which Go reads as 0.
fn number(field: &[u8], value: io::Result<u64>, what: &str) -> Result<u64> {
    match field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        true => Ok(0),
        // The cause would repeat the field, which may be anything.
        false => value
            .map_err(|_| Error::new(ErrorKind::Corrupt, format!("the {what} of an entry is not a number"))),
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

fn truncated(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the tar is truncated: {what}"))
}

/// An error of the reader below: ours stays what it is, and a decompressor's complaint means damage.
pub(super) fn unreadable(error: io::Error) -> Error {
    match error.raw_os_error() {
        None if error.get_ref().is_none_or(|inner| !inner.is::<Error>()) => {
            let what = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the compressed data is truncated",
                _ => "the compressed data is damaged",
            };
            Error::new(ErrorKind::Corrupt, what).caused_by(error)
        }
        _ => Error::io("failed to read", error),
    }
}
