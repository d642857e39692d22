//! Removing what others made so that it cannot be removed.

mod support;

use rootlet_kernel::{Meta, Worker};
use std::fs;
use std::process::{Command, Stdio};
use support::{map, tempdir};

/// Deeper than the worker goes down.
const LEVELS: usize = 1200;

#[test]
fn a_tree_of_any_depth() {
    let directory = tempdir("removal");
    let (tree, outside) = (directory.join("tree"), directory.join("outside"));
    for place in [&tree, &outside] {
        fs::create_dir(place).unwrap();
    }
    fs::write(outside.join("file"), "untouched").unwrap();
    let mut worker = Worker::start(&map()).unwrap();
    let mut writer = worker.writer(&tree).unwrap();
    let meta = Meta { mode: 0o755, ..Meta::default() };
    writer.directory(b"", &meta).unwrap();
    // The names by which what lies deep is moved up are taken.
    writer.file(b"aaaaaaaa", &meta, 1, &mut &b"x"[..]).unwrap();
    writer.file(b"aaaaaaab/held", &meta, 1, &mut &b"x"[..]).unwrap();
    writer.symlink(b"aaaaaaac", outside.to_str().unwrap().as_bytes(), &meta).unwrap();
    writer.directory(b"aaaaaaad", &meta).unwrap();
    let deep = "d/".repeat(LEVELS);
    writer.file(format!("{deep}file").as_bytes(), &meta, 1, &mut &b"x"[..]).unwrap();
    // Whoever owns it may not write it.
    let closed = Meta { mode: 0o500, uid: 1000, gid: 1000, ..Meta::default() };
    writer.directory(deep.trim_end_matches('/').as_bytes(), &closed).unwrap();
    writer.finish().unwrap();

    worker.remove(&tree).unwrap();
    assert!(!tree.exists());
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    fs::remove_dir_all(&directory).unwrap();
}

/// The same by a process that may have few files open, as the worker then may, too.
#[test]
fn a_tree_of_any_depth_with_few_descriptors() {
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let output = few.args(["a_tree_of_any_depth", "--exact"]).stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
