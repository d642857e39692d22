//! Python's SDK for modules goes into the command: its files lie in the Python package and are pure Python.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let package = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../python/python");
    let functions = package.join("rootlet/functions");
    println!("cargo::rerun-if-changed={}", package.join("rootlet/__init__.py").display());
    let mut files = vec![package.join("rootlet/__init__.py")];
    collect(&functions, &mut files);
    files.sort();
    let mut list = String::from("[\n");
    for file in files.iter().filter(|file| file.exists()) {
        let path = file.strip_prefix(&package).unwrap().to_str().unwrap();
        // What stands for another package is found under that one's name.
        let path = path.strip_prefix("rootlet/functions/compat/").unwrap_or(path);
        writeln!(list, "    ({path:?}, include_str!({:?})),", file.canonicalize().unwrap()).unwrap();
    }
    list.push(']');
    let out = Path::new(&std::env::var("OUT_DIR").unwrap()).join("sdk.rs");
    fs::write(out, list).unwrap();
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", directory.display());
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        match path.extension() {
            _ if path.is_dir() && !path.ends_with("__pycache__") => collect(&path, files),
            Some(extension) if extension == "py" => {
                println!("cargo::rerun-if-changed={}", path.display());
                files.push(path);
            }
            _ => {}
        }
    }
}
