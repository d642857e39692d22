//! Recipes: a machine that is written down once, built step by step, each step cached by its content.
//!
//! ```text
//! rootlet.toml ──▶ Recipe ──plan──▶ Step, Step, …          crates/spec; `step`
//!                                     │ key = digest(parent, step, contents of what it copies)
//!                     in the store? ──┴── no: a rootlet on the parent, the step, its changes become a layer
//! ```
//!
//! The first of the steps that changed is redone, with what follows; the others are found in the store.

mod account;
mod copy;
mod key;
mod lock;
mod packages;
mod perform;
mod project;
mod step;

#[cfg(feature = "functions")]
pub(crate) use key::Stamp;
#[cfg(feature = "functions")]
pub(crate) use perform::{authorities, inside, surroundings};

pub use lock::{LOCK_FILE, Lock, Locked, PackagePin};
pub use project::{FILE, Project, expanded};
pub use step::{Step, StepState};

use crate::{Error, ErrorKind, Result};
use key::Parts;
use perform::Kitchen;
use rootlet_base::{Base, BaseKind, Defaults, Resolver};
use rootlet_spec::recipe::Recipe;
use std::path::Path;

/// How a recipe is built.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    resolver: &'a Resolver,
    /// Where relative paths of the recipe begin.
    directory: &'a Path,
    /// The recipes that one may begin with, by name.
    project: Option<&'a Project>,
}

impl<'a> Build<'a> {
    /// With what `resolver` may use; relative paths begin in `directory`.
    pub fn new(resolver: &'a Resolver, directory: &'a Path) -> Self {
        Self { resolver, directory, project: None }
    }

    /// The base that a recipe stands for, from the store as far as it is there. `name` is what it is called there.
    ///
    /// # Errors
    /// What it begins with cannot be resolved; a file that it copies is not there; a step failed ([`ErrorKind::Recipe`]), whose rootlet
    /// is kept for [`Rootlet::enter`](crate::Rootlet::enter) then, as the hint says.
    ///
    /// # Locking
    /// Exclusive on each step while it is done: a second build waits, and finds it.
    pub fn base(&self, name: &str, recipe: &Recipe) -> Result<Base> {
        let mut base = self.parent(recipe)?;
        let inherited = base.defaults().clone();
        let mut done = Vec::new();
        for step in step::plan(recipe, self.pins(name, recipe)?) {
            let parts =
                Parts::of(&base, recipe, &step, self.directory).map_err(|e| within(e, name, &step))?;
            base = self.step(name, &base, recipe, &step, &parts)?;
            done.push(parts);
        }
        let defaults = defaults(inherited, recipe);
        let how = format!("built by the recipe {name}");
        let base = base.with_layers(Vec::new(), defaults, &format!("recipe:{name}"), &how, &[])?;
        if let Ok(json) = serde_json::to_vec(&done) {
            base.set_note(&steps_of(name), &json);
        }
        Ok(base)
    }

    /// The steps of a recipe, each with whether it is in the store; nothing is fetched, made or run.
    ///
    /// # Errors
    /// A file that it copies is not there.
    pub fn explain(&self, name: &str, recipe: &Recipe) -> Result<Vec<StepState>> {
        let mut parent = self.standing(recipe)?;
        let last =
            self.resolver.known(&format!("recipe:{name}"))?.and_then(|base| base.note(&steps_of(name)));
        let last: Vec<Parts> = last.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let from = from(recipe)?;
        let is_recipe = self.project.is_some_and(|project| project.recipes().contains_key(from));
        let why = if is_recipe { "that recipe is to be built" } else { "it is not in the store" };
        let why = parent.is_none().then(|| why.to_owned());
        let what = format!("from {from}");
        let mut states = vec![StepState { what, key: None, is_cached: parent.is_some(), why }];
        for (at, step) in step::plan(recipe, self.pins(name, recipe)?).iter().enumerate() {
            let parts =
                parent.as_ref().map(|base| Parts::of(base, recipe, step, self.directory)).transpose()?;
            let key = parts.as_ref().map(Parts::name);
            parent = key.as_ref().map(|key| self.resolver.known(key)).transpose()?.flatten();
            let why = match &parts {
                Some(parts) => parts.differs(last.get(at)),
                None => "it follows one that is to be done".into(),
            };
            let is_cached = parent.is_some();
            states.push(StepState {
                what: step.to_string(),
                key,
                is_cached,
                why: (!is_cached).then_some(why),
            });
        }
        Ok(states)
    }

    /// What a recipe begins with, if that is in the store as it would be.
    fn standing(&self, recipe: &Recipe) -> Result<Option<Base>> {
        let below = self.project.zip(recipe.from.as_deref());
        match below.and_then(|(project, from)| Some((project.name_of(from), project.recipes().get(from)?))) {
            Some((called, below)) => match self.explain(&called, below)?.iter().all(|step| step.is_cached) {
                true => Ok(self.resolver.known(&format!("recipe:{called}"))?),
                false => Ok(None),
            },
            None => {
                let offline = Build { resolver: &self.resolver.clone().offline(true), ..self.clone() };
                Ok(offline.parent(recipe).ok())
            }
        }
    }

    fn parent(&self, recipe: &Recipe) -> Result<Base> {
        let from = from(recipe)?;
        if let Some(below) = self.project.and_then(|project| project.recipes().get(from)) {
            let project = self.project.expect("it has the recipe");
            return self.base(&project.name_of(from), below);
        }
        let name = self.named(from);
        let pin = self.lock().and_then(|lock| lock.base(from));
        let base = match &pin {
            Some(pin) => self.resolver.pinned(&name, pin)?,
            None => self.resolver.resolve(&name)?,
        };
        if self.is_strict() && pin.is_none() && self.resolver.pin(&name)?.is_some() {
            return Err(unlocked(format!("what `{from}` is")));
        }
        match base.kind() {
            BaseKind::Host => Err(Error::new(ErrorKind::Recipe, "a recipe cannot begin with `host`")
                .with_hint(
                    "this machine changes all the time: begin with an image, a tarball or `apt:SUITE`",
                )),
            _ => Ok(base),
        }
    }

    /// What a recipe begins with, as a base's name.
    fn named(&self, from: &str) -> String {
        let path = self.directory.join(from);
        let is_path =
            from.starts_with("./") || from.starts_with("../") || from.starts_with('/') || from == ".";
        match is_path {
            true if path.is_file() => format!("tar:{}", path.display()),
            true => format!("dir:{}", path.display()),
            false => self.relative(from),
        }
    }

    fn lock(&self) -> Option<&'a Lock> {
        self.project.and_then(Project::lock)
    }

    fn is_strict(&self) -> bool {
        self.project.is_some_and(|project| project.locked() == Locked::Strictly)
    }

    /// The packages that the lock file has for a recipe. `called` is its whole name.
    fn pins(&self, called: &str, recipe: &Recipe) -> Result<&'a [PackagePin]> {
        let wanted = step::packages(recipe);
        let short = called.rsplit('#').next().unwrap_or(called);
        match self.lock().and_then(|lock| lock.packages(short, &wanted)) {
            Some(pins) => Ok(pins),
            None if self.is_strict() && !wanted.is_empty() => {
                Err(unlocked(format!("the packages of `{short}`")))
            }
            None => Ok(&[]),
        }
    }

    /// Paths within a name begin where those of the recipe do.
    fn relative(&self, name: &str) -> String {
        match name.split_once(':') {
            Some((scheme @ ("dir" | "tar" | "oci" | "archive"), path)) => {
                format!("{scheme}:{}", self.directory.join(path).display())
            }
            _ => name.to_owned(),
        }
    }

    /// # Locking
    /// Exclusive on the step.
    fn step(&self, name: &str, parent: &Base, recipe: &Recipe, step: &Step, parts: &Parts) -> Result<Base> {
        let key = parts.name();
        let anew = self.project.is_some_and(|project| project.locked() == Locked::Anew)
            && matches!(step, Step::Packages(..));
        let find = || Ok::<_, Error>(self.resolver.known(&key)?.filter(|_| !anew));
        if let Some(base) = find()? {
            return Ok(base);
        }
        let _turn = self.resolver.turn(&key)?;
        if let Some(base) = find()? {
            return Ok(base);
        }
        let kitchen = Kitchen { resolver: self.resolver, directory: self.directory, recipe, parent };
        let hears = self.resolver.hears();
        let what = step.to_string();
        hears.begin(&what, rootlet_base::Step::SetUp, None);
        let made = kitchen.perform(step);
        hears.end(&what, rootlet_base::Step::SetUp);
        let done = made.map_err(|e| within(e, name, step))?;
        let (defaults, pins) = (parent.defaults().clone(), done.installed.pins);
        let base =
            parent.with_layers(vec![done.packed], defaults.clone(), &key, &what, &done.installed.blobs)?;
        if let Step::Packages(names, unpinned) = step
            && let Ok(json) = serde_json::to_vec(&pins)
        {
            base.set_note(PINS, &json);
            // Once they are pinned, it is the same step.
            if unpinned.is_empty() && !pins.is_empty() {
                let pinned = Step::Packages(names.clone(), pins);
                let key = Parts::of(parent, recipe, &pinned, self.directory)?.name();
                base.with_layers(Vec::new(), defaults, &key, &what, &[])?.set_note(PINS, &json);
            }
        }
        Ok(base)
    }
}

/// What the packages of a step are, beside the base that came of it.
const PINS: &str = "packages";

/// What a recipe's steps depended on when it was built last, beside the base that came of it.
fn steps_of(name: &str) -> String {
    format!("steps of {name}")
}

fn within(error: Error, name: &str, step: &Step) -> Error {
    error.within(format!("failed to build `{name}`: {step}"))
}

fn unlocked(what: String) -> Error {
    Error::new(ErrorKind::Recipe, format!("{LOCK_FILE} does not say {what}"))
        .with_hint("`rootlet lock` writes it down; without `--locked` it is looked for")
}

fn from(recipe: &Recipe) -> Result<&str> {
    recipe.from.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Recipe, "the recipe does not say what it begins with")
            .with_hint("`from` names a base, such as `apt:trixie`, and `preset` one of rootlet's own recipes")
    })
}

/// What a run of it is told: what the base says, and what the recipe says instead.
fn defaults(mut defaults: Defaults, recipe: &Recipe) -> Defaults {
    for (name, value) in &recipe.env {
        defaults.env.retain(|(known, _)| known != name);
        defaults.env.push((name.clone(), value.clone()));
    }
    let user = recipe.user.as_ref();
    if let Some(name) = recipe.run_as.as_ref().or(user.map(|user| &user.name)) {
        defaults.user = Some(name.clone());
    }
    if let Some(user) = user.filter(|user| defaults.user.as_ref() == Some(&user.name)) {
        defaults.workdir = Some(user.home());
    }
    if let Some(workdir) = &recipe.workdir {
        defaults.workdir = Some(workdir.clone());
    }
    if let Some(entrypoint) = &recipe.entrypoint {
        // As docker: one's own entrypoint sets the image's command aside.
        defaults.entrypoint.clone_from(entrypoint);
        defaults.cmd.clear();
    }
    if let Some(command) = &recipe.command {
        defaults.cmd.clone_from(command);
    }
    defaults
}
