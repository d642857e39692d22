//! Members of gzip that stand one behind the other: what apk's files are made of.

use crate::unpack::TarReader;
use crate::{Error, ErrorKind, Result};
use flate2::bufread::GzDecoder;
use std::io::Read;

/// The first member: what is in it, how many bytes it has packed.
///
/// Errors: it is no gzip; it is truncated; it unpacks to more than `limit` bytes.
pub(super) fn first(bytes: &[u8], limit: u64) -> Result<(Vec<u8>, usize)> {
    let (mut rest, mut content) = (bytes, Vec::new());
    let mut decoder = GzDecoder::new(&mut rest).take(limit + 1);
    decoder.read_to_end(&mut content).map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::UnexpectedEof => "it is truncated",
            _ => "it is not packed with gzip, or damaged",
        };
        Error::new(ErrorKind::Corrupt, why).caused_by(e)
    })?;
    if content.len() as u64 > limit {
        return Err(Error::new(ErrorKind::Limit, format!("a part of it unpacks to more than {limit} bytes")));
    }
    Ok((content, bytes.len() - rest.len()))
}

/// A file of a small tar.
pub(super) struct Member {
    pub name: String,
    pub content: Vec<u8>,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// The files of a small tar. It may end without the blocks that end a tar: another member goes on.
///
/// Errors: it is no tar; a name is no text.
pub(super) fn files(tar: &[u8]) -> Result<Vec<Member>> {
    let mut reader = TarReader::new(tar);
    let mut members = Vec::new();
    while let Some(entry) = reader.next()? {
        // The tar itself is within its limit, holes are not.
        if entry.kind != tar::EntryType::Regular || entry.holes > 0 {
            continue;
        }
        let name = String::from_utf8(entry.name)
            .map_err(|_| Error::new(ErrorKind::Corrupt, "a name in it is not text"))?;
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(|e| Error::io("failed to read", e))?;
        members.push(Member { name, content, mtime: entry.mtime.0.try_into().unwrap_or(0) });
    }
    Ok(members)
}
