//! What sam is refused, and with which errno; what he may do.

use super::{can, host, in_each_base_as, in_each_image_as, with_probe};
use rootlet::spec::{Mount, Net};
use rootlet::{Base, Store};

#[test]
fn sam_may_read_but_not_write_the_system() {
    in_each_base_as("sam", |root| {
        for file in ["/etc/passwd", "/etc/hosts"] {
            let can = can(root, file);
            assert_eq!((&*can.read, &*can.write, &*can.create), ("ok", "EACCES", "EACCES"), "{file}");
        }
        for directory in ["/", "/usr", "/etc", "/home"] {
            assert_eq!(can(root, directory).create, "EACCES", "{directory}");
        }
    });
}

#[test]
fn sam_may_not_read_secrets() {
    in_each_base_as("sam", |root| {
        assert_eq!(can(root, "/etc/shadow").read, "EACCES");
        assert_eq!(can(root, "/root").read, "EACCES");
        assert_eq!(can(root, "/root/.profile").read, "EACCES");
    });
}

#[test]
fn sam_may_write_where_production_lets_him() {
    in_each_base_as("sam", |root| {
        for directory in ["/home/sam", "/tmp", "/dev/shm"] {
            let can = can(root, directory);
            assert_eq!((&*can.create, &*can.unlink), ("ok", "ok"), "{directory}");
        }
        assert_eq!(can(root, "/dev/null").write, "ok");
    });
}

#[test]
fn root_may_write_the_copy() {
    in_each_image_as("root", |root| {
        for directory in ["/", "/etc", "/usr", "/root", "/home/sam"] {
            let can = can(root, directory);
            assert_eq!((&*can.create, &*can.unlink), ("ok", "ok"), "{directory}");
        }
        assert_eq!(can(root, "/etc/shadow").write, "ok");
    });
}

/// What the caller has unpacked is root's inside, also the directories that a rootlet lays files of its own in.
#[test]
fn who_has_the_callers_number_owns_nothing_of_its_directory() {
    // Root's own files are root's in any case; with one id only root uses a directory.
    let caller = rustix::process::geteuid().as_raw();
    if caller == 0 || rootlet_tests::one_id() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for name in ["etc", "home"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    let store = Store::open(rootlet_tests::store()).unwrap();
    let base = Base::resolve(&format!("dir:{}", directory.path().display()), &store).unwrap();
    let root = with_probe(&base).user(&format!("somebody:{caller}:{caller}")).spawn().unwrap();
    for place in ["/etc", "/home"] {
        assert_eq!(can(&root, place).create, "EACCES", "{place}");
        assert_eq!(root.metadata(place).unwrap().uid(), 0, "{place}");
    }
}

#[test]
fn a_read_only_root_is_read_only_for_root_too() {
    rootlet_tests::needs_namespaces!("read-only root");
    let directory = tempfile::tempdir().unwrap();
    for name in ["etc", "tmp"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    let store = Store::open(rootlet_tests::store()).unwrap();
    let directory = Base::resolve(&format!("dir:{}", directory.path().display()), &store).unwrap();
    let usual = ["/", "/etc", "/tmp", "/home"];
    let all = super::bases()
        .into_iter()
        .chain([("directory", directory)])
        .map(|(name, base)| (name, base, &usual[..]));
    // An ordinary user's copy of this machine is put together of many parts.
    let parts = ["/", "/etc", "/tmp", "/home", "/usr", "/usr/bin", "/var/tmp", "/run", "/mnt"];
    for (name, base, places) in all.chain([("host", host(), &parts[..])]) {
        let root = with_probe(&base).user("0").read_only(true).spawn().unwrap();
        for place in places {
            assert_eq!(can(&root, place).create, "EROFS", "{place} on {name}");
        }
        assert_eq!(can(&root, "/dev/shm").create, "ok", "{name}");
        // The library's own file operations are refused likewise.
        assert_eq!(root.write("/etc/.x", "").unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }
}

/// As docker has it: what is mounted is as writable as was asked for, wherever it lies.
#[test]
fn mounts_in_a_read_only_root_are_what_was_asked_for() {
    rootlet_tests::needs_namespaces!("read-only root");
    let shared = tempfile::tempdir().unwrap();
    for (name, base) in super::bases().into_iter().chain([("host", host())]) {
        let root = with_probe(&base).user("root").read_only(true).tmpfs("/tmp").tmpfs("/usr/local");
        let root = root.mount(Mount::Volume { target: "/data".into() });
        let root = root.bind(shared.path(), "/out").bind_read_only(shared.path(), "/in").spawn().unwrap();
        for place in ["/tmp", "/usr/local", "/data", "/out"] {
            assert_eq!(can(&root, place).create, "ok", "{place} on {name}");
        }
        for place in ["/in", "/usr", "/"] {
            assert_eq!(can(&root, place).create, "EROFS", "{place} on {name}");
        }
    }
}

#[test]
fn low_ports_are_roots_in_a_network_of_its_own() {
    for (_, base) in super::bases() {
        let root = with_probe(&base).user("sam").net(Net::Private).spawn().unwrap();
        let output = root.command("/probe").args(["listen", "80"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "probe: EACCES\n");
    }
}

#[test]
fn setuid_programs_raise_nothing() {
    in_each_base_as("sam", |root| {
        // `su` of both bases is setuid root. Without new privileges it cannot even read the passwords.
        let output = root.command("su").args(["-c", "id -u"]).output().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    });
}
