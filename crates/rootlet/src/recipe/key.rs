//! What a step depends on: its parent, what it says, and the contents of what it copies.

use super::Step;
use crate::{Error, ErrorKind, Result};
use rootlet_base::{Base, Digest};
use rootlet_spec::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The form of a step's layer; another one is another step.
const VERSION: &str = "step 1";

/// A file, directory or symlink of the project that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Below what is copied; empty for itself.
    pub relative: PathBuf,
    pub path: PathBuf,
    pub mode: u32,
    pub kind: SourceKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    File,
    Directory,
    Symlink(PathBuf),
}

/// All that a step depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    version: String,
    parent: String,
    step: serde_json::Value,
    /// Of what it reads: a name, and what is there.
    contents: Vec<(String, String)>,
}

impl Parts {
    /// Errors: a file that it copies is not there.
    pub(super) fn of(parent: &Base, recipe: &Recipe, step: &Step, directory: &Path) -> Result<Self> {
        let mut contents = vec![("its network".to_owned(), format!("{:?}", recipe.network))];
        if let Some(path) = step.reads() {
            for source in sources(&directory.join(path))? {
                let name = Path::new(path).join(&source.relative);
                contents.push((name.to_string_lossy().trim_end_matches('/').to_owned(), told(&source)?));
            }
        }
        let step = serde_json::to_value(step).expect("plain data has a JSON form");
        Ok(Self {
            version: VERSION.into(),
            parent: parent.fingerprint()?.unwrap_or_default(),
            step,
            contents,
        })
    }

    /// What the store knows the step by.
    pub(super) fn name(&self) -> String {
        let text = serde_json::to_vec(self).expect("plain data has a JSON form");
        format!("step:{}", Digest::of(&text).hex())
    }

    /// Why it is not what it was when the recipe was built last.
    pub(super) fn differs(&self, last: Option<&Self>) -> String {
        let Some(last) = last else { return "it is new".into() };
        if self.step != last.step {
            return "it says something else than when it was built last".into();
        }
        if let Some((changed, _)) = self.contents.iter().find(|one| !last.contents.contains(one)) {
            return format!("{changed} has changed");
        }
        match (self.contents == last.contents, self.parent == last.parent) {
            (false, _) => "something that it copied is gone".into(),
            (true, false) => "what it is built on has changed".into(),
            (true, true) => "it is no longer in the store".into(),
        }
    }
}

/// All that is copied with a path, sorted: a directory before what is in it. A symlink that is copied itself is followed.
pub(super) fn sources(path: &Path) -> Result<Vec<Source>> {
    let failed = |path: &Path, e: io::Error| {
        let what = format!("failed to read {}", path.display());
        match e.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::Recipe, what)
                .caused_by(e)
                .with_hint("paths of a recipe begin where its file lies"),
            _ => Error::io(what, e),
        }
    };
    let real = fs::canonicalize(path).map_err(|e| failed(path, e))?;
    let (mut found, mut left) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(relative) = left.pop() {
        let path = if relative.as_os_str().is_empty() { real.clone() } else { real.join(&relative) };
        let metadata = fs::symlink_metadata(&path).map_err(|e| failed(&path, e))?;
        let kind = if metadata.is_dir() {
            for entry in fs::read_dir(&path).map_err(|e| failed(&path, e))? {
                left.push(relative.join(entry.map_err(|e| failed(&path, e))?.file_name()));
            }
            SourceKind::Directory
        } else if metadata.is_symlink() {
            SourceKind::Symlink(fs::read_link(&path).map_err(|e| failed(&path, e))?)
        } else if metadata.is_file() {
            SourceKind::File
        } else {
            let what = format!("failed to copy {}: it is neither a file nor a directory", path.display());
            return Err(Error::new(ErrorKind::Recipe, what));
        };
        found.push(Source { relative, path, mode: metadata.permissions().mode() & 0o7777, kind });
    }
    found.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(found)
}

/// What a source is, as text.
fn told(source: &Source) -> Result<String> {
    Ok(match &source.kind {
        SourceKind::Directory => format!("d {:o}", source.mode),
        SourceKind::Symlink(to) => format!("l {}", to.display()),
        SourceKind::File => format!("f {:o} {}", source.mode, digest(&source.path)?),
    })
}

fn digest(path: &Path) -> Result<Digest> {
    let read = fs::File::open(path).and_then(Digest::of_reader);
    read.map_err(|e| Error::io(format!("failed to read {}", path.display()), e))
}

/// Enough of a file to see, without reading it, that it is as it was: nobody sets the time of its last change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp {
    path: PathBuf,
    size: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    fn new(path: PathBuf, m: &fs::Metadata) -> Self {
        Self { path, size: m.size(), inode: m.ino(), changed: (m.ctime(), m.ctime_nsec()) }
    }

    /// That of the file which a path leads to.
    #[cfg(feature = "functions")]
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path.to_owned(), &fs::metadata(path)?))
    }

    /// Whether that file is the same still.
    #[cfg(feature = "functions")]
    pub(crate) fn is_as_it_was(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| now == *self)
    }
}

/// The stamps of a file, or of all that is in a directory.
pub(super) fn stamps(path: &Path) -> io::Result<Vec<Stamp>> {
    let (mut stamps, mut left) = (Vec::new(), vec![fs::canonicalize(path)?]);
    while let Some(path) = left.pop() {
        let m = fs::symlink_metadata(&path)?;
        if m.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
        stamps.push(Stamp::new(path, &m));
    }
    stamps.sort();
    Ok(stamps)
}
