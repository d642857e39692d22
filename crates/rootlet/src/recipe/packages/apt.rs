//! apt says what it would fetch; that comes into the store, by its digests, and apt finds it there: what one build fetched, all
//! others have.

use super::{Installed, same};
use crate::recipe::PackagePin;
use crate::recipe::perform::Runner;
use crate::{Error, Result};
use rootlet_base::{Digest, PackageFile, Resolver};
use std::fs::File;
use std::io;

const ARCHIVES: &str = "/var/cache/apt/archives";
const PREFERENCES: &str = "/etc/apt/preferences.d";
const OPTIONS: &str = "-q -y --no-install-recommends -o APT::Install-Suggests=0 -o Acquire::Languages=none -o Acquire::ForceHash=sha256";

/// Installs them, given as words of a shell; with `pins`, exactly those versions.
pub(super) fn install(
    resolver: &Resolver,
    runner: &Runner<'_>,
    words: &str,
    pins: &[PackagePin],
) -> Result<Installed> {
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
