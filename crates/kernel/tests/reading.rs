//! Reading what only somebody inside may read.

mod support;

use rootlet_kernel::{Meta, Worker};
use rustix::fs::OFlags;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use support::{map, tempdir};

#[test]
fn a_worker_opens_what_others_own() {
    let directory = tempdir("reading");
    let tree = directory.join("tree");
    fs::create_dir(&tree).unwrap();
    let mut worker = Worker::start(&map()).unwrap();
    let shut = Meta { mode: 0o700, uid: 33, gid: 33, ..Meta::default() };
    let note = (b"user.note".to_vec(), b"a\0b".to_vec());
    let secret = Meta { mode: 0o600, xattrs: vec![note.clone()], ..shut.clone() };
    let mut writer = worker.writer(&tree).unwrap();
    writer.directory(b"shut", &shut).unwrap();
    writer.file(b"shut/secret", &secret, 6, &mut &b"secret"[..]).unwrap();
    writer.symlink(b"shut/away", b"/etc/hostname", &shut).unwrap();
    writer.finish().unwrap();

    let root = File::open(&tree).unwrap();
    let opened = worker.open(&root, b"shut/secret", OFlags::RDONLY | OFlags::NOFOLLOW).unwrap();
    assert_eq!(opened.attributes, [note]);
    let mut file = File::from(opened.fd);
    assert_eq!(file.metadata().unwrap().uid(), map().uid_outside(33).unwrap());
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "secret");
    let place = worker.open(&root, b"shut/away", OFlags::PATH | OFlags::NOFOLLOW).unwrap();
    assert_eq!(rustix::fs::readlinkat(&place.fd, "", Vec::new()).unwrap().to_bytes(), b"/etc/hostname");
    // Nothing leads out of the tree.
    for outside in [&b"shut/away"[..], b"../outside", b"/../outside"] {
        fs::write(directory.join("outside"), "x").unwrap();
        let error = worker.open(&root, outside, OFlags::RDONLY).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2), "{}", outside.escape_ascii());
    }
    worker.remove(&tree).unwrap();
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn attributes_that_do_not_fit_are_refused_and_the_worker_goes_on() {
    let directory = tempdir("large-attributes");
    let tree = directory.join("tree");
    fs::create_dir(&tree).unwrap();
    let mut worker = Worker::start(&map()).unwrap();
    // Half a message each. Not every file system has room for them (ext4 has not, tmpfs has): then that is what is told.
    let large = |name: &[u8]| (name.to_vec(), vec![b'x'; 20_000]);
    let meta = Meta { mode: 0o644, xattrs: vec![large(b"user.a"), large(b"user.b")], ..Meta::default() };
    let mut writer = worker.writer(&tree).unwrap();
    let written = writer.file(b"f", &meta, 0, &mut std::io::empty()).and_then(|()| writer.finish());
    let root = File::open(&tree).unwrap();
    match written {
        Ok(()) => {
            let error = worker.open(&root, b"f", OFlags::RDONLY).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(7), "{error}");
        }
        Err(error) => assert_eq!(error.source.raw_os_error(), Some(28), "{error}"),
    }
    assert_eq!(worker.open(&root, b".", OFlags::RDONLY).unwrap().attributes, []);
    worker.remove(&tree).unwrap();
    fs::remove_dir_all(&directory).unwrap();
}
