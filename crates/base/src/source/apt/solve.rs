//! Which packages make a system: what was asked for, and all that it depends on.
//!
//! As debootstrap does: what must be there first, then the choices between alternatives, so that one which is there anyway is
//! taken. Of a choice the first alternative wins, of those who provide a name the one of highest priority. Nothing is taken back: where
//! that is not enough, it is said what contradicts what.

use super::index::{Index, Package, Priority};
use super::relation::{Wants, groups};
use crate::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A root is made with /bin as a link into /usr from the beginning; the other one would move it there later, with half of perl's help.
const PREFERRED: &str = "usr-is-merged";

/// What a system has before anything is asked for, as mmdebstrap has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// What is marked `Essential: yes`.
    Essential,
    /// And apt.
    Apt,
    /// And what has the priority `required`.
    Minbase,
}

impl Variant {
    pub(super) fn read(name: &str) -> Result<Self> {
        match name {
            "essential" => Ok(Self::Essential),
            "apt" => Ok(Self::Apt),
            "minbase" => Ok(Self::Minbase),
            _ => Err(Error::new(ErrorKind::Configuration, format!("`{name}` is not a variant"))
                .with_hint("it is one of `essential`, `apt`, `minbase`")),
        }
    }

    fn has(self, package: &Package) -> bool {
        package.essential
            || (self != Self::Essential && package.name == "apt")
            || (self == Self::Minbase && package.priority == Priority::Required)
    }
}

/// The packages of a variant with others added, each after those that it depends on.
///
/// Errors: there is no such package; something is wanted that nobody has; two contradict each other.
pub(super) fn solve(index: &Index, variant: Variant, add: &[String]) -> Result<Vec<usize>> {
    let mut solver = Solver { index, chosen: BTreeMap::new(), names: HashMap::new(), queue: VecDeque::new() };
    let mut seeds: Vec<usize> =
        (0..index.packages.len()).filter(|&at| variant.has(&index.packages[at])).collect();
    seeds.sort_by_key(|&at| &index.packages[at].name);
    for seed in seeds {
        solver.choose(seed, None)?;
    }
    for name in add {
        let wants = Wants { name, version: None };
        match index.candidates(&wants)[..] {
            [] => return Err(no_such(index, name)),
            [first, ..] => solver.choose(first, None)?,
        }
    }
    solver.close()?;
    Ok(solver.in_order())
}

struct Solver<'a> {
    index: &'a Index,
    /// Each with the one that wanted it first.
    chosen: BTreeMap<usize, Option<usize>>,
    /// Who of them has a name or provides it.
    names: HashMap<&'a str, Vec<usize>>,
    queue: VecDeque<usize>,
}

impl<'a> Solver<'a> {
    fn choose(&mut self, at: usize, why: Option<usize>) -> Result<()> {
        if self.chosen.contains_key(&at) {
            return Ok(());
        }
        if let Some((one, other)) = self.contradiction(at) {
            let about = |of: usize| {
                let why = if of == at { why } else { self.chosen.get(&of).copied().flatten() };
                format!("`{}`{}", self.index.packages[of].name, self.because(why))
            };
            return Err(Error::new(
                ErrorKind::Unsolvable,
                format!("the packages {} and {} contradict each other", about(one), about(other)),
            ));
        }
        self.chosen.insert(at, why);
        let package = &self.index.packages[at];
        let provided = groups(&package.provides).flatten().map(|provided| provided.name);
        for name in std::iter::once(package.name.as_str()).chain(provided) {
            self.names.entry(name).or_default().push(at);
        }
        self.queue.push_back(at);
        Ok(())
    }

    /// What must be there goes first, since it may be what an alternative asks for.
    fn close(&mut self) -> Result<()> {
        let mut choices = VecDeque::new();
        loop {
            if let Some(at) = self.queue.pop_front() {
                for group in groups(&self.index.packages[at].depends) {
                    if self.is_satisfied(&group) {
                        continue;
                    }
                    let first = self.index.candidates(&group[0]);
                    match group.len() == 1 && first.len() == 1 {
                        true => self.choose(first[0], Some(at))?,
                        false => choices.push_back((at, group)),
                    }
                }
            } else if let Some((at, group)) = choices.pop_front() {
                if !self.is_satisfied(&group) {
                    self.take_one(at, &group)?;
                }
            } else {
                return Ok(());
            }
        }
    }

    fn is_satisfied(&self, group: &[Wants<'_>]) -> bool {
        group.iter().any(|wants| {
            let known = self.names.get(wants.name).into_iter().flatten();
            known.copied().any(|at| self.index.packages[at].satisfies(wants))
        })
    }

    fn take_one(&mut self, who: usize, group: &[Wants<'_>]) -> Result<()> {
        let mut candidates: Vec<usize> =
            group.iter().flat_map(|wants| self.index.candidates(wants)).collect();
        if let Some(at) = candidates.iter().position(|&at| self.index.packages[at].name == PREFERRED) {
            candidates[..=at].rotate_right(1);
        }
        let fitting = candidates.iter().copied().find(|&at| self.contradiction(at).is_none());
        match (fitting, candidates.first()) {
            (Some(at), _) | (None, Some(&at)) => self.choose(at, Some(who)),
            (None, None) => {
                let wanted: Vec<String> = group.iter().map(Wants::to_string).collect();
                let name = &self.index.packages[who].name;
                let error = Error::new(
                    ErrorKind::Unsolvable,
                    format!(
                        "the package `{name}` wants `{}`, which nobody has{}",
                        wanted.join(" | "),
                        self.because(self.chosen.get(&who).copied().flatten())
                    ),
                );
                Err(match self.index.find(group[0].name) {
                    Some(at) => error.with_hint(format!("there is `{}` of the version {}", group[0].name, self.index.packages[at].version)),
                    None => error.with_hint("it may be in another component, such as `contrib` or `universe`: `?components=main,…`"),
                })
            }
        }
    }

    /// Whom of those chosen this one cannot be with.
    fn contradiction(&self, at: usize) -> Option<(usize, usize)> {
        let new = &self.index.packages[at];
        let hits = |wants: &Wants<'_>| {
            let known = self.names.get(wants.name).into_iter().flatten().copied();
            known.filter(|&other| other != at).find(|&other| self.index.packages[other].satisfies(wants))
        };
        if let Some(other) = groups(&new.conflicts).flatten().find_map(|wants| hits(&wants)) {
            return Some((at, other));
        }
        let against = |other: &usize| {
            groups(&self.index.packages[*other].conflicts).flatten().any(|wants| new.satisfies(&wants))
        };
        self.chosen
            .keys()
            .filter(|other| **other != at)
            .find(|other| against(other))
            .map(|&other| (other, at))
    }

    /// ` (wanted by `a`, wanted by `b`)`, up to what was asked for.
    fn because(&self, mut why: Option<usize>) -> String {
        let mut chain = Vec::new();
        while let Some(by) = why.filter(|_| chain.len() < 8) {
            chain.push(format!("wanted by `{}`", self.index.packages[by].name));
            why = self.chosen.get(&by).copied().flatten();
        }
        if chain.is_empty() { String::new() } else { format!(" ({})", chain.join(", ")) }
    }

    /// Each after those that it depends on, as far as they do not depend on each other; names decide the rest.
    fn in_order(&self) -> Vec<usize> {
        let mut names: Vec<usize> = self.chosen.keys().copied().collect();
        names.sort_by_key(|&at| &self.index.packages[at].name);
        let (mut order, mut seen) = (Vec::new(), std::collections::HashSet::new());
        for at in names {
            // A stack of our own: a chain of dependencies may be long.
            let mut stack = vec![(at, false)];
            while let Some((at, done)) = stack.pop() {
                if done {
                    order.push(at);
                } else if seen.insert(at) {
                    stack.push((at, true));
                    let wanted = groups(&self.index.packages[at].depends).flatten();
                    let mut next: Vec<usize> = wanted
                        .filter_map(|wants| self.met(&wants))
                        .filter(|next| !seen.contains(next))
                        .collect();
                    next.reverse();
                    stack.extend(next.into_iter().map(|next| (next, false)));
                }
            }
        }
        order
    }

    fn met(&self, wants: &Wants<'_>) -> Option<usize> {
        let known = self.names.get(wants.name)?.iter().copied();
        known.into_iter().find(|&at| self.index.packages[at].satisfies(wants))
    }
}

fn no_such(index: &Index, name: &str) -> Error {
    let error = Error::new(ErrorKind::Unsolvable, format!("there is no package `{name}`"));
    match rootlet_spec::similar::nearest(name, index.packages.iter().map(|package| package.name.as_str())) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name version essential? | depends | provides | conflicts`.
    fn index(lines: &[&str]) -> Index {
        let mut index = Index::default();
        for line in lines {
            let mut parts = line.split(';').map(str::trim);
            let mut head = parts.next().unwrap().split_whitespace();
            let mut package = Package {
                name: head.next().unwrap().into(),
                version: head.next().unwrap().into(),
                file: "x".into(),
                ..Package::default()
            };
            match head.next() {
                Some("essential") => package.essential = true,
                Some("required") => package.priority = Priority::Required,
                _ => {}
            }
            for (field, text) in
                [&mut package.depends, &mut package.provides, &mut package.conflicts].into_iter().zip(parts)
            {
                *field = text.into();
            }
            index.insert(package);
        }
        index.complete();
        index
    }

    fn names(lines: &[&str], variant: Variant, add: &[&str]) -> Result<String> {
        let index = index(lines);
        let add: Vec<String> = add.iter().map(|name| (*name).to_owned()).collect();
        let found = solve(&index, variant, &add)?;
        Ok(found.iter().map(|&at| index.packages[at].name.as_str()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn variants_and_the_order_of_dependencies() {
        let lines = ["b 1 essential; a (>= 1), c", "a 1; ; ", "c 2; a", "apt 1; a", "r 1 required", "x 1; b"];
        assert_eq!(names(&lines, Variant::Essential, &[]).unwrap(), "a c b");
        assert_eq!(names(&lines, Variant::Apt, &[]).unwrap(), "a apt c b");
        assert_eq!(names(&lines, Variant::Minbase, &["x"]).unwrap(), "a apt c b r x");
    }

    #[test]
    fn an_alternative_that_is_there_anyway_is_taken() {
        let lines = ["e 1 essential; m | awk, z", "m 1", "g 1; ; awk", "z 1; g"];
        assert_eq!(names(&lines, Variant::Essential, &[]).unwrap(), "g z e");
        let lines = ["e 1 essential; m | g", "m 1", "g 1"];
        assert_eq!(names(&lines, Variant::Essential, &[]).unwrap(), "m e");
        let lines =
            ["e 1 essential; usrmerge | usr-is-merged", "usrmerge 1; perl", "usr-is-merged 1", "perl 1"];
        assert_eq!(names(&lines, Variant::Essential, &[]).unwrap(), "usr-is-merged e");
    }

    #[test]
    fn provided_names_and_their_versions() {
        let lines = [
            "e 1 essential; awk, lib (>= 2)",
            "mawk 1 required; ; awk",
            "gawk 1; ; awk",
            "l3 1; ; lib (= 3)",
            "l1 1; ; lib (= 1)",
            "l0 1;;lib",
        ];
        assert_eq!(names(&lines, Variant::Essential, &[]).unwrap(), "mawk l3 e");
        assert_eq!(names(&lines, Variant::Essential, &["gawk"]).unwrap(), "gawk l3 e");
    }

    #[test]
    fn circles_end() {
        assert_eq!(
            names(&["a 1 essential; b", "b 1; c", "c 1; a"], Variant::Essential, &[]).unwrap(),
            "c b a"
        );
    }

    #[test]
    fn the_newest_wins_whatever_the_order() {
        let found = index(&["a 1", "a 3", "a 2"]);
        assert_eq!(found.packages[found.find("a").unwrap()].version, "3");
    }

    #[test]
    fn what_contradicts_is_avoided_or_told() {
        let lines = ["e 1 essential; m | n", "m 1;;; e", "n 1"];
        assert_eq!(names(&lines, Variant::Essential, &[]).unwrap(), "n e");
        let error = names(&["e 1 essential; m", "m 1;;; x", "x 1"], Variant::Essential, &["x"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsolvable);
        assert_eq!(error.to_string(), "the packages `m` (wanted by `e`) and `x` contradict each other");
        // Nobody contradicts himself: that is how one says that there may be one only.
        assert_eq!(names(&["e 1 essential;; mta; mta"], Variant::Essential, &[]).unwrap(), "e");
    }

    #[test]
    fn what_nobody_has_is_told_with_who_wants_it() {
        let lines = ["e 1 essential; m", "m 1; lib (>= 2) | other", "lib 1"];
        let error = names(&lines, Variant::Essential, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the package `m` wants `lib (>= 2) | other`, which nobody has (wanted by `e`)"
        );
        assert_eq!(error.hint(), Some("there is `lib` of the version 1"));
        let error = names(&["curl 1", "e 1 essential"], Variant::Essential, &["crul"]).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.hint()),
            ("there is no package `crul`", Some("did you mean `curl`?"))
        );
    }
}
