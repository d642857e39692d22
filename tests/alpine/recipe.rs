//! Packages of a recipe, by apk: from a mirror, pinned, and refused when the mirror has moved on.

use super::support::{Apk, RELEASE, directory, entry};
use super::{OwnStore, Scene, has_openssl, run};
use rootlet::base::Pull;
use rootlet::recipe::{Lock, Locked, Project};
use rootlet::{Base, Rootlet, Store};
use rootlet_tests::repository::Server;
use std::fs;

fn hello(version: &str) -> Apk {
    Apk::new("hello", version)
        .says("D:busybox")
        .with(directory("usr"))
        .with(directory("usr/bin"))
        .with(entry("usr/bin/hello", b'0', format!("#!/bin/sh\necho hello {version}\n"), 0o755))
}

fn says(base: &Base) -> String {
    run(&Rootlet::builder(base).user("root").spawn().unwrap(), "hello; ls /var/cache/apk")
}

#[test]
fn packages_of_a_recipe_are_pinned() {
    let mut scene = scene!();
    scene.repository.add(hello("1-r0"));
    scene.repository.publish();
    let server = Server::new(&scene.repository.root.join("mirror"));
    let project = tempfile::tempdir().unwrap();
    let (keys, url) = (scene.repository.keys(), server.url());
    let recipe = format!(
        "[root.a]\nfrom = \"apk:{RELEASE}?keys={}&mirror={url}&repositories=main\"\npackages = [\"hello\"]\n",
        keys.display()
    );
    fs::write(project.path().join("rootlet.toml"), recipe).unwrap();
    let load = |locked| Project::find(project.path()).unwrap().with_lock(locked);
    let resolver = rootlet::resolver(&scene.store());
    // The caches of apk are in no layer.
    assert_eq!(says(&load(Locked::AsFar).base("a", &resolver).unwrap()), "hello 1-r0\n");
    Lock::of(&load(Locked::AsFar), &resolver).unwrap().save(project.path()).unwrap();
    let lock = fs::read_to_string(project.path().join("rootlet.lock")).unwrap();
    assert!(lock.contains("name = \"hello\"\nversion = \"1-r0\""), "{lock}");

    let other = OwnStore::default();
    let elsewhere = rootlet::resolver(&Store::open(other.path()).unwrap());
    let (first, second) = (
        load(Locked::Strictly).base("a", &resolver).unwrap(),
        load(Locked::Strictly).base("a", &elsewhere).unwrap(),
    );
    assert_eq!(first.id(), second.id());

    scene.repository.packages.remove("hello-1-r0");
    scene.repository.add(hello("2-r0"));
    scene.repository.publish();
    let third = OwnStore::default();
    let late = rootlet::resolver(&Store::open(third.path()).unwrap());
    let error = load(Locked::Strictly).base("a", &late).unwrap_err();
    assert!(
        error.to_string().contains("`hello` of the version 1-r0 is what the lock file says"),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("rootlet update"), "{error:?}");

    Lock::of(&load(Locked::Anew), &late.clone().pull(Pull::Always)).unwrap().save(project.path()).unwrap();
    assert_eq!(says(&load(Locked::Strictly).base("a", &late).unwrap()), "hello 2-r0\n");
}
