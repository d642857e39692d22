//! What a package wants, and what it gives: `musl>=1.2`, `so:libz.so.1`, `!busybox-static`, `cmd:sh=1.36.1-r29`.

use super::version;
use std::cmp::Ordering;
use std::fmt;

/// Something that a package wants, or (with `!`) does not bear beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub name: String,
    pub conflict: bool,
    /// Operator and version.
    bound: Option<(Operator, String)>,
}

/// Which versions are meant; none of the four stands for the checksum of one package (`><`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Operator {
    older: bool,
    same: bool,
    younger: bool,
    /// `~`: what begins like it.
    like: bool,
}

/// A name that a package has or provides, and the version that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provided {
    pub name: String,
    pub version: Option<String>,
}

impl Dependency {
    /// Reads one word of a list; `None` for what names nothing.
    pub fn parse(word: &str) -> Option<Self> {
        let (conflict, rest) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (name, bound) = split(rest);
        // `NAME@TAG` asks for a repository of that tag, and there are none here.
        let name = name.split('@').next().unwrap_or_default().to_owned();
        let bound = bound.map(|(operator, version)| (operator, version.to_owned()));
        (!name.is_empty()).then_some(Self { name, conflict, bound })
    }

    /// Any version of a name.
    pub fn on(name: &str) -> Self {
        Self { name: name.to_owned(), conflict: false, bound: None }
    }

    /// Whether this is what it is about; `checksum` is the package's own.
    pub fn meets(&self, provided: &Provided, checksum: &str) -> bool {
        if provided.name != self.name {
            return false;
        }
        let Some((operator, wanted)) = &self.bound else { return true };
        if *operator == Operator::default() {
            return wanted == checksum;
        }
        // What has no version meets no bound.
        let Some(version) = &provided.version else { return false };
        if operator.like && version::begins(version, wanted) {
            return true;
        }
        match version::compare(version, wanted) {
            Ordering::Less => operator.older,
            Ordering::Equal => operator.same,
            Ordering::Greater => operator.younger,
        }
    }
}

impl Provided {
    /// Reads one word of a list.
    pub fn parse(word: &str) -> Self {
        let (name, bound) = split(word);
        Self { name: name.to_owned(), version: bound.map(|(_, version)| version.to_owned()) }
    }
}

fn split(word: &str) -> (&str, Option<(Operator, &str)>) {
    let Some(at) = word.find(['<', '>', '=', '~']) else { return (word, None) };
    let (name, rest) = word.split_at(at);
    let version = rest.trim_start_matches(['<', '>', '=', '~']);
    let signs = &rest[..rest.len() - version.len()];
    let operator = match signs {
        "><" => Operator::default(),
        _ => Operator {
            older: signs.contains('<'),
            same: signs.contains('='),
            younger: signs.contains('>'),
            like: signs.contains('~'),
        },
    };
    (name, Some((operator, version)))
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflict {
            f.write_str("!")?;
        }
        f.write_str(&self.name)?;
        let Some((operator, version)) = &self.bound else { return Ok(()) };
        let signs = [(operator.older, "<"), (operator.younger, ">"), (operator.like, "~")];
        signs.iter().filter(|(holds, _)| *holds).try_for_each(|(_, sign)| f.write_str(sign))?;
        match operator {
            Operator { same: true, .. } => f.write_str("=")?,
            Operator { older: false, younger: false, like: false, .. } => f.write_str("><")?,
            _ => {}
        }
        f.write_str(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_bounded() {
        for (word, provided, meets) in [
            ("musl", "musl=1.2.5-r0", true),
            ("musl", "musl", true),
            ("musl", "musl-dev=1.2.5-r0", false),
            ("musl>=1.2", "musl=1.2.5-r0", true),
            ("musl>=1.2", "musl", false),
            ("musl>1.2.5-r0", "musl=1.2.5-r0", false),
            ("musl<1.3", "musl=1.2.5-r0", true),
            ("musl<=1.2.5-r0", "musl=1.2.5-r0", true),
            ("musl=1.2.5", "musl=1.2.5-r0", false),
            ("musl~1.2", "musl=1.2.5-r0", true),
            ("musl~=1.2", "musl=1.3.5-r0", false),
            ("so:libz.so.1", "so:libz.so.1=1.3.1", true),
            ("!a<2", "a=1", true),
            ("a><Q1sum=", "a=1", true),
            ("a><Q1other=", "a=1", false),
            ("/bin/sh", "/bin/sh", true),
        ] {
            let dependency = Dependency::parse(word).unwrap();
            assert_eq!(dependency.meets(&Provided::parse(provided), "Q1sum="), meets, "{word}, {provided}");
            assert_eq!(dependency.to_string(), word, "{word}");
        }
        assert_eq!(Dependency::parse("!"), None);
    }
}
