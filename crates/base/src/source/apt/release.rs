//! `dists/SUITE/InRelease`: what a suite has, signed.

use super::signature::{Signed, untrusted};
use super::sources::{Keys, Source};
use super::stanza::Stanza;
use crate::source::mirror::Mirror;
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use std::time::{SystemTime, UNIX_EPOCH};

/// A suite that was verified.
#[derive(Debug)]
pub(super) struct Release {
    text: String,
    /// When it was made, in seconds since 1970.
    pub date: u64,
}

/// A file that a Release promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Below `dists/SUITE/`.
    pub path: String,
    pub digest: Digest,
    pub size: u64,
}

impl Release {
    /// Fetches and verifies it; `None` when the mirror has no such suite.
    ///
    /// Errors: the mirror cannot be reached; the signature is wrong, expired or of an unknown key; it is another suite's; it is
    /// out of date.
    pub(super) fn fetch(source: &Source, mirror: &Mirror, resolver: &Resolver) -> Result<Option<Self>> {
        let limit = resolver.limits.document_bytes;
        let place = |name: &str| format!("dists/{}/{name}", source.suite);
        let signed = match mirror.document(&place("InRelease"), limit)? {
            Some(bytes) => {
                Signed::clear(&bytes).ok_or_else(|| untrusted("its InRelease is not a signed document"))
            }
            None => match mirror.document(&place("Release"), limit)? {
                None => return Ok(None),
                Some(text) => detached(text, mirror.document(&place("Release.gpg"), limit)?, &source.keys),
            },
        };
        let about = || format!("failed to trust the suite `{}` of {}", source.suite, mirror.shown());
        let signed = signed.map_err(|e| e.within(about()))?;
        signed.verify(&source.keys, &resolver.store).map_err(|e| e.within(about()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self::read(signed.text, source, now).map(Some).map_err(|e| e.within(about()))
    }

    fn read(text: String, source: &Source, now: u64) -> Result<Self> {
        let stanza = Stanza::of(&text);
        let names: Vec<&str> = ["Suite", "Codename"].iter().filter_map(|field| stanza.get(field)).collect();
        // Someone in between could else hand out another suite, signed as well.
        if !names.is_empty() && !names.contains(&source.suite.as_str()) {
            return Err(untrusted(&format!("it says that it is `{}`", names.join("`, `"))));
        }
        let until = stanza.get("Valid-Until").and_then(seconds);
        if source.check_valid_until && until.is_some_and(|until| until < now) {
            let until = stanza.get("Valid-Until").unwrap_or_default();
            return Err(untrusted(&format!("it was valid until {until}"))
                .with_hint(
                    "the mirror is behind, or the clock of this machine is wrong; of a snapshot of a mirror, the base's option \
                     `check-valid-until=no` takes what it has",
                ));
        }
        let date = stanza.get("Date").and_then(seconds).unwrap_or(0);
        Ok(Self { text, date })
    }

    /// Its components, as it says them; of `updates/main` the last part.
    pub(super) fn components(&self) -> Vec<String> {
        let said = Stanza::of(&self.text).get("Components").unwrap_or("main");
        said.split_whitespace().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect()
    }

    /// Whether files are to be had by their digests, which does not go wrong while the mirror is updated.
    pub(super) fn by_hash(&self) -> bool {
        Stanza::of(&self.text).get("Acquire-By-Hash") == Some("yes")
    }

    /// Whether the index of `all` must be read beside the one of an architecture: many suites have one that nobody keeps.
    pub(super) fn has_index_of_all(&self) -> bool {
        let stanza = Stanza::of(&self.text);
        let listed =
            stanza.get("Architectures").unwrap_or_default().split_whitespace().any(|name| name == "all");
        listed && stanza.get("No-Support-for-Architecture-all") != Some("Packages")
    }

    /// The smallest form that we can read of the index of a component; `None` when there is none.
    ///
    /// Errors: what it says of the file cannot be read.
    pub(super) fn index(&self, component: &str, architecture: &str) -> Result<Option<File>> {
        for end in [".xz", ".zst", ".gz", ""] {
            if let Some(file) = self.file(&format!("{component}/binary-{architecture}/Packages{end}"))? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    fn file(&self, path: &str) -> Result<Option<File>> {
        let list = Stanza::of(&self.text).get("SHA256").unwrap_or_default();
        let Some(line) = list.lines().find(|line| line.split_whitespace().nth(2) == Some(path)) else {
            return Ok(None);
        };
        let mut words = line.split_whitespace();
        let digest = words.next().and_then(|hex| format!("sha256:{hex}").parse().ok());
        let size = words.next().and_then(|size| size.parse().ok());
        match (digest, size) {
            (Some(digest), Some(size)) => Ok(Some(File { path: path.to_owned(), digest, size })),
            _ => Err(Error::new(ErrorKind::Corrupt, format!("the Release says nonsense of `{path}`"))),
        }
    }
}

fn detached(text: Vec<u8>, signature: Option<Vec<u8>>, keys: &Keys) -> Result<Signed> {
    let text = String::from_utf8(text).map_err(|_| untrusted("its Release is not text"))?;
    match (signature, keys) {
        (Some(signature), _) => Ok(Signed { text, signature }),
        (None, Keys::Anything) => Ok(Signed { text, signature: Vec::new() }),
        (None, _) => Err(untrusted("it is not signed").with_hint(
            "a mirror of your own can be signed with gpg, or be marked `Trusted: yes` in apt's sources",
        )),
    }
}

/// `Sat, 21 Nov 2026 09:15:44 UTC`, in seconds since 1970; `None` before then and for anything else.
fn seconds(date: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split_whitespace().collect();
    let [_, day, month, year, time, zone] = words[..] else { return None };
    if !matches!(zone, "UTC" | "GMT" | "+0000" | "Z") {
        return None;
    }
    let month = MONTHS.find(month).filter(|at| at % 3 == 0 && month.len() == 3)? as i64 / 3 + 1;
    let (year, day): (i64, i64) = (year.parse().ok()?, day.parse().ok()?);
    let mut clock = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Years that begin in March put the leap day last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1 - 719_468;
    u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(suite: &str) -> Source {
        Source {
            mirror: "http://h".into(),
            suite: suite.into(),
            components: Vec::new(),
            keys: Keys::Anything,
            check_valid_until: true,
            optional: false,
        }
    }

    #[test]
    fn dates() {
        // By `date -u -d … +%s`.
        assert_eq!(seconds("Sat, 21 Nov 2026 09:15:44 UTC"), Some(1_795_252_544));
        assert_eq!(seconds("Thu, 29 Feb 2024 00:00:00 UTC"), Some(1_709_164_800));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        for bad in ["", "Sat, 21 Nov 2026", "Sat, 21 Foo 2026 09:15:44 UTC", "Sat, 21 Nov 2026 09:15:44 CET"]
        {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_suite_that_was_asked_for_and_only_in_time() {
        let text = "Suite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: Sun, 22 Nov 2026 00:00:00 UTC\n";
        assert_eq!(Release::read(text.into(), &source("trixie"), 0).unwrap().date, 1_795_252_544);
        assert!(Release::read(text.into(), &source("stable"), 0).is_ok());
        let other = Release::read(text.into(), &source("bookworm"), 0).unwrap_err();
        assert_eq!(other.to_string(), "it says that it is `stable`, `trixie`");
        let late = Release::read(text.into(), &source("trixie"), 1_800_000_000).unwrap_err();
        assert!(late.to_string().contains("valid until") && late.hint().is_some());
        let source = Source { check_valid_until: false, ..source("trixie") };
        assert!(Release::read(text.into(), &source, 1_800_000_000).is_ok());
    }

    #[test]
    fn finds_indexes() {
        let hex = "be3d7d96a040eda0505c1808cccc67f183bbc05dff0842c50f88e6c396557412";
        let text = format!(
            "Components: updates/main\nSHA256:\n {hex} 10 main/binary-amd64/Packages\n {hex}  9 main/binary-amd64/Packages.gz\n x y main/binary-arm64/Packages\n"
        );
        let release = Release { text, date: 0 };
        assert_eq!(release.components(), ["main"]);
        assert_eq!(release.index("main", "amd64").unwrap().unwrap().path, "main/binary-amd64/Packages.gz");
        assert_eq!(release.index("contrib", "amd64").unwrap(), None);
        assert!(release.index("main", "arm64").is_err());
    }
}
