//! Which kind of file it is: by what it holds, and where that does not tell, by its name.

use super::error::{Error, Place};
use super::yaml::{self, Node};
use super::{Kind, fields::At};

pub enum Found {
    Dockerfile,
    Unit,
    /// Documents of YAML or JSON.
    Tree(Kind, Vec<Node>),
}

const UNITS: [&str; 3] = [".service", ".socket", ".conf"];

pub fn kind(name: &str, text: &str) -> Result<Found, Error> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let lower = file.to_ascii_lowercase();
    let of_builds = ["dockerfile", "containerfile"];
    let named_dockerfile =
        of_builds.iter().any(|name| lower.ends_with(name) || lower.starts_with(&format!("{name}.")));
    let named_tree = [".yaml", ".yml", ".json"].iter().any(|end| lower.ends_with(end));
    if named_dockerfile && !named_tree {
        return Ok(Found::Dockerfile);
    }
    if UNITS.iter().any(|end| lower.ends_with(end)) {
        return Ok(Found::Unit);
    }
    if !named_tree {
        match first_line(text) {
            Some(line) if line.starts_with('[') && line.ends_with(']') && !line.contains(',') => {
                return Ok(Found::Unit);
            }
            Some(line) if begins_a_dockerfile(line) => return Ok(Found::Dockerfile),
            _ => {}
        }
    }
    let documents = yaml::documents(text)?;
    tree(&documents, text, &lower).map(|kind| Found::Tree(kind, documents))
}

/// The first that is neither empty nor a comment.
fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

fn begins_a_dockerfile(line: &str) -> bool {
    let mut words = line.split_whitespace();
    matches!(words.next(), Some("FROM" | "from" | "ARG" | "arg")) && words.next().is_some()
}

fn tree(documents: &[Node], text: &str, name: &str) -> Result<Kind, Error> {
    let Some(first) = documents.iter().find(|node| !node.is_null()) else {
        return Err(Error::new("there is nothing in it").with_hint(EXPECTED));
    };
    // `docker inspect` prints a list.
    let one = first.list().and_then(|list| list.first()).unwrap_or(first);
    let has = |name: &str| documents.iter().any(|node| node.get(name).is_some());
    if has("kind") || has("apiVersion") {
        return Ok(Kind::Kubernetes);
    }
    if has("services") || has("include") && name.contains("compose") {
        return Ok(Kind::Compose);
    }
    let image = ["config", "Config", "rootfs", "RootFS"].iter().any(|name| one.get(name).is_some());
    if image || (one.get("User").is_some() && text.trim_start().starts_with(['{', '['])) {
        return Ok(Kind::Image);
    }
    let at = At::new(one, "");
    let found = match at.entries() {
        Ok(entries) if entries.is_empty() => "an empty mapping".to_owned(),
        Ok(entries) => {
            let names: Vec<_> = entries.iter().take(4).map(|(key, _)| format!("`{}`", key.name)).collect();
            format!("a mapping of {}", names.join(", "))
        }
        Err(_) => one.kind().to_owned(),
    };
    let place = if one.place == Place::default() { Place::new(1, 1) } else { one.place };
    Err(Error::at(place, format!("this is no deployment: found {found}")).with_hint(EXPECTED))
}

const EXPECTED: &str = "expected objects of Kubernetes (`kind: Deployment`), a Compose file (`services:`), a Dockerfile, a unit of \
                        systemd, or the config of an image";
