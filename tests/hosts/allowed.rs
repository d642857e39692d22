//! What each host still allows.

use super::{by_caller, ends};
use rootlet::Tier::{Chroot, Exact, OneId};
use rootlet::spec::Require;
use rootlet::{Base, ErrorKind, Rootlet, Store};
use rootlet_tests::{Host, alone_on, alpine_tar, skipped, store};

#[test]
fn in_dockers_default_container() {
    // An ordinary user may do nothing there that a rootlet could be made of.
    ends(Host::docker, by_caller(Some(Chroot), None));
}

#[test]
fn in_a_container_without_new_privileges() {
    ends(Host::docker_without_new_privileges, by_caller(Some(Chroot), None));
}

#[test]
fn where_no_user_namespace_is_made() {
    ends(|| Some(Host::no_user_namespaces()), by_caller(Some(Chroot), None));
}

#[test]
fn where_user_namespaces_have_no_power() {
    ends(|| Some(Host::powerless_user_namespaces()), by_caller(Some(Chroot), None));
}

#[test]
fn where_no_root_is_changed() {
    ends(|| Some(Host::no_change_of_root()), by_caller(Some(Chroot), None));
}

#[test]
fn what_keeps_a_layer_from_being_unpacked_is_the_hosts_refusal_too() {
    let Some(alpine) = alpine_tar() else { return skipped("no tarball of alpine") };
    alone_on(&Host::no_change_of_root(), || {
        // Nothing is in there yet.
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let base = Base::resolve(&format!("tar:{}", alpine.display()), &store).unwrap();
        match Rootlet::builder(&base).spawn() {
            Ok(root) => assert_eq!(root.report().tier, Chroot),
            Err(error) => {
                assert!(!rustix::process::geteuid().is_root(), "{error:?}");
                assert_eq!(error.kind(), ErrorKind::Host, "{error:?}");
            }
        }
    });
}

#[test]
fn where_no_host_name_is_set() {
    ends(|| Some(Host::no_host_name()), by_caller(Some(Exact), Some(OneId)));
}

#[test]
fn a_host_name_that_cannot_be_set_is_the_callers_and_the_report_says_so() {
    let Some(alpine) = alpine_tar() else { return skipped("no tarball of alpine") };
    alone_on(&Host::no_host_name(), || {
        let base =
            Base::resolve(&format!("tar:{}", alpine.display()), &Store::open(store()).unwrap()).unwrap();
        // The second one is not even tried with a name.
        for _ in 0..2 {
            let root = Rootlet::builder(&base).hostname("asked").spawn().unwrap();
            let said =
                root.command("sh").args(["-c", "uname -n; cat /etc/hostname"]).output().unwrap().stdout;
            let callers = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
            let expected = format!("{callers}asked\n");
            assert_eq!(String::from_utf8(said).unwrap(), expected);
            let notes = &root.report().not_reproduced;
            assert!(notes.iter().any(|note| note.starts_with("the host name")), "{notes:?}");
        }
        let error = Rootlet::builder(&base).require(Require::Everything).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
    });
}

#[test]
fn where_no_new_proc_is_mounted() {
    ends(|| Some(Host::masked_proc()), by_caller(Some(Exact), Some(OneId)));
}

#[test]
fn without_subordinate_ids() {
    ends(|| Some(Host::no_subordinate_ids()), by_caller(Some(Exact), Some(OneId)));
}

#[test]
fn without_newuidmap() {
    ends(|| Some(Host::no_programs()), by_caller(Some(Exact), Some(OneId)));
}

#[test]
fn without_a_temporary_directory() {
    ends(|| Some(Host::no_temporary_directory()), Some(Exact));
}
