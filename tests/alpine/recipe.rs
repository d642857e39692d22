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

#[test]
fn a_package_is_fetched_once() {
    let mut scene = scene!();
    scene.repository.add(hello("1-r0"));
    scene.repository.add(Apk::new("other", "1-r0"));
    scene.repository.publish();
    let server = Server::new(&scene.repository.root.join("mirror"));
    let project = tempfile::tempdir().unwrap();
    let from = format!(
        "apk:{RELEASE}?keys={}&mirror={}&repositories=main",
        scene.repository.keys().display(),
        server.url()
    );
    let recipes = format!(
        "[root.a]\nfrom = \"{from}\"\npackages = [\"hello\"]\n\
         [root.b]\nfrom = \"{from}\"\npackages = [\"hello\", \"other\"]\n\
         [root.below]\nfrom = \"{from}\"\nrun = [\"touch /srv/x\"]\n\
         [root.c]\nfrom = \"below\"\npackages = [\"hello\"]\n\
         [root.d]\nfrom = \"below\"\npackages = [\"hello\", \"no-such-package\"]\n"
    );
    fs::write(project.path().join("rootlet.toml"), recipes).unwrap();
    let resolver = rootlet::resolver(&scene.store());
    let build = |name: &str| Project::find(project.path()).unwrap().base(name, &resolver);
    let fetched = |name: &str| {
        server.counts().iter().filter(|(path, _)| path.contains(name)).map(|(_, n)| n).sum::<usize>()
    };
    assert_eq!(says(&build("a").unwrap()), "hello 1-r0\n");
    assert_eq!(says(&build("b").unwrap()), "hello 1-r0\n");
    assert_eq!((fetched("/hello-"), fetched("/other-")), (1, 1));
    // Something else in its place is fetched anew.
    let kinds = fs::read_dir(scene.own.path().join("packages")).unwrap().flatten();
    let kept = kinds.flat_map(|kind| fs::read_dir(kind.path()).unwrap().flatten()).map(|file| file.path());
    let (hello, others): (Vec<_>, Vec<_>) = kept.partition(|file| file.to_string_lossy().contains("hello-"));
    assert_eq!((hello.len(), others.len()), (1, 1));
    fs::write(&hello[0], "of somebody else").unwrap();
    assert_eq!(says(&build("c").unwrap()), "hello 1-r0\n");
    assert_eq!((fetched("/hello-"), fetched("/other-")), (2, 1));
    assert!(fs::metadata(&hello[0]).unwrap().len() > 100);
    let error = build("d").unwrap_err().to_string();
    assert!(error.contains("no-such-package (no such package)"), "{error}");
}
