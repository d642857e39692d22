//! `apk:` bases: roots made of packages. The packages are real ones with contents of the test's own; their scripts are looked at,
//! and run in `tests/alpine.rs`, for that takes a rootlet.

#[path = "support/alpine.rs"]
mod alpine;
#[path = "apk/bad.rs"]
mod bad;
#[path = "apk/network.rs"]
mod network;
mod support;

use alpine::{Apk, Entry, Repository, directory, entry, file, symlink};
use rootlet_base::{
    Base, Error, ErrorKind, LayerWriter, PackEntry, PackKind, PackedLayer, Pull, Resolver, Result,
};
use rootlet_base::{Script, Setup};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use support::{Home, has, map};

macro_rules! scene {
    () => {
        match crate::support::has("openssl") {
            true => crate::Scene::new(),
            false => crate::support::skip!("no openssl"),
        }
    };
}
pub(crate) use scene;

/// A store, a repository, and who would run the scripts.
struct Scene {
    home: Home,
    repository: Repository,
    setup: Arc<Scripts>,
}

/// Writes down what it is asked to run, and leaves a trace in the root.
#[derive(Default)]
struct Scripts(Mutex<Vec<Script>>);

impl Setup for Scripts {
    fn run(&self, _: &Base, script: &Script, mut layer: LayerWriter) -> Result<PackedLayer> {
        self.0.lock().unwrap().push(script.clone());
        let (path, kind) = (b"configured".to_vec(), PackKind::File(0));
        let entry = PackEntry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() };
        layer.append(&entry, &mut io::empty())?;
        layer.finish()
    }
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let repository = Repository::minimal(home.path());
        Self { home, repository, setup: Arc::default() }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(&self.home.store).setup(self.setup.clone())
    }

    fn resolve(&self, more: &str) -> Result<Base> {
        self.resolver().resolve(&self.repository.name(more))
    }

    #[track_caller]
    fn fails(&self, more: &str, kind: ErrorKind, words: &[&str]) -> Error {
        let error = self.resolve(more).unwrap_err();
        let text = format!("{error:?}");
        words.iter().for_each(|word| assert!(text.contains(word), "no `{word}` in: {text}"));
        assert_eq!(error.kind(), kind, "{text}");
        let left: Vec<_> = self.home.store.list().unwrap().into_iter().map(|base| base.name).collect();
        assert_eq!((left.len(), self.home.list("tmp").len()), (0, 0), "{left:?}");
        error
    }

    /// The lowest layer, as root of the root sees it; `None` without subordinate ids.
    fn layer(&self, base: &Base) -> Option<PathBuf> {
        Some(base.layer_paths(&map()?).unwrap().into_iter().find(|path| path.join("etc").exists()).unwrap())
    }
}

fn app() -> Apk {
    Apk::new("app", "1.0-r0")
        .says("D:libfoo>=1 cmd:tool")
        .with(entry("usr/bin/app", b'0', "app", 0o4755))
        .with(entry("usr/bin/again", b'1', "usr/bin/app", 0o4755))
        .with(symlink("usr/bin/link", "app"))
        .with(file("usr/share/doc/a b/ü", "text"))
        .with(Entry { names: ("sam".into(), "shadow".into()), ids: (7, 7), ..file("var/lib/app/data", "x") })
        .with(Entry { mode: 0o755, ..directory("tmp") })
}

fn with_app(scene: &mut Scene) {
    scene.repository.add(app());
    scene.repository.add(Apk::new("libfoo", "2.1-r0").with(file("usr/lib/libfoo.so", "so")).says("k:5"));
    scene.repository.add(Apk::new("tool", "1-r0").says("p:cmd:tool=1-r0"));
    scene.repository.publish();
}

#[test]
fn a_root_has_the_files_of_its_packages() {
    let mut scene = scene!();
    with_app(&mut scene);
    let base = scene.resolve("+app").unwrap();
    assert_eq!(base.name(), scene.repository.name("+app"));
    let info = scene.home.store.show(base.name()).unwrap();
    assert!(info.how.contains("8 packages"), "{}", info.how);
    let Some(root) = scene.layer(&base) else { support::skip!("no subordinate ids") };
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(read("usr/lib/libfoo.so"), "so");
    assert_eq!(read("usr/share/doc/a b/ü"), "text");
    let found = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    assert_eq!(found("usr/bin/app").permissions().mode() & 0o7777, 0o4755);
    assert_eq!(found("usr/bin/app").ino(), found("usr/bin/again").ino());
    assert_eq!(fs::read_link(root.join("usr/bin/link")).unwrap().to_str(), Some("app"));
    // Of a directory that two have, the rights that both give.
    assert_eq!(found("tmp").permissions().mode() & 0o7777, 0o755);
    let first = if support::is_root() { 1_000_000_000 } else { 0 };
    if support::is_root() {
        // By name, not by the number in the package.
        assert_eq!(
            (found("var/lib/app/data").uid(), found("var/lib/app/data").gid()),
            (first + 1000, first + 42)
        );
    }
    assert_eq!(
        read("etc/apk/world"),
        "alpine-baselayout\nalpine-keys\napk-tools\napp\nbusybox\nlibc-utils\n"
    );
    assert_eq!(read("etc/apk/arch").trim(), alpine::ARCH);
    let mirror = scene.repository.root.join("mirror");
    assert_eq!(read("etc/apk/repositories"), format!("{}/v3.20/main\n", mirror.display()));
    assert_eq!(
        fs::read(root.join("etc/apk/keys").join(&scene.repository.key)).unwrap(),
        fs::read(scene.repository.keys().join(&scene.repository.key)).unwrap()
    );
    let installed = read("lib/apk/db/installed");
    let stanza = installed.split("\n\n").find(|stanza| stanza.contains("\nP:app\n")).unwrap();
    assert!(stanza.contains("F:usr/bin\nR:again\na:0:0:4755\nZ:Q1"), "{stanza}");
    assert!(stanza.contains("F:var/lib/app\nR:data\na:1000:42:644\nZ:Q1"), "{stanza}");
}

#[test]
fn the_same_packages_give_the_same_root() {
    let mut scene = scene!();
    with_app(&mut scene);
    let other = Home::new();
    let name = scene.repository.name("+app");
    let again = Resolver::new(&other.store).resolve(&name).unwrap();
    assert_eq!(scene.resolve("+app").unwrap().id(), again.id());
    assert_ne!(scene.resolve("").unwrap().id(), again.id());
}

#[test]
fn scripts_come_in_order_and_their_users_own_their_files() {
    let mut scene = scene!();
    let web = Apk::new("web", "1-r0")
        .says("D:app")
        .script("pre-install", "#!/bin/sh\nadduser -D web\n")
        .script("post-install", "#!/bin/sh\n")
        .script("pre-upgrade", "#!/bin/sh\n")
        .script("trigger", "#!/bin/sh\n")
        .info("triggers = /usr/bin /lib/mod*/$(x)")
        .with(Entry {
            mode: 0o2755,
            names: ("web".into(), "web".into()),
            ids: (9, 9),
            ..file("srv/web's", "")
        });
    scene.repository.add(web);
    scene.repository.add(Apk::new("app", "1-r0").script("post-install", "#!/bin/sh\n"));
    scene.repository.publish();
    let base = scene.resolve("+web").unwrap();
    assert_eq!(base.layer_count(), 2);
    let scripts = scene.setup.0.lock().unwrap();
    let [script] = scripts.as_slice() else { panic!("{} scripts", scripts.len()) };
    assert_eq!((script.epoch, script.network), (alpine::TIME, false));
    assert!(script.what.contains("configure the packages of apk:v3.20+web"), "{}", script.what);
    let mut lines = script.text.lines().skip_while(|line| !line.starts_with("script '"));
    for expected in [
        &["script 'app-1-r0.Q1", "post-install' '1-r0'"][..],
        &["script 'web-1-r0.Q1", "pre-install' '1-r0'"],
        &["$b chown -h $(id passwd web 9):$(id group web 9) '/srv/web'\\''s'"],
        &["$b chmod 2755 '/srv/web'\\''s'"],
        &["script 'web-1-r0.Q1", "post-install' '1-r0'"],
        &["$b sed -i \"s/^\\([aM]:\\)web:/\\1$(id passwd web 9):/\""],
        &["$b sed -i \"s/^\\([aM]:[^:]*:\\)web:/\\1$(id group web 9):/\""],
        &["trigger 'web-1-r0.Q1", "trigger' /usr/bin /lib/mod*/'$''('x')'"],
    ] {
        let line = lines.next().unwrap();
        expected.iter().for_each(|part| assert!(line.contains(part), "no `{part}` in {line}"));
    }
}

#[test]
fn what_the_store_has_is_used_unasked() {
    let mut scene = scene!();
    with_app(&mut scene);
    for resolver in [scene.resolver().offline(true), scene.resolver().pull(Pull::Never)] {
        let error = resolver.resolve(&scene.repository.name("")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotInStore);
        assert!(error.hint().unwrap().contains("rootlet base pull"), "{error:?}");
    }
    let made = scene.resolve("").unwrap();
    fs::rename(scene.repository.root.join("mirror"), scene.repository.root.join("away")).unwrap();
    assert_eq!(scene.resolve("").unwrap().id(), made.id());
    let offline = scene.resolver().offline(true).pull(Pull::Always);
    assert_eq!(offline.resolve(&scene.repository.name("")).unwrap().id(), made.id());
    assert_eq!(
        scene.resolver().pull(Pull::Always).resolve(&scene.repository.name("")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn packages_of_other_roots_are_not_fetched_again() {
    let mut scene = scene!();
    with_app(&mut scene);
    let base = scene.resolve("").unwrap();
    let ids =
        ["busybox-1.36.1-r29", "alpine-keys-2.4-r1", "apk-tools-2.14.4-r0", "alpine-baselayout-3.6.5-r0"];
    ids.iter().for_each(|id| fs::remove_file(scene.repository.file(id)).unwrap());
    // Nor to see whether anything is new.
    let again = scene.resolver().pull(Pull::Always).resolve(base.name()).unwrap();
    assert_eq!(again.id(), base.id());
    scene.resolve("+app").unwrap();
    drop((base, again));
    // They stay with the roots, and go with them.
    let blobs = scene.home.list("images/blobs/sha256").len();
    assert_eq!(blobs, 8 + 2);
    for more in ["", "+app"] {
        scene.home.store.remove(&scene.repository.name(more)).unwrap();
    }
    scene.fails("+app", ErrorKind::NotFound, &[".apk: ENOENT"]);
}

#[test]
fn what_is_as_it_was_is_not_made_again() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("app", "1-r0").script("post-install", "#!/bin/sh\n"));
    scene.repository.publish();
    let made = scene.resolve("+app").unwrap();
    let again = scene.resolver().pull(Pull::Always).resolve(&scene.repository.name("+app")).unwrap();
    assert_eq!((again.id(), scene.setup.0.lock().unwrap().len()), (made.id(), 1));
}

#[test]
fn a_damaged_package_of_the_store_is_fetched_again() {
    let mut scene = scene!();
    with_app(&mut scene);
    let base = scene.resolve("").unwrap();
    for blob in scene.home.list("images/blobs/sha256") {
        let path = scene.home.store.path().join("images/blobs/sha256").join(blob);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    scene.resolve("+app").unwrap();
    drop(base);
}

#[test]
fn always_sees_a_new_package() {
    let mut scene = scene!();
    scene.repository.publish();
    let old = scene.resolve("").unwrap();
    scene.repository.add(Apk::new("busybox", "1.36.1-r30").with(file("bin/busybox", "newer")));
    scene.repository.publish();
    assert_eq!(scene.resolve("").unwrap().id(), old.id());
    let new = scene.resolver().pull(Pull::Always).resolve(old.name()).unwrap();
    assert_ne!(new.id(), old.id());
    assert_eq!(scene.resolve("").unwrap().id(), new.id());
}

#[test]
fn one_makes_it_and_the_others_wait() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("app", "1-r0").script("post-install", "#!/bin/sh\n"));
    scene.repository.publish();
    let scene = &scene;
    let ids: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..4).map(|_| scope.spawn(|| scene.resolve("+app").unwrap().id().to_owned())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(scene.setup.0.lock().unwrap().len(), 1);
}

#[test]
fn a_package_may_replace_files_of_another() {
    let mut scene = scene!();
    scene.repository.add(Apk::new("a", "1-r0").with(file("etc/x", "a")));
    scene.repository.add(Apk::new("b", "1-r0").with(file("etc/x", "b")).info("replaces = a<2"));
    scene.repository.publish();
    let base = scene.resolve("+a+b").unwrap();
    let turned = scene.resolve("+b+a").unwrap();
    let Some(root) = scene.layer(&base) else { support::skip!("no subordinate ids") };
    assert_eq!(fs::read_to_string(root.join("etc/x")).unwrap(), "b");
    let installed = fs::read_to_string(root.join("lib/apk/db/installed")).unwrap();
    assert_eq!(installed.matches("\nR:x\n").count(), 1);
    assert_eq!(turned.id(), base.id());
}

#[test]
fn says_which_release_it_is() {
    let mut scene = scene!();
    let old = Apk::new("alpine-base", "3.20.3-r0").says("D:openrc").with(file("etc/os-release", "ID=alpine"));
    scene.repository.add(old.with(file("usr/x", "")));
    scene.repository.publish();
    let base = scene.resolve("").unwrap();
    scene
        .repository
        .add(Apk::new("alpine-release", "3.21.0-r0").with(file("etc/os-release", "VERSION=3.21")));
    scene.repository.publish();
    let new = scene.resolver().pull(Pull::Always).resolve(base.name()).unwrap();
    let (Some(old), Some(new)) = (scene.layer(&base), scene.layer(&new)) else {
        support::skip!("no subordinate ids")
    };
    assert_eq!(fs::read_to_string(old.join("etc/os-release")).unwrap(), "ID=alpine");
    assert!(!old.join("usr/x").exists());
    assert!(!fs::read_to_string(old.join("lib/apk/db/installed")).unwrap().contains("P:alpine-base\n"));
    assert_eq!(fs::read_to_string(new.join("etc/os-release")).unwrap(), "VERSION=3.21");
    assert!(fs::read_to_string(new.join("etc/apk/world")).unwrap().contains("alpine-release\n"));
}
