//! The engine by itself: a worker makes a tree, a plan makes it a root, pid 1 runs commands and opens files in it.

mod support;

use rootlet_kernel::*;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use support::{map, tempdir};

/// A base of one static file: this test needs no distribution.
fn base(directory: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let layer = directory.join("layer");
    std::fs::create_dir(&layer).unwrap();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::set_permissions(&layer, std::fs::Permissions::from_mode(0o777)).unwrap();
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut worker = Worker::start(&map()).unwrap();
    let mut writer = worker.writer(&layer).unwrap();
    let root = Meta { mode: 0o755, ..Meta::default() };
    writer.directory(b"", &root).unwrap();
    writer.file(b"bin/busybox", &root, busybox.len() as u64, &mut &busybox[..]).unwrap();
    for applet in ["sh", "id", "cat", "true", "ls", "mount", "sleep", "kill"] {
        writer.symlink(format!("bin/{applet}").as_bytes(), b"busybox", &root).unwrap();
    }
    writer.file(b"etc/shadow", &Meta { mode: 0o640, ..Meta::default() }, 7, &mut &b"secret\n"[..]).unwrap();
    writer
        .file(
            b"home/sam/mine",
            &Meta { mode: 0o600, uid: 1000, gid: 1000, ..Meta::default() },
            2,
            &mut &b"x\n"[..],
        )
        .unwrap();
    for dir in ["proc", "dev"] {
        writer.directory(dir.as_bytes(), &root).unwrap();
    }
    writer.finish().unwrap();
}

fn spawn(directory: &std::path::Path) -> Init {
    let nursery = Nursery::shared(&map(), Bounds::NONE).unwrap();
    let layer = directory.join("layer");
    // The reserved range of real root may not walk to every directory: it is handed the mount.
    let layer = match rustix::process::getuid().is_root() {
        true => nursery.add_mount(mount::clone(&layer, false).unwrap().as_fd()).unwrap(),
        false => nursery.add_path(&layer, false).unwrap(),
    };
    assert!(nursery.upper_in_memory().unwrap(), "this host's tmpfs has user attributes");
    let ops = [
        Op::UpperTmpfs("mode=0755".into()),
        Op::MakePlace("/up/u".into(), 0o755),
        Op::MakePlace("/up/w".into(), 0o755),
        Op::MakePlace("/up/copy".into(), 0o755),
        Op::KeepOpen("/up/u".into()),
        Op::KeepOpen("/up/copy".into()),
        Op::RootOverlay(format!("lowerdir={},upperdir=/up/u,workdir=/up/w,userxattr", layer.place())),
        Op::FileSystem { kind: FileSystem::Proc, target: "/proc".into(), attributes: 0, options: vec![] },
        Op::Dev("/dev".into()),
        Op::Hostname("rootlet".into()),
        Op::Enter,
    ];
    nursery.spawn(&Plan::new(plan::namespaces::ALWAYS, &ops)).unwrap()
}

fn sh(init: &Init, uid: u32, script: &str) -> (Ended, String) {
    let (mut out, theirs) = std::io::pipe().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let exec = Exec {
        who: Who { uid, gid: uid, groups: vec![] },
        umask: 0o22,
        workdir: "/".into(),
        argv: ["sh", "-c", script].map(|s| s.as_bytes().to_vec()).to_vec(),
        env: vec![b"PATH=/bin".to_vec()],
        no_new_privs: true,
        ..Exec::default()
    };
    let started = init.exec(&exec, Streams::Given([null.as_fd(), theirs.as_fd(), theirs.as_fd()])).unwrap();
    drop(theirs);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    (started.wait(None).unwrap().unwrap(), text)
}

#[test]
fn a_root_of_its_own() {
    let directory = tempdir("root");
    base(&directory);
    let init = spawn(&directory);
    let (ended, text) =
        sh(&init, 1000, "id; echo hello > /etc/motd; cat /etc/shadow; cat /home/sam/mine; echo $$; exit 3");
    println!("{text}");
    assert_eq!(ended, Ended::Exited(3));
    assert!(text.contains("uid=1000 gid=1000"));
    assert!(text.contains("can't create /etc/motd: Permission denied"));
    assert!(text.contains("can't open '/etc/shadow': Permission denied"));
    assert!(text.contains("x\n"));
    let (_, text) =
        sh(&init, 0, "echo hello > /etc/motd; cat /etc/motd /etc/shadow; ls -ln /etc /dev /proc/self/fd");
    println!("{text}");
    assert!(text.contains("hello\nsecret"));
    assert_eq!(sh(&init, 0, "kill -9 $$").0, Ended::Signaled(9, false));

    let sam = Who { uid: 1000, gid: 1000, groups: vec![] };
    let root = Who::default();
    let write = (libc::O_WRONLY | libc::O_CREAT) as u32;
    assert_eq!(init.open(&sam, 0, b"/etc/x", write, 0o644).unwrap_err().raw_os_error(), Some(libc::EACCES));
    init.open(&root, 0, b"/etc/x", write, 0o644).unwrap().write_all(b"1").unwrap();
    assert_eq!(init.stat(&sam, 0, b"/etc/x", true).unwrap().uid, 0);
    assert_eq!(init.stat(&sam, 0, b"/../../etc/x", true).unwrap().size, 1);
    assert_eq!(init.open(&root, 0, b"/proc/self/fd/3", 0, 0).unwrap_err().raw_os_error(), Some(libc::ELOOP));
    assert_eq!(init.list(&root, 0, b"/etc").unwrap().len(), 3);
    assert_eq!(init.read_link(&root, 0, b"/bin/sh").unwrap(), b"busybox");
    init.end();
    assert_eq!(init.count().unwrap_err().raw_os_error(), Some(libc::ESRCH));
    remove(&directory);
}

/// In the memory of a rootlet, whose file system takes more than the block that ext4 has for them.
#[test]
fn the_largest_attributes_are_made_and_copied() {
    let directory = tempdir("attributes");
    base(&directory);
    let init = spawn(&directory);
    let (upper, copy) = (1, 2);
    let place = |tree| init.open(&Who::default(), tree, b"/", libc::O_DIRECTORY as u32, 0).unwrap();
    // XATTR_SIZE_MAX, and two that share a message.
    let values = [("user.small", 3000), ("user.large", 65536), ("user.half", 20_000)];
    let xattrs = values.map(|(name, len)| (name.as_bytes().to_vec(), vec![b'v'; len]));
    let meta = Meta { mode: 0o644, xattrs: xattrs.to_vec(), ..Meta::default() };
    let mut worker = Worker::start(&map()).unwrap();
    let upper_place = place(upper);
    let mut writer = worker.writer(format!("/proc/self/fd/{}", upper_place.as_raw_fd()).as_ref()).unwrap();
    writer.file(b"before", &Meta::default(), 6, &mut &b"before"[..]).unwrap();
    writer.file(b"file", &meta, 4, &mut &b"data"[..]).unwrap();
    writer.directory(b"directory", &meta).unwrap();
    writer.file(b"directory/behind", &Meta::default(), 6, &mut &b"behind"[..]).unwrap();
    writer.finish().unwrap();
    init.copy_tree(upper, place(copy).as_fd()).unwrap();
    for tree in [upper, copy] {
        for name in ["file", "directory"] {
            let there = init.open(&Who::default(), tree, name.as_bytes(), 0, 0).unwrap();
            for (attribute, value) in &xattrs {
                let mut read = vec![0; 65536];
                let length = rustix::fs::fgetxattr(&there, attribute.as_slice(), &mut read).unwrap();
                assert!(read[..length] == value[..], "{tree} {name} {}", attribute.escape_ascii());
            }
        }
        assert_eq!(init.stat(&Who::default(), tree, b"directory/behind", false).unwrap().size, 6);
    }
    // What is too large for everybody is refused, and the worker goes on.
    let mut writer = worker.writer(&directory.join("layer")).unwrap();
    let meta = Meta { xattrs: vec![(b"user.x".to_vec(), vec![0; 65537])], ..Meta::default() };
    writer.file(b"file", &meta, 0, &mut &b""[..]).unwrap();
    assert_eq!(writer.finish().unwrap_err().source.raw_os_error(), Some(libc::E2BIG));
    init.end();
    remove(&directory);
}

/// Behind a file of its own, which is where an image may say so.
#[test]
fn an_opaque_directory_is_marked_itself() {
    let directory = tempdir("opaque");
    base(&directory);
    let layer = directory.join("layer");
    let mut worker = Worker::start(&map()).unwrap();
    let mut writer = worker.writer(&layer).unwrap();
    let meta = Meta { mode: 0o755, ..Meta::default() };
    writer.directory(b"known", &meta).unwrap();
    writer.file(b"known/file", &meta, 1, &mut &b"x"[..]).unwrap();
    writer.opaque(b"known").unwrap();
    writer.file(b"other/file", &meta, 1, &mut &b"x"[..]).unwrap();
    writer.opaque(b"other").unwrap();
    writer.finish().unwrap();
    let marks = |path: &str| {
        let open = std::fs::File::open(layer.join(path)).unwrap();
        rustix::fs::fgetxattr(&open, "user.overlay.opaque", &mut [0u8; 8][..]).is_ok()
    };
    let marked = ["known", "known/file", "other", "other/file"].map(marks);
    assert_eq!(marked, [true, false, true, false]);
    remove(&directory);
}

fn remove(directory: &std::path::Path) {
    Worker::start(&map()).unwrap().remove(&directory.join("layer")).unwrap();
    std::fs::remove_dir(directory).unwrap();
}
