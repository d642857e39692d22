//! Looking for what should be nowhere.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The files below a directory that have a text in them, packed with zstd or not, or in their name.
///
/// What belongs to subordinate ids alone is left out: it came out of a layer, whose blob is looked at.
pub fn files_with(directory: &Path, text: &str) -> Vec<String> {
    // grep is faster than anything in a build for tests.
    let plain = Command::new("grep").args(["-rlaF", "--", text]).arg(directory).output().unwrap();
    let mut found: Vec<String> = String::from_utf8_lossy(&plain.stdout).lines().map(str::to_owned).collect();
    walk(directory, text, &mut found);
    found
}

fn walk(directory: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.path().display().to_string());
        let kind = entry.file_type().unwrap();
        // No link is followed: a root's /dev/stderr leads to our own, from which nothing comes for ever.
        let packed = || kind.is_file() && is_packed(&path);
        if kind.is_dir() {
            walk(&path, text, found);
        } else if name.contains(text) || packed() && fs::read(&path).is_ok_and(|bytes| holds(&bytes, text)) {
            found.push(name);
        }
    }
}

fn is_packed(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && start == ZSTD
}

fn holds(packed: &[u8], text: &str) -> bool {
    let bytes = zstd::decode_all(packed).unwrap();
    let mut grep = Command::new("grep").args(["-qaF", "--", text]).stdin(Stdio::piped()).spawn().unwrap();
    // It ends as soon as it has found one.
    let _ = grep.stdin.take().unwrap().write_all(&bytes);
    grep.wait().unwrap().success()
}
