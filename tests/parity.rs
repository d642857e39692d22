//! Like production: what its files say is what runs.
//!
//! The table holds one case for each knob of production and the failure that it causes: as root it passes, as production it is
//! refused by the kernel, and with the fix applied it passes. Beside it, what a real kubelet gives, fact by fact, and the real files
//! of well-known projects.

#[path = "parity/admission.rs"]
mod admission;
#[path = "parity/cases.rs"]
mod cases;
#[path = "parity/command.rs"]
mod command;
#[path = "parity/init.rs"]
mod init;
#[path = "parity/kubelet.rs"]
mod kubelet;
#[path = "parity/manifests.rs"]
mod manifests;
#[path = "parity/podman.rs"]
mod podman;
#[path = "parity/table.rs"]
mod table;
#[path = "parity/units.rs"]
mod units;

use rootlet::like::{self, Like};
use rootlet::{Base, Builder, Rootlet, Store};
use rootlet_tests::{alpine_tar, probe, store};
use std::path::{Path, PathBuf};

/// Alpine's root; `None`, said loudly, where this machine has none.
fn alpine() -> Option<Base> {
    let Some(tarball) = alpine_tar() else {
        rootlet_tests::skipped("no tarball of Alpine");
        return None;
    };
    let store = Store::open(store()).unwrap();
    Some(Base::resolve(&format!("tar:{}", tarball.display()), &store).unwrap())
}

/// A file in a directory of its own.
struct Written {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        Self { _directory: directory, path }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    #[track_caller]
    fn like(&self) -> Like {
        like::read(&[self.path.to_str().unwrap()]).unwrap()
    }
}

/// A rootlet to be, with the probe at `/probe`.
fn with_probe(base: &Base) -> Builder {
    Rootlet::builder(base).bind_read_only(probe(), "/probe")
}

/// As a file says, with the probe.
fn probed(base: &Base, like: &Like) -> Builder {
    Rootlet::builder(base).like(like).bind_read_only(probe(), "/probe")
}

/// What the probe prints as JSON.
#[track_caller]
fn ask<T: serde::de::DeserializeOwned>(root: &Rootlet, words: &[&str]) -> T {
    let output = root.command("/probe").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
