//! Whether the files of a module are as they were: told by their inodes, without reading them.

use super::project::{Project, Sdk};
use crate::recipe::Stamp;
use std::fs;
use std::path::Path;

/// The stamps of the files that say what a module offers.
pub(super) fn of(project: &Project) -> Vec<Stamp> {
    let source = project.source();
    let mut stamps: Vec<Stamp> = Stamp::of(&project.file()).into_iter().collect();
    let names: &[&str] = match project.sdk() {
        Sdk::Python => &["pyproject.toml", ".venv/pyvenv.cfg"],
        _ => &["Cargo.toml", "Cargo.lock", "build.rs"],
    };
    stamps.extend(names.iter().filter_map(|name| Stamp::of(&source.join(name)).ok()));
    let mut places = vec!["src".to_owned()];
    if project.sdk() == Sdk::Python {
        // Code may also lie beside the file.
        let here = fs::read_dir(&source).into_iter().flatten().flatten().map(|entry| entry.path());
        let python = here.filter(|path| path.extension().is_some_and(|extension| extension == "py"));
        stamps.extend(python.filter_map(|path| Stamp::of(&path).ok()));
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
            _ => stamps.extend(Stamp::of(&path).ok()),
        }
    }
}
