//! Recipes: `build`, `recipe list | show`, and `run -r NAME`.

use crate::args::{Build as BuildArgs, From, LockArgs, Recipe as RecipeCommand, RecipeFile};
use crate::failure::Failure;
use crate::output::{print, table};
use crate::store;
use rootlet::Base;
use rootlet::base::{Pull, Resolver};
use rootlet::recipe::{Build, LOCK_FILE, Lock, Locked, Project, StepState, expanded};
use rootlet::spec::printable;
use rootlet::spec::recipe::Recipe;
use std::env::current_dir;
use std::path::{Path, PathBuf};

/// The base that a run begins with: a recipe's, a preset's, or the one that is named.
pub fn base(from: &From, name: &str, resolver: &Resolver) -> Result<Base, Failure> {
    if let Some(name) = &from.recipe {
        return Ok(project(&from.recipes)?.base(name, resolver)?);
    }
    if let Some(name) = &from.preset {
        let recipe = expanded(Recipe { preset: Some(name.clone()), ..Recipe::default() })?;
        return Ok(Build::new(resolver, &here()?).base(&format!("preset#{name}"), &recipe)?);
    }
    Ok(resolver.resolve(name)?)
}

/// The base of a recipe, where the project has one of that name; else the base that is named.
pub fn or_base(name: &str, recipes: &RecipeFile, resolver: &Resolver) -> Result<Base, Failure> {
    // A name that begins a path or a scheme is no recipe's.
    let known = match (&recipes.file, name.contains([':', '/'])) {
        (None, true) => None,
        (Some(_), _) => Some(project(recipes)?),
        (None, false) if Project::is_near(&here()?) => Some(project(recipes)?),
        (None, false) => None,
    };
    match known.filter(|project| project.recipes().contains_key(name)) {
        Some(project) => Ok(project.base(name, resolver)?),
        None => Ok(resolver.resolve(name)?),
    }
}

/// `rootlet build`.
pub fn build(args: &BuildArgs) -> Result<(), Failure> {
    let project = project(&args.recipes)?;
    let resolver = store::resolver(&store::open(&args.store)?, &args.pull, args.quiet)?;
    let all = || project.recipes().keys().cloned().collect();
    let names: Vec<String> = if args.names.is_empty() { all() } else { args.names.clone() };
    names.iter().try_for_each(|name| {
        let base = project.base(name, &resolver)?;
        print(&format!("{}  {}\n", base.id(), printable(name)))
    })
}

/// Whether there is a file of recipes, here or above.
pub fn is_near() -> bool {
    here().is_ok_and(|here| Project::is_near(&here))
}

/// `rootlet lock` and `rootlet update`.
pub fn lock(args: &LockArgs, update: bool) -> Result<(), Failure> {
    let (locked, pull) = if update { (Locked::Anew, Pull::Always) } else { (Locked::AsFar, Pull::Missing) };
    let project = load(args.file.as_deref())?.with_lock(locked);
    let resolver = store::with_bars(rootlet::resolver(&store::open(&args.store)?).pull(pull), args.quiet);
    let before = Lock::load(project.directory())?;
    let lock = Lock::of(&project, &resolver)?;
    lock.save(project.directory())?;
    let said = if before.as_ref() == Some(&lock) { "unchanged" } else { "written" };
    print(&format!("{} {said}\n", printable(&project.directory().join(LOCK_FILE).to_string_lossy())))
}

/// `rootlet recipe …`.
pub fn recipe(command: RecipeCommand) -> Result<(), Failure> {
    match command {
        RecipeCommand::List { recipes } => list(&project(&recipes)?),
        RecipeCommand::Show { name, json, recipes, store } => {
            let resolver = rootlet::resolver(&store::open(&store)?);
            let steps = project(&recipes)?.explain(&name, &resolver)?;
            if json {
                let text = serde_json::to_string_pretty(&steps);
                return print(&(text.map_err(|e| Failure::new("failed to write JSON").caused_by(e))? + "\n"));
            }
            show(&steps)
        }
    }
}

fn list(project: &Project) -> Result<(), Failure> {
    let rows = project.recipes().iter().map(|(name, recipe)| {
        let from = recipe.from.as_deref().unwrap_or("-");
        let user = recipe.user.as_ref().map_or("-", |user| &user.name);
        [name, from, user].map(|text| printable(text).into_owned()).to_vec()
    });
    let heading = ["NAME", "FROM", "USER"].map(str::to_owned).to_vec();
    print(&table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}

fn show(steps: &[StepState]) -> Result<(), Failure> {
    let heading = ["STEP", "STATE"].map(str::to_owned).to_vec();
    let rows = steps.iter().map(|step| {
        let state = match &step.why {
            None => "cached".into(),
            Some(why) => format!("to be done: {}", printable(why)),
        };
        vec![printable(&step.what).into_owned(), state]
    });
    print(&table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}

fn project(arg: &RecipeFile) -> Result<Project, Failure> {
    let locked = if arg.locked { Locked::Strictly } else { Locked::AsFar };
    Ok(load(arg.file.as_deref())?.with_lock(locked))
}

fn load(file: Option<&Path>) -> Result<Project, Failure> {
    match file {
        Some(file) => Ok(Project::load(file)?),
        None => Ok(Project::find(&here()?)?),
    }
}

fn here() -> Result<PathBuf, Failure> {
    current_dir().map_err(|e| Failure::new("failed to find the directory that this runs in").caused_by(e))
}
