//! A project: the recipes of its `rootlet.toml`.

use super::key::{Stamp, stamps};
use super::lock::RootPin;
use super::{Build, Lock, Locked, PINS, PackagePin, Step, StepState, step};
use crate::{Error, ErrorKind, Result};
use rootlet_base::{Base, BaseName, Pin, Resolver};
use rootlet_spec::recipe::{self, Recipe};
use rootlet_spec::{preset, similar};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the file is called.
pub const FILE: &str = "rootlet.toml";

/// The recipes of a project.
#[derive(Clone, Debug)]
pub struct Project {
    file: PathBuf,
    recipes: BTreeMap<String, Recipe>,
    lock: Option<Lock>,
    locked: Locked,
}

/// What a lock file says of a recipe.
pub(super) struct MadeOf {
    /// The base that it begins with.
    pub base: Option<(String, Pin)>,
    pub packages: Option<RootPin>,
}

/// What a recipe was built from, as it looked: beside the base that came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Built {
    recipe: Recipe,
    /// What it began with, by name and id.
    parent: (String, String),
    lock: Option<Lock>,
    stamps: Vec<Stamp>,
}

impl Project {
    /// The project that a directory is part of: its `rootlet.toml`, or the nearest above it.
    ///
    /// # Errors
    /// There is none, or it cannot be read: the error says where in it, and what was expected ([`ErrorKind::Recipe`]).
    pub fn find(directory: &Path) -> Result<Self> {
        match nearest(directory) {
            Some(file) => Self::load(&file),
            None => Err(Error::new(
                ErrorKind::Recipe,
                format!("there is no {FILE} in {} or above it", directory.display()),
            )
            .with_hint("write one: `[root.api]` and, below it, `from = \"apt:trixie\"`")),
        }
    }

    /// Whether a directory is part of one.
    pub fn is_near(directory: &Path) -> bool {
        nearest(directory).is_some()
    }

    /// The recipes of a file.
    ///
    /// # Errors
    /// It cannot be read, or is not what it should be.
    pub fn load(file: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("failed to read {}", file.display()), e);
        let file = std::fs::canonicalize(file).map_err(failed)?;
        let text = std::fs::read_to_string(&file).map_err(failed)?;
        let recipes = recipe::parse(&text).map_err(|e| {
            let error = Error::new(ErrorKind::Recipe, format!("failed to read {}: {e}", file.display()));
            match e.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })?;
        let recipes = recipes.into_iter().map(|(name, recipe)| Ok((name, expanded(recipe)?)));
        let lock = Lock::load(file.parent().unwrap_or(Path::new("/")))?;
        let project =
            Self { recipes: recipes.collect::<Result<_>>()?, file, lock, locked: Locked::default() };
        project.recipes.keys().try_for_each(|name| project.check(name))?;
        Ok(project)
    }

    /// How its lock file is used.
    pub fn with_lock(mut self, locked: Locked) -> Self {
        self.locked = locked;
        self
    }

    /// The lock file that is used.
    pub(super) fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref().filter(|_| self.locked != Locked::Anew)
    }

    pub(super) fn locked(&self) -> Locked {
        self.locked
    }

    /// All of them, by name, with their presets filled in.
    pub fn recipes(&self) -> &BTreeMap<String, Recipe> {
        &self.recipes
    }

    /// The file that they are in.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where their paths begin.
    pub fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// One by its name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn recipe(&self, name: &str) -> Result<&Recipe> {
        self.recipes.get(name).ok_or_else(|| {
            let error =
                Error::new(ErrorKind::Recipe, format!("{} has no recipe `{name}`", self.file.display()));
            match similar::nearest(name, self.recipes.keys().map(String::as_str)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => {
                    let known: Vec<&str> = self.recipes.keys().map(String::as_str).collect();
                    error.with_hint(format!("it has {}", known.join(", ")))
                }
            }
        })
    }

    /// The base that a recipe stands for: see [`Build::base`].
    ///
    /// # Errors
    /// Those of [`Build::base`], and there is no such recipe.
    pub fn base(&self, name: &str, resolver: &Resolver) -> Result<Base> {
        let recipe = self.recipe(name)?;
        let called = self.name_of(name);
        if let Some(base) =
            self.unchanged(&called, recipe, resolver)?.filter(|_| self.locked == Locked::AsFar)
        {
            return Ok(base);
        }
        let base = self.build(resolver).base(&called, recipe)?;
        self.note(&called, &base, recipe, resolver);
        Ok(base)
    }

    /// The steps of a recipe: see [`Build::explain`].
    ///
    /// # Errors
    /// Those of [`Build::explain`], and there is no such recipe.
    pub fn explain(&self, name: &str, resolver: &Resolver) -> Result<Vec<StepState>> {
        self.build(resolver).explain(&self.name_of(name), self.recipe(name)?)
    }

    /// What a recipe that was built is made of.
    pub(super) fn made_of(&self, name: &str, resolver: &Resolver) -> Result<MadeOf> {
        let recipe = self.recipe(name)?;
        let from = recipe.from.as_deref().filter(|from| !self.recipes.contains_key(*from));
        let pin = match from {
            Some(from) => resolver
                .pin(&self.build(resolver).named(from))
                .ok()
                .flatten()
                .or_else(|| self.lock().and_then(|lock| lock.base(from))),
            None => None,
        };
        let wanted = step::packages(recipe);
        let steps = self.explain(name, resolver)?;
        let made =
            steps.iter().find(|step| step.what.starts_with("packages ")).and_then(|step| step.key.as_ref());
        let base = made.map(|key| resolver.known(key)).transpose()?.flatten();
        let pins = base.and_then(|base| base.note(PINS)).and_then(|json| serde_json::from_slice(&json).ok());
        let packages = pins
            .filter(|pins: &Vec<PackagePin>| !pins.is_empty())
            .map(|packages| RootPin { wanted, packages });
        Ok(MadeOf { base: from.map(str::to_owned).zip(pin), packages })
    }

    /// What the base of a recipe is called.
    pub(super) fn name_of(&self, recipe: &str) -> String {
        format!("{}#{recipe}", self.file.display())
    }

    fn build<'a>(&'a self, resolver: &'a Resolver) -> Build<'a> {
        Build { resolver, directory: self.directory(), project: Some(self) }
    }

    /// Follows a recipe to what it begins with.
    fn check(&self, name: &str) -> Result<()> {
        let mut path = vec![name];
        let mut next = self.recipes.get(name).and_then(|recipe| recipe.from.as_deref());
        while let Some((from, recipe)) = next.and_then(|from| Some((from, self.recipes.get(from)?))) {
            let circle = path.contains(&from);
            path.push(from);
            if circle {
                return Err(Error::new(
                    ErrorKind::Recipe,
                    format!(
                        "the recipes of {} begin with each other: {}",
                        self.file.display(),
                        path.join(" → ")
                    ),
                ));
            }
            next = recipe.from.as_deref();
        }
        Ok(())
    }

    /// The base as it was built last, if all that it was built from looks the same.
    fn unchanged(&self, called: &str, recipe: &Recipe, resolver: &Resolver) -> Result<Option<Base>> {
        let Some(base) = resolver.known(&format!("recipe:{called}"))? else { return Ok(None) };
        let Some(built) = base.note(called).and_then(|note| serde_json::from_slice::<Built>(&note).ok())
        else {
            return Ok(None);
        };
        let same_parent =
            resolver.known(&built.parent.0)?.is_some_and(|parent| parent.id() == built.parent.1);
        let same = same_parent
            && built.recipe == *recipe
            && built.lock == self.lock
            && self.stamps(recipe, resolver) == Some(built.stamps);
        Ok(same.then_some(base))
    }

    /// Only of what begins with a base of the store: a directory is looked at each time, and another recipe is followed.
    fn note(&self, called: &str, base: &Base, recipe: &Recipe, resolver: &Resolver) {
        let Some(from) = recipe.from.as_deref().filter(|from| !self.recipes.contains_key(*from)) else {
            return;
        };
        let parent = resolver
            .resolve(&self.build(resolver).named(from))
            .ok()
            .filter(|parent| resolver.known(parent.name()).ok().flatten().is_some());
        let (Some(parent), Some(stamps)) = (parent, self.stamps(recipe, resolver)) else { return };
        let built = Built {
            recipe: recipe.clone(),
            parent: (parent.name().into(), parent.id().into()),
            lock: self.lock.clone(),
            stamps,
        };
        if let Ok(json) = serde_json::to_vec(&built) {
            base.set_note(called, &json);
        }
    }

    /// Of what it copies, and of the file that it begins with: the store knows that by its name, whatever it holds by now.
    fn stamps(&self, recipe: &Recipe, resolver: &Resolver) -> Option<Vec<Stamp>> {
        let mut all = Vec::new();
        let from = recipe.from.as_deref().map(|from| self.build(resolver).named(from));
        match from.and_then(|name| name.parse().ok()) {
            Some(BaseName::Tar(path) | BaseName::Archive(path, _)) => all.extend(stamps(&path).ok()?),
            Some(BaseName::Oci(path, _)) => all.extend(stamps(&path.join("index.json")).ok()?),
            _ => {}
        }
        for path in step::plan(recipe, &[]).iter().filter_map(Step::reads) {
            all.extend(stamps(&self.directory().join(path)).ok()?);
        }
        Some(all)
    }
}

fn nearest(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().map(|above| above.join(FILE)).find(|file| file.is_file())
}

/// A recipe with its preset filled in.
///
/// # Errors
/// There is no such preset.
pub fn expanded(recipe: Recipe) -> Result<Recipe> {
    let Some(name) = &recipe.preset else { return Ok(recipe) };
    match preset::by_name(name) {
        Some(below) => Ok(recipe.over(below)),
        None => {
            let error = Error::new(ErrorKind::Recipe, format!("there is no preset `{name}`"));
            Err(match similar::nearest(name, preset::NAMES) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error.with_hint(format!("there are {}", preset::NAMES.join(", "))),
            })
        }
    }
}
