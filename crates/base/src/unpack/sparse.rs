//! Sparse files in a tar: GNU's old format, and 0.0, 0.1 and 1.0 of the pax one.

use crate::{Error, ErrorKind, Result};

/// A piece of a file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub offset: u64,
    pub length: u64,
}

/// What a header says of a sparse file.
#[derive(Debug)]
pub(super) struct Sparse {
    pub segments: Vec<Segment>,
    /// Size with its holes.
    pub size: u64,
    /// The name, where the header's is a made-up one.
    pub name: Option<Vec<u8>>,
    /// The map stands before the data, and fills whole blocks.
    pub map_in_data: bool,
}

/// A file with more pieces is not an honest one.
pub(super) const MAX_SEGMENTS: usize = 1 << 20;

/// The pax formats; `None` when these records tell of no sparse file. `line` gives the lines of format 1.0's
/// map.
pub(super) fn of_pax(
    pax: &[(Vec<u8>, Vec<u8>)],
    mut line: impl FnMut() -> Result<Vec<u8>>,
) -> Result<Option<Sparse>> {
    let value =
        |key: &[u8]| pax.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_slice());
    let name = value(b"GNU.sparse.name").map(<[u8]>::to_vec);
    let version = (value(b"GNU.sparse.major"), value(b"GNU.sparse.minor"));
    let map_in_data = version == (Some(b"1".as_slice()), Some(b"0".as_slice()));
    let mut numbers = Vec::new();
    if map_in_data {
        let count = number(&line()?)?;
        for _ in 0..bounded(count)? * 2 {
            numbers.push(number(&line()?)?);
        }
    } else if let Some(map) = value(b"GNU.sparse.map") {
        for part in map.split(|byte| *byte == b',') {
            numbers.push(number(part)?);
        }
    } else if value(b"GNU.sparse.numblocks").is_some() {
        for (key, value) in pax {
            if key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes" {
                numbers.push(number(value)?);
            }
        }
    } else {
        return Ok(None);
    }
    if numbers.len() % 2 != 0 {
        return Err(bad("its map has half a piece"));
    }
    let size =
        value(b"GNU.sparse.realsize").or(value(b"GNU.sparse.size")).ok_or_else(|| bad("it has no size"))?;
    let segments = numbers.chunks_exact(2).map(|pair| Segment { offset: pair[0], length: pair[1] }).collect();
    Ok(Some(Sparse { segments, size: number(size)?, name, map_in_data }))
}

/// The pieces are in order, apart, within the file, and have as much data as is stored.
pub(super) fn check(segments: &[Segment], size: u64, stored: u64) -> Result<()> {
    let (mut end, mut data) = (0u64, 0u64);
    for segment in segments {
        if segment.offset < end {
            return Err(bad("its pieces overlap"));
        }
        end = segment.offset.checked_add(segment.length).ok_or_else(|| bad("a piece has no end"))?;
        data += segment.length;
    }
    if end > size {
        return Err(bad("a piece lies behind its end"));
    }
    // What fills the last block of a map may still be counted.
    if data > stored {
        return Err(bad("it has more data than is stored"));
    }
    Ok(())
}

/// Whether there is data at `position`, and how many bytes it goes on like that.
pub(super) fn at(segments: &[Segment], position: u64, size: u64) -> (bool, u64) {
    let next = segments.partition_point(|segment| segment.offset + segment.length <= position);
    match segments.get(next) {
        Some(segment) if segment.offset <= position => (true, segment.offset + segment.length - position),
        Some(segment) => (false, segment.offset - position),
        None => (false, size - position),
    }
}

fn number(text: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad("a number of its map cannot be read"))
}

fn bounded(count: u64) -> Result<u64> {
    match count <= MAX_SEGMENTS as u64 {
        true => Ok(count),
        false => Err(bad("it has too many pieces")),
    }
}

pub(super) fn bad(why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a sparse file cannot be read: {why}"))
}
