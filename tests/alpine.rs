//! `apk:` bases with what takes a rootlet: the scripts of packages. Alpine's own small root is taken apart into its packages, put
//! together again, and held against what it was.

#[path = "alpine/split.rs"]
mod split;
#[path = "../crates/base/tests/support/alpine.rs"]
mod support;

use rootlet::{Base, Rootlet, Store};
use rootlet_tests::OwnStore;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use support::{Apk, Entry, Repository, directory, entry, file};

/// Alpine's tarball and its packages as a repository, in a directory of the test's own.
struct Scene {
    tar: PathBuf,
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

#[path = "alpine/presets.rs"]
mod presets;
#[path = "alpine/recipe.rs"]
mod recipe;

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

/// Alpine's own image, in a rootlet.
fn image(tar: &Path) -> Rootlet {
    let store = Store::open(rootlet_tests::store()).unwrap();
    root(&Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap())
}

/// The lines that only the second text has.
fn more<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let known: BTreeSet<&str> = before.lines().collect();
    after.lines().filter(|line| !known.contains(line)).collect()
}

/// Paths of which the test knows that and why they differ.
const OTHER: &[&str] = &[
    // The image is made without the packages' scripts; busybox' makes a user.
    "/etc/group",
    "/etc/group-",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/shadow",
    "/etc/shadow-",
    // Of the test's own mirror.
    "/etc/apk/keys/test@localhost-1.rsa.pub",
    "/etc/apk/repositories",
    // Looked at apart.
    "/lib/apk/db/installed",
    "/lib/apk/db/scripts.tar",
    "/lib/apk/db/triggers",
];

#[test]
fn alpine_of_its_packages_is_alpine() {
    let scene = scene!();
    scene.repository.publish();
    let (image, made) = (image(&scene.tar), root(&scene.resolve("")));
    let (expected, found) = (look(&image), look(&made));
    assert!(expected.len() > 400, "{}", expected.len());
    for path in expected.keys().chain(found.keys()).filter(|path| !OTHER.contains(&path.as_str())) {
        assert_eq!(found.get(path), expected.get(path), "{path}");
    }
    for path in ["/etc/passwd", "/etc/group", "/etc/shadow"] {
        let (before, after) = (image.read_to_string(path).unwrap(), made.read_to_string(path).unwrap());
        assert!(more(&before, &after).iter().all(|line| line.starts_with("klogd:")), "{path}: {after}");
        assert!(more(&after, &before).is_empty(), "{path}: {after}");
        assert_eq!(found[path][..20], expected[path][..20], "{path}");
    }
    let (before, after) = (installed(&image), installed(&made));
    let differs = before.iter().zip(&after).find(|(before, after)| before != after);
    assert_eq!((before.len(), differs), (after.len(), None));
    let list =
        "tar tvf /lib/apk/db/scripts.tar | sed 's/Q1.*=/Q1/' | sort; sed 's/^Q1[^ ]*//' /lib/apk/db/triggers";
    assert_eq!(run(&made, list), run(&image, list));
}

/// What apk knows of packages, without the checksums and sizes of those that were packed anew. The image's shadow is not its
/// package's, so its checksum is left out, too.
fn installed(root: &Rootlet) -> Vec<String> {
    let text = root.read_to_string("/lib/apk/db/installed").unwrap();
    let shadow = text.split("R:shadow\n").nth(1).unwrap().lines().nth(1).unwrap();
    let same = |line: &&str| !line.starts_with("C:") && !line.starts_with("S:") && *line != shadow;
    text.lines().filter(same).map(str::to_owned).collect()
}

#[test]
fn apk_goes_on_from_there() {
    let mut scene = scene!();
    let hello = Apk::new("hello", "1-r0")
        .says("D:busybox")
        // apk takes no file whose directory has no entry before it.
        .with(directory("usr"))
        .with(directory("usr/bin"))
        .with(entry("usr/bin/hello", b'0', "#!/bin/sh\necho hello\n", 0o755))
        .script("post-install", "#!/bin/sh\nid -u > /etc/hello-was-here\n");
    scene.repository.add(hello);
    scene.repository.publish();
    let (image, root) = (image(&scene.tar), root(&scene.resolve("")));
    // Its mirror, at the same place inside.
    for path in [scene.repository.index_file(), scene.repository.file("hello-1-r0")] {
        root.create_dir_all(path.parent().unwrap()).unwrap();
        root.write(&path, std::fs::read(&path).unwrap()).unwrap();
    }
    // What is not as the packages have it is just that in the image, and what scripts did.
    let audit = "apk audit; apk audit --system --check-permissions";
    let (before, after) = (run(&image, audit), run(&root, audit));
    let new = more(&before, &after);
    let by_scripts = ["U etc/group", "U etc/passwd", "A etc/group-", "A etc/passwd-", "A etc/shadow-"];
    let known = |line: &&str| by_scripts.contains(line) || line.ends_with("test@localhost-1.rsa.pub");
    assert!(new.iter().all(known), "{new:?}");
    assert!(run(&root, "apk info -e busybox").contains("busybox"));
    assert!(run(&root, "apk info -L musl").contains("lib/ld-musl-"));
    assert!(run(&root, "apk info --who-owns /bin/busybox").contains("owned by busybox-1.36.1"));
    let said = run(&root, "apk update");
    assert!(said.contains("OK: 16 distinct packages available"), "{said}");
    let said = run(&root, "apk add hello");
    assert!(said.contains("Executing hello-1-r0.post-install"), "{said}");
    assert_eq!(run(&root, "hello; cat /etc/hello-was-here"), "hello\n0\n");
    assert!(run(&root, "apk verify $(find / -xdev -name hello-1-r0.apk)").contains("hello-1-r0.apk: 0 - OK"));
    run(&root, "echo changed >> /etc/motd; echo changed > /usr/bin/hello");
    let audit = run(&root, "apk audit; apk audit --system");
    assert!(audit.contains("U etc/motd") && audit.contains("U usr/bin/hello"), "{audit}");
    run(&root, "apk del hello");
    assert!(!root.exists("/usr/bin/hello"));
}

#[test]
fn users_that_scripts_make_own_their_files() {
    let mut scene = scene!();
    let of_web = |entry: Entry| Entry { ids: (9999, 9999), names: ("web".into(), "web".into()), ..entry };
    let web = Apk::new("web", "1-r0")
        .says("D:busybox")
        .script("pre-install", "#!/bin/sh\naddgroup -S web\nadduser -S -D -H -G web web\n")
        .script("post-install", "#!/bin/sh\ntest \"$(stat -c %U:%G:%a /usr/bin/web)\" = web:web:2755\n")
        .script("trigger", "#!/bin/sh\necho \"$*\" > /etc/triggered\n")
        .info("triggers = /usr/share/web* /nothing /usr/bin")
        .with(of_web(Entry { mode: 0o750, ..directory("var/lib/web") }))
        .with(of_web(Entry { mode: 0o2755, ..file("usr/bin/web", "") }))
        .with(of_web(file("usr/share/web it/it's", "")));
    scene.repository.add(web);
    scene.repository.publish();
    let root = root(&scene.resolve("+web"));
    let (uid, gid) = (run(&root, "id -u web"), run(&root, "id -g web"));
    assert_ne!((uid.trim(), gid.trim()), ("9999", "9999"));
    let owners = run(&root, "stat -c '%U:%G %a' /var/lib/web /usr/bin/web \"/usr/share/web it/it's\"");
    assert_eq!(owners, "web:web 750\nweb:web 2755\nweb:web 644\n");
    assert_eq!(root.read_to_string("/etc/triggered").unwrap(), "/usr/share/web it /usr/bin\n");
    let installed = root.read_to_string("/lib/apk/db/installed").unwrap();
    let line = format!("F:var/lib/web\nM:{}:{}:750\n", uid.trim(), gid.trim());
    assert!(installed.contains(&line), "{installed}");
    // Where there is one id, true owners are in an attribute, and apk looks at attributes.
    if !rootlet_tests::one_id() {
        let audit = "apk audit --system --check-permissions";
        let (before, after) = (run(&image(&scene.tar), audit), run(&root, audit));
        assert_eq!(more(&before, &after), [""; 0]);
    }
}

#[test]
fn a_script_that_fails_is_told_and_nothing_is_left() {
    let mut scene = scene!();
    let bad = Apk::new("bad", "1-r0").says("D:busybox");
    scene.repository.add(bad.script("post-install", "#!/bin/sh\necho the reason >&2\nexit 7\n"));
    scene.repository.publish();
    let store = scene.store();
    let error = rootlet::resolver(&store).resolve(&scene.repository.name("+bad")).unwrap_err();
    let text = format!("{error:?}");
    for word in
        ["configure the packages of apk:v3.20+bad", "the reason", "bad-1-r0.", ".post-install ended with 7"]
    {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn two_builds_are_the_same_to_the_byte() {
    let scene = scene!();
    scene.repository.publish();
    let own = OwnStore::default();
    let other = Store::open(own.path()).unwrap();
    let again = rootlet::resolver(&other).resolve(&scene.repository.name("")).unwrap();
    assert_eq!(scene.resolve("").id(), again.id());
}

#[test]
fn versions_have_the_order_that_apk_gives_them() {
    let Some(tar) = rootlet_tests::alpine_tar() else { rootlet_tests::skip!("no tarball of alpine") };
    let order: Vec<&str> = include_str!("../crates/base/src/source/apk/versions.txt").lines().collect();
    let pairs = order.iter().enumerate().flat_map(|(at, a)| order[at + 1..].iter().map(move |b| (a, b)));
    let pairs: String = pairs.map(|(a, b)| format!("{a} {b}\n")).collect();
    let script = "while read a b; do [ \"$(apk version -t $a $b)\" = '<' ] || echo \"$a $b\"; done";
    assert_eq!(run(&image(&tar), &format!("{script} <<E\n{pairs}E\n")), "");
}
