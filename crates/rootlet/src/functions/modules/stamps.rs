//! Whether the files of a module are as they were: told by their inodes, without reading them.

use super::project::{Project, Sdk};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Enough of a file to see that it is as it was: nobody sets the time of its last change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stamp {
    path: PathBuf,
    size: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    /// Whether the file is the same still.
    pub fn is_as_it_was(&self) -> bool {
        stamp(&self.path).is_ok_and(|now| now == *self)
    }
}

/// The stamp of a file.
pub(super) fn stamp(path: &Path) -> io::Result<Stamp> {
    let m = fs::metadata(path)?;
    Ok(Stamp { path: path.to_owned(), size: m.size(), inode: m.ino(), changed: (m.ctime(), m.ctime_nsec()) })
}

/// The stamps of the files that say what a module offers.
pub(super) fn of(project: &Project) -> Vec<Stamp> {
    let source = project.source();
    let mut stamps: Vec<Stamp> = stamp(&project.file()).into_iter().collect();
    let names: &[&str] = match project.sdk() {
        Sdk::Python => &["pyproject.toml", ".venv/pyvenv.cfg"],
        _ => &["Cargo.toml", "Cargo.lock", "build.rs"],
    };
    stamps.extend(names.iter().filter_map(|name| stamp(&source.join(name)).ok()));
    let mut places = vec!["src".to_owned()];
    if project.sdk() == Sdk::Python {
        // Code may also lie beside the file.
        let here = fs::read_dir(&source).into_iter().flatten().flatten().map(|entry| entry.path());
        let python = here.filter(|path| path.extension().is_some_and(|extension| extension == "py"));
        stamps.extend(python.filter_map(|path| stamp(&path).ok()));
        places.extend([project.name().replace('-', "_"), "main".to_owned()]);
    }
    places.iter().for_each(|place| walk(&source.join(place), &mut stamps, 0));
    stamps.sort();
    stamps
}

/// What an interpreter wrote there is no part of a module; neither is what nobody nests that deep.
fn walk(directory: &Path, stamps: &mut Vec<Stamp>, depth: usize) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name() != "__pycache__") {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < 32 => walk(&path, stamps, depth + 1),
            _ => stamps.extend(stamp(&path).ok()),
        }
    }
}
