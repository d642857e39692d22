//! Who a process is: the kernel's answer, never a name's.

use super::{facts, in_each_base_as, in_each_image_as};
use rootlet_tests::facts::Caps;

/// Docker's fourteen, as the kernel prints them in a container's CapBnd.
const DOCKER_DEFAULT: u64 = 0xa804_25fb;

#[test]
fn sam_is_sam_in_every_id() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let facts = facts(root);
        assert_eq!((facts.uids, facts.gids), ([1000; 4], [1000; 4]));
        assert!(facts.groups.iter().all(|group| *group == 1000), "{:?}", facts.groups);
    });
}

#[test]
fn sam_has_no_capability_and_can_gain_none() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("sam", |root| {
        let facts = facts(root);
        let none =
            Caps { inheritable: 0, permitted: 0, effective: 0, bounding: facts.caps.bounding, ambient: 0 };
        assert_eq!(facts.caps, none);
        assert_eq!(facts.caps.bounding & !DOCKER_DEFAULT, 0, "{:x}", facts.caps.bounding);
        assert!(facts.no_new_privs);
        assert_eq!(facts.seccomp, 2);
    });
}

#[test]
fn root_has_dockers_capabilities_and_is_nobodys_root() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("root", |root| {
        let facts = facts(root);
        assert_eq!((facts.uids, facts.gids), ([0; 4], [0; 4]));
        let full = Caps {
            inheritable: 0,
            permitted: DOCKER_DEFAULT,
            effective: DOCKER_DEFAULT,
            bounding: DOCKER_DEFAULT,
            ambient: 0,
        };
        assert_eq!(facts.caps, full);
        let outside = facts.uid_map.iter().find(|[inside, ..]| *inside == 0).map(|[_, outside, _]| *outside);
        assert!(outside.is_some_and(|outside| outside != 0), "root inside is {outside:?} outside");
    });
}

#[test]
fn a_number_without_an_account_is_in_group_0_and_lives_in_the_root() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("123456", |root| {
        let facts = facts(root);
        assert_eq!((facts.uids, facts.gids), ([123_456; 4], [0; 4]));
        assert_eq!(facts.env.get("HOME").map(String::as_str), Some("/"));
    });
}

#[test]
fn uid_and_gid_may_differ_and_an_account_is_made() {
    rootlet_tests::needs_namespaces!("/proc to read");
    in_each_base_as("alice:1234:4321", |root| {
        let facts = facts(root);
        assert_eq!((facts.uids, facts.gids), ([1234; 4], [4321; 4]));
        assert_eq!(facts.env.get("HOME").map(String::as_str), Some("/home/alice"));
        let output = root.command("id").arg("-un").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "alice\n");
    });
}

#[test]
fn files_show_their_true_owners() {
    in_each_image_as("sam", |root| {
        for (path, uid, gid) in [("/etc/passwd", 0, 0), ("/home/sam", 1000, 1000), ("/bin/sh", 0, 0)] {
            let told = root.metadata(path).unwrap();
            assert_eq!((told.uid(), told.gid()), (uid, gid), "{path}");
            let stat = super::can(root, path).stat.unwrap();
            let seen = if rootlet_tests::one_id() { (1000, 1000) } else { (uid, gid) };
            assert_eq!((stat.uid, stat.gid), seen, "{path}");
        }
        let shadow = root.metadata("/etc/shadow").unwrap();
        assert_eq!((shadow.uid(), shadow.mode() & 0o607), (0, 0o600));
    });
}
