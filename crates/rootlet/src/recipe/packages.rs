//! Packages, by the root's own package manager, as root inside.

mod apt;
mod managers;

use super::PackagePin;
use super::perform::{Runner, quoted};
use crate::{Error, ErrorKind, Result, Rootlet};
use managers::{Database, MANAGERS};
use rootlet_base::{Digest, Resolver};

const APT: &str = "/usr/bin/apt-get";

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
    if root.exists(APT) {
        return apt::install(resolver, runner, &words, pins);
    }
    let Some(manager) = MANAGERS.iter().find(|manager| root.exists(manager.program)) else {
        let all = [APT].into_iter().chain(MANAGERS.iter().map(|manager| manager.program));
        let all: Vec<&str> = all.filter_map(|program| program.rsplit('/').next()).collect();
        return Err(Error::new(ErrorKind::Recipe, "the base has no package manager").with_hint(format!(
            "it has none of {}: copy files in instead, or begin with another base",
            all.join(", ")
        )));
    };
    let before = known(root, manager.database)?;
    manager.install(resolver.store(), runner, &words)?;
    let found: Vec<PackagePin> =
        known(root, manager.database)?.into_iter().filter(|pin| !before.contains(pin)).collect();
    same(pins, &found)?;
    Ok(Installed { blobs: Vec::new(), pins: found })
}

/// What is installed, by the database of the package manager.
fn known(root: &Rootlet, database: Database) -> Result<Vec<PackagePin>> {
    let list: &[&str] = match database {
        Database::Apk => {
            let text = root.read_to_string("/lib/apk/db/installed");
            return text
                .map(|text| of_apk(&text))
                .map_err(|e| Error::io("failed to read which packages are there", e));
        }
        Database::Pacman => &["pacman", "-Q"],
        Database::Rpm => &["rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\\n"],
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
