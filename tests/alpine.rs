//! `apk:` bases with what takes a rootlet: the scripts of packages. Alpine's own small root is taken apart into its packages, put
//! together again, and held against what it was.

#[path = "alpine/split.rs"]
mod split;
#[path = "../crates/base/tests/support/alpine.rs"]
mod support;

use rootlet::{Base, ErrorKind, Rootlet, Store};
use rootlet_tests::OwnStore;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support::{Apk, Entry, Repository, directory, entry, file};

/// Alpine's tarball and its packages as a repository, in a directory of the test's own.
struct Scene {
    tar: std::path::PathBuf,
    repository: Repository,
    own: OwnStore,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        let tar = rootlet_tests::alpine_tar()?;
        let directory = tempfile::tempdir().unwrap();
        let mut repository = Repository::new(directory.path());
        split::packages(&tar).into_iter().for_each(|apk| repository.add(apk));
        Some(Self { tar, repository, own: OwnStore::default(), _directory: directory })
    }

    fn store(&self) -> Store {
        Store::open(self.own.path()).unwrap()
    }

    fn resolve(&self, more: &str) -> Base {
        rootlet::resolver(&self.store()).resolve(&self.repository.name(more)).unwrap()
    }
}

macro_rules! scene {
    () => {
        match Scene::new() {
            Some(scene) if has_openssl() => scene,
            _ => rootlet_tests::skip!("no tarball of alpine, or no openssl"),
        }
    };
}

fn has_openssl() -> bool {
    std::process::Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success())
}

/// Root in a rootlet.
fn root(base: &Base) -> Rootlet {
    Rootlet::builder(base).user("root").spawn().unwrap()
}

/// What a command said, which must succeed.
#[track_caller]
fn run(root: &Rootlet, script: &str) -> String {
    let output = root.command("sh").args(["-c", script]).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {said}{complained}");
    format!("{said}{complained}")
}

/// Type, mode, owner and content of all files, by path.
fn look(root: &Rootlet) -> BTreeMap<String, String> {
    let stat = "find / -xdev ! -type d -exec stat -c '%n|%F %a %u:%g %N' {} + ; find / -xdev -type d -exec stat -c '%n|%F %a %u:%g' {} +";
    let all = run(root, &format!("({stat}) | grep -v '^/proc\\|^/dev\\|^/tmp'"));
    let mut found: BTreeMap<String, String> = all
        .lines()
        .map(|line| line.split_once('|').unwrap())
        .map(|(path, is)| (path.into(), is.into()))
        .collect();
    for line in
        run(root, "find / -xdev -type f ! -path '/proc/*' ! -path '/dev/*' -exec sha256sum {} +").lines()
    {
        let (digest, path) = line.split_once("  ").unwrap();
        found.get_mut(path).unwrap().push_str(digest);
    }
    found
}

#[test]
fn alpine_of_its_packages_is_alpine() {
    let scene = scene!();
    scene.repository.publish();
    let image = Base::resolve(&format!("tar:{}", scene.tar.display()), &scene.store()).unwrap();
    let (image, made) = (root(&image), root(&scene.resolve("")));
    let (expected, found) = (look(&image), look(&made));
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut differ: Vec<String> = Vec::new();
    for path in paths.into_iter().filter(|path| expected.get(*path) != found.get(*path)) {
        differ.push(format!("{path}\n  image {:?}\n  made  {:?}", expected.get(path), found.get(path)));
    }
    assert!(expected.len() > 400);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
