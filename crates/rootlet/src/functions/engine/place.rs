//! Where files are: of this machine, or inside a root.

use super::Result;
use super::pattern::Patterns;
use crate::{Error, Rootlet};
use rootlet_base::Digest;
use rootlet_spec::mount::lexical;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A directory, or a file.
#[derive(Clone)]
pub(super) enum Place {
    /// Of this machine, with which of its files are taken.
    Host { path: PathBuf, patterns: Patterns },
    /// Of a root.
    Inside { root: Arc<Rootlet>, path: String },
}

/// Something that was found in a directory.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Below the directory.
    pub relative: PathBuf,
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub modified: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink(PathBuf),
    Other,
}

impl Place {
    /// A place below this one.
    pub fn join(&self, path: &str) -> Self {
        let below = lexical(path);
        match self {
            Self::Host { path, patterns } => Self::Host {
                path: path.join(below.trim_start_matches('/')),
                patterns: patterns.below(below.trim_start_matches('/')),
            },
            Self::Inside { root, path } => {
                Self::Inside { root: root.clone(), path: lexical(&format!("{path}/{below}")) }
            }
        }
    }

    /// How a person would name it.
    pub fn told(&self) -> String {
        match self {
            Self::Host { path, .. } => path.display().to_string(),
            Self::Inside { path, .. } => path.clone(),
        }
    }

    /// What all that is there is known by, as far as it is taken.
    pub fn fingerprint(&self) -> Result<String> {
        match self {
            Self::Inside { root, path } => Ok(format!("{} {path}", root.base().id())),
            Self::Host { .. } => Ok(Digest::of(self.contents_text()?.as_bytes()).hex()),
        }
    }

    /// All that is there, a line each: its name, owner, mode and contents.
    pub fn contents_text(&self) -> Result<String> {
        let mut text = String::new();
        for found in self.walk(&Patterns::default())? {
            let contents = match &found.kind {
                Kind::File => self.digest(&found.relative)?.hex(),
                Kind::Symlink(to) => to.to_string_lossy().into_owned(),
                _ => String::new(),
            };
            text +=
                &format!("{:?} {:o} {}:{} {contents}\n", found.relative, found.mode, found.uid, found.gid);
        }
        Ok(text)
    }

    fn digest(&self, relative: &Path) -> Result<Digest> {
        let read = self.open(relative).and_then(Digest::of_reader);
        Ok(read.map_err(|e| self.failed("read", relative, e))?)
    }

    /// What is at a place below; symlinks are not followed. The place itself is, where it is one of this machine.
    pub fn look(&self, relative: &Path) -> io::Result<Found> {
        match self {
            Self::Host { path, .. } => {
                let at = beside(path, relative);
                let m = match relative.as_os_str().is_empty() {
                    true => fs::metadata(&at)?,
                    false => fs::symlink_metadata(&at)?,
                };
                let kind = if m.is_file() {
                    Kind::File
                } else if m.is_dir() {
                    Kind::Directory
                } else if m.is_symlink() {
                    Kind::Symlink(fs::read_link(&at)?)
                } else {
                    Kind::Other
                };
                let mode = m.permissions().mode() & 0o7777;
                let modified = m.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                Ok(Found {
                    relative: relative.to_owned(),
                    kind,
                    mode,
                    uid: 0,
                    gid: 0,
                    size: m.size(),
                    modified,
                })
            }
            Self::Inside { root, path } => {
                let at = beside(Path::new(path), relative);
                let m = match relative.as_os_str().is_empty() {
                    true => root.metadata(&at)?,
                    false => root.symlink_metadata(&at)?,
                };
                let kind = if m.is_file() {
                    Kind::File
                } else if m.is_dir() {
                    Kind::Directory
                } else if m.is_symlink() {
                    Kind::Symlink(root.read_link(&at)?)
                } else {
                    Kind::Other
                };
                Ok(Found {
                    relative: relative.to_owned(),
                    kind,
                    mode: m.mode() & 0o7777,
                    uid: m.uid(),
                    gid: m.gid(),
                    size: m.len(),
                    modified: m.modified(),
                })
            }
        }
    }

    /// The names in a directory below, sorted.
    fn names(&self, relative: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        let mut names: Vec<_> = match self {
            Self::Host { path, .. } => fs::read_dir(beside(path, relative))?
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<_>>()?,
            Self::Inside { root, path } => {
                let entries = root.read_dir(beside(Path::new(path), relative))?;
                entries.iter().map(|entry| entry.file_name().to_owned()).collect()
            }
        };
        names.sort();
        Ok(names)
    }

    /// All that is below, a directory before what is in it, as far as the place's own patterns and these take it. A file is alone.
    pub fn walk(&self, patterns: &Patterns) -> Result<Vec<Found>> {
        let top = self.look(Path::new("")).map_err(|e| self.failed("read", Path::new(""), e))?;
        if top.kind != Kind::Directory {
            return Ok(vec![top]);
        }
        let own = match self {
            Self::Host { patterns, .. } => patterns.clone(),
            Self::Inside { .. } => Patterns::default(),
        };
        let (mut all, mut left) = (vec![top], vec![PathBuf::new()]);
        while let Some(directory) = left.pop() {
            let names = self.names(&directory).map_err(|e| self.failed("read", &directory, e))?;
            for name in names {
                let relative = directory.join(name);
                if own.leaves_out_all(&relative) || patterns.leaves_out_all(&relative) {
                    continue;
                }
                let found = self.look(&relative).map_err(|e| self.failed("read", &relative, e))?;
                let is_directory = found.kind == Kind::Directory;
                if own.takes(&relative) && patterns.takes(&relative) {
                    all.push(found);
                }
                if is_directory {
                    left.push(relative);
                }
            }
        }
        all.sort_by(|a, b| a.relative.as_os_str().as_bytes().cmp(b.relative.as_os_str().as_bytes()));
        Ok(all)
    }

    /// A file below.
    pub fn open(&self, relative: &Path) -> io::Result<File> {
        match self {
            Self::Host { path, .. } => File::open(beside(path, relative)),
            Self::Inside { root, path } => root.open(beside(Path::new(path), relative)),
        }
    }

    pub fn failed(&self, doing: &str, relative: &Path, error: io::Error) -> Error {
        let at = beside(Path::new(&self.told()), relative);
        Error::io(format!("failed to {doing} {}", rootlet_spec::printable(&at.to_string_lossy())), error)
    }
}

/// [`Path::join`] ends what it joins nothing to with a slash, which asks for a directory.
fn beside(path: &Path, relative: &Path) -> PathBuf {
    match relative.as_os_str().is_empty() {
        true => path.to_owned(),
        false => path.join(relative),
    }
}
