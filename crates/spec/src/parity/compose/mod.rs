//! A file of Docker Compose: which service is meant, what it extends, and the variables in its values.

mod interpolate;
mod merge;
mod service;
mod volumes;

use super::error::Error;
use super::fields::At;
use super::yaml::{self, Node, Value};
use super::{Like, Loss, Request, fields::Fields};
use std::path::{Path, PathBuf};

/// A service extends one that extends one …
const MOST_EXTENDED: usize = 16;

pub fn read(documents: &[Node], request: &Request) -> Result<Like, Error> {
    let mut losses = Vec::new();
    let file = interpolate::interpolate(&documents[0], request, &mut losses)?;
    let mut top = At::new(&file, "").map()?;
    let services = top.required("services")?;
    let name = choose(&services, request.select)?;
    let service = extended(&services, &name, request, &mut losses, 0)?;
    let at = At::new(&service, format!("services.{name}"));
    let named = Named { secrets: top.get("secrets"), configs: top.get("configs") };
    let mut like = service::read(&at, &name, &named, request)?;
    top.ignore(&["name", "networks", "version", "volumes"]);
    top.ignore_prefix("x-");
    top.lose("include", &mut losses, "what it includes is not read");
    top.rest(&mut losses);
    like.losses.extend(losses);
    like.losses.sort_by_key(|loss| loss.place);
    Ok(like)
}

/// What a service may name.
struct Named<'a> {
    secrets: Option<At<'a>>,
    configs: Option<At<'a>>,
}

fn choose(services: &At, select: Option<&str>) -> Result<String, Error> {
    let all = services.entries()?;
    let names = |all: &[&str]| all.join(", ");
    let known: Vec<&str> = all.iter().map(|(key, _)| key.name.as_str()).collect();
    match select {
        Some(name) if known.contains(&name) => Ok(name.to_owned()),
        Some(name) => {
            Err(Error::new(format!("it has no service {name}"))
                .with_hint(format!("it has {}", names(&known))))
        }
        None => {
            // One with a profile starts only when that is asked for.
            let usual = all.iter().filter(|(_, at)| at.node.get("profiles").is_none());
            let usual: Vec<&str> = usual.map(|(key, _)| key.name.as_str()).collect();
            match usual[..] {
                [one] => Ok(one.to_owned()),
                [] => Err(Error::at(services.place(), "no service starts without a profile")
                    .with_hint(format!("say which one: FILE#NAME; it has {}", names(&known)))),
                _ => Err(Error::new(format!("it has several services: {}", names(&usual)))
                    .with_hint("say which one: FILE#NAME")),
            }
        }
    }
}

/// The service with all that it extends below it.
fn extended(
    services: &At,
    name: &str,
    request: &Request,
    losses: &mut Vec<Loss>,
    depth: usize,
) -> Result<Node, Error> {
    let Some(service) = services.node.get(name) else {
        return Err(services.error(format!("it has no service {name}, which another one extends")));
    };
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
        None => extended(services, &other, request, losses, depth + 1)?,
        Some(file) => {
            let text = read_text(&extends, &file, request)?
                .ok_or_else(|| extends.error(format!("{} is not there", file.display())))?;
            let documents = yaml::documents(&text)?;
            let Some(first) = documents.first() else { return Err(extends.error("that file is empty")) };
            let tree = interpolate::interpolate(first, request, losses)?;
            let services = At::new(&tree, "").map()?.required("services")?;
            extended(&services, &other, request, losses, depth + 1)?
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
