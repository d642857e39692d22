//! The package managers of other distributions, in a Debian that has them instead of its own: dnf, zypper and pacman, with
//! repositories that their own tools make. What they fetched is fetched once, and only what is asked for is installed.

use super::{Scene, debian::debian, says};
use rootlet::recipe::{Lock, Locked};
use rootlet::{Base, ErrorKind, Rootlet};
use rootlet_tests::chroot;
use rootlet_tests::repository::Server;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const DEBIAN: &str =
    "apt:trixie+dnf+zypper+pacman-package-manager+makepkg+rpm+createrepo-c+libarchive-tools+file";

/// `OTHERS` are the programs that would be asked first; `MARK` keeps each test's packages apart from those of others.
const RECIPES: &str = r#"
    [root.bare]
    from = "DEBIAN"
    run = ["""
    rm /usr/bin/apt-get OTHERS
    printf 'ID=test\nVERSION_ID=MARK\n' > /etc/os-release
    mkdir -p /etc/yum.repos.d /etc/zypp/repos.d
    printf '[test]\nname=test\nbaseurl=URL/rpm\ngpgcheck=0\nenabled=1\n' > /etc/yum.repos.d/test.repo
    cp /etc/yum.repos.d/test.repo /etc/zypp/repos.d
    printf '[test]\nSigLevel = Never\nServer = URL/pacman\n' >> /etc/pacman.conf
    ln -sf /proc/self/mounts /etc/mtab
    """]

    [root.bare-too]
    from = "bare"
    run = ["touch /srv/too"]

    [root.a]
    from = "bare"
    packages = ["hello"]

    [root.more]
    from = "bare"
    packages = ["hello", "hello-extras"]

    [root.too]
    from = "bare-too"
    packages = ["hello"]

    [root.missing]
    from = "bare"
    packages = ["hello", "no-such-package"]
"#;

/// A project whose packages come from a mirror of its own.
struct Mirrored {
    scene: Scene,
    server: Server,
    files: TempDir,
    mark: String,
}

impl Mirrored {
    /// `None` where there is no mirror of Debian.
    fn new(others: &str) -> Option<Self> {
        if chroot() {
            eprintln!("without /proc neither repo-add nor pacman does anything");
            return None;
        }
        let scene = debian("")?;
        let files = tempfile::tempdir().unwrap();
        let server = Server::new(files.path());
        let mark = files.path().file_name().unwrap().to_string_lossy().trim_start_matches('.').to_owned();
        let recipes = [("DEBIAN", DEBIAN), ("OTHERS", others), ("MARK", &mark), ("URL", &server.url())]
            .iter()
            .fold(RECIPES.to_owned(), |text, (word, value)| text.replace(word, value));
        scene.write("rootlet.toml", &recipes);
        let mirrored = Self { scene, server, files, mark };
        mirrored.publish("1.0");
        Some(mirrored)
    }

    /// Has the mirror hold these versions alone, made by the tools of the distributions.
    fn publish(&self, version: &str) {
        let base = rootlet_tests::packages_base(DEBIAN).unwrap();
        let root = Rootlet::builder(&base).user("root").spawn().unwrap();
        let script = include_str!("packages.sh");
        super::text(&root.command("/bin/sh").args(["-c", script, "packages.sh", version]).output().unwrap());
        fs::remove_dir_all(self.files.path()).unwrap();
        take(&root, Path::new("/out"), self.files.path());
    }

    fn build(&self, name: &str) -> Base {
        self.scene.build(name).unwrap()
    }

    /// How often each package was fetched, by the beginning of its name.
    fn fetched(&self) -> BTreeMap<String, usize> {
        let name = |path: &str| Some(path.rsplit('/').next()?.split("-1.0").next()?.to_owned());
        let packages = self.server.counts().into_iter().filter(|(path, _)| path.contains("-1.0-1"));
        packages.filter_map(|(path, count)| Some((name(&path)?, count))).collect()
    }

    /// The packages that the store keeps of them.
    fn kept(&self) -> Vec<std::path::PathBuf> {
        let kinds = fs::read_dir(self.scene.store.path().join("packages")).unwrap().flatten();
        let mine = kinds.filter(|kind| kind.file_name().to_string_lossy().ends_with(&self.mark));
        mine.flat_map(|kind| fs::read_dir(kind.path()).unwrap().flatten()).map(|file| file.path()).collect()
    }
}

/// Copies a directory of a rootlet's.
fn take(root: &Rootlet, from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in root.read_dir(from).unwrap() {
        let to = to.join(entry.file_name());
        match entry.metadata().is_dir() {
            true => take(root, entry.path(), &to),
            false => fs::write(to, root.read(entry.path()).unwrap()).unwrap(),
        }
    }
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

/// A package manager: what it calls its packages' origin, and its question for what is there.
struct Case {
    others: &'static str,
    kind: &'static str,
    installed: &'static str,
}

const DNF: Case = Case { others: "", kind: "rpm", installed: "rpm -qa --qf '%{NAME} %{VERSION}\\n' | sort" };
const ZYPPER: Case = Case { others: "/usr/bin/dnf", ..DNF };
const PACMAN: Case = Case {
    others: "/usr/bin/dnf /usr/bin/zypper",
    kind: "pacman",
    installed: "pacman -Q | sed 's/-1$//' | sort",
};

#[test]
fn dnf_installs_what_is_asked_for_and_fetches_it_once() {
    installs_and_fetches_once(&DNF);
}

#[test]
fn zypper_installs_what_is_asked_for_and_fetches_it_once() {
    installs_and_fetches_once(&ZYPPER);
}

#[test]
fn pacman_installs_what_is_asked_for_and_fetches_it_once() {
    installs_and_fetches_once(&PACMAN);
}

fn installs_and_fetches_once(case: &Case) {
    let Some(mirrored) = Mirrored::new(case.others) else { return };
    let kind = case.kind;
    let about = |base: &Base| says(base, "cat /usr/share/hello*/about");
    let a = mirrored.build("a");
    assert_eq!(about(&a), format!("hello-data 1.0 of {kind}\nhello 1.0 of {kind}\n"));
    assert_eq!(says(&a, case.installed), "hello 1.0\nhello-data 1.0\n");
    // Neither packages nor indexes nor what tells the hour.
    let left = "find /var/cache /var/lib/pacman/sync /var/lib/dnf /var/log /tmp -type f -newer /etc/pacman.conf 2>/dev/null || :";
    assert_eq!(says(&a, left), "");
    assert_eq!(mirrored.fetched(), counts([("hello", 1), ("hello-data", 1)]));

    // Built again it is the same, to the byte; and nothing is fetched again, neither here nor for another recipe.
    let anew = mirrored.scene.project().unwrap().with_lock(Locked::Anew);
    assert_eq!(anew.base("a", &mirrored.scene.resolver()).unwrap().id(), a.id());
    let more = mirrored.build("more");
    assert_eq!(says(&more, case.installed), "hello 1.0\nhello-data 1.0\nhello-extras 1.0\n");
    assert_eq!(mirrored.fetched(), counts([("hello", 1), ("hello-data", 1), ("hello-extras", 1)]));

    // Somebody puts something else into the store's packages: it is not what the repository promises.
    assert!(mirrored.kept().len() >= 3, "{:?}", mirrored.kept());
    let good =
        mirrored.kept().into_iter().find(|file| file.to_string_lossy().contains("hello-extras")).unwrap();
    for file in mirrored.kept().iter().filter(|file| **file != good) {
        fs::copy(&good, file).unwrap();
    }
    let too = mirrored.build("too");
    assert_eq!(about(&too), about(&a));
    assert_eq!(mirrored.fetched(), counts([("hello", 2), ("hello-data", 2), ("hello-extras", 1)]));
}

#[test]
fn builds_at_once_do_not_disturb_each_other() {
    let Some(mirrored) = Mirrored::new(PACMAN.others) else { return };
    mirrored.build("bare-too");
    let build = |name: &str| says(&mirrored.build(name), PACMAN.installed);
    let told: Vec<String> = std::thread::scope(|scope| {
        let builds = ["a", "too", "more"].map(|name| scope.spawn(move || build(name)));
        builds.map(|build| build.join().unwrap()).into()
    });
    assert_eq!(told[0], "hello 1.0\nhello-data 1.0\n");
    assert_eq!(told[1], told[0]);
    assert_eq!(told[2], "hello 1.0\nhello-data 1.0\nhello-extras 1.0\n");
    // All three may have begun before one had any; what is kept in the end is whole.
    assert!(mirrored.fetched().values().all(|count| *count <= 3));
    assert_eq!(mirrored.kept().len(), 3);
}

#[test]
fn dnf_says_what_is_missing_and_is_held_to_the_lock() {
    says_what_is_missing(&DNF);
}

#[test]
fn zypper_says_what_is_missing_and_is_held_to_the_lock() {
    says_what_is_missing(&ZYPPER);
}

#[test]
fn pacman_says_what_is_missing_and_is_held_to_the_lock() {
    says_what_is_missing(&PACMAN);
}

fn says_what_is_missing(case: &Case) {
    let Some(mirrored) = Mirrored::new(case.others) else { return };
    let scene = &mirrored.scene;
    let error = scene.build("missing").unwrap_err();
    let told = error.to_string();
    let (step, said) = told.split_once(": the command ended with exit status").unwrap();
    assert!(
        error.kind() == ErrorKind::Recipe && step.ends_with("missing`: packages hello no-such-package"),
        "{told}"
    );
    assert!(said.contains("no-such-package"), "{told}");

    let text = fs::read_to_string(scene.path().join("rootlet.toml")).unwrap();
    scene.write("rootlet.toml", text.split("[root.missing]").next().unwrap());
    Lock::of(&scene.project().unwrap(), &scene.resolver()).unwrap().save(scene.path()).unwrap();
    let lock = fs::read_to_string(scene.path().join("rootlet.lock")).unwrap();
    assert!(lock.contains("name = \"hello-data\"\nversion = \"1.0-1"), "{lock}");
    scene.project().unwrap().with_lock(Locked::Strictly).base("a", &scene.resolver()).unwrap();
    // The mirror has moved on, and what the packages are put upon has changed.
    mirrored.publish("2.0");
    scene.say("touch /srv/too", "touch /srv/else");
    let error =
        scene.project().unwrap().with_lock(Locked::Strictly).base("too", &scene.resolver()).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("`hello") && told.contains("of the version 1.0-1"), "{error:?}");
    assert!(told.contains("is what the lock file says, and cannot be had"), "{error:?}");
    assert!(error.hint().unwrap().contains("rootlet update"), "{error:?}");
}

/// Which Debian has not got: played by a script that writes down what it was told.
#[test]
fn microdnf_is_told_in_its_own_way() {
    let recipes = r#"
        [root.bare]
        from = "ALPINE"
        run = ["""
        rm /sbin/apk
        mkdir -p /usr/bin
        printf '#!/bin/sh\necho "$*" > /srv/told\necho "tree 2.1-1" >> /srv/there\n' > /usr/bin/microdnf
        printf '#!/bin/sh\ncat /srv/there\n' > /usr/bin/rpm
        chmod 755 /usr/bin/microdnf /usr/bin/rpm
        echo 'base 1-1' > /srv/there
        """]

        [root.a]
        from = "bare"
        packages = ["tree", "g++"]
    "#;
    let Some(scene) = super::scene(recipes) else { return };
    let told = "-y --setopt=install_weak_deps=0 --setopt=keepcache=1 install tree g++\n";
    assert_eq!(says(&scene.base(), "cat /srv/told"), told);
    let lock = Lock::of(&scene.project().unwrap(), &scene.resolver()).unwrap();
    lock.save(scene.path()).unwrap();
    let text = fs::read_to_string(scene.path().join("rootlet.lock")).unwrap();
    let only_what_is_new =
        text.contains("name = \"tree\"\nversion = \"2.1-1\"") && !text.contains("name = \"base\"");
    assert!(only_what_is_new, "{text}");
}
