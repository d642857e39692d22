//! `apt:` bases: of a small repository that the test makes, where anything may be wrong with it, and of real Debian.

#[path = "apt/build.rs"]
mod build;
#[path = "apt/debian.rs"]
mod debian;
#[path = "apt/hostile.rs"]
mod hostile;
#[path = "apt/mirror.rs"]
mod mirror;
#[path = "apt/scripts.rs"]
mod scripts;
#[path = "apt/solve.rs"]
mod solve;
#[path = "apt/trust.rs"]
mod trust;

use rootlet::base::{Error, ErrorKind, Limits};
use rootlet::{Base, Rootlet, Store};
use rootlet_tests::OwnStore;
use rootlet_tests::repository::{Deb, Repository, Signer};

const SUITE: &str = "test";

/// A repository, who signs it, and a store.
struct Scene {
    repository: Repository,
    signer: Signer,
    store: OwnStore,
}

/// `None` where this machine has not the means.
fn scene() -> Option<Scene> {
    scene_with(&[])
}

/// One with these packages besides, signed and ready.
fn scene_with(debs: &[Deb]) -> Option<Scene> {
    let mut repository = Repository::new()?;
    debs.iter().for_each(|deb| drop(repository.add(deb)));
    let scene = Scene { repository, signer: Signer::new(), store: OwnStore::default() };
    scene.repository.publish(SUITE, &scene.signer);
    Some(scene)
}

impl Scene {
    fn name(&self) -> String {
        self.repository.name(SUITE, &self.signer)
    }

    /// The name with packages added.
    fn name_with(&self, packages: &str) -> String {
        self.name().replacen(SUITE, &format!("{SUITE}+{packages}"), 1)
    }

    fn store(&self) -> Store {
        Store::open(self.store.path()).unwrap()
    }

    fn resolve(&self, name: &str) -> Result<Base, Error> {
        rootlet::resolver(&self.store()).resolve(name)
    }

    fn resolve_within(&self, name: &str, limits: Limits) -> Result<Base, Error> {
        rootlet::resolver(&self.store()).limits(limits).resolve(name)
    }

    /// It is refused for this reason; gives the whole sentence. No base, layer or half of one is left.
    #[track_caller]
    fn refused(&self, name: &str, kind: ErrorKind, why: &str) -> String {
        let error = self.resolve(name).unwrap_err();
        let told = format!("{error:?}");
        assert!(error.kind() == kind && told.contains(why), "{:?}: {told}", error.kind());
        self.assert_nothing_made();
        told
    }

    /// What came whole may stay: the next one goes on with it.
    #[track_caller]
    fn assert_nothing_made(&self) {
        let half = ["bases", "tmp"];
        let left: Vec<_> = self
            .store
            .listing()
            .into_iter()
            .filter(|path| half.iter().any(|name| path.starts_with(self.store.path().join(name))))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// What a shell in a base says.
#[track_caller]
fn says(base: &Base, script: &str) -> String {
    let root = Rootlet::builder(base).user("0:0").spawn().unwrap();
    let output = root.command("/bin/sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
