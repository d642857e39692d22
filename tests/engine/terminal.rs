//! A terminal, as a process inside finds it. (What a person sees of it is tested with the command: crates/cli/tests/tty.rs.)

use super::{ask, in_each_base_as};
use rootlet::Child;
use rootlet_tests::facts::Facts;
use std::collections::BTreeMap;
use std::io::Read;

/// What came on the terminal until the command had ended.
fn shown(mut child: Child) -> String {
    let mut text = Vec::new();
    // The end of a terminal is EIO.
    let _ = child.tty().unwrap().read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

#[test]
fn a_command_on_a_terminal_leads_a_session_and_the_foreground() {
    rootlet_tests::needs_own_proc!();
    in_each_base_as("sam", |root| {
        let started = |word: &str| root.command("/probe").arg(word).tty(40, 100).spawn().unwrap();
        let terminal: BTreeMap<String, String> = serde_json::from_str(&shown(started("tty"))).unwrap();
        for (what, is) in [
            ("stdin", "true"),
            ("stdout", "true"),
            ("stderr", "true"),
            ("controlling", "true"),
            ("size", "100x40"),
        ] {
            assert_eq!(terminal[what], is, "{what}");
        }
        let facts: Facts = serde_json::from_str(&shown(started("facts"))).unwrap();
        // A shell's job control begins with this: it is the leader, and nobody's child in the session.
        assert_eq!((facts.ids.sid, facts.ids.pgid), (facts.ids.pid, facts.ids.pid));
        assert!(facts.ignored.is_empty() && facts.blocked.is_empty(), "the keys' signals work: {facts:?}");
        let numbers: Vec<u32> = facts.descriptors.keys().copied().collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(
            facts.descriptors.values().all(|path| path.starts_with("/dev/pts/")),
            "{:?}",
            facts.descriptors
        );
    });
}

#[test]
fn a_command_without_a_terminal_has_none_to_reach_for() {
    rootlet_tests::needs_namespaces!("/dev/pts");
    in_each_base_as("sam", |root| {
        // Were it in the caller's session, it could open the caller's terminal as /dev/tty, and type into it.
        let terminal: BTreeMap<String, String> = ask(root, &["tty"]);
        assert_eq!(
            (&*terminal["stdin"], &*terminal["controlling"], &*terminal["size"]),
            ("false", "false", "-")
        );
    });
}
