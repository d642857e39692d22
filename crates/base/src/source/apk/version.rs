//! Alpine's order of versions: `1.2.3a_rc1_git20240101~0a1b2c-r4`.
//!
//! Numbers, then a letter, then suffixes with a number each, then a commit, then the revision of the package. Where one version
//! goes on and the other ends, the longer one is younger, unless it goes on with a suffix that comes before a release.

use std::cmp::Ordering;

/// Suffixes of what is not yet the release, oldest first.
const BEFORE: &[&str] = &["alpha", "beta", "pre", "rc"];
/// Suffixes of what comes after it.
const AFTER: &[&str] = &["cvs", "svn", "git", "hg", "p"];

/// A part of a version. What is written further down may follow what is above it, and ends a version that is younger for it
/// the further up it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    /// A number behind a dot: one that begins with a 0 is a fraction.
    Number(&'a str),
    First(&'a str),
    Letter(u8),
    Suffix(i8),
    SuffixNumber(&'a str),
    Commit(&'a str),
    Revision(&'a str),
    End,
    /// Nothing that a version may hold.
    Invalid,
}

impl Part<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::First(_) => 0,
            Self::Number(_) => 1,
            Self::Letter(_) => 2,
            Self::Suffix(_) => 3,
            Self::SuffixNumber(_) => 4,
            Self::Commit(_) => 5,
            Self::Revision(_) => 6,
            Self::End => 7,
            Self::Invalid => 8,
        }
    }

    /// Of two parts of the same rank.
    fn value(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
            (Self::First(a), Self::First(b))
            | (Self::Number(a), Self::Number(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => numbers(a, b),
            (Self::Commit(a), Self::Commit(b)) => a.cmp(b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(&b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        }
    }
}

/// Reads the parts of a version.
struct Parts<'a> {
    rest: &'a str,
    last: Part<'a>,
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version, last: Part::Invalid }
    }

    fn next(&mut self) -> Part<'a> {
        self.last = self.read();
        self.last
    }

    fn read(&mut self) -> Part<'a> {
        let begun = self.last != Part::Invalid;
        let Some(first) = self.rest.chars().next() else {
            return if begun { Part::End } else { Part::Invalid };
        };
        let number = matches!(self.last, Part::First(_) | Part::Number(_));
        match first {
            '0'..='9' if !begun => Part::First(self.digits()),
            '0'..='9' if matches!(self.last, Part::Suffix(_)) => Part::SuffixNumber(self.digits()),
            '.' if number => self.behind(1, |parts| Part::Number(parts.digits())),
            'a'..='z' if number => self.behind(1, |_| Part::Letter(first as u8)),
            '_' if self.last.rank() <= 4 && begun => self.behind(1, Self::suffix),
            '~' if self.last.rank() <= 4 && begun => self.behind(1, |parts| {
                let commit = parts.take(|c| c.is_ascii_hexdigit());
                Part::Commit(commit)
            }),
            '-' if self.rest.starts_with("-r") && self.last.rank() <= 5 && begun => {
                self.behind(2, |parts| Part::Revision(parts.digits()))
            }
            _ => Part::Invalid,
        }
    }

    /// What is read behind `skip` bytes; nothing there is invalid.
    fn behind(&mut self, skip: usize, read: impl FnOnce(&mut Self) -> Part<'a>) -> Part<'a> {
        self.rest = &self.rest[skip..];
        match read(self) {
            Part::Number("") | Part::Commit("") | Part::Revision("") => Part::Invalid,
            part => part,
        }
    }

    fn suffix(&mut self) -> Part<'a> {
        let name = self.take(|c| c.is_ascii_lowercase());
        let place = |list: &[&str]| list.iter().position(|known| *known == name).map(|at| at as i8);
        let before = place(BEFORE).map(|at| at - BEFORE.len() as i8);
        before.or_else(|| place(AFTER)).map_or(Part::Invalid, Part::Suffix)
    }

    fn digits(&mut self) -> &'a str {
        self.take(|c| c.is_ascii_digit())
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

/// Which of two versions is older.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (order, _) = diverge(a, b);
    order
}

/// Whether a version begins as `prefix` says: `1.2.3-r4` does so for `1.2`.
pub(super) fn begins(version: &str, prefix: &str) -> bool {
    let (order, ended) = diverge(version, prefix);
    order == Ordering::Equal || ended
}

/// The order, and whether all that was different is that `b` had ended.
fn diverge(a: &str, b: &str) -> (Ordering, bool) {
    let (mut left, mut right) = (Parts::new(a), Parts::new(b));
    loop {
        let (a, b) = (left.next(), right.next());
        if a.rank() != b.rank() {
            let early = |part: Part<'_>| matches!(part, Part::Suffix(kind) if kind < 0);
            let order = match (early(a), early(b)) {
                (true, _) => Ordering::Less,
                (_, true) => Ordering::Greater,
                _ => b.rank().cmp(&a.rank()),
            };
            return (order, b == Part::End);
        }
        match a.value(b) {
            Ordering::Equal if matches!(a, Part::End | Part::Invalid) => return (Ordering::Equal, true),
            Ordering::Equal => {}
            order => return (order, false),
        }
    }
}

/// Numbers of any length.
fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is older than the next; `tests/alpine.rs` asks apk itself.
    const ORDER: &str = include_str!("versions.txt");

    #[test]
    fn older_comes_first() {
        for (at, a) in ORDER.lines().enumerate() {
            for (other, b) in ORDER.lines().enumerate() {
                assert_eq!(compare(a, b), at.cmp(&other), "{a} and {b}");
            }
        }
        assert_eq!(compare("0.2.0-r1", "0.2.0-r1"), Ordering::Equal);
        assert_eq!(compare(&"9".repeat(99), &"9".repeat(100)), Ordering::Less);
    }

    #[test]
    fn a_prefix_is_of_whole_parts() {
        for (version, prefix, expected) in [
            ("1.2.3-r4", "1.2", true),
            ("1.2.3-r4", "1.2.3", true),
            ("1.2.3-r4", "1.2.3-r4", true),
            ("1.2.3_git1-r4", "1.2.3", true),
            ("1.20-r0", "1.2", false),
            ("1-r0", "1.2", false),
            ("1.3", "1.2", false),
        ] {
            assert_eq!(begins(version, prefix), expected, "{version} ~ {prefix}");
        }
    }
}
