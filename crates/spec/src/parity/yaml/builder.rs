//! From the events of a parser to the tree, within a budget.

use super::super::MOST_ENTRIES;
use super::super::error::{Error, Place};
use super::{Key, Node, Tag, Value};
use granit_parser as parser;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

/// No deployment has more; what unfolds to more is an attack.
const MOST_NODES: usize = 1_000_000;

/// Aliases can nest deeper than the parser's own limit for brackets and indentation.
const MOST_DEPTH: usize = 100;

/// All documents of a file.
pub fn documents(text: &str) -> Result<Vec<Node>, Error> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let mark = e.marker();
            let place = Place::new(mark.line(), mark.col() + 1);
            // The parser ends its sentence with the place in its own words.
            let message = e.kind().to_string();
            Error::at(place, format!("this is not YAML: {message}")).with_hint(expected(text, place))
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

const TEMPLATES: &str = "a template must be rendered first: helm template … | rootlet run --like - -- …";

/// What helps most with the commonest slip.
fn expected(text: &str, place: Place) -> &'static str {
    let line = text.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start().len()];
    if indentation.contains('\t') {
        "expected spaces: YAML does not allow tabs for indentation"
    } else if line.contains("{{") {
        TEMPLATES
    } else {
        "expected a mapping `name: value`, a list `- item`, or the end of the block before"
    }
}

/// A collection that has begun.
struct Open {
    place: Place,
    anchor: usize,
    tag: Option<Tag>,
    /// The key that waits for its value.
    key: Option<Key>,
    nodes: Vec<Node>,
    entries: Vec<(Key, Node)>,
    is_map: bool,
    size: usize,
    depth: usize,
}

/// A node that aliases may name, how many nodes it is, and how deep.
struct Anchored {
    node: Node,
    size: usize,
    depth: usize,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let place = Place::new(span.start.line(), span.start.col() + 1);
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let of_core = tag.as_deref().filter(|tag| tag.handle() == "tag:yaml.org,2002:");
                let quoted = match of_core.map(parser::Tag::suffix) {
                    Some("str" | "binary") => true,
                    Some("int" | "float" | "bool" | "null") => false,
                    _ => style != ScalarStyle::Plain,
                };
                let tag = Tag::of(tag.as_deref());
                // A long text counts for more: an alias copies it.
                let size = 1 + text.len() / 32;
                let node = Node { place, value: Value::Scalar { text: text.into_owned(), quoted }, tag };
                self.complete(node, anchor, size, 0)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(place, anchor, false, Tag::of(tag.as_deref()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin(place, anchor, true, Tag::of(tag.as_deref()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let Some(known) = self.anchors.get(&anchor) else {
                    return Err(Error::at(place, "an alias inside of what it stands for"));
                };
                let (node, size, depth) = (&known.node, known.size, known.depth);
                if self.nodes + size > MOST_NODES {
                    return Err(too_much(place));
                }
                // It is used here, but what is wrong with it is wrong where it is written.
                let node = node.clone();
                self.complete(node, 0, size, depth)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, is_map: bool, tag: Option<Tag>) -> Result<(), Error> {
        if self.open.len() >= MOST_DEPTH {
            return Err(Error::at(place, format!("this is nested deeper than {MOST_DEPTH} levels")));
        }
        let (nodes, entries) = (Vec::new(), Vec::new());
        self.open.push(Open { place, anchor, tag, key: None, nodes, entries, is_map, size: 1, depth: 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let count = open.nodes.len().max(open.entries.len());
        if count > MOST_ENTRIES {
            return Err(Error::at(
                open.place,
                format!("this holds {count} entries, of which {MOST_ENTRIES} are read"),
            ));
        }
        let value = match open.is_map {
            true => Value::Map(merged(open.entries)?),
            false => Value::List(open.nodes),
        };
        // Its inside is counted already.
        self.nodes -= (open.size - 1).min(self.nodes);
        let node = Node { place: open.place, value, tag: open.tag };
        self.complete(node, open.anchor, open.size, open.depth)
    }

    /// A node of so many nodes, itself and what is in it, is there.
    fn complete(&mut self, node: Node, anchor: usize, size: usize, depth: usize) -> Result<(), Error> {
        self.nodes += size;
        if self.nodes > MOST_NODES {
            return Err(too_much(node.place));
        }
        if self.open.len() + depth > MOST_DEPTH {
            return Err(Error::at(node.place, format!("this is nested deeper than {MOST_DEPTH} levels")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, depth });
        }
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        parent.size += size;
        parent.depth = parent.depth.max(depth + 1);
        if !parent.is_map {
            parent.nodes.push(node);
        } else if let Some(key) = parent.key.take() {
            parent.entries.push((key, node));
        } else {
            let Value::Scalar { text, .. } = node.value else {
                return Err(Error::at(node.place, "a name is expected here, not a list or a mapping")
                    .with_hint(TEMPLATES));
            };
            parent.key = Some(Key { place: node.place, name: text });
        }
        Ok(())
    }
}

fn too_much(place: Place) -> Error {
    Error::at(place, format!("this file unfolds to more than {MOST_NODES} nodes"))
        .with_hint("its aliases multiply: no deployment needs that, so it is not read")
}

/// The entries, with those that `<<` brings: what is said here wins.
fn merged(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Error> {
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key.name == "<<");
    let mut known: HashMap<String, Place> = HashMap::with_capacity(own.len());
    for (key, _) in &own {
        if let Some(first) = known.insert(key.name.clone(), key.place) {
            let what = format!("`{}` stands here twice, first on line {}", key.name, first.line);
            return Err(Error::at(key.place, what).with_hint("leave one of them out"));
        }
    }
    for (key, node) in merges {
        let parts = match node.value {
            Value::List(nodes) => nodes,
            value => vec![Node { place: node.place, value, tag: None }],
        };
        for part in parts {
            let Value::Map(more) = part.value else {
                return Err(Error::at(key.place, "`<<` merges mappings, and this is none"));
            };
            for (key, node) in more {
                if !known.contains_key(&key.name) {
                    known.insert(key.name.clone(), key.place);
                    own.push((key, node));
                }
            }
        }
    }
    Ok(own)
}
