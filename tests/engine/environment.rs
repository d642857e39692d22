//! What surrounds a process.

use super::{facts, in_each_base_as, in_each_image_as, with_probe};
use rootlet::spec::Net;
use std::collections::BTreeSet;

#[test]
fn variables_are_those_of_a_login_and_nothing_of_the_caller() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let env = facts(root).env;
        assert_eq!(env.get("HOME").map(String::as_str), Some("/home/sam"));
        let path = env.get("PATH").unwrap();
        assert!(path.split(':').any(|directory| directory == "/home/sam/.local/bin"), "{path}");
        let known = BTreeSet::from(["HOME", "HOSTNAME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]);
        let strange: Vec<&String> = env.keys().filter(|name| !known.contains(name.as_str())).collect();
        assert!(strange.is_empty(), "{strange:?}");
    });
}

#[test]
fn umask_signals_and_host_name_are_the_defaults() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let facts = facts(root);
        // A container may refuse to have it set, which is said then.
        let refused = root.report().not_reproduced.iter().any(|note| note.starts_with("the host name"));
        assert!(facts.umask == 0o022 && (refused || facts.hostname == "rootlet"), "{facts:?}");
        assert!(
            facts.ignored.is_empty() && facts.blocked.is_empty(),
            "{:?} {:?}",
            facts.ignored,
            facts.blocked
        );
    });
}

#[test]
fn a_process_has_its_own_namespaces_but_the_hosts_network() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let inside = facts(root).namespaces;
        let outside =
            |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap().display().to_string();
        for name in ["mnt", "pid", "ipc", "uts", "user"] {
            assert_ne!(inside[name], outside(name), "{name}");
        }
        assert_eq!(inside["net"], outside("net"));
    });
}

#[test]
fn a_private_network_has_loopback_and_nothing_else() {
    rootlet_tests::needs_namespaces!("/proc to read");
    for (_, base) in super::bases() {
        let private = facts(&with_probe(&base).net(Net::Private).spawn().unwrap());
        assert!(private.loopback);
        // Modules of some kernels put tunnels into every namespace; they are down and lead nowhere.
        assert!(!private.interfaces.iter().any(|name| name.starts_with("eth") || name.starts_with("en")));
        assert!(!facts(&with_probe(&base).net(Net::None).spawn().unwrap()).loopback);
    }
}

#[test]
fn dev_holds_what_every_program_needs_and_no_hardware() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let devices: BTreeSet<String> = facts(root).devices.into_iter().collect();
        let needed = [
            "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
            "urandom", "zero",
        ];
        let missing: Vec<_> = needed.iter().filter(|name| !devices.contains(**name)).collect();
        let allowed = |name: &str| needed.contains(&name) || ["console", "core", "mqueue"].contains(&name);
        let strange: Vec<_> = devices.iter().filter(|name| !allowed(name)).collect();
        assert!(missing.is_empty() && strange.is_empty(), "missing {missing:?}, strange {strange:?}");
    });
}

#[test]
fn only_the_three_streams_are_open() {
    rootlet_tests::needs_own_proc!();
    // One that a careless caller would leak: without close-on-exec, and numbered beyond any that we might use.
    let file = std::fs::File::open("/dev/zero").unwrap();
    let leak = rustix::io::fcntl_dupfd_cloexec(&file, 500).unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    in_each_base_as("sam", |root| {
        let open: Vec<u32> = facts(root).descriptors.into_keys().collect();
        assert_eq!(open, [0, 1, 2]);
    });
}

#[test]
fn nothing_of_the_hosts_mounts_is_seen() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_image_as("sam", |root| {
        let mounts = facts(root).mounts;
        let root_mounts: Vec<_> = mounts.iter().filter(|mount| mount.target == "/").collect();
        assert!(matches!(root_mounts.as_slice(), [only] if only.kind == "overlay"), "{root_mounts:?}");
        let expected = |target: &str| {
            target == "/"
                || ["/proc", "/dev", "/sys", "/probe", "/tmp", "/run"]
                    .iter()
                    .any(|start| target.starts_with(start))
        };
        let strange: Vec<_> = mounts.iter().filter(|mount| !expected(&mount.target)).collect();
        assert!(strange.is_empty(), "{strange:?}");
    });
}
