//! A file of Docker Compose: which service is meant, what it extends, and the variables in its values.

mod build;
mod dotenv;
mod environment;
mod files;
mod interpolate;
mod merge;
mod service;
mod volumes;

use super::error::Error;
use super::fields::At;
use super::yaml::{Node, Value};
use super::{Like, Loss, Request, fields::Fields};
use files::Included;
use std::path::{Path, PathBuf};

/// A service extends one that extends one …
const MOST_EXTENDED: usize = 16;

/// Files that a project includes, and those that they include …
const MOST_INCLUDED: usize = 100;

pub fn read(documents: &[Node], request: &Request) -> Result<Like, Error> {
    read_project(&documents[0], request, &mut { MOST_INCLUDED })
}

/// `left`: so many files may still be included.
fn read_project(file: &Node, request: &Request, left: &mut usize) -> Result<Like, Error> {
    let mut losses = Vec::new();
    let file = files::with_override(file, request)?;
    let file = interpolate::around_services(&file, request, &mut losses)?;
    let mut top = At::new(&file, "").map()?;
    let included = files::included(&mut top, request, left)?;
    let services = match included.is_empty() {
        true => Some(top.required("services")?),
        false => top.get("services"),
    };
    let name = choose(&top, services.as_ref(), &included, request.select)?;
    let own = services.filter(|services| services.node.get(&name).is_some());
    let Some(services) = own else {
        return of_included(&included, &name, request, left);
    };
    let service = extended(&services, &name, request, &mut losses, Path::new(""), 0)?;
    let at = At::new(&service, format!("services.{name}"));
    let named = Named { secrets: top.get("secrets"), configs: top.get("configs") };
    let mut like = service::read(&at, &name, &named, request)?;
    top.ignore(&["name", "networks", "version", "volumes"]);
    top.ignore_prefix("x-");
    top.rest(&mut losses);
    like.losses.extend(losses);
    like.losses.sort_by_key(|loss| loss.place);
    Ok(like)
}

/// A service of an included project, which is read as it would be alone.
fn of_included(
    included: &[Included],
    name: &str,
    request: &Request,
    left: &mut usize,
) -> Result<Like, Error> {
    for project in included {
        let around = project.around(request.around);
        // Its own override is none: docker takes that of the first file alone.
        let inner = Request { name: "", select: Some(name), openshift: request.openshift, around: &around };
        if !project.services().iter().any(|known| known == name) && project.file.get("include").is_none() {
            continue;
        }
        return match read_project(&project.file, &inner, left) {
            Ok(mut like) => {
                like.losses
                    .iter_mut()
                    .for_each(|loss| loss.path = format!("{}: {}", project.name, loss.path));
                Ok(like)
            }
            // It is in none of what that one includes.
            Err(_) if *left > 0 && !project.services().iter().any(|known| known == name) => continue,
            Err(e) => Err(Error::new(format!("{}: {e}", project.name))),
        };
    }
    Err(Error::new(format!("it has no service {name}")))
}

/// What a service may name.
struct Named<'a> {
    secrets: Option<At<'a>>,
    configs: Option<At<'a>>,
}

fn choose(
    top: &Fields,
    services: Option<&At>,
    included: &[Included],
    select: Option<&str>,
) -> Result<String, Error> {
    let own = services.map_or(Ok(Vec::new()), At::entries)?;
    let names = |all: &[&str]| all.join(", ");
    let of_others: Vec<String> = included.iter().flat_map(Included::services).collect();
    let mut known: Vec<&str> = own.iter().map(|(key, _)| key.name.as_str()).collect();
    known.extend(of_others.iter().map(String::as_str));
    let nested = included.iter().any(|project| project.file.get("include").is_some());
    match select {
        Some(name) if known.contains(&name) || nested => Ok(name.to_owned()),
        Some(name) => {
            Err(Error::new(format!("it has no service {name}"))
                .with_hint(format!("it has {}", names(&known))))
        }
        None => {
            // One with a profile starts only when that is asked for.
            let hidden = own.iter().filter(|(_, at)| at.node.get("profiles").is_some());
            let hidden: Vec<&str> = hidden.map(|(key, _)| key.name.as_str()).collect();
            let usual: Vec<&str> = known.iter().copied().filter(|name| !hidden.contains(name)).collect();
            match usual[..] {
                [one] => Ok(one.to_owned()),
                [] if known.is_empty() => {
                    let place = services.map_or(top.place, At::place);
                    Err(Error::at(place, "it has no service")
                        .with_hint("expected `services:` with a name for each"))
                }
                [] => {
                    let place = services.map_or(top.place, At::place);
                    Err(Error::at(place, "no service starts without a profile")
                        .with_hint(format!("say which one: FILE#NAME; it has {}", names(&known))))
                }
                _ => Err(Error::new(format!("it has several services: {}", names(&usual)))
                    .with_hint("say which one: FILE#NAME")),
            }
        }
    }
}

/// The service with all that it extends below it. `directory`: where the file lies whose services these are.
fn extended(
    services: &At,
    name: &str,
    request: &Request,
    losses: &mut Vec<Loss>,
    directory: &Path,
    depth: usize,
) -> Result<Node, Error> {
    let Some(service) = services.node.get(name) else {
        return Err(services.error(format!("it has no service {name}, which another one extends")));
    };
    let service = &files::from(directory, interpolate::interpolate(service, request, losses)?);
    let at = At::new(service, format!("services.{name}"));
    let mut fields = at.map()?;
    let Some(extends) = fields.get("extends") else { return Ok(service.clone()) };
    if depth >= MOST_EXTENDED {
        return Err(extends.error("services extend each other in a circle"));
    }
    let (file, other) = match extends.node.text() {
        Some(name) => (None, name.to_owned()),
        None => {
            let mut fields = extends.map()?;
            (fields.text("file")?.map(PathBuf::from), fields.required("service")?.text()?.to_owned())
        }
    };
    let base = match file {
        None => extended(services, &other, request, losses, directory, depth + 1)?,
        Some(file) => {
            let file = directory.join(file);
            let text = read_text(&extends, &file, request)?
                .ok_or_else(|| extends.error(format!("{} is not there", file.display())))?;
            let tree = files::other(&text, &file.to_string_lossy())?;
            let services = At::new(&tree, "").map()?.required("services")?;
            let directory = file.parent().unwrap_or(Path::new(""));
            extended(&services, &other, request, losses, directory, depth + 1)?
        }
    };
    Ok(merge::merge(base, service))
}

/// A text file that something of the file refers to.
fn read_text(at: &At, path: &Path, request: &Request) -> Result<Option<String>, Error> {
    let bytes = request.around.read(path).map_err(|why| at.error(format!("{}: {why}", path.display())))?;
    bytes.map(String::from_utf8).transpose().map_err(|_| at.error(format!("{} is not UTF-8", path.display())))
}

/// One text, or a list of them.
fn one_or_many<'a>(fields: &mut Fields<'a>, name: &'static str) -> Result<Vec<At<'a>>, Error> {
    match fields.get(name) {
        None => Ok(Vec::new()),
        Some(at) if matches!(at.node.value, Value::List(_)) => at.list(),
        Some(at) => Ok(vec![at]),
    }
}
