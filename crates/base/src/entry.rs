//! One entry of a tar, written so that everybody reads it: ustar, and pax records for what does not fit in there.

use crate::unpack::TarEntry;
use std::io::{self, Read, Write};
use tar::{EntryType, Header};

/// Appends an entry; of a file, `data` gives the contents. A directory's name ends in `/`.
///
/// Errors: it cannot be written; `data` fails, or has fewer bytes than the entry says.
pub(crate) fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    entry: &TarEntry,
    data: &mut dyn Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    let mut records = Vec::new();
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode);
    header.set_uid(entry.uid);
    header.set_gid(entry.gid);
    header.set_size(entry.size);
    if matches!(entry.kind, EntryType::Char | EntryType::Block) {
        header.set_device_major(entry.device.0)?;
        header.set_device_minor(entry.device.1)?;
    }
    let (seconds, nanoseconds) = entry.mtime;
    header.set_mtime(seconds.try_into().unwrap_or(0));
    if seconds < 0 || nanoseconds > 0 {
        record(&mut records, b"mtime", time(seconds, nanoseconds).as_bytes());
    }
    let old = header.as_old_mut();
    for (text, field, key) in
        [(&entry.name, &mut old.name, "path"), (&entry.link, &mut old.linkname, "linkpath")]
    {
        let short = text.len().min(field.len());
        field[..short].copy_from_slice(&text[..short]);
        if short < text.len() {
            record(&mut records, key.as_bytes(), text);
        }
    }
    for (name, value) in &entry.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    if !records.is_empty() {
        let mut extension = Header::new_ustar();
        extension.set_entry_type(EntryType::XHeader);
        extension.set_size(records.len() as u64);
        extension.set_cksum();
        tar.append(&extension, records.as_slice())?;
    }
    header.set_cksum();
    let mut counted = Counted { inner: data.take(entry.size), bytes: 0 };
    tar.append(&header, &mut counted)?;
    match counted.bytes == entry.size {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("it has {} bytes, and {} were expected", counted.bytes, entry.size),
        )),
    }
}

/// `LENGTH KEY=VALUE\n`, where the length is of the whole record, with its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Nanoseconds count forward, as in the kernel; the digits of a time before 1970 go the other way.
fn time(seconds: i64, nanoseconds: u32) -> String {
    match nanoseconds {
        0 => seconds.to_string(),
        _ if seconds < 0 => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
        _ => format!("{seconds}.{nanoseconds:09}"),
    }
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::TarReader;

    #[test]
    fn what_is_written_is_read_back() {
        let plain = TarEntry {
            name: b"a".to_vec(),
            link: Vec::new(),
            kind: EntryType::Regular,
            mode: 0o6750,
            uid: 7,
            gid: 3_000_000,
            mtime: (1, 0),
            xattrs: Vec::new(),
            device: (0, 0),
            size: 3,
            holes: 0,
        };
        let all = [
            plain.clone(),
            TarEntry { name: [b"\xff/".repeat(60), b"n\xe9\n".to_vec()].concat(), ..plain.clone() },
            TarEntry { mtime: (1_700_000_000, 123_456_789), ..plain.clone() },
            TarEntry { mtime: (-2, 750_000_000), ..plain.clone() },
            TarEntry { mtime: (-5, 0), ..plain.clone() },
            TarEntry { xattrs: vec![(b"user.\xff".to_vec(), b"a\n=\0b".to_vec())], ..plain.clone() },
            TarEntry { kind: EntryType::Char, device: (1, 7), size: 0, ..plain.clone() },
            TarEntry { kind: EntryType::Symlink, link: b"x".repeat(400), size: 0, ..plain.clone() },
        ];
        let mut tar = tar::Builder::new(Vec::new());
        all.iter().for_each(|entry| append(&mut tar, entry, &mut &b"xyz"[..]).unwrap());
        let bytes = tar.into_inner().unwrap();
        let mut tar = TarReader::new(bytes.as_slice());
        for entry in &all {
            assert_eq!(format!("{:?}", tar.next().unwrap().unwrap()), format!("{entry:?}"));
        }
        assert!(tar.next().unwrap().is_none());
    }

    #[test]
    fn a_record_knows_its_own_length() {
        for length in [1, 5, 90, 91, 92, 93, 94, 990, 991, 992, 993, 9990] {
            let mut records = Vec::new();
            record(&mut records, b"k", &vec![b'v'; length]);
            let digits = records.split(|byte| *byte == b' ').next().unwrap();
            assert_eq!(std::str::from_utf8(digits).unwrap().parse::<usize>().unwrap(), records.len());
        }
    }
}
