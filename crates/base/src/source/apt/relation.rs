//! Relations between packages: `libc6 (>= 2.36), default-mta | mail-transport-agent` (Debian Policy 7.1).

use super::version;
use std::cmp::Ordering;
use std::fmt;

/// A package, or what packages provide, perhaps of some versions only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants<'a> {
    pub name: &'a str,
    /// `<<`, `<=`, `=`, `>=` or `>>`, and the version.
    pub version: Option<(&'a str, &'a str)>,
}

/// The groups of a relation field, each a list of alternatives. What cannot be read is taken as a name, which nobody has.
pub(super) fn groups(field: &str) -> impl Iterator<Item = Vec<Wants<'_>>> {
    let groups = field.split(',').map(str::trim).filter(|text| !text.is_empty());
    groups.map(|group| group.split('|').map(Wants::read).collect())
}

impl<'a> Wants<'a> {
    fn read(text: &'a str) -> Self {
        // What follows in brackets is for source packages.
        let text = text.split(['[', '<']).next().filter(|head| !head.contains('(')).unwrap_or(text).trim();
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let constraint = rest.split_once(')').map_or(rest, |(inside, _)| inside).trim();
        let at = constraint.len() - constraint.trim_start_matches(['<', '>', '=']).len();
        // One that cannot be read allows nothing.
        let version = (!constraint.is_empty()).then(|| (&constraint[..at], constraint[at..].trim()));
        // `python3:any`: another architecture's would do, too, but there is one only.
        let name = name.trim();
        Self { name: name.split_once(':').map_or(name, |(name, _)| name), version }
    }

    /// Whether a version is one of those meant.
    pub(super) fn allows(&self, has: &str) -> bool {
        let Some((operator, wanted)) = self.version else { return true };
        let order = version::compare(has, wanted);
        match operator {
            "<<" => order == Ordering::Less,
            "<=" | "<" => order != Ordering::Greater,
            "=" => order == Ordering::Equal,
            ">=" | ">" => order != Ordering::Less,
            ">>" => order == Ordering::Greater,
            _ => false,
        }
    }

    /// Whether a provision `name` or `name (= version)` is what is meant: one without a version is of none.
    pub(super) fn allows_provided(&self, provided: &Wants<'_>) -> bool {
        self.name == provided.name
            && match (self.version, provided.version) {
                (None, _) => true,
                (Some(_), Some((_, version))) => self.allows(version),
                (Some(_), None) => false,
            }
    }
}

impl fmt::Display for Wants<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some((operator, version)) => write!(f, "{} ({operator} {version})", self.name),
            None => f.write_str(self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields() {
        let text = "libc6 (>= 2.36), python3:any (<<4) | awk,  x [amd64] <!nocheck>\n , y(=1:2-3)";
        let read: Vec<String> = groups(text)
            .map(|group| group.iter().map(Wants::to_string).collect::<Vec<_>>().join(" | "))
            .collect();
        assert_eq!(read, ["libc6 (>= 2.36)", "python3 (<< 4) | awk", "x", "y (= 1:2-3)"]);
    }

    #[test]
    fn versions_are_compared() {
        let wants = |text| groups(text).next().unwrap()[0];
        assert!(wants("a (>= 1)").allows("1") && !wants("a (>> 1)").allows("1"));
        assert!(wants("a (<< 1)").allows("1~rc") && wants("a (= 1)").allows("1-0"));
        assert!(!wants("a (!! 1)").allows("1"));
        assert!(
            wants("m").allows_provided(&wants("m")) && wants("m (>= 2)").allows_provided(&wants("m (= 3)"))
        );
        assert!(!wants("m (>= 2)").allows_provided(&wants("m")));
    }
}
