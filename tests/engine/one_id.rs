//! What is particular to one id: what root makes is root's, what is on the host stays the caller's, and pid 1, which answers for
//! the kernel, leads nobody to what all rootlets share.

use super::{bases, with_probe};
use rootlet::{Base, Builder, ErrorKind, Rootlet, Tier};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Rootlets of this user with one id, on each base; none where the caller cannot have them.
fn each(user: &str, act: impl Fn(&Base, Builder)) {
    if rustix::process::geteuid().is_root() {
        return;
    }
    for (_, base) in bases() {
        act(&base, with_probe(&base).user(user).tier(Tier::OneId));
    }
}

fn sh(root: &Rootlet, user: &str, script: &str) -> String {
    let output = root.command("sh").args(["-c", script]).user(user).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_root_makes_is_roots() {
    each("sam", |_, builder| {
        let root = builder.spawn().unwrap();
        let script = "umask 022; echo x > /etc/app.conf; mkdir -m 755 /srv/app; echo x > /tmp/roots; install -d -o sam /srv/sams";
        assert_eq!(sh(&root, "root", script), "");
        root.write("/srv/by-the-author", "x").unwrap();
        let refused = "for f in /etc/app.conf /srv/by-the-author; do echo y 2>/dev/null > $f && echo $f; done; \
                       mkdir /srv/app/x 2>/dev/null && echo dir; chmod 777 /srv/app 2>/dev/null && echo chmod; \
                       rm -f /tmp/roots 2>/dev/null && echo sticky; mkdir /srv/sams/x || echo own";
        assert_eq!(sh(&root, "sam", refused), "");
        for (path, uid, mode) in
            [("/etc/app.conf", 0, 0o644), ("/srv/app", 0, 0o755), ("/srv/sams", 1000, 0o755)]
        {
            let found = root.metadata(path).unwrap();
            assert_eq!((found.uid(), found.mode() & 0o7777), (uid, mode), "{path}");
        }
        assert_eq!(sh(&root, "root", "stat -c %u:%a /etc/app.conf /srv/sams"), "0:644\n1000:755\n");
    });
}

/// As fakeroot(1): it seems to be done, and is written down.
#[test]
fn roots_owners_are_remembered() {
    each("root", |_, builder| {
        let root = builder.spawn().unwrap();
        let script = "touch /srv/f && chown 33:44 /srv/f && stat -c %u:%g /srv/f; chown 33 /etc && ls -ldn / | cut -c1-10";
        assert_eq!(sh(&root, "root", script), "33:44\ndrwxr-xr-x\n");
        assert_eq!((root.metadata("/srv/f").unwrap().uid(), root.metadata("/etc").unwrap().uid()), (33, 33));
    });
}

#[test]
fn what_is_on_the_host_stays_the_callers() {
    let shared = tempfile::tempdir().unwrap();
    each("sam", |_, builder| {
        let root = builder.bind(shared.path(), "/src").spawn().unwrap();
        root.write("/src/by-the-author", "x").unwrap();
        root.create_dir("/src/directory").unwrap();
        assert_eq!(sh(&root, "root", "echo x > /src/by-root"), "");
        assert_eq!(
            sh(&root, "sam", "echo y > /src/by-the-author; echo y > /src/by-root; touch /src/directory/x"),
            ""
        );
        for name in ["by-the-author", "by-root", "directory"] {
            let path = shared.path().join(name);
            let mut names = [0u8; 256];
            assert_eq!(rustix::fs::listxattr(&path, &mut names).unwrap(), 0, "{name}");
            assert_eq!(std::fs::metadata(path).unwrap().uid(), rustix::process::geteuid().as_raw(), "{name}");
        }
        std::fs::remove_dir_all(shared.path().join("directory")).unwrap();
    });
}

/// Path, inode, size, times and mode of all that lies below, as far as the caller may look.
fn look(path: &Path, all: &mut BTreeMap<PathBuf, (u64, u64, i64, i64, u32)>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let m = entry.metadata().unwrap();
        all.insert(entry.path(), (m.ino(), m.size(), m.mtime(), m.ctime(), m.mode()));
        if m.is_dir() {
            look(&entry.path(), all);
        }
    }
}

/// pid 1 has directories of the layers open. The kernel lets nobody else follow its links, and it must not follow them for others.
#[test]
fn pid_1_leads_nobody_to_the_layers() {
    each("sam", |base, builder| {
        // Its own projection of the layers, which no other test uses or makes meanwhile.
        let own = rootlet_tests::OwnStore::default();
        let store = rootlet::Store::open(own.path()).unwrap();
        let base = Base::resolve(base.name(), &store).unwrap();
        drop(builder);
        let root = with_probe(&base).user("sam").group("27").tier(Tier::OneId).spawn().unwrap();
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        look(&store.path().join("layers"), &mut before);
        let script = "cd /proc; for n in $(seq 3 60); do for d in 1/fd/$n /proc/1/fd/$n self/../1/fd/$n /proc/self/fd/../../1/fd/$n; do \
                      echo x > $d/planted; mkdir $d/planted-too; chmod 777 $d/etc; chown 33 $d/etc/passwd; chgrp 27 $d/etc; \
                      touch -d @0 $d/etc; rm -f $d/etc/motd; mv $d/etc/hosts $d/etc/moved; done; done 2>/dev/null";
        for user in ["sam", "root"] {
            sh(&root, user, script);
        }
        drop(root);
        look(&store.path().join("layers"), &mut after);
        assert!(before.len() > 100, "{}", before.len());
        assert!(
            before == after,
            "{:?}",
            after.iter().filter(|(path, of)| before.get(*path) != Some(of)).collect::<Vec<_>>()
        );
    });
}

#[test]
fn nobody_else_runs_a_command() {
    each("sam", |_, builder| {
        let error = builder.spawn().unwrap().command("id").user("nobody").output().unwrap_err();
        assert!(error.kind() == ErrorKind::Command && error.hint().unwrap().contains("one id"), "{error:?}");
    });
}

#[test]
fn a_directory_is_a_base_for_root_alone() {
    each("root", |base, _| {
        let directory = tempfile::tempdir().unwrap();
        let name = format!("dir:{}", directory.path().display());
        let base = Base::resolve(&name, base.store()).unwrap();
        let builder = |user: &str| Rootlet::builder(&base).user(user).tier(Tier::OneId);
        assert!(builder("0:0").spawn().is_ok());
        let error = builder("1000:1000").spawn().unwrap_err();
        assert!(error.hint().unwrap().contains("tar:"), "{error:?}");
    });
}
