//! YAML, and JSON, which is a part of it, as a tree in which each node knows its place.
//!
//! Scalars stay text until somebody asks for a number or a truth value, as kubectl and Compose take `yes` and `0644` for what
//! the field is. Aliases are copies, within a budget: a file of a thousand bytes that unfolds to a billion nodes is refused.

use super::MOST_ENTRIES;
use super::error::{Error, Place};
use granit_parser as parser;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

/// No deployment has more; what unfolds to more is an attack.
const MOST_NODES: usize = 1_000_000;

/// Aliases can nest deeper than the parser's own limit for brackets and indentation.
const MOST_DEPTH: usize = 100;

/// A node and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
    pub tag: Option<Tag>,
}

/// What a tag says of how one file of Compose lies on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`
    Reset,
    /// `!override`
    Override,
}

#[derive(Clone, Debug)]
pub enum Value {
    /// As written. `quoted`: it is text, whatever it looks like.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A name in a mapping and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    pub place: Place,
    pub name: String,
}

impl Tag {
    fn of(tag: Option<&parser::Tag>) -> Option<Self> {
        match tag.filter(|tag| tag.handle() == "!")?.suffix() {
            "reset" => Some(Self::Reset),
            "override" => Some(Self::Override),
            _ => None,
        }
    }
}

impl Node {
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, quoted: false } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The node of this name, if this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(nodes) => Some(nodes),
            _ => None,
        }
    }

    /// What it is, for `expected …, found …`.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } if self.looks_like_a_number() => "a number",
            Value::Scalar { quoted: false, .. } if self.truth().is_some() => "a truth value",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether YAML takes it for something else than text, so that the API would refuse it where text is wanted.
    pub fn looks_like_a_number(&self) -> bool {
        match &self.value {
            Value::Scalar { text, quoted: false } => {
                integer(text).is_some()
                    || (text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                        && text.parse::<f64>().is_ok())
            }
            _ => false,
        }
    }

    pub fn truth(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<i64> {
        integer(self.text()?)
    }

    /// In short, for a person.
    pub fn brief(&self) -> String {
        let mut out = String::new();
        self.write_brief(&mut out);
        const MOST: usize = 60;
        if out.chars().count() > MOST {
            out = out.chars().take(MOST - 1).chain(['…']).collect();
        }
        out
    }

    fn write_brief(&self, out: &mut String) {
        // What is cut off need not be written.
        if out.len() > 256 {
            return;
        }
        match &self.value {
            Value::Scalar { text, .. } => out.extend(text.lines().next()),
            Value::List(nodes) => {
                out.push('[');
                for (i, node) in nodes.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    node.write_brief(out);
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (i, (key, node)) in entries.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    out.push_str(&key.name);
                    out.push_str(": ");
                    node.write_brief(out);
                }
                out.push('}');
            }
        }
    }
}

/// Whole numbers as YAML 1.1 has them, which kubectl reads: `0644` and `0o644` are octal, `1_000` is a thousand.
fn integer(text: &str) -> Option<i64> {
    if text.contains('_') && text.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) {
        return integer(&text.replace('_', ""));
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok().map(|n| sign * n)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        documents(text).unwrap().remove(0)
    }

    fn wrong(text: &str) -> String {
        let e = documents(text).unwrap_err();
        format!("{e} ({})", e.hint().unwrap_or_default())
    }

    #[test]
    fn nodes_know_their_places() {
        let node = one("a: 1\nb:\n  - x\n  - {y: z}\n");
        let z = node.get("b").unwrap().list().unwrap()[1].get("y").unwrap();
        assert_eq!((z.place, z.text()), (Place { line: 4, column: 9 }, Some("z")));
        assert_eq!(node.brief(), "{a: 1, b: [x, {y: z}]}");
        let json = one("{\"a\": [1, null, true, \"no\"]}");
        let list = json.get("a").unwrap().list().unwrap();
        assert_eq!(list[0].integer(), Some(1));
        assert!(list[1].is_null());
        assert_eq!(list[3].kind(), "text");
    }

    #[test]
    fn numbers_are_those_of_kubectl() {
        // What go-yaml makes of them, which kubectl and Compose read with.
        let numbers = ["420", "0644", "0o644", "0x1a4", "-1", "+7", "1_000", "0b11", "0_7"];
        let read: Vec<_> = numbers.iter().map(|text| integer(text)).collect();
        assert_eq!(
            read,
            [Some(420), Some(420), Some(420), Some(420), Some(-1), Some(7), Some(1000), Some(3), Some(7)]
        );
        for text in ["", "-", "0x", "1e3", "_1", "0b2", "08", "99999999999999999999", "--1", "0-1"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert!(one("a: 1.5").get("a").unwrap().looks_like_a_number());
        assert!(!one("a: 1.2.3").get("a").unwrap().looks_like_a_number());
        assert!(!one("a: inf").get("a").unwrap().looks_like_a_number());
    }

    #[test]
    fn aliases_and_merge_keys() {
        let node = one("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nmany: {<<: [*b, {z: 4}]}\n");
        assert_eq!(node.get("use").unwrap().brief(), "{y: 3, x: 1}");
        assert_eq!(node.get("many").unwrap().brief(), "{x: 1, y: 2, z: 4}");
        assert!(wrong("a: &a [*a]").contains("inside of what it stands for"), "{}", wrong("a: &a [*a]"));
        assert!(wrong("a: {<<: 1}").contains("merges mappings"));
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..20 {
            let refs = vec![format!("*a{}", n - 1); 10].join(", ");
            text += &format!("a{n}: &a{n} [{refs}]\n");
        }
        assert!(wrong(&text).contains("unfolds to more"), "{}", wrong(&text));
        let mut deep = "a0: &a0 [x]\n".to_owned();
        for n in 1..200 {
            deep += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
        }
        assert!(wrong(&deep).contains("nested deeper"), "{}", wrong(&deep));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 5000].join(", "));
        assert!(wrong(&long).contains("unfolds to more"), "{}", wrong(&long));
        let wide = format!("a: [{}]\n", vec!["1"; 10_001].join(", "));
        assert!(wrong(&wide).contains("10001 entries"), "{}", wrong(&wide));
        let brackets = wrong(&"[".repeat(100_000));
        assert!(brackets.contains("limit"), "{brackets}");
    }

    #[test]
    fn what_is_wrong_has_a_place_and_what_was_expected() {
        let tabs = wrong("a:\n\tb: 1\n");
        assert!(tabs.contains("line 2") && tabs.contains("spaces"), "{tabs}");
        assert!(wrong("a: 1\na: 2\n").contains("line 2, column 1: `a` stands here twice, first on line 1"));
        assert!(wrong("x: {{ .Values.x }}\n").contains("helm template"), "{}", wrong("x: {{ .Values.x }}\n"));
    }
}
