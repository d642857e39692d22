//! Where the modules are that others use, and the files that arguments stand for.

use super::git::{Place, Version};
use super::presets;
use super::project::{Dependency, Form, Project};
use crate::functions::schema::Arg;
use crate::{Error, ErrorKind, Result};
use rootlet_base::Store;
use rootlet_spec::similar::nearest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where a module is.
pub(super) enum Located {
    Project(Box<Project>),
    Presets,
}

/// Finds what a dependency says. `directory` is where its path begins.
pub(super) fn locate(directory: &Path, one: &Dependency, store: &Store) -> Result<Located> {
    let within = |e: Error| e.within(format!("failed to find the module {}", one.name));
    if one.source == presets::SOURCE {
        return Ok(Located::Presets);
    }
    let Some(place) = Place::parse(&one.source) else {
        let path = directory.join(&one.source);
        return match Project::at(&path) {
            // The tutorial's library, in a place where nobody has put it.
            Ok(None) | Err(_) if one.name == presets::NAME && !has_manifest(&path) => Ok(Located::Presets),
            Ok(Some(project)) => Ok(Located::Project(Box::new(project))),
            Ok(None) => Err(within(Project::exactly_at(&path).expect_err("there is none"))),
            Err(e) => Err(within(e)),
        };
    };
    let version = match &one.pin {
        Some(commit) if !commit.is_empty() => {
            Version { name: place.version.clone().unwrap_or_else(|| "HEAD".into()), commit: commit.clone() }
        }
        _ if place.repository() == presets::LIBRARY => return Ok(Located::Presets),
        _ => place.look_up().map_err(within)?,
    };
    let project =
        place.files(&version, store).and_then(|files| Project::exactly_at(&files)).map_err(within)?;
    Ok(Located::Project(Box::new(project)))
}

fn has_manifest(path: &Path) -> bool {
    [Form::Rootlet, Form::Dagger].iter().any(|form| path.join(form.file()).exists())
}

pub(super) fn circular(line: &[PathBuf]) -> Error {
    let line: Vec<String> = line.iter().map(|directory| directory.display().to_string()).collect();
    Error::new(ErrorKind::Module, format!("modules use each other in a circle: {}", line.join(" → ")))
        .with_hint("uninstall one of them")
}

pub(super) fn no_dependency(module: &str, name: &str, known: &[Dependency]) -> Error {
    let error = Error::new(ErrorKind::Module, format!("the module {module} uses no module `{name}`"));
    match nearest(name, known.iter().map(|one| one.name.as_str())) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint("install it"),
    }
}

/// What an argument is that says so by itself.
pub(super) fn default_value(project: &Project, arg: &Arg, path: &str) -> Value {
    let kind = arg.kind.name().unwrap_or_default();
    if !matches!(kind, "GitRepository" | "GitRef") {
        return from_host(arg, &default_place(project, path));
    }
    let (url, version) = match path.split_once('#') {
        Some((url, version)) => (url, Some(version)),
        None => (path, None),
    };
    let url = match url.contains("://") || url.starts_with("git@") {
        true => url.to_owned(),
        false => format!("file://{}", default_place(project, url).display()),
    };
    match version.filter(|_| kind == "GitRef") {
        Some(version) => json!({"$": kind, "url": url, "version": version}),
        None => json!({"$": kind, "url": url}),
    }
}

/// A path that an argument says by itself: `/…` begins at the top of the repository that the module is in, else in its directory.
pub(super) fn default_place(project: &Project, path: &str) -> PathBuf {
    let directory = project.directory();
    match path.strip_prefix('/') {
        None => directory.join(path),
        Some(path) => {
            let top = directory.ancestors().find(|above| above.join(".git").exists());
            top.unwrap_or(directory).join(path)
        }
    }
}

/// What an argument of a path of this machine is.
pub fn from_host(arg: &Arg, path: &Path) -> Value {
    let path = path.to_string_lossy();
    match arg.kind.name() {
        Some("File") => json!({"$": "File", "from": {"host": {"path": path}}}),
        Some("Directory") => {
            json!({"$": "Directory", "from": {"host": {"path": path, "exclude": arg.ignore}}})
        }
        _ => Value::from(path),
    }
}
