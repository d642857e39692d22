//! What each host still allows.

use super::{by_caller, ends};
use rootlet::Tier::{Chroot, Exact, OneId};
use rootlet_tests::Host;

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
