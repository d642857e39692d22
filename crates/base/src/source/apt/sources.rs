//! Where packages are from: what the name says, else what this machine's own apt is told (sources.list(5)).

use super::stanza::Stanzas;
use crate::{Error, ErrorKind, PackageSet, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// What apt calls it, too, in an option of a source.
pub(super) const CHECK_VALID_UNTIL: &str = "check-valid-until";

/// A suite of a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub mirror: String,
    pub suite: String,
    /// None said: all that there are.
    pub components: Vec<String>,
    pub keys: Keys,
    /// Whether a Release file that is out of date is refused.
    pub check_valid_until: bool,
    /// Not there: it is left out. The updates of a suite that has none yet.
    pub optional: bool,
}

/// Whose signature is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Keys {
    /// What apt trusts on this machine.
    #[default]
    Machine,
    /// What apt trusts on this machine, of it these fingerprints.
    Fingerprints(Vec<String>),
    /// Files of keys.
    Files(Vec<PathBuf>),
    /// Armored keys, as they stand in a sources file.
    Inline(String),
    /// Everybody's, and none: the machine's administrator has written `Trusted: yes`.
    Anything,
}

/// The sources of a set of packages. `machine` is the root of the machine whose apt is asked, `/`.
///
/// Errors: an option has no such value; nothing is said, and the machine has no apt sources that fit; a file cannot be read.
pub(super) fn of(set: &PackageSet, machine: &Path) -> Result<Vec<Source>> {
    let option = |key: &str| set.options.get(key).map(String::as_str);
    let keys = option("keyring").map(|path| Keys::Files(vec![path.into()]));
    let components: Option<Vec<String>> =
        option("components").map(|list| list.split(',').map(str::to_owned).collect());
    let check_valid_until = match option(CHECK_VALID_UNTIL) {
        None => None,
        Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(other) => {
            let what = format!("the option `{CHECK_VALID_UNTIL}` is `yes` or `no`, and not `{other}`");
            return Err(Error::new(ErrorKind::InvalidName, what));
        }
    };
    if let Some(mirror) = option("mirror") {
        return Ok(vec![Source {
            mirror: mirror.trim_end_matches('/').to_owned(),
            suite: set.release.clone(),
            components: components.unwrap_or_else(|| vec!["main".into()]),
            keys: keys.unwrap_or_default(),
            check_valid_until: check_valid_until.unwrap_or(true),
            optional: false,
        }]);
    }
    let mut sources = chosen(&set.release, machine)?;
    for source in &mut sources {
        source.components = components.clone().unwrap_or_else(|| std::mem::take(&mut source.components));
        source.keys = keys.clone().unwrap_or_else(|| std::mem::take(&mut source.keys));
        source.check_valid_until = check_valid_until.unwrap_or(source.check_valid_until);
    }
    Ok(sources)
}

/// The suite with its updates and security fixes; where the machine has another suite of a distribution, its mirrors
/// have this one, too.
fn chosen(release: &str, machine: &Path) -> Result<Vec<Source>> {
    let all = read(machine)?;
    let own = own_release(machine);
    let of = |name: &str| -> Vec<Source> {
        let suffix = |source: &Source| source.suite.strip_prefix(name).map(str::to_owned);
        let family = |source: &&Source| {
            suffix(source)
                .is_some_and(|rest| matches!(rest.as_str(), "" | "-updates" | "-security" | "/updates"))
        };
        let mut found: Vec<Source> = all.iter().filter(family).cloned().collect();
        for source in &mut found {
            let rest = suffix(source).unwrap_or_default();
            source.suite = format!("{release}{rest}");
            source.optional = name != release && !rest.is_empty();
        }
        found.dedup();
        found
    };
    let found = Some(of(release))
        .filter(|found| found.iter().any(|source| source.suite == release))
        .or_else(|| own.map(|own| of(&own)).filter(|found| !found.is_empty()));
    found.ok_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            format!("failed to find packages of `{release}`: this machine's apt has no source that fits"),
        )
        .with_hint(format!(
            "name a mirror and its keys: `apt:{release}?mirror=https://MIRROR/debian&keyring=/PATH/TO/keyring.gpg`"
        ))
    })
}

/// The code name of the machine's own release (os-release(5)).
fn own_release(machine: &Path) -> Option<String> {
    let text = fs::read_to_string(machine.join("etc/os-release")).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"').to_owned()).filter(|name| !name.is_empty())
}

/// All binary sources of a machine.
fn read(machine: &Path) -> Result<Vec<Source>> {
    let apt = machine.join("etc/apt");
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let text = match (file.extension().and_then(|e| e.to_str()), fs::read_to_string(&file)) {
            (_, Err(e)) if e.kind() == std::io::ErrorKind::NotFound => continue,
            (Some("list" | "sources"), Err(e)) => {
                return Err(Error::io(format!("failed to read {}", file.display()), e));
            }
            (Some(_), Ok(text)) => text,
            _ => continue,
        };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(line)),
            Some("sources") => paragraphs(&text, &mut sources)
                .map_err(|e| Error::io(format!("failed to read {}", file.display()), e))?,
            _ => {}
        }
    }
    Ok(sources)
}

/// `deb [signed-by=/x] http://host/debian bookworm main`.
fn line(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t']))?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (mirror, suite) = (words.next()?, words.next()?);
    let option = |key: &str| {
        let mut pairs = options.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    Some(Source {
        mirror: mirror.trim_end_matches('/').to_owned(),
        suite,
        components: words.collect(),
        keys: keys(option("signed-by"), option("trusted")),
        check_valid_until: option(CHECK_VALID_UNTIL) != Some("no"),
        optional: false,
    })
}

fn paragraphs(text: &str, sources: &mut Vec<Source>) -> std::io::Result<()> {
    let mut stanzas = Stanzas::new(text.as_bytes());
    while let Some(stanza) = stanzas.next()? {
        let words = |field: &str| -> Vec<String> {
            stanza.get(field).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let off = stanza.get("Enabled").is_some_and(|said| said.eq_ignore_ascii_case("no"));
        if off || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        for mirror in words("URIs") {
            for suite in words("Suites") {
                sources.push(Source {
                    mirror: mirror.trim_end_matches('/').to_owned(),
                    suite,
                    components: words("Components"),
                    keys: keys(stanza.get("Signed-By"), stanza.get("Trusted")),
                    check_valid_until: stanza.get("Check-Valid-Until") != Some("no"),
                    optional: false,
                });
            }
        }
    }
    Ok(())
}

fn keys(signed_by: Option<&str>, trusted: Option<&str>) -> Keys {
    if trusted == Some("yes") {
        return Keys::Anything;
    }
    match signed_by.unwrap_or_default().trim() {
        "" => Keys::Machine,
        armored if armored.contains("-----BEGIN PGP") => {
            // Each line is set in by one space, and an empty one is a dot.
            let lines = armored.lines().map(str::trim).map(|line| if line == "." { "" } else { line });
            Keys::Inline(lines.collect::<Vec<_>>().join("\n"))
        }
        list if list.starts_with('/') => {
            Keys::Files(list.split([',', ' ']).filter(|path| !path.is_empty()).map(PathBuf::from).collect())
        }
        list => Keys::Fingerprints(
            list.split([',', ' ', '\n'])
                .filter(|one| !one.is_empty())
                .map(|one| one.trim_end_matches('!').to_uppercase())
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).unwrap();
        for (path, text) in files {
            fs::write(root.path().join(path), text).unwrap();
        }
        root
    }

    fn set(release: &str, options: &[(&str, &str)]) -> PackageSet {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        PackageSet { release: release.into(), add: Vec::new(), options }
    }

    const DEB822: &str = "Types: deb deb-src\nURIs: http://h/debian/\nSuites: bookworm bookworm-updates bookworm-backports\n\
        Components: main contrib\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://s/\nSuites: bookworm-security\nComponents: main\n\
        Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\nEnabled: no\nTypes: deb\nURIs: http://x\nSuites: bookworm\n";

    #[test]
    fn the_machines_own_suite_with_its_updates() {
        let machine = machine(&[("etc/apt/sources.list.d/d.sources", DEB822)]);
        let found = of(&set("bookworm", &[]), machine.path()).unwrap();
        let told: Vec<_> = found.iter().map(|s| (s.mirror.as_str(), s.suite.as_str(), s.optional)).collect();
        assert_eq!(
            told,
            [
                ("http://h/debian", "bookworm", false),
                ("http://h/debian", "bookworm-updates", false),
                ("http://s", "bookworm-security", false)
            ]
        );
        assert_eq!(found[0].components, ["main", "contrib"]);
        assert_eq!(found[0].keys, Keys::Files(vec!["/k.gpg".into()]));
        assert_eq!(found[2].keys, Keys::Inline("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc".into()));
    }

    #[test]
    fn another_suite_by_the_same_mirrors() {
        let machine = machine(&[
            ("etc/apt/sources.list.d/d.sources", DEB822),
            ("etc/os-release", "NAME=x\nVERSION_CODENAME=bookworm\n"),
        ]);
        let found = of(&set("trixie", &[("components", "main,non-free")]), machine.path()).unwrap();
        let told: Vec<_> = found.iter().map(|s| (s.suite.as_str(), s.optional)).collect();
        assert_eq!(told, [("trixie", false), ("trixie-updates", true), ("trixie-security", true)]);
        assert_eq!(found[2].components, ["main", "non-free"]);
    }

    #[test]
    fn lines_and_their_options() {
        let list = "# deb http://no x main\ndeb [arch=amd64 signed-by=/a.gpg,/b.asc check-valid-until=no] http://h/u/ noble main universe # x\n\
            deb-src http://h noble main\ndeb [trusted=yes] file:/srv noble-security main\n";
        let machine = machine(&[("etc/apt/sources.list", list)]);
        let found = of(&set("noble", &[]), machine.path()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].keys, Keys::Files(vec!["/a.gpg".into(), "/b.asc".into()]));
        assert!(!found[0].check_valid_until);
        assert_eq!((found[1].mirror.as_str(), &found[1].keys), ("file:/srv", &Keys::Anything));
        assert_eq!(
            keys(Some("ABCDEF0123!, 99"), None),
            Keys::Fingerprints(vec!["ABCDEF0123".into(), "99".into()])
        );
    }

    #[test]
    fn what_the_name_says_wins_and_nothing_is_guessed() {
        let machine = machine(&[]);
        let error = of(&set("trixie", &[]), machine.path()).unwrap_err();
        assert!(error.hint().unwrap().contains("mirror="), "{error:?}");
        let found =
            of(&set("trixie", &[("mirror", "http://m/debian/"), ("keyring", "/k")]), machine.path()).unwrap();
        assert_eq!((found.len(), found[0].mirror.as_str()), (1, "http://m/debian"));
        assert!(found[0].check_valid_until);
        let late =
            |said| of(&set("trixie", &[("mirror", "http://m"), (CHECK_VALID_UNTIL, said)]), machine.path());
        assert!(!late("no").unwrap()[0].check_valid_until);
        assert_eq!(late("maybe").unwrap_err().kind(), ErrorKind::InvalidName);
        assert_eq!(found[0].keys, Keys::Files(vec!["/k".into()]));
    }
}
