//! The Debian packages that the tests and the measurements use.

use crate::Result;
use crate::shell::{command, installed, is_root, quiet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names of a package, newest release first, and what it is for.
pub struct Package(&'static [&'static str], &'static str);

/// What the tests use.
pub const TESTS: &[Package] = &[
    Package(&["uidmap"], "newuidmap and newgidmap: subordinate ids for an ordinary user"),
    Package(&["mmdebstrap"], "makes the Debian root; what it makes is compared with `apt:` bases"),
    Package(&["gpgv"], "verifies who has signed a suite of packages"),
    Package(&["sqv"], "likewise, where there is no gpgv"),
    Package(&["gnupg"], "signs a repository of the tests' own"),
    Package(&["xz-utils"], "packs its index"),
    Package(&["docker-registry"], "a real registry"),
    Package(&["skopeo"], "fills the registry; writes docker and OCI archives"),
    Package(&["umoci"], "writes and alters OCI layouts; a peer for unpacking"),
    Package(&["podman"], "reads what is exported; plays Pods beside rootlets"),
    Package(&["runc"], "podman's runtime, where a machine has both kinds of cgroups"),
    Package(&["catatonit"], "the first process of podman's pods"),
    Package(&["containernetworking-plugins"], "their network"),
    Package(&["apache2-utils"], "htpasswd, for a registry with a password"),
    Package(&["openssl"], "certificates, for a registry with TLS"),
    Package(&["git"], "gets modules of repositories, and serves them"),
    Package(&["openssh-server"], "serves a repository, as an ordinary user"),
    Package(&["busybox-static"], "a static program with many faces"),
    Package(&["python3"], "a real program; runs CPython's tests"),
    Package(&["python3-venv"], "installs Python packages for the tests"),
    Package(&["libpython3.13-testsuite", "libpython3.11-testsuite"], "CPython's own tests"),
    Package(&["libacl1-dev"], "builds pjdfstest"),
    Package(&["apparmor"], "apparmor_parser reads the profile that we ship"),
    Package(&["bats"], "an example of a suite in another language"),
    Package(&["golang-go"], "likewise"),
    Package(&["nodejs"], "likewise"),
    Package(&["chromium"], "a browser, which opens the page that explains refusals"),
    Package(&["crun"], "another runtime: the same probe must print the same facts there"),
];

/// What the measurements compare with, besides what the tests use.
pub const PEERS: &[Package] = &[
    Package(&["crun"], "a peer"),
    Package(&["runc"], "a peer"),
    Package(&["umoci"], "a peer for unpacking"),
    Package(&["debootstrap"], "a peer for roots made of packages"),
    Package(&["python3-venv"], "installs bubblewrap from PyPI, newer than Debian's"),
    Package(&["fakechroot"], "a peer of the Python package, with the two below"),
    Package(&["fakeroot"], "likewise"),
    Package(&["cowdancer"], "likewise"),
    Package(&["git"], "a real program"),
];

/// Installs what is missing. Anybody but root, and every system but Debian's kin, is told instead.
pub fn ensure(packages: &[Package]) -> Result<()> {
    if !installed("dpkg-query") {
        eprintln!("no Debian packages here; wanted are: {}", names(packages));
        return Ok(());
    }
    let missing: Vec<&Package> = packages.iter().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        eprintln!("what uses these packages will be skipped (as root this command installs them):");
        missing.iter().for_each(|Package(names, what)| eprintln!("    {:24} {what}", names[0]));
        return Ok(());
    }
    install(&missing)
}

fn install(missing: &[&Package]) -> Result<()> {
    let _no_services = NoServices::begin();
    apt(&["update"])?;
    let wanted = missing.iter().map(|package| available(package)).collect::<Result<Vec<_>>>()?;
    eprintln!("installing {}", wanted.join(" "));
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(wanted);
    apt(&arguments).map(drop)
}

fn apt(arguments: &[&str]) -> Result<String> {
    quiet(
        command("apt-get", arguments)
            .args(["-q", "-o", "Dpkg::Use-Pty=0"])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn is_installed(Package(names, _): &Package) -> bool {
    names.iter().any(|name| {
        quiet(&mut command("dpkg-query", &["--show", "--showformat", "${db:Status-Status}", name]))
            .is_ok_and(|status| status == "installed")
    })
}

fn available(Package(names, _): &Package) -> Result<&'static str> {
    let known = |name: &str| quiet(&mut command("apt-cache", &["show", "--no-all-versions", name])).is_ok();
    names
        .iter()
        .copied()
        .find(|name| known(name))
        .ok_or_else(|| format!("apt knows no package {}", names.join(" or ")))
}

fn names(packages: &[Package]) -> String {
    packages.iter().map(|Package(names, _)| names[0]).collect::<Vec<_>>().join(" ")
}

/// Keeps packages from starting their services (a registry on port 5000) while they are installed.
struct NoServices(bool);

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin() -> Self {
        let ours = !Path::new(POLICY).exists()
            && fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok()
            && fs::set_permissions(POLICY, PermissionsExt::from_mode(0o755)).is_ok();
        NoServices(ours)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.0 {
            let _ = fs::remove_file(POLICY);
        }
    }
}
