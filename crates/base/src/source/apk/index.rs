//! `APKINDEX`: what a repository has.

use super::dependency::{Dependency, Provided};
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;

/// What an index says of a package.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub name: String,
    pub version: String,
    /// `Q1` and the SHA-1 of its control part, in base64.
    pub checksum: String,
    /// Bytes of the file.
    pub size: u64,
    /// When it was built, in seconds since 1970.
    pub built: u64,
    /// The source that it was built from.
    pub origin: String,
    pub depends: Vec<Dependency>,
    /// Its own name first.
    pub provides: Vec<Provided>,
    pub install_if: Vec<Dependency>,
    /// Who of several that provide the same is taken.
    pub priority: u32,
    /// The lines of the index, as apk's database holds them.
    pub lines: String,
    /// Where it is: `v3.20/main/x86_64`.
    pub directory: Arc<str>,
    /// Of several repositories the first is preferred.
    pub repository: usize,
}

/// Keys of an index that the database of what is installed has too.
const KEPT: &str = "CPVASITULomtckDpi";

impl Package {
    /// The file at the mirror.
    pub fn path(&self) -> String {
        format!("{}/{}.apk", self.directory, self.id())
    }

    /// `busybox-1.36.1-r29`.
    pub fn id(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Whether something that it is or provides is what the dependency is about.
    pub fn meets(&self, dependency: &Dependency) -> bool {
        self.provides.iter().any(|provided| dependency.meets(provided, &self.checksum))
    }
}

/// Reads the stanzas of an index.
///
/// Errors: a stanza has no name, version, checksum or size, or one that leads elsewhere.
pub(super) fn parse(text: &str, directory: &str, repository: usize) -> Result<Vec<Package>> {
    let directory: Arc<str> = directory.into();
    let stanzas = text.split("\n\n").map(str::trim).filter(|stanza| !stanza.is_empty());
    stanzas.map(|stanza| package(stanza, directory.clone(), repository)).collect()
}

fn package(stanza: &str, directory: Arc<str>, repository: usize) -> Result<Package> {
    let field = |key: char| {
        let lines = stanza.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        lines.map(|value| value.trim().to_owned()).next().unwrap_or_default()
    };
    let (name, version) = (field('P'), field('V'));
    let bad = |what: &str| {
        let what = format!("the index {directory} is damaged: {what} of `{name}` cannot be read");
        Error::new(ErrorKind::Corrupt, what)
    };
    // They become part of a path.
    let safe = |text: &str| {
        let byte = |b: u8| b.is_ascii_alphanumeric() || b"._+~-".contains(&b);
        !text.is_empty() && !text.starts_with('.') && text.bytes().all(byte)
    };
    if !safe(&name) || !safe(&version) {
        return Err(bad("the name or the version"));
    }
    let words = |key: char| field(key).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let dependencies = |key: char| words(key).iter().filter_map(|word| Dependency::parse(word)).collect();
    let mut provides = vec![Provided { name: name.clone(), version: Some(version.clone()) }];
    provides.extend(words('p').iter().map(|word| Provided::parse(word)));
    let checksum = field('C');
    if !checksum.starts_with("Q1") {
        return Err(bad("the checksum"));
    }
    let kept = |line: &&str| line.as_bytes().get(1) == Some(&b':') && line.starts_with(|c| KEPT.contains(c));
    Ok(Package {
        checksum,
        size: field('S').parse().map_err(|_| bad("the size"))?,
        built: field('t').parse().unwrap_or(0),
        origin: field('o'),
        depends: dependencies('D'),
        install_if: dependencies('i'),
        priority: field('k').parse().unwrap_or(0),
        lines: stanza.lines().filter(kept).flat_map(|line| [line, "\n"]).collect(),
        provides,
        directory,
        repository,
        name,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSYBOX: &str = "C:Q1yY8lhMF1VhgegJgkcXfqaNabDJw=\nP:busybox-binsh\nV:1.36.1-r29\nA:x86_64\nS:1543\nI:8192\nT:a shell\n\
        t:1718003507\nk:100\nD:busybox=1.36.1-r29\np:/bin/sh cmd:sh=1.36.1-r29\nr:x\n";

    #[test]
    fn a_stanza_is_read() {
        let packages = parse(&format!("{BUSYBOX}\n{BUSYBOX}"), "v3.20/main/x86_64", 0).unwrap();
        assert_eq!(packages.len(), 2);
        let package = &packages[0];
        assert_eq!(package.path(), "v3.20/main/x86_64/busybox-binsh-1.36.1-r29.apk");
        assert_eq!((package.size, package.built, package.priority), (1543, 1_718_003_507, 100));
        assert_eq!(package.provides.len(), 3);
        assert!(package.meets(&Dependency::on("/bin/sh")));
        assert_eq!(package.lines, BUSYBOX.replace("r:x\n", ""));
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for (from, to) in [
            ("P:busybox-binsh", "P:../../x"),
            ("P:busybox-binsh", "P:a/b"),
            ("V:1.36.1-r29", "V:1/../../x"),
            ("S:1543", "S:-1"),
            ("C:Q1", "C:"),
        ] {
            let error = parse(&BUSYBOX.replace(from, to), "d", 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{to}");
        }
    }
}
