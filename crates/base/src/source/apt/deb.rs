//! A `.deb`: an ar with a tar of control files and a tar of the package's own (deb(5)).

use crate::unpack::{TarReader, decoder, normalise};
use crate::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// What the control files of one package may take together: the largest of Debian takes a few.
const CONTROL_BYTES: u64 = 64 << 20;
const HEADER: usize = 60;

/// A package's file, open.
#[derive(Debug)]
pub(super) struct Deb {
    file: File,
    /// Where the two tars are: offset and size.
    control: (u64, u64),
    data: (u64, u64),
}

/// A control file: `control`, `postinst`, `md5sums`.
#[derive(Clone, Debug)]
pub(super) struct ControlFile {
    pub name: String,
    pub bytes: Vec<u8>,
    pub mtime: u64,
}

impl Deb {
    /// Errors: it cannot be read; it is no `.deb`, or is cut short.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| Error::io("failed to read a package", e))?;
        let size = file.metadata().map_err(|e| Error::io("failed to read a package", e))?.len();
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(cut_short)?;
        if magic != *b"!<arch>\n" {
            return Err(damaged("it is not a package: it does not begin as an ar"));
        }
        let (mut control, mut data, mut at) = (None, None, magic.len() as u64);
        let mut header = [0; HEADER];
        while data.is_none() {
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut header)).map_err(cut_short)?;
            let name = String::from_utf8_lossy(&header[..16]).trim_end().trim_end_matches('/').to_owned();
            let length =
                std::str::from_utf8(&header[48..58]).ok().and_then(|text| text.trim().parse::<u64>().ok());
            let length = length
                .filter(|_| header[58..] == *b"`\n")
                .ok_or_else(|| damaged("a header of it is no ar's"))?;
            let begin = at + HEADER as u64;
            if length > size - begin {
                return Err(damaged("it is cut short"));
            }
            match name.as_str() {
                name if name.starts_with("control.tar") => control = Some((begin, length)),
                name if name.starts_with("data.tar") => data = Some((begin, length)),
                _ => {}
            }
            // Each begins at an even place.
            at = begin + length + length % 2;
        }
        let control = control.ok_or_else(|| damaged("it has no control files"))?;
        Ok(Self { file, control, data: data.unwrap_or_default() })
    }

    /// All control files, in the order of the tar.
    pub(super) fn control(&mut self) -> Result<Vec<ControlFile>> {
        let mut tar = TarReader::new(self.part(self.control)?.take(CONTROL_BYTES));
        let mut files = Vec::new();
        while let Some(entry) = tar.next()? {
            let name = String::from_utf8_lossy(&normalise(&entry.name)?).into_owned();
            if entry.kind != tar::EntryType::Regular || name.contains('/') {
                continue;
            }
            let mut bytes = Vec::new();
            tar.read_to_end(&mut bytes).map_err(cut_short)?;
            files.push(ControlFile { name, bytes, mtime: u64::try_from(entry.mtime.0).unwrap_or(0) });
        }
        Ok(files)
    }

    /// The package's own files: a tar, unpacked as it is read.
    pub(super) fn data(self) -> Result<Box<dyn Read>> {
        let (at, length) = self.data;
        let mut file = self.file;
        file.seek(SeekFrom::Start(at)).map_err(cut_short)?;
        decoder(BufReader::with_capacity(128 << 10, file.take(length)))
    }

    fn part(&mut self, (at, length): (u64, u64)) -> Result<Box<dyn Read + '_>> {
        self.file.seek(SeekFrom::Start(at)).map_err(cut_short)?;
        decoder(BufReader::with_capacity(128 << 10, (&mut self.file).take(length)))
    }
}

fn cut_short(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
        _ => Error::io("failed to read a package", error),
    }
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, why)
}
