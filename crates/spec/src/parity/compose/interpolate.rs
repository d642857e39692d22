//! The variables in a file's values: the caller's, then those of `.env` beside the file.

use super::super::error::Error;
use super::super::words::expand;
use super::super::yaml::{Node, Value};
use super::super::{Loss, MOST_ENTRIES, Request, Room};
use std::collections::BTreeSet;
use std::path::Path;

/// The whole tree with its values expanded. A variable that is not set is empty, as Compose has it, and said once.
pub fn interpolate(node: &Node, request: &Request, losses: &mut Vec<Loss>) -> Result<Node, Error> {
    let file = request.around.read(Path::new(".env")).ok().flatten().unwrap_or_default();
    let defaults = dotenv(&String::from_utf8_lossy(&file));
    let mut walker = Walker { request, defaults, missing: BTreeSet::new(), losses, room: Room::new() };
    walker.node(node)
}

struct Walker<'a, 'b> {
    request: &'a Request<'a>,
    defaults: Vec<(String, String)>,
    missing: BTreeSet<String>,
    losses: &'b mut Vec<Loss>,
    room: Room,
}

impl Walker<'_, '_> {
    fn node(&mut self, node: &Node) -> Result<Node, Error> {
        let value = match &node.value {
            Value::Scalar { text, quoted } if text.contains('$') => {
                Value::Scalar { text: self.text(text, node)?, quoted: *quoted }
            }
            Value::Scalar { .. } => node.value.clone(),
            Value::List(nodes) => {
                Value::List(nodes.iter().map(|node| self.node(node)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let entry = |(key, node): &(_, Node)| Ok((Clone::clone(key), self.node(node)?));
                Value::Map(entries.iter().map(entry).collect::<Result<_, Error>>()?)
            }
        };
        Ok(Node { place: node.place, value })
    }

    fn text(&mut self, text: &str, node: &Node) -> Result<String, Error> {
        let mut missing = Vec::new();
        let expanded = expand(text, '$', &mut |name| {
            let defaults = &self.defaults;
            let default =
                || defaults.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            let value = self.request.around.variable(name).or_else(default);
            // With a default of its own it need not be set.
            if value.is_none()
                && (text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}")))
            {
                missing.push(name.to_owned());
            }
            value
        });
        for name in missing {
            if self.missing.insert(name.clone()) {
                let why =
                    format!("the variable {name} is not set, so it is empty: set it, or write it in .env");
                self.losses.push(Loss {
                    place: node.place,
                    path: format!("${name}"),
                    says: node.brief(),
                    why,
                });
            }
        }
        expanded.and_then(|text| self.room.take(text)).map_err(|message| Error::at(node.place, message))
    }
}

/// Variables of a file as Compose reads it: `NAME=VALUE`, `export` before it, quotes around the value, comments.
pub fn dotenv(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for line in text.lines().take(MOST_ENTRIES) {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split(quote).next());
        let value = match (quoted('\''), quoted('"')) {
            (Some(value), _) => value.to_owned(),
            (_, Some(value)) => value.replace("\\n", "\n"),
            _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
        };
        all.push((name.to_owned(), value));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotenv_files() {
        let read = dotenv("A=1\nexport B = two # c\n# C=3\nD='x # y'\nE=\"a\\nb\"\n\nF\n=g\n");
        let expected = [("A", "1"), ("B", "two"), ("D", "x # y"), ("E", "a\nb")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
