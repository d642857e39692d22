//! The variables of a service: `env_file`, then `environment`.

use super::super::error::Error;
use super::super::fields::{At, Fields};
use super::super::yaml::{Node, Value};
use super::super::{Like, Request};
use super::interpolate::Variables;
use super::{dotenv, one_or_many, read_text};
use std::path::PathBuf;

pub fn read(
    like: &mut Like,
    service: &mut Fields,
    project: &Variables,
    request: &Request,
) -> Result<(), Error> {
    let mut all: Vec<(String, String)> = Vec::new();
    for at in one_or_many(service, "env_file")? {
        file(&at, &mut all, like, project, request)?;
    }
    if let Some(at) = service.get("environment") {
        for (name, value, at) in pairs(&at)? {
            if name.is_empty() || value.as_deref().unwrap_or_default().contains('\0') {
                return Err(at.error("expected NAME=VALUE"));
            }
            // A name alone is the project's.
            match value.or_else(|| project.get(&name)) {
                Some(value) => all.push((name, value)),
                None => like
                    .losses
                    .push(at.loss("the variable is not set where this is read, so it is not set inside")),
            }
        }
    }
    for (name, value) in all {
        like.spec.env.retain(|(known, _)| *known != name);
        like.spec.env.push((name, value));
    }
    Ok(())
}

fn file(
    at: &At,
    all: &mut Vec<(String, String)>,
    like: &mut Like,
    project: &Variables,
    request: &Request,
) -> Result<(), Error> {
    let (mut required, mut raw) = (true, false);
    let path = match at.node.text() {
        Some(path) => PathBuf::from(path),
        None => {
            let mut fields = at.map()?;
            required = fields.truth("required")?.unwrap_or(true);
            raw = fields.text("format")? == Some("raw");
            let path = PathBuf::from(fields.required("path")?.text()?);
            fields.rest(&mut like.losses);
            path
        }
    };
    let wrong = |why: String| at.error(format!("{}: {why}", path.display()));
    match read_text(at, &path, request)? {
        Some(text) if raw => {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            all.extend(lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Some(text) => {
            for (name, value) in dotenv::parse(&text, &|name| project.get(name)).map_err(wrong)? {
                all.extend(value.or_else(|| project.get(&name)).map(|value| (name, value)));
            }
        }
        // Often it is kept out of the repository that the file is in.
        None if required => like.losses.push(
            at.loss("it is not there, so its variables are not set; docker would not start the service"),
        ),
        None => {}
    }
    Ok(())
}

/// `[NAME=VALUE, NAME]` or a mapping.
pub fn pairs<'a>(at: &At<'a>) -> Result<Vec<(String, Option<String>, At<'a>)>, Error> {
    let Value::List(_) = at.node.value else {
        let entry = |(key, at): (_, At<'a>)| {
            let key: &super::super::yaml::Key = key;
            let is_scalar = matches!(at.node.value, Value::Scalar { .. });
            let value = if is_scalar { value(at.node) } else { Some(at.scalar()?.to_owned()) };
            Ok((key.name.clone(), value, at))
        };
        return at.entries()?.into_iter().map(entry).collect();
    };
    let entry = |at: At<'a>| {
        let text = at.scalar()?;
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        Ok((name.to_owned(), value.map(str::to_owned), at))
    };
    at.list()?.into_iter().map(entry).collect()
}

/// The text of a value. Compose reads numbers as such and writes them anew, so that `1.10` is `1.1`, and `0x10` is `16`.
fn value(node: &Node) -> Option<String> {
    let text = node.text()?;
    if !node.looks_like_a_number() {
        return Some(text.to_owned());
    }
    let whole = node.integer().map(|number| number.to_string());
    let number = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(as_go_writes);
    Some(whole.or_else(number).unwrap_or_else(|| text.to_owned()))
}

/// The shortest digits, with an exponent from a million on and below a ten thousandth (`fmt.Sprint`).
fn as_go_writes(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>().unwrap_or_default() {
        power @ ..-4 => format!("{digits}e-{:02}", -power),
        power @ 6.. => format!("{digits}e+{power:02}"),
        _ => number.to_string(),
    }
}
