//! Which modules a module uses: they are installed, uninstalled and brought up to date.

use super::git::Place;
use super::locate::{Located, circular, locate};
use super::presets;
use super::project::{Dependency, Project, check_name};
use crate::{Error, ErrorKind, Result};
use rootlet_base::Store;
use rootlet_spec::similar::nearest;
use std::path::{Component, Path, PathBuf};

/// What `dag` has already.
const CORE: [&str; 16] = [
    "address",
    "cache_volume",
    "container",
    "current_module",
    "default_platform",
    "directory",
    "env",
    "file",
    "git",
    "host",
    "http",
    "secret",
    "service",
    "set_secret",
    "socket",
    "version",
];

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The module, as the project's file says it.
    pub dependency: Dependency,
    /// It is rootlet's own library: the one that was named cannot be reached, for this reason.
    pub instead: Option<String>,
    /// The project's file has changed.
    pub changed: bool,
}

/// Has a project use a module: `what` is a path, or a git repository with `@VERSION`. `directory` is where a path begins.
///
/// # Errors
/// There is no module; the repository cannot be reached or has no such version; its name is another's; the modules would use each other
/// in a circle; the project's file cannot be written.
pub fn install(
    project: &mut Project,
    store: &Store,
    directory: &Path,
    what: &str,
    name: Option<&str>,
) -> Result<Installed> {
    let found =
        find(project, store, directory, what).map_err(|e| e.within(format!("failed to install {what}")))?;
    let name = name.unwrap_or(&found.name).to_owned();
    check_name(&name)?;
    let dependency = Dependency { name, source: found.source, pin: found.pin };
    check_clash(project, &dependency)?;
    let known = project.dependencies_mut().iter().position(|one| one.name == dependency.name);
    let changed = match known {
        Some(at) if project.dependencies()[at] == dependency => false,
        Some(at) => {
            project.dependencies_mut()[at] = dependency.clone();
            true
        }
        None => {
            project.dependencies_mut().push(dependency.clone());
            true
        }
    };
    if changed {
        project.save()?;
    }
    Ok(Installed { dependency, instead: found.instead, changed })
}

/// Has a project use a module no longer; `what` is its name or where it is from. Gives its name.
///
/// # Errors
/// The project uses no such module; its file cannot be written.
pub fn uninstall(project: &mut Project, what: &str) -> Result<String> {
    let at = position(project, what)?;
    let gone = project.dependencies_mut().remove(at);
    project.save()?;
    Ok(gone.name)
}

/// Looks for newer commits of the versions that a project uses, of those that are named or of all; gives what has changed.
///
/// # Errors
/// The project uses no such module; a repository cannot be reached; the project's file cannot be written.
pub fn update(project: &mut Project, store: &Store, names: &[String]) -> Result<Vec<Dependency>> {
    let wanted = match names {
        [] => (0..project.dependencies().len()).collect(),
        names => names.iter().map(|name| position(project, name)).collect::<Result<Vec<_>>>()?,
    };
    let mut changed = Vec::new();
    for at in wanted {
        let one = project.dependencies()[at].clone();
        let Some(place) = Place::parse(&one.source) else { continue };
        let version = match place.look_up() {
            // What stands for it needs no repository.
            Err(_) if one.pin.is_none() && place.repository() == presets::LIBRARY => continue,
            version => version.map_err(|e| e.within(format!("failed to update {}", one.name)))?,
        };
        if one.pin.as_ref() != Some(&version.commit) {
            place.files(&version, store)?;
            let newer = Dependency { pin: Some(version.commit), ..one };
            project.dependencies_mut()[at] = newer.clone();
            changed.push(newer);
        }
    }
    if !changed.is_empty() {
        project.save()?;
    }
    Ok(changed)
}

/// A module that can be installed.
struct Found {
    name: String,
    source: String,
    pin: Option<String>,
    instead: Option<String>,
}

fn find(project: &Project, store: &Store, directory: &Path, what: &str) -> Result<Found> {
    let own = |source: &str, instead: Option<String>| Found {
        name: presets::NAME.into(),
        source: source.into(),
        pin: None,
        instead,
    };
    let path = directory.join(what);
    if what == presets::SOURCE || (what == presets::NAME && !path.exists()) {
        return Ok(own(presets::SOURCE, None));
    }
    match Place::parse(what).filter(|_| !path.exists()) {
        Some(place) => {
            let there = place.look_up().and_then(|version| Ok((place.files(&version, store)?, version)));
            match there {
                Ok((files, version)) => {
                    let module = Project::exactly_at(&files)?;
                    let name = module.name().to_owned();
                    Ok(Found {
                        name,
                        source: place.source(&version.name),
                        pin: Some(version.commit),
                        instead: None,
                    })
                }
                Err(e) if place.repository() == presets::LIBRARY => {
                    let version = place.version.as_deref().unwrap_or("main");
                    Ok(own(&place.source(version), Some(e.to_string())))
                }
                Err(e) => Err(e),
            }
        }
        None if !path.exists() => match path.file_name().is_some_and(|name| name == presets::LIBRARY) {
            true => Ok(own(what, Some(format!("{} is not there", path.display())))),
            false => Err(neither(what, &path)),
        },
        None => {
            let module = Project::exactly_at(&path)?;
            check_circle(project, &module, store)?;
            let source = relative(project.directory(), module.directory());
            Ok(Found { name: module.name().to_owned(), source, pin: None, instead: None })
        }
    }
}

fn neither(what: &str, path: &Path) -> Error {
    Error::new(
        ErrorKind::Module,
        format!("`{what}` is neither a directory nor a repository: there is no {}", path.display()),
    )
    .with_hint("a path, or a repository such as github.com/OWNER/REPO/SUB@VERSION")
}

/// One name for one module, which is no name of the API's.
fn check_clash(project: &Project, wanted: &Dependency) -> Result<()> {
    let clash = |text: String| {
        Error::new(ErrorKind::Module, format!("failed to install {}: {text}", wanted.source))
            .with_hint("say another name for it with --name")
    };
    let plain = |name: &str| name.replace(['-', '.'], "_").to_lowercase();
    if CORE.contains(&plain(&wanted.name).as_str()) {
        return Err(clash(format!("`{}` is a name of the API", wanted.name)));
    }
    let same = |one: &&Dependency| plain(&one.name) == plain(&wanted.name);
    match project.dependencies().iter().find(same) {
        Some(one)
            if one.name != wanted.name || without_version(&one.source) != without_version(&wanted.source) =>
        {
            Err(clash(format!("`{}` is {} already", one.name, one.source)))
        }
        _ => Ok(()),
    }
}

fn without_version(source: &str) -> String {
    Place::parse(source).map_or_else(|| source.to_owned(), |place| format!("{}/{}", place.named, place.sub))
}

/// Follows what a module uses, as far as that is on this machine, back to the project.
fn check_circle(project: &Project, module: &Project, store: &Store) -> Result<()> {
    fn follow(line: &mut Vec<PathBuf>, module: &Project, store: &Store) -> Result<()> {
        let circle = line.iter().any(|above| above == module.directory());
        line.push(module.directory().to_owned());
        if circle {
            return Err(circular(line));
        }
        for one in module.dependencies().iter().filter(|one| Place::parse(&one.source).is_none()) {
            // One that is not there is told when it is called.
            if let Ok(Located::Project(next)) = locate(module.directory(), one, store) {
                follow(line, &next, store)?;
            }
        }
        line.pop();
        Ok(())
    }
    follow(&mut vec![project.directory().to_owned()], module, store)
}

fn position(project: &Project, what: &str) -> Result<usize> {
    let known = project.dependencies();
    let fits = |one: &Dependency| {
        one.name == what || one.source == what || without_version(&one.source) == without_version(what)
    };
    known.iter().position(fits).ok_or_else(|| {
        let error =
            Error::new(ErrorKind::Module, format!("{} uses no module `{what}`", project.file().display()));
        match nearest(what, known.iter().map(|one| one.name.as_str())) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => error,
            None => {
                let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
                error.with_hint(format!("it uses {}", names.join(", ")))
            }
        }
    })
}

/// The way from one directory to another, both absolute.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(PathBuf::from(".."), from.len() - same);
    let way: PathBuf = up.chain(to[same..].iter().map(|part| PathBuf::from(part.as_os_str()))).collect();
    let text = way.to_string_lossy().into_owned();
    match text.starts_with("..") {
        true => text,
        false => format!("./{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_between_directories() {
        for (from, to, way) in
            [("/a/b", "/a", ".."), ("/a", "/a/b/c", "./b/c"), ("/a/b", "/c", "../../c"), ("/a", "/a", "./")]
        {
            assert_eq!(relative(Path::new(from), Path::new(to)), way);
        }
    }
}
