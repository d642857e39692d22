//! Which packages make a root: those that were asked for, what they want, and what comes of itself beside them.
//!
//! A search that goes back where it does not go on: at each step the want with the fewest ways to meet it comes first, so what
//! cannot be met is seen at once, and what leaves no choice is no choice. The order of ways is apk's, and so is what comes out
//! (tried on hundreds of random worlds); where apk, which never goes back, finds nothing, an older version may do here.

use super::dependency::Dependency;
use super::index::Package;
use super::version;
use crate::{Error, ErrorKind, Result};
use rootlet_spec::similar::nearest;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Real repositories take about one step for each package.
const STEPS: usize = 100_000;

/// The packages, each behind what it wants (cycles aside). `world` are the names that were asked for.
///
/// Errors: something is wanted that no package gives, or that does not bear something else.
pub(super) fn solve<'a>(packages: &'a [Package], world: &[String]) -> Result<Vec<&'a Package>> {
    let world: Vec<Dependency> = world.iter().map(|name| Dependency::on(name)).collect();
    let search = Search::new(packages, &world);
    let state = search.run()?;
    Ok(search.in_order(&state).into_iter().map(|at| &packages[at]).collect())
}

/// What does not change on the way. Packages are known by their place.
struct Search<'a> {
    packages: &'a [Package],
    world: &'a [Dependency],
    /// Who is or provides what.
    by_name: HashMap<&'a str, Vec<usize>>,
    /// Packages that come of themselves.
    conditional: Vec<usize>,
}

/// How far it is.
#[derive(Default)]
struct State<'a> {
    order: Vec<usize>,
    chosen: HashSet<usize>,
    /// What is wanted and not met yet, and by whom; `None` is who named the root.
    open: Vec<(&'a Dependency, Option<usize>)>,
    /// What the chosen do not bear, and whose word that is.
    unborne: Vec<(usize, &'a Dependency)>,
    /// Packages that would come of themselves, and cannot.
    skipped: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Choice {
    Take(usize),
    Skip(usize),
}

/// A place to go back to: what was there, and what else may be tried, the best last.
struct Place<'a> {
    chosen: usize,
    open: Vec<(&'a Dependency, Option<usize>)>,
    unborne: usize,
    skipped: usize,
    rest: Vec<Choice>,
}

/// The ways to meet a want.
struct Ways<'a> {
    dependency: &'a Dependency,
    /// Who wants it; `None` is who named the root.
    by: Option<usize>,
    candidates: Vec<usize>,
    /// Several give it, and nothing says which one is meant.
    unclear: bool,
}

impl<'a> Search<'a> {
    fn new(packages: &'a [Package], world: &'a [Dependency]) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, package) in packages.iter().enumerate() {
            let names: BTreeSet<&str> = package.provides.iter().map(|given| given.name.as_str()).collect();
            names.into_iter().for_each(|name| by_name.entry(name).or_default().push(at));
        }
        let conditional = (0..packages.len()).filter(|&at| !packages[at].install_if.is_empty()).collect();
        Self { packages, world, by_name, conditional }
    }

    fn run(&self) -> Result<State<'a>> {
        let open = self.world.iter().map(|dependency| (dependency, None)).collect();
        let mut state = State { open, ..State::default() };
        let mut places: Vec<Place<'a>> = Vec::new();
        // The first place that did not go on: it is on the way that was preferred, so it says most.
        let mut failure = None;
        for _ in 0..STEPS {
            match self.choices(&state) {
                Ok(choices) if choices.is_empty() => return Ok(state),
                Ok(choices) => places.push(state.place(choices)),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
            if !self.take_next(&mut state, &mut places) {
                return Err(failure.expect("who goes back met something"));
            }
        }
        Err(failure.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Unsolvable,
                "what its packages want of each other takes too long to be found",
            )
        }))
    }

    /// Goes back to the last place where something else may be tried, and tries it.
    fn take_next(&self, state: &mut State<'a>, places: &mut Vec<Place<'a>>) -> bool {
        while let Some(place) = places.last_mut() {
            state.back_to(place);
            match place.rest.pop() {
                Some(Choice::Take(at)) => {
                    self.take(at, state);
                    return true;
                }
                Some(Choice::Skip(at)) => {
                    state.skipped.push(at);
                    return true;
                }
                None => drop(places.pop()),
            }
        }
        false
    }

    fn take(&self, at: usize, state: &mut State<'a>) {
        state.order.push(at);
        state.chosen.insert(at);
        for dependency in &self.packages[at].depends {
            match dependency.conflict {
                true => state.unborne.push((at, dependency)),
                false => state.open.push((dependency, Some(at))),
            }
        }
        let mut open = std::mem::take(&mut state.open);
        open.retain(|(dependency, _)| !self.is_met(dependency, state));
        state.open = open;
    }

    /// What may be done next, the best last; nothing where all is done.
    ///
    /// Errors: a want that cannot be met from here.
    fn choices(&self, state: &State<'a>) -> Result<Vec<Choice>> {
        if let Some(ways) = self.narrowest(state) {
            return match ways.candidates.is_empty() || ways.unclear {
                true => Err(self.explain(&ways, state)),
                false => Ok(ways.candidates.into_iter().rev().map(Choice::Take).collect()),
            };
        }
        let comes = |at: &usize| {
            let package = &self.packages[*at];
            !state.chosen.contains(at)
                && !state.skipped.contains(at)
                && package.install_if.iter().all(|wanted| self.is_met(wanted, state) != wanted.conflict)
                && self.obstacle(*at, state).is_none()
        };
        let next = self.conditional.iter().copied().filter(comes).min_by(|a, b| self.rank(*a, *b, None));
        Ok(next.map_or(Vec::new(), |at| vec![Choice::Skip(at), Choice::Take(at)]))
    }

    /// The want with the fewest ways; `None` where all are met.
    fn narrowest(&self, state: &State<'a>) -> Option<Ways<'a>> {
        let ways = state.open.iter().map(|&(dependency, by)| self.ways(dependency, by, state));
        // Who gives what is unclear may be chosen for another reason.
        ways.min_by_key(|ways| (ways.unclear, ways.candidates.len()))
    }

    fn ways(&self, dependency: &'a Dependency, by: Option<usize>, state: &State<'a>) -> Ways<'a> {
        let mut candidates = self.givers(dependency);
        candidates.retain(|&at| self.obstacle(at, state).is_none());
        candidates.sort_by(|&a, &b| self.rank(a, b, Some(&dependency.name)));
        let says_so = |&at: &usize| {
            let package = &self.packages[at];
            package.priority > 0 || self.version_of(at, &dependency.name).is_some()
        };
        let unclear = candidates.len() > 1 && !candidates.iter().any(says_so);
        // Who merely could is asked last.
        candidates.sort_by_key(|at| !says_so(at));
        Ways { dependency, by, candidates, unclear }
    }

    fn givers(&self, dependency: &Dependency) -> Vec<usize> {
        let known = self.by_name.get(dependency.name.as_str()).map_or(&[][..], Vec::as_slice);
        known.iter().copied().filter(|&at| self.packages[at].meets(dependency)).collect()
    }

    fn is_met(&self, dependency: &Dependency, state: &State<'_>) -> bool {
        let known = self.by_name.get(dependency.name.as_str()).map_or(&[][..], Vec::as_slice);
        known.iter().any(|at| state.chosen.contains(at) && self.packages[*at].meets(dependency))
    }

    fn version_of(&self, at: usize, name: &str) -> Option<&'a str> {
        let given = self.packages[at].provides.iter().filter(|given| given.name == name);
        given.filter_map(|given| given.version.as_deref()).max_by(|a, b| version::compare(a, b))
    }

    /// The better one comes first.
    fn rank(&self, a: usize, b: usize, name: Option<&str>) -> Ordering {
        let (one, other) = (&self.packages[a], &self.packages[b]);
        let of_name =
            name.map_or(Ordering::Equal, |name| match (self.version_of(a, name), self.version_of(b, name)) {
                (Some(a), Some(b)) => version::compare(b, a),
                (a, b) => b.is_some().cmp(&a.is_some()),
            });
        let of_package = || match one.name == other.name {
            true => version::compare(&other.version, &one.version),
            false => Ordering::Equal,
        };
        of_name
            .then_with(of_package)
            .then_with(|| other.priority.cmp(&one.priority))
            .then_with(|| one.repository.cmp(&other.repository))
            .then_with(|| one.name.cmp(&other.name))
            .then_with(|| version::compare(&other.version, &one.version))
    }

    /// Why a package cannot be beside those that are chosen.
    fn obstacle(&self, at: usize, state: &State<'_>) -> Option<String> {
        let package = &self.packages[at];
        for given in &package.provides {
            for &other in &self.by_name[given.name.as_str()] {
                let both = other != at && state.chosen.contains(&other);
                // What has no version may be given by several.
                let alone = given.version.is_some() || self.version_of(other, &given.name).is_some();
                if both && alone {
                    let other = self.packages[other].id();
                    return Some(format!("`{other}` is `{}` already", given.name));
                }
            }
        }
        let refuses = |by: &Package, it: &Package, dependency: &Dependency| {
            (dependency.conflict && it.meets(dependency))
                .then(|| format!("`{}` does not bear `{}` (it says `{dependency}`)", by.id(), it.id()))
        };
        let mut own = package.depends.iter().filter(|dependency| dependency.conflict);
        let own = own.find_map(|dependency| {
            let givers = self.givers(dependency);
            let other = givers.into_iter().find(|other| *other != at && state.chosen.contains(other))?;
            refuses(package, &self.packages[other], dependency)
        });
        let theirs = || state.unborne.iter().find_map(|&(by, it)| refuses(&self.packages[by], package, it));
        own.or_else(theirs)
    }

    fn explain(&self, ways: &Ways<'_>, state: &State<'_>) -> Error {
        let wanted = &ways.dependency;
        let who = match ways.by {
            Some(by) => format!("`{}` wants `{wanted}`", self.packages[by].id()),
            None => format!("`{wanted}` is wanted"),
        };
        let list = |them: &[usize]| {
            let some: Vec<String> =
                them.iter().take(8).map(|&at| format!("`{}`", self.packages[at].id())).collect();
            some.join(", ")
        };
        if ways.unclear {
            let names: Vec<&str> =
                ways.candidates.iter().map(|&at| self.packages[at].name.as_str()).collect();
            return Error::new(
                ErrorKind::Unsolvable,
                format!("{who}, and several packages give it: {}", list(&ways.candidates)),
            )
            .with_hint(format!("say which one is meant, as in `apk:RELEASE+{}`", names[0]));
        }
        let givers = self.givers(wanted);
        let named = self.by_name.get(wanted.name.as_str()).map_or(&[][..], Vec::as_slice);
        let why = match (givers.first(), named) {
            (Some(&giver), _) => {
                let obstacle = self.obstacle(giver, state).unwrap_or_default();
                format!("`{}` cannot be taken: {obstacle}", self.packages[giver].id())
            }
            (None, []) => "no package of these repositories is that or provides it".to_owned(),
            (None, others) => format!("there is only {}", list(others)),
        };
        let error = Error::new(ErrorKind::Unsolvable, format!("{who}, and {why}"));
        match nearest(&wanted.name, self.packages.iter().map(|package| package.name.as_str())) {
            Some(name) if named.is_empty() => error.with_hint(format!("did you mean `{name}`?")),
            _ => error,
        }
    }

    /// What a package wants comes before it. Names decide where nothing else does.
    fn in_order(&self, state: &State<'_>) -> Vec<usize> {
        let by_name: BTreeMap<&str, usize> =
            state.order.iter().map(|&at| (self.packages[at].name.as_str(), at)).collect();
        let (mut seen, mut order) = (HashSet::new(), Vec::new());
        // A stack of our own: a chain of wants may be long.
        let mut stack: Vec<(usize, bool)> = by_name.values().rev().map(|&at| (at, false)).collect();
        while let Some((at, is_ready)) = stack.pop() {
            if is_ready {
                order.push(at);
                continue;
            }
            if !seen.insert(at) {
                continue;
            }
            stack.push((at, true));
            let package = &self.packages[at];
            let wants = package.depends.iter().chain(&package.install_if).rev();
            let wants = wants.filter(|dependency| !dependency.conflict);
            let givers = wants.flat_map(|dependency| self.givers(dependency).into_iter().rev());
            stack.extend(givers.filter(|giver| state.chosen.contains(giver)).map(|giver| (giver, false)));
        }
        order
    }
}

impl<'a> State<'a> {
    fn place(&self, rest: Vec<Choice>) -> Place<'a> {
        let (chosen, unborne, skipped) = (self.order.len(), self.unborne.len(), self.skipped.len());
        Place { chosen, open: self.open.clone(), unborne, skipped, rest }
    }

    fn back_to(&mut self, place: &Place<'a>) {
        for at in self.order.drain(place.chosen..) {
            self.chosen.remove(&at);
        }
        self.open.clone_from(&place.open);
        self.unborne.truncate(place.unborne);
        self.skipped.truncate(place.skipped);
    }
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
