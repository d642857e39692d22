//! The variables in a file's values: the caller's, then those of `.env` beside the file.

use super::super::error::Error;
use super::super::words::expand;
use super::super::yaml::{Node, Value};
use super::super::{Loss, Request, Room};
use super::dotenv;
use std::collections::HashMap;
use std::path::Path;

/// The variables of a project.
pub struct Variables<'a> {
    request: &'a Request<'a>,
    /// Those of `.env`.
    file: HashMap<String, String>,
}

impl<'a> Variables<'a> {
    pub fn of(request: &'a Request<'a>) -> Result<Self, Error> {
        let text = request.around.read(Path::new(".env")).ok().flatten().unwrap_or_default();
        let callers = |name: &str| request.around.variable(name);
        let all = dotenv::parse(&String::from_utf8_lossy(&text), &callers)
            .map_err(|why| Error::new(format!(".env: {why}")))?;
        let file = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(Self { request, file })
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.request.around.variable(name).or_else(|| self.file.get(name).cloned())
    }
}

/// What of a project's file does not belong to one service, with its values expanded; the services as they are written, since
/// nobody wants to hear of the variables of others.
pub fn around_services(file: &Node, request: &Request, losses: &mut Vec<Loss>) -> Result<Node, Error> {
    let Value::Map(entries) = &file.value else { return Ok(file.clone()) };
    let mut out = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let read = ["include", "secrets", "configs"].contains(&key.name.as_str());
        let node = if read { interpolate(node, request, losses)? } else { node.clone() };
        out.push((key.clone(), node));
    }
    Ok(Node { place: file.place, value: Value::Map(out), tag: file.tag })
}

/// The whole tree with its values expanded. A variable that is not set is empty, as Compose has it, and said once.
pub fn interpolate(node: &Node, request: &Request, losses: &mut Vec<Loss>) -> Result<Node, Error> {
    let variables = Variables::of(request)?;
    let mut walker = Walker { variables, losses, room: Room::new(), is_text: false };
    walker.node(node)
}

struct Walker<'a, 'b> {
    variables: Variables<'a>,
    losses: &'b mut Vec<Loss>,
    room: Room,
    /// Below a field whose values are text, be they empty.
    is_text: bool,
}

/// Fields of which an empty value is one.
const TEXTS: [&str; 2] = ["environment", "args"];

impl Walker<'_, '_> {
    fn node(&mut self, node: &Node) -> Result<Node, Error> {
        let value = match &node.value {
            Value::Scalar { text, .. } if text.contains('$') => {
                let text = self.text(text, node)?;
                // What stands for a number is text all the same; what stands for nothing is not said.
                let quoted = self.is_text || !text.is_empty();
                Value::Scalar { text, quoted }
            }
            Value::Scalar { .. } => node.value.clone(),
            Value::List(nodes) => {
                Value::List(nodes.iter().map(|node| self.node(node)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let mut all = Vec::with_capacity(entries.len());
                for (key, node) in entries {
                    let outer = self.is_text;
                    self.is_text |= TEXTS.contains(&key.name.as_str());
                    all.push((key.clone(), self.node(node)?));
                    self.is_text = outer;
                }
                Value::Map(all)
            }
        };
        Ok(Node { place: node.place, value, tag: node.tag })
    }

    fn text(&mut self, text: &str, node: &Node) -> Result<String, Error> {
        let mut missing = Vec::new();
        let expanded = expand(text, '$', &mut |name| {
            let value = self.variables.get(name);
            // With a default of its own it need not be set.
            if value.is_none()
                && (text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}")))
            {
                missing.push(name.to_owned());
            }
            value
        });
        for name in missing {
            let path = format!("${name}");
            if !self.losses.iter().any(|loss| loss.path == path) {
                let why =
                    format!("the variable {name} is not set, so it is empty: set it, or write it in .env");
                self.losses.push(Loss { place: node.place, path, says: node.brief(), why });
            }
        }
        expanded.and_then(|text| self.room.take(text)).map_err(|message| {
            let error = Error::at(node.place, message);
            if text.contains('?') {
                error.with_hint("set it, or write it in .env beside the file")
            } else {
                error
            }
        })
    }
}
