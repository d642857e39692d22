//! The engine on real roots, looked at from inside by the probe: who a process is, what it is refused, what it sees.
//!
//! Every test runs on Alpine and on Debian, and on this machine's own root where that can be expected to look the same;
//! `cargo xtask test` runs all of them as root and as an ordinary user: the expectations are the same in all cases, for they
//! are production's.

#[path = "engine/alone.rs"]
mod alone;
#[path = "engine/bundle.rs"]
mod bundle;
#[path = "engine/environment.rs"]
mod environment;
#[path = "engine/fresh.rs"]
mod fresh;
#[path = "engine/host.rs"]
mod host;
#[path = "engine/hostile.rs"]
mod hostile;
#[path = "engine/identity.rs"]
mod identity;
#[path = "engine/limits.rs"]
mod limits;
#[path = "engine/one_id.rs"]
mod one_id;
#[path = "engine/peer.rs"]
mod peer;
#[path = "engine/refusals.rs"]
mod refusals;
#[path = "engine/terminal.rs"]
mod terminal;

use rootlet::{Base, Builder, Rootlet, Store};
use rootlet_tests::facts::{Can, Facts};
use rootlet_tests::{alpine_tar, debian_tar, probe, store};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The real roots of this machine, each with its name. Where one is missing the test that asked is skipped for it,
/// loudly.
fn bases() -> Vec<(&'static str, Base)> {
    let store = Store::open(store()).unwrap();
    let tarballs = [("alpine", alpine_tar()), ("debian", debian_tar())];
    let resolved = tarballs.into_iter().filter_map(|(name, tarball): (_, Option<PathBuf>)| {
        let Some(tarball) = tarball else {
            rootlet_tests::skipped(&format!("no tarball of {name}"));
            return None;
        };
        Some((name, Base::resolve(&format!("tar:{}", tarball.display()), &store).unwrap()))
    });
    resolved.collect()
}

/// This machine's own root.
fn host() -> Base {
    Base::resolve("host", &Store::open(store()).unwrap()).unwrap()
}

/// A rootlet to be, with the probe at `/probe`.
fn with_probe(base: &Base) -> Builder {
    Rootlet::builder(base).bind_read_only(probe(), "/probe")
}

/// Does something in a fresh rootlet of each base, this machine's root among them, as this user.
#[track_caller]
fn in_each_base_as(user: &str, act: impl Fn(&Rootlet)) {
    // Without mounts, this machine's own root is too much to be copied.
    let host = (!rootlet_tests::chroot()).then(|| ("host", host()));
    in_each_of(bases().into_iter().chain(host), user, act);
}

/// Likewise, but not on this machine's root: whose files those are and what is mounted there depends on who asks
/// (docs/differences.md).
#[track_caller]
fn in_each_image_as(user: &str, act: impl Fn(&Rootlet)) {
    in_each_of(bases(), user, act);
}

#[track_caller]
fn in_each_of(bases: impl IntoIterator<Item = (&'static str, Base)>, user: &str, act: impl Fn(&Rootlet)) {
    for (name, base) in bases {
        eprintln!("{user} on {name}");
        act(&with_probe(&base).user(user).spawn().unwrap());
    }
}

/// What the probe prints as JSON.
#[track_caller]
fn ask<T: serde::de::DeserializeOwned>(root: &Rootlet, words: &[&str]) -> T {
    let output = root.command("/probe").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn facts(root: &Rootlet) -> Facts {
    ask(root, &["facts"])
}

#[track_caller]
fn can(root: &Rootlet, path: &str) -> Can {
    let mut answers: BTreeMap<String, Can> = ask(root, &["can", path]);
    answers.remove(path).unwrap()
}
