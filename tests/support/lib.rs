//! What the tests share: where their data is, how they skip, and how they see that nothing is left behind.

mod alone;
mod alpine_image;
mod data;
mod files;
mod hosts;
mod leftovers;
mod own_store;
mod pattern;
pub mod repository;
mod search;
mod skip;
pub mod tree;

pub use alone::{alone, alone_on};
pub use alpine_image::alpine_image;
pub use data::{
    alpine_tar, confine, debian_tar, docker_filter, hostile, kept, manifest_directory, manifests, node,
    packages_base, pjdfstest, probe, rootlet_command, server, services_tar, store,
};
pub use files::{Facts, look};
pub use hosts::Host;
pub use leftovers::Leftovers;
pub use own_store::{OwnStore, remove_store};
pub use pattern::matches;
pub use rootlet_probe as facts;
pub use search::files_with;
pub use skip::skipped;

/// Whether this run of the tests is one of one id (`ROOTLET_TIER=one-id`), where some things differ as docs/differences.md says.
pub fn one_id() -> bool {
    std::env::var("ROOTLET_TIER").is_ok_and(|tier| tier == "one-id")
}

/// Whether this run of the tests is one without namespaces (`ROOTLET_TIER=chroot`).
pub fn chroot() -> bool {
    std::env::var("ROOTLET_TIER").is_ok_and(|tier| tier == "chroot")
}

/// Ends the calling test where there are no namespaces: that cannot have what it looks at, as docs/differences.md says.
#[macro_export]
macro_rules! needs_namespaces {
    ($what:expr) => {
        if $crate::chroot() {
            return eprintln!("without namespaces there is no {}", $what);
        }
    };
}

/// Whether this run of the tests is one where rootlets have the host's /proc (`ROOTLET_TEST_PROC=hosts`).
pub fn hosts_proc() -> bool {
    std::env::var("ROOTLET_TEST_PROC").is_ok_and(|proc| proc == "hosts")
}

/// Ends the calling test where rootlets have no /proc of their own, as docs/differences.md says.
#[macro_export]
macro_rules! needs_own_proc {
    () => {
        $crate::needs_namespaces!("/proc to read");
        if $crate::hosts_proc() {
            return eprintln!("/proc is the host's");
        }
    };
}

/// Fails when something is there that was not there before.
#[track_caller]
pub fn assert_nothing_left(before: &Leftovers) {
    let left = before.left();
    assert!(left.is_empty(), "left behind:\n    {}", left.join("\n    "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn descriptors_and_orphans_are_seen_until_they_go() {
        alone(|| {
            let before = Leftovers::before();
            // The shell ends at once and leaves us a process that lives as long as its input does.
            let mut shell = Command::new("sh");
            let mut shell =
                shell.args(["-c", "exec 3<&0; cat <&3 >&2 &"]).stdin(Stdio::piped()).spawn().unwrap();
            let input = shell.stdin.take().unwrap();
            assert!(shell.wait().unwrap().success());
            let left = before.left();
            assert!(
                // Its name is `sh` until it has executed `cat`.
                matches!(left.as_slice(), [pipe, cat] if pipe.contains("pipe:") && cat.starts_with("process ")),
                "{left:?}"
            );
            drop(input);
            assert_nothing_left(&before);
        });
    }
}
