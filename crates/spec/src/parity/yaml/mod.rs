//! YAML, and JSON, which is a part of it, as a tree in which each node knows its place.
//!
//! Scalars stay text until somebody asks for a number or a truth value, as kubectl and Compose take `yes` and `0644` for what
//! the field is. Aliases are copies, within a budget: a file of a thousand bytes that unfolds to a billion nodes is refused.

mod builder;

pub use builder::documents;

use super::error::Place;
use granit_parser as parser;

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
