//! Packages, by the root's own package manager, as root inside.
//!
//! apt says what it would fetch; that comes into the store, by its digests, and apt finds it there: what one build fetched, all
//! others have. The others fetch for themselves.

use super::PackagePin;
use super::perform::{Runner, quoted};
use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_base::{Digest, PackageFile, Resolver};
use std::fs::File;
use std::io;

const ARCHIVES: &str = "/var/cache/apt/archives";
const PREFERENCES: &str = "/etc/apt/preferences.d";
const OPTIONS: &str = "-q -y --no-install-recommends -o APT::Install-Suggests=0 -o Acquire::Languages=none -o Acquire::ForceHash=sha256";

/// A package manager: its program, and how it installs. apt's is a longer story.
const MANAGERS: [(&str, &str); 6] = [
    ("/usr/bin/apt-get", ""),
    ("/sbin/apk", "apk add --no-cache --no-progress"),
    ("/usr/bin/dnf", "dnf -y --setopt=install_weak_deps=False install"),
    ("/usr/bin/microdnf", "microdnf -y --setopt=install_weak_deps=0 install"),
    ("/usr/bin/zypper", "zypper --non-interactive install --no-recommends"),
    ("/usr/bin/pacman", "pacman -Sy --noconfirm --needed"),
];

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// Downloads that belong to it.
    pub blobs: Vec<Digest>,
    /// What was installed, as far as the package manager tells.
    pub pins: Vec<PackagePin>,
}

/// Installs them; with `pins`, exactly those versions.
pub(super) fn install(
    resolver: &Resolver,
    runner: &Runner<'_>,
    names: &[String],
    pins: &[PackagePin],
) -> Result<Installed> {
    let root = runner.root;
    if let Some(name) = names.iter().find(|name| name.starts_with('-') || name.contains(char::is_whitespace))
    {
        return Err(Error::new(ErrorKind::Recipe, format!("`{name}` is not the name of a package")));
    }
    let words = names.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    match MANAGERS.iter().find(|(program, _)| root.exists(program)) {
        Some(("/usr/bin/apt-get", _)) => apt(resolver, runner, &words, pins),
        Some((_, command)) => {
            let before = known(root)?;
            runner.script(&format!("set -e\n{command} {words}"), None, &[])?;
            let found: Vec<PackagePin> =
                known(root)?.into_iter().filter(|pin| !before.contains(pin)).collect();
            same(pins, &found)?;
            Ok(Installed { blobs: Vec::new(), pins: found })
        }
        None => {
            let known = MANAGERS.map(|(program, _)| program.rsplit('/').next().unwrap_or(program)).join(", ");
            Err(Error::new(ErrorKind::Recipe, "the base has no package manager").with_hint(format!(
                "it has none of {known}: copy files in instead, or begin with another base"
            )))
        }
    }
}

/// What is installed, by the database of apk, rpm or pacman.
fn known(root: &Rootlet) -> Result<Vec<PackagePin>> {
    let failed = |e| Error::io("failed to read which packages are there", e);
    if root.exists("/lib/apk/db/installed") {
        return root.read_to_string("/lib/apk/db/installed").map(|text| of_apk(&text)).map_err(failed);
    }
    let list: &[&str] = match root.exists("/usr/bin/pacman") {
        true => &["pacman", "-Q"],
        false => &["rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\\n"],
    };
    let output = root.command(list[0]).args(&list[1..]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    let mut pins: Vec<_> = pairs.map(|(name, version)| named(name, version)).collect();
    pins.sort();
    Ok(pins)
}

/// `P:` is a package's name and `V:` its version, in paragraphs.
fn of_apk(installed: &str) -> Vec<PackagePin> {
    let field = |paragraph: &str, key: &str| {
        paragraph.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned))
    };
    let pin = |text: &str| Some(named(&field(text, "P:")?, &field(text, "V:")?));
    installed.split("\n\n").filter_map(pin).collect()
}

fn named(name: &str, version: &str) -> PackagePin {
    PackagePin { name: name.to_owned(), version: version.to_owned(), sha256: None }
}

fn apt(resolver: &Resolver, runner: &Runner<'_>, words: &str, pins: &[PackagePin]) -> Result<Installed> {
    let root = runner.root;
    let env: Vec<(String, String)> = [("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    // No service is started: nothing of a build lives on.
    let begin = format!(
        "set -e\n\
         [ -e /usr/sbin/policy-rc.d ] || {{ printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d; }}\n\
         apt-get {OPTIONS} update\n\
         apt-get {OPTIONS} --print-uris install {words} > /tmp/rootlet-uris\n"
    );
    let run = |text: &str| runner.script(text, None, &env);
    let failed = |e| Error::io("failed to hand packages to apt", e);
    if !pins.is_empty() {
        // As versions of what is asked for, so that apt still knows what was asked for and what came along.
        let pin = |pin: &PackagePin| {
            format!("Package: {}\nPin: version {}\nPin-Priority: 1001\n\n", pin.name, pin.version)
        };
        root.create_dir_all(PREFERENCES).map_err(failed)?;
        root.write(format!("{PREFERENCES}/rootlet"), pins.iter().map(pin).collect::<String>())
            .map_err(failed)?;
    }
    run(&begin)?;
    let listed = root.read_to_string("/tmp/rootlet-uris").map_err(failed)?;
    let files: Vec<(String, PackageFile)> = listed.lines().filter_map(uri).collect();
    let found: Vec<PackagePin> = files.iter().filter_map(|(name, file)| pin(name, file)).collect();
    same(pins, &found)?;
    let wanted: Vec<PackageFile> = files.iter().map(|(_, file)| file.clone()).collect();
    root.create_dir_all(ARCHIVES).map_err(failed)?;
    for ((name, _), path) in files.iter().zip(resolver.packages(&wanted)?) {
        let copied = File::open(path)
            .and_then(|mut from| io::copy(&mut from, &mut root.create(format!("{ARCHIVES}/{name}"))?));
        copied.map_err(failed)?;
    }
    let end = format!(
        "set -e\napt-get {OPTIONS} -o Dpkg::Options::=--force-unsafe-io install {words}\nrm -f {ARCHIVES}/*.deb\n"
    );
    run(&end)?;
    Ok(Installed { blobs: wanted.iter().map(|file| file.digest).collect(), pins: found })
}

/// Errors where what is installed, or would be, is not what was pinned.
fn same(pins: &[PackagePin], found: &[PackagePin]) -> Result<()> {
    if pins.is_empty() {
        return Ok(());
    }
    let more =
        found.iter().find(|found| !pins.contains(found)).map(|pin| (pin, "is not what the lock file says"));
    let less = pins
        .iter()
        .find(|pin| !found.contains(pin))
        .map(|pin| (pin, "is what the lock file says, and cannot be had"));
    match less.or(more) {
        None => Ok(()),
        Some((PackagePin { name, version, .. }, why)) => {
            Err(Error::new(ErrorKind::Recipe, format!("`{name}` of the version {version} {why}"))
                .with_hint("`rootlet update` writes what there is now into it"))
        }
    }
}

/// `x_1%3a2_amd64.deb` is x of the version 1:2.
fn pin(name: &str, file: &PackageFile) -> Option<PackagePin> {
    let mut parts = name.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    let version = version.replace("%3a", ":").replace("%3A", ":");
    Some(PackagePin { name: name.to_owned(), version, sha256: Some(file.digest) })
}

/// `'http://…/x_1%3a2_amd64.deb' x_1%3a2_amd64.deb 12345 SHA256:…`; other digests are left to apt.
fn uri(line: &str) -> Option<(String, PackageFile)> {
    let (url, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let [name, size, digest] = rest.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let digest: Digest = format!("sha256:{}", digest.strip_prefix("SHA256:")?).parse().ok()?;
    let fetched = ["http:", "https:", "file:"].iter().any(|scheme| url.starts_with(scheme));
    let plain = fetched && !name.contains('/') && name.ends_with(".deb");
    let file = PackageFile { url: url.to_owned(), name: name.to_owned(), size: size.parse().ok()?, digest };
    plain.then(|| (name.to_owned(), file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_would_fetch() {
        let hex = "be3d7d96a040eda0505c1808cccc67f183bbc05dff0842c50f88e6c396557412";
        let line = format!("'http://h/pool/x_1%3a2_amd64.deb' x_1%3a2_amd64.deb 12 SHA256:{hex}");
        let (name, file) = uri(&line).unwrap();
        assert_eq!(
            (name.as_str(), file.size, file.url.as_str()),
            ("x_1%3a2_amd64.deb", 12, "http://h/pool/x_1%3a2_amd64.deb")
        );
        for other in [
            "Reading package lists...",
            "'http://h/x.deb' x.deb 12 MD5Sum:00",
            "'http://h/x' ../x.deb 1 SHA256:0",
        ] {
            assert_eq!(uri(other), None, "{other}");
        }
    }
}
