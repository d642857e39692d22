//! A host that changes under us: what it allowed a moment ago, it refuses now.

use super::is_root;
use rootlet::{Base, ErrorKind, Rootlet, Store, Tier};
use rootlet_tests::{Host, alone_on};

/// Root of a user namespace of its own can forbid itself further ones; nobody is to do that to the whole machine.
#[test]
fn what_stands_goes_on_and_what_is_refused_is_a_sentence() {
    let Some(alpine) = rootlet_tests::alpine_tar() else {
        return rootlet_tests::skipped("no tarball of alpine");
    };
    if is_root() {
        return;
    }
    alone_on(&Host::own_ids(), || {
        let store = Store::open(rootlet_tests::store()).unwrap();
        let base = Base::resolve(&format!("tar:{}", alpine.display()), &store).unwrap();
        let make = |user: &str| Rootlet::builder(&base).tier(Tier::Exact).user(user).spawn();
        let first = make("1000").unwrap();
        std::fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
        // Its nursery stands, and serves all that need no other.
        assert!(first.command("true").status().unwrap().success());
        assert!(make("1000").unwrap().command("true").status().unwrap().success());
        // A user beyond the range needs ids of his own, hence another nursery.
        let refused = make("1000680000").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Host, "{refused:?}");
        assert!(refused.hint().is_some_and(|hint| hint.contains("max_user_namespaces")), "{refused:?}");
        assert!(first.command("true").status().unwrap().success());
    });
}
