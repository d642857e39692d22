//! Files that are there whole or not at all.

use super::failed_to_write;
use crate::Result;
use crate::store::unique;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// A file on its way to a place in a directory. It has no name there while it is written, so who is killed leaves
/// nothing; where a file system knows no such files, it has a hidden one.
#[derive(Debug)]
pub(super) struct Unnamed {
    pub file: File,
    /// Where the file system wants one.
    name: Option<PathBuf>,
}

impl Unnamed {
    /// Begins a file that is to stand in `directory`.
    pub(super) fn within(directory: &Path) -> Result<Self> {
        Self::make(directory).map_err(|e| failed_to_write(directory, e))
    }

    fn make(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(CWD, directory, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(Self { file: file.into(), name: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Self::hidden(directory),
            Err(e) => Err(e.into()),
        }
    }

    fn hidden(directory: &Path) -> io::Result<Self> {
        let name = directory.join(hidden());
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&name)?;
        Ok(Self { file, name: Some(name) })
    }

    /// Gives it a name, in place of whatever bore it.
    pub(super) fn link(&mut self, path: &Path) -> Result<()> {
        self.try_link(path).map_err(|e| failed_to_write(path, e))
    }

    fn try_link(&mut self, path: &Path) -> io::Result<()> {
        let beside = match self.name.take() {
            Some(name) => name,
            // A link takes nobody's place; a rename does.
            None => {
                let (beside, own) =
                    (parent(path).join(hidden()), format!("/proc/self/fd/{}", self.file.as_raw_fd()));
                linkat(CWD, own, CWD, &beside, AtFlags::SYMLINK_FOLLOW)?;
                beside
            }
        };
        fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        self.name.iter().for_each(|name| drop(fs::remove_file(name)));
    }
}

/// A name that nobody else uses, for what is not whole yet.
pub(super) fn hidden() -> String {
    format!(".rootlet-{}", unique())
}

/// The directory that holds `path`.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// One file that is written from its beginning to its end.
pub(super) struct Output {
    to: To,
    path: PathBuf,
}

enum To {
    /// It gets its place when it is whole.
    File(Unnamed),
    /// Standard output, a pipe, a device: what is written is gone.
    Stream(File),
}

impl Output {
    /// Begins it; `-` is standard output. A symlink is followed, as by whoever opens a file.
    ///
    /// Errors: `path` is a directory, or its parent may not be written.
    pub(super) fn begin(path: &Path) -> Result<Self> {
        let failed = |e| failed_to_write(path, e);
        if path == Path::new("-") {
            // Not as std has it, which looks for the ends of lines.
            let out = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
            return Ok(Self { to: To::Stream(out.into()), path: "standard output".into() });
        }
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(failed(Errno::ISDIR.into()).with_hint("name a file in it")),
            // It must stay what it is.
            Ok(found) if !found.is_file() => {
                let stream = OpenOptions::new().write(true).open(path).map_err(failed)?;
                Ok(Self { to: To::Stream(stream), path: path.into() })
            }
            found => {
                let real = if found.is_ok() { fs::canonicalize(path).map_err(failed)? } else { path.into() };
                Ok(Self { to: To::File(Unnamed::within(parent(&real))?), path: real })
            }
        }
    }

    /// It is whole.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush().map_err(|e| failed_to_write(&self.path, e))?;
        match self.to {
            To::File(mut file) => file.link(&self.path),
            To::Stream(_) => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.to {
            To::File(unnamed) => unnamed.file.write(bytes),
            To::Stream(stream) => stream.write(bytes),
        };
        match written {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            // Told here, since in a copy it would be taken for the reader's.
            written => written.map_err(|e| failed_to_write(&self.path, e).into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::File(unnamed) => unnamed.file.flush(),
            To::Stream(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let (place, count) = (directory.path().join("x"), || directory.path().read_dir().unwrap().count());
        // As the file system has it, and as one without unnamed files would.
        for make in [Unnamed::make, Unnamed::hidden] {
            drop(make(directory.path()).unwrap());
            assert_eq!(count(), 0, "what was given up is gone");
            fs::write(&place, "old").unwrap();
            let mut unnamed = make(directory.path()).unwrap();
            unnamed.file.write_all(b"new").unwrap();
            assert_eq!(fs::read(&place).unwrap(), b"old");
            unnamed.link(&place).unwrap();
            drop(unnamed);
            assert_eq!((fs::read(&place).unwrap().as_slice(), count()), (b"new".as_slice(), 1));
            let mut lost = make(directory.path()).unwrap();
            lost.link(&directory.path().join("no/x")).unwrap_err();
            assert_eq!(count(), 1, "what finds no place is gone");
            fs::remove_file(&place).unwrap();
        }
    }
}
