//! The steps of a recipe. Pure.

use super::PackagePin;
use rootlet_spec::recipe::{CopyIn, Python, Recipe, RecipeUser, RunIn, Secret, StepNetwork};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// One step: what becomes a layer. Its form as JSON is part of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Step {
    /// Packages are installed; where a lock says so, exactly these and what they depend on.
    Packages(Vec<String>, Vec<PackagePin>),
    /// The time zone is set.
    Timezone(String),
    /// An account is made.
    User(RecipeUser),
    /// Files are copied in.
    Copy(CopyIn),
    /// A virtual environment is made, as the user if there is one.
    Python(Python, Option<String>),
    /// A command runs, with these variables and secrets.
    Run(RunIn, BTreeMap<String, String>, Vec<Secret>, StepNetwork),
}

/// A step, as `rootlet recipe show` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepState {
    /// What it does.
    pub what: String,
    /// What the store knows it by; `None` where a step before it must be done first.
    pub key: Option<String>,
    /// Whether it is in the store.
    pub is_cached: bool,
    /// Why it would be done; `None` where it would not.
    pub why: Option<String>,
}

/// The packages that a recipe asks for, and what it needs besides.
pub(super) fn packages(recipe: &Recipe) -> Vec<String> {
    let mut packages = recipe.packages.clone();
    if recipe.user.as_ref().is_some_and(|user| user.sudo) && !packages.iter().any(|name| name == "sudo") {
        packages.push("sudo".into());
    }
    packages
}

/// The steps of a recipe, in their order; `pins` are those of its packages.
pub(super) fn plan(recipe: &Recipe, pins: &[PackagePin]) -> Vec<Step> {
    let mut steps = Vec::new();
    let packages = packages(recipe);
    if !packages.is_empty() {
        steps.push(Step::Packages(packages, pins.to_vec()));
    }
    steps.extend(recipe.timezone.clone().map(Step::Timezone));
    steps.extend(recipe.user.clone().map(Step::User));
    steps.extend(recipe.copy.iter().cloned().map(Step::Copy));
    let user = recipe.user.as_ref().map(|user| user.name.clone());
    steps.extend(recipe.python.clone().map(|python| Step::Python(python, user)));
    for run in &recipe.run {
        let network = run.network.unwrap_or(recipe.network);
        steps.push(Step::Run(run.clone(), recipe.env.clone(), recipe.secrets.clone(), network));
    }
    steps
}

impl Step {
    /// The path of the project that it reads.
    pub(super) fn reads(&self) -> Option<&str> {
        match self {
            Self::Copy(copy) => Some(&copy.from),
            Self::Python(python, _) => python.requirements.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(names, _) => write!(f, "packages {}", names.join(" ")),
            Self::Timezone(zone) => write!(f, "timezone {zone}"),
            Self::User(user) => write!(f, "user {} {}:{}", user.name, user.uid, user.gid()),
            Self::Copy(copy) => write!(f, "copy {} {}", copy.from, copy.to),
            Self::Python(python, _) => {
                write!(f, "python {}", python.venv)?;
                python.packages.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::Run(run, ..) => write!(f, "run {}", run.command.trim()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_their_order() {
        let mut recipe = Recipe::from("x")
            .run("id")
            .copy("a", "/a")
            .user(RecipeUser::new("sam"))
            .timezone("UTC")
            .packages(["curl"]);
        recipe.user.as_mut().unwrap().sudo = true;
        let told: Vec<String> = plan(&recipe, &[]).iter().map(Step::to_string).collect();
        assert_eq!(told, ["packages curl sudo", "timezone UTC", "user sam 1000:1000", "copy a /a", "run id"]);
        assert!(plan(&Recipe::from("x").env("A", "1"), &[]).is_empty());
    }
}
