//! What a module offers, as it describes itself: objects, their functions, arguments and types.

use rootlet_spec::Keep;
use serde::de::{self, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// What a module offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The module's name.
    pub name: String,
    /// Its main object: calls begin there.
    pub main: String,
    /// What it is for.
    #[serde(default)]
    pub doc: String,
    /// Its objects.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// Its enums.
    #[serde(default)]
    pub enums: Vec<Enum>,
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub doc: String,
    /// What one is made with.
    #[serde(default)]
    pub constructor: Vec<Arg>,
    /// What it holds.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// What it can do.
    #[serde(default)]
    pub functions: Vec<Function>,
}

/// Something that an object holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// What it is for.
    #[serde(default)]
    pub doc: String,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name, in snake_case.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub doc: String,
    /// What it takes.
    #[serde(default)]
    pub args: Vec<Arg>,
    /// What it gives.
    pub returns: Type,
    /// It is a check: it says whether something holds.
    #[serde(default)]
    pub check: bool,
    /// How long what it gave is given again instead of running it.
    #[serde(default, skip_serializing_if = "Keep::is_never")]
    pub cache: Keep,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arg {
    /// Its name, in snake_case.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// What it is for.
    #[serde(default)]
    pub doc: String,
    /// What it is where nothing is said; `None`: it has to be said, unless its type is optional.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    pub default: Option<Value>,
    /// The path of this machine that is taken where nothing is said: `/` begins at the top of the caller's repository, anything else in
    /// the module's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_path: Option<String>,
    /// Patterns of what is left out of a directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// An enum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enum {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub doc: String,
    /// What it can be.
    #[serde(default)]
    pub values: Vec<EnumValue>,
}

/// One of an enum's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnumValue {
    /// Its name.
    pub name: String,
    /// What stands for it.
    pub value: String,
    /// What it is for.
    #[serde(default)]
    pub doc: String,
}

/// A type: `String`, `[Directory]`, `Int?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A scalar, a type of the core, an object or an enum, by its name.
    Named(String),
    /// A list.
    List(Box<Type>),
    /// It may be missing.
    Optional(Box<Type>),
}

impl Schema {
    /// An object by its name.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// The main object; an empty one where the module has none.
    pub fn main_object(&self) -> Object {
        self.object(&self.main)
            .cloned()
            .unwrap_or_else(|| Object { name: self.main.clone(), ..Object::default() })
    }

    /// An enum by its name.
    pub fn enumeration(&self, name: &str) -> Option<&Enum> {
        self.enums.iter().find(|one| one.name == name)
    }
}

impl Object {
    /// A function by its name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

impl Arg {
    /// Whether a call has to say it.
    pub fn is_required(&self) -> bool {
        self.default.is_none() && self.default_path.is_none() && !matches!(self.kind, Type::Optional(_))
    }
}

impl Type {
    /// Without saying that it may be missing.
    pub fn bare(&self) -> &Self {
        match self {
            Self::Optional(of) => of.bare(),
            other => other,
        }
    }

    /// What a list holds, also one of lists; of no list, itself.
    pub fn element(&self) -> &Self {
        match self.bare() {
            Self::List(of) => of.element(),
            other => other,
        }
    }

    /// Of each that this one holds, another one: what comes of calling a function on all of a list.
    #[must_use]
    pub fn of_each(&self, other: Self) -> Self {
        match self.bare() {
            Self::List(of) => Self::List(Box::new(of.of_each(other))),
            _ => other,
        }
    }

    /// The name, of one that has one.
    pub fn name(&self) -> Option<&str> {
        match self.bare() {
            Self::Named(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(of) => write!(f, "[{of}]"),
            Self::Optional(of) => write!(f, "{of}?"),
        }
    }
}

/// Never deeper than a type that somebody means.
const DEEPEST: usize = 64;

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no type");
        if text.len() > 1000 || text.matches(['[', '?']).count() > DEEPEST {
            return Err(bad());
        }
        if let Some(of) = text.strip_suffix('?') {
            return Ok(Self::Optional(Box::new(of.parse()?)));
        }
        if let Some(of) = text.strip_prefix('[') {
            return Ok(Self::List(Box::new(of.strip_suffix(']').ok_or_else(bad)?.parse()?)));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match !text.is_empty() && text.bytes().all(plain) {
            true => Ok(Self::Named(text.to_owned())),
            false => Err(bad()),
        }
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A default of `null` is a default, too.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for text in ["String", "[String]", "String?", "[[Directory]?]?", "MyObject"] {
            assert_eq!(text.parse::<Type>().unwrap().to_string(), text);
        }
        for text in ["", "[", "[String", "?", "a b", "[]", "a]"] {
            text.parse::<Type>().unwrap_err();
        }
        "?".repeat(100_000).parse::<Type>().unwrap_err();
    }

    #[test]
    fn what_is_called_on_a_list_gives_a_list() {
        let of = |text: &str, other: &str| {
            text.parse::<Type>().unwrap().of_each(other.parse().unwrap()).to_string()
        };
        assert_eq!(of("Thing", "String"), "String");
        assert_eq!(of("[Thing]?", "String"), "[String]");
        assert_eq!(of("[[Thing]?]", "[String]"), "[[[String]]]");
        assert_eq!("[[Thing?]]".parse::<Type>().unwrap().element().to_string(), "Thing");
    }

    #[test]
    fn a_default_of_null_is_a_default() {
        let arg = |json: &str| serde_json::from_str::<Arg>(json).unwrap();
        assert!(arg(r#"{"name": "a", "type": "String"}"#).is_required());
        assert!(!arg(r#"{"name": "a", "type": "String", "default": null}"#).is_required());
        assert!(!arg(r#"{"name": "a", "type": "String?"}"#).is_required());
        assert!(!arg(r#"{"name": "a", "type": "Directory", "default_path": "."}"#).is_required());
    }
}
