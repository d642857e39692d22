//! Whether the files of a module are as they were: told by their inodes, without reading them, or by what they hold.

use super::project::{Project, Sdk};
use crate::recipe::Stamp;
use rootlet_base::Digest;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The stamps of the files that say what a module offers.
pub(super) fn of(project: &Project) -> Vec<Stamp> {
    let mut stamps: Vec<Stamp> = files(project).iter().filter_map(|path| Stamp::of(path).ok()).collect();
    stamps.sort();
    stamps
}

/// What these files hold, and where they lie, since code may look around. Of what is no plain file nobody knows what it holds.
pub(super) fn contents(project: &Project) -> io::Result<Digest> {
    let mut text = String::new();
    for path in files(project) {
        match fs::metadata(&path) {
            Ok(m) if !m.is_file() => return Err(io::ErrorKind::InvalidInput.into()),
            Ok(_) => {
                let digest = fs::File::open(&path).and_then(Digest::of_reader)?;
                text += &format!("{path:?} {}\n", digest.hex());
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Digest::of(text.as_bytes()))
}

fn files(project: &Project) -> Vec<PathBuf> {
    let source = project.source();
    let names: &[&str] = match project.sdk() {
        Sdk::Python => &["pyproject.toml", ".venv/pyvenv.cfg"],
        _ => &["Cargo.toml", "Cargo.lock", "build.rs"],
    };
    let mut files = vec![project.file()];
    files.extend(names.iter().map(|name| source.join(name)));
    let mut places = vec!["src".to_owned()];
    if project.sdk() == Sdk::Python {
        // Code may also lie beside the file.
        let here = fs::read_dir(&source).into_iter().flatten().flatten().map(|entry| entry.path());
        files.extend(here.filter(|path| path.extension().is_some_and(|extension| extension == "py")));
        places.extend([project.name().replace('-', "_"), "main".to_owned()]);
    }
    places.iter().for_each(|place| walk(&source.join(place), &mut files, 0));
    files.sort();
    files
}

/// What an interpreter wrote there is no part of a module; neither is what nobody nests that deep.
fn walk(directory: &Path, files: &mut Vec<PathBuf>, depth: usize) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name() != "__pycache__") {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < 32 => walk(&path, files, depth + 1),
            _ => files.push(path),
        }
    }
}
