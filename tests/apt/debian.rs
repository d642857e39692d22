//! Debian as it is, from the mirror that this machine's own apt is told of.

use rootlet::Rootlet;
use rootlet_tests::tree::{Facts, of_base, of_tarball};
use rootlet_tests::{matches, one_id, skipped};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a command of root's says, with the network of this machine.
#[track_caller]
fn says(root: &Rootlet, script: &str) -> String {
    let env = [("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C")];
    let output = root.command("/bin/sh").args(["-ec", script]).envs(env).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}{told}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// dpkg finds nothing wrong, and a package with scripts, an account and conffiles of its own can be installed.
#[track_caller]
fn is_whole(suite: &str, package: &str, check: &str) {
    let Some(base) = rootlet_tests::packages_base(&format!("apt:{suite}")) else { return };
    let root = Rootlet::builder(&base).user("0:0").spawn().unwrap();
    assert_eq!(says(&root, "dpkg --audit; dpkg --verify"), "");
    assert_eq!(
        says(&root, "dpkg-query --show --showformat '${db:Status-Abbrev}\n' | sort --unique"),
        "ii \n"
    );
    // What it needs is there, and apt finds nothing to mend.
    assert!(
        says(&root, "apt-get check -q; . /etc/os-release; echo $VERSION_CODENAME")
            .ends_with(&format!("{suite}\n"))
    );
    let install = format!("apt-get -q update && apt-get -q -y --no-install-recommends install {package}");
    says(&root, &install);
    says(&root, check);
    assert_eq!(says(&root, "dpkg --audit; dpkg --verify"), "");
}

#[test]
fn trixie_is_whole() {
    is_whole(
        "trixie",
        "nginx-light",
        "nginx -t 2>&1 | grep 'syntax is ok'; getent passwd www-data; [ -u /usr/bin/su ]",
    );
}

/// postgresql makes an account and a cluster, and starts it.
#[test]
fn bookworm_is_whole() {
    if one_id() {
        return eprintln!("with one id nobody becomes postgres");
    }
    let check = "pg_lsclusters; [ $(stat -c %U /var/lib/postgresql) = postgres ]";
    is_whole("bookworm", "postgresql", check);
}

/// What a build by real root and one by an ordinary user make, which are different processes at different times: what the first
/// made is told to the second by the file that this variable names.
#[test]
fn an_ordinary_user_builds_the_same() {
    let Some(file) = std::env::var_os("ROOTLET_BASE_IDS") else { return };
    let Some(base) = rootlet_tests::packages_base("apt:trixie") else { return };
    let root = Rootlet::builder(&base).user("0:0").spawn().unwrap();
    // The mirror may be updated in between.
    let packages = says(&root, "dpkg-query --show");
    let ours = format!("{}\n{packages}", base.id());
    match fs::read_to_string(&file) {
        Ok(theirs) if theirs.split_once('\n').is_some_and(|(_, theirs)| theirs == packages) => {
            assert_eq!(ours, theirs);
        }
        Ok(_) => {}
        Err(_) => fs::write(file, ours).unwrap(),
    }
}

/// Names of packages that mmdebstrap would install.
fn mmdebstrap_chooses(suite: &str, variant: &str, sources: &[String]) -> BTreeSet<String> {
    let mut simulate = Command::new("mmdebstrap");
    simulate.args(["--simulate", "--verbose", &format!("--variant={variant}"), suite, "/dev/null"]);
    let output = simulate.args(sources).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "{told}");
    let chosen = told.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    chosen.map(str::to_owned).collect()
}

fn can_mmdebstrap() -> bool {
    if !rustix::process::geteuid().is_root() || rootlet_tests::chroot() {
        return false;
    }
    let is_there = Path::new("/usr/bin/mmdebstrap").exists();
    if !is_there {
        skipped("no mmdebstrap");
    }
    is_there
}

/// Where a base says that its packages are from.
fn sources(root: &Rootlet) -> Vec<String> {
    root.read_to_string("/etc/apt/sources.list").unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_variant_has_the_packages_that_mmdebstraps_has() {
    if !can_mmdebstrap() {
        return;
    }
    let Some(minbase) = rootlet_tests::packages_base("apt:trixie") else { return };
    let sources = sources(&Rootlet::builder(&minbase).user("0:0").spawn().unwrap());
    for variant in ["essential", "apt", "minbase"] {
        let Some(base) = rootlet_tests::packages_base(&format!("apt:trixie?variant={variant}")) else {
            return;
        };
        let root = Rootlet::builder(&base).user("0:0").spawn().unwrap();
        let ours = says(&root, "dpkg-query --show --showformat '${Package}\n'");
        let ours: BTreeSet<String> = ours.lines().map(str::to_owned).collect();
        assert_eq!(ours, mmdebstrap_chooses("trixie", variant, &sources), "{variant}");
    }
}

/// What is not the same in mmdebstrap's root, and why.
const EXPLAINED: &[(&str, &str)] = &[
    ("", "a layer says nothing of the root itself, which is root's with 0755 in every rootlet"),
    ("dev", "device nodes and the directory of them are made anew for each rootlet"),
    ("dev/*", "likewise"),
    ("proc", "a mount point that each rootlet makes"),
    ("sys", "likewise"),
    ("run/lock", "/run is empty when a rootlet begins"),
    ("etc/fstab", "mmdebstrap writes an empty one"),
    ("etc/hostname", "this machine's, which mmdebstrap copies"),
    ("etc/resolv.conf", "likewise"),
    ("etc/apt/sources.list", "the same lines, with an empty one between them"),
    ("var/lib/apt/extended_states", "apt notes what it chose by itself, and no apt ran"),
    ("var/lib/apt/lists/lock", "apt's lock"),
    ("var/lib/apt/lists/partial", "apt makes it its own user's when it runs"),
    ("var/cache/apt/archives/lock", "apt's lock"),
    ("var/cache/apt/archives/partial", "apt makes it its own user's when it runs"),
    ("var/cache/debconf/*.dat-old", "what was there before"),
    (
        "var/cache/debconf/config.dat",
        "a question that a preinst has asked has `unknown` for one of its owners",
    ),
    ("var/lib/dpkg/arch", "mmdebstrap names the only architecture"),
    ("var/lib/dpkg/available", "dpkg makes an empty one when it is asked"),
    ("var/lib/dpkg/statoverride", "likewise"),
    ("var/lib/dpkg/diversions-old", "what was there before"),
    ("var/lib/dpkg/status-old", "likewise"),
    ("var/lib/dpkg/lock", "dpkg's lock"),
];

/// mmdebstrap's root of the suite, made when there is none of these very packages.
fn mmdebstraps(suite: &str, sources: &[String], status: &[u8]) -> BTreeMap<String, Facts> {
    let tarball = rootlet_tests::kept(&format!("mmdebstrap-{suite}.tar"));
    let is_same = |tree: &BTreeMap<String, Facts>| tree["var/lib/dpkg/status"].bytes == status;
    if let Some(tree) = tarball.exists().then(|| of_tarball(&tarball)).filter(is_same) {
        return tree;
    }
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=minbase", "--format=tar", "--quiet", "--skip=output/mknod"]);
    if suite == "bookworm" {
        // Ours begins with /bin as a link into /usr; else apt chooses `usrmerge`, which needs all of perl to move it there.
        make.args(["--include=usr-is-merged", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]);
    }
    fs::create_dir_all(tarball.parent().unwrap()).unwrap();
    let output = make.arg(suite).arg(&tarball).args(sources).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    of_tarball(&tarball)
}

#[track_caller]
fn is_what_mmdebstrap_makes(suite: &str) {
    if !can_mmdebstrap() {
        return;
    }
    let Some(base) = rootlet_tests::packages_base(&format!("apt:{suite}")) else { return };
    let ours = of_base(&base);
    let root = Rootlet::builder(&base).user("0:0").spawn().unwrap();
    let top = root.metadata("/").unwrap();
    assert_eq!((top.uid(), top.gid(), top.mode() & 0o7777), (0, 0, 0o755));
    let sources = sources(&root);
    let theirs = mmdebstraps(suite, &sources, &ours["var/lib/dpkg/status"].bytes);
    assert!(ours.len() > 5000, "{}", ours.len());
    let mut unexplained = Vec::new();
    for path in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let (one, other) = (ours.get(path), theirs.get(path));
        let differs = match path.as_str() {
            "etc/shadow" => one.map(without_days) != other.map(without_days),
            _ => one != other,
        };
        if differs && !EXPLAINED.iter().any(|(pattern, _)| matches(pattern, path)) {
            unexplained.push(format!("{path}\n    ours:   {one:?}\n    theirs: {other:?}"));
        }
    }
    assert!(unexplained.is_empty(), "{} differ:\n{}", unexplained.len(), unexplained.join("\n"));
    // The exceptions are none for what matters most.
    assert!(
        ours["usr/bin/su"].mode & 0o4000 != 0 && ours["tmp"].mode == 0o1777 && ours["etc/shadow"].gid == 42
    );
}

/// Each account says on which day its password was last changed: the day it was made.
fn without_days(shadow: &Facts) -> (u32, u32, u32, String) {
    let text = String::from_utf8_lossy(&shadow.bytes);
    let line = |line: &str| {
        line.split(':')
            .enumerate()
            .filter(|(at, _)| *at != 2)
            .map(|(_, field)| format!("{field}:"))
            .collect::<String>()
    };
    (shadow.mode, shadow.uid, shadow.gid, text.lines().map(line).collect::<Vec<_>>().join("\n"))
}

#[test]
fn trixie_is_what_mmdebstrap_makes() {
    is_what_mmdebstrap_makes("trixie");
}

#[test]
fn bookworm_is_what_mmdebstrap_makes() {
    is_what_mmdebstrap_makes("bookworm");
}
