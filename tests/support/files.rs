use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything about a file but how many names it has and when somebody last looked: mode, owner, group, size, time of the last
/// change in seconds and nanoseconds, inode, contents.
pub type Facts = (u32, u32, u32, u64, i64, i64, u64, Vec<u8>);

/// Puts what lies at `path`, and all below it, into `all`.
pub fn look(path: &Path, all: &mut BTreeMap<PathBuf, Facts>) {
    let m = fs::symlink_metadata(path).unwrap();
    let contents = match m.file_type() {
        kind if kind.is_file() => fs::read(path).unwrap(),
        kind if kind.is_symlink() => fs::read_link(path).unwrap().into_os_string().into_encoded_bytes(),
        _ => Vec::new(),
    };
    let size = if m.is_dir() { 0 } else { m.len() };
    let facts = (m.mode(), m.uid(), m.gid(), size, m.mtime(), m.mtime_nsec(), m.ino(), contents);
    all.insert(path.to_owned(), facts);
    if m.is_dir() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| look(&entry.path(), all));
    }
}
