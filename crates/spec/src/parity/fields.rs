//! A cursor over a mapping that knows which fields nobody has asked for, so that none is dropped in silence.

use super::Loss;
use super::error::{Error, Place};
use super::yaml::{Key, Node, Value};

/// A node and its name in the file.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub node: &'a Node,
    pub path: String,
    /// What is in quotes is text and nothing else, as the API of Kubernetes has it.
    typed: bool,
}

impl<'a> At<'a> {
    pub fn new(node: &'a Node, path: impl Into<String>) -> Self {
        Self { node, path: path.into(), typed: false }
    }

    pub fn typed(self) -> Self {
        Self { typed: true, ..self }
    }

    fn within(&self, node: &'a Node, path: String) -> Self {
        Self { node, path, typed: self.typed }
    }

    pub fn place(&self) -> Place {
        self.node.place
    }

    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::at(self.place(), format!("{}: {}", self.path, message.into()))
    }

    /// What Kubernetes' own validation says.
    pub fn refused(&self, message: impl Into<String>) -> Error {
        Error::refused_at(self.place(), format!("{}: {}", self.path, message.into()))
    }

    fn expected(&self, what: &str) -> Error {
        let found = match &self.node.value {
            Value::Scalar { .. } if !self.node.is_null() => format!(" `{}`", self.node.brief()),
            _ => String::new(),
        };
        self.error(format!("expected {what}, found {}{found}", self.node.kind()))
    }

    pub fn loss(&self, why: impl Into<String>) -> Loss {
        Loss { place: self.place(), path: self.path.clone(), says: self.node.brief(), why: why.into() }
    }

    /// Any scalar, as it is written.
    pub fn scalar(&self) -> Result<&'a str, Error> {
        self.node.text().ok_or_else(|| self.expected("text"))
    }

    /// Text, which a number is not for Kubernetes.
    pub fn text(&self) -> Result<&'a str, Error> {
        let text = self.scalar()?;
        match &self.node.value {
            Value::Scalar { quoted: false, .. }
                if self.node.looks_like_a_number() || matches!(text, "true" | "false") =>
            {
                Err(self.expected("text").with_hint(format!("put it in quotes: \"{text}\"")))
            }
            _ => Ok(text),
        }
    }

    pub fn truth(&self) -> Result<bool, Error> {
        self.unquoted("true or false")?;
        self.node.truth().ok_or_else(|| self.expected("true or false"))
    }

    pub fn integer(&self) -> Result<i64, Error> {
        self.unquoted("a whole number")?;
        self.node.integer().ok_or_else(|| self.expected("a whole number"))
    }

    fn unquoted(&self, what: &str) -> Result<(), Error> {
        match &self.node.value {
            Value::Scalar { text, quoted: true } if self.typed => {
                Err(self.expected(what).with_hint(format!("leave the quotes out: {}", text.trim())))
            }
            _ => Ok(()),
        }
    }

    /// An id as Kubernetes takes it.
    pub fn id(&self) -> Result<u32, Error> {
        let number = self.integer()?;
        u32::try_from(number)
            .ok()
            .filter(|&id| id <= i32::MAX as u32)
            .ok_or_else(|| self.refused("must be between 0 and 2147483647, inclusive"))
    }

    pub fn list(&self) -> Result<Vec<At<'a>>, Error> {
        let nodes = self.node.list().ok_or_else(|| self.expected("a list"))?;
        let at = |(i, node)| self.within(node, format!("{}[{i}]", self.path));
        Ok(nodes.iter().enumerate().map(at).collect())
    }

    pub fn texts(&self) -> Result<Vec<String>, Error> {
        self.list()?.iter().map(|at| at.text().map(str::to_owned)).collect()
    }

    pub fn map(&self) -> Result<Fields<'a>, Error> {
        let Value::Map(entries) = &self.node.value else { return Err(self.expected("a mapping")) };
        let read = vec![false; entries.len()];
        let (path, place, typed) = (self.path.clone(), self.place(), self.typed);
        Ok(Fields { path, place, typed, entries, read, known: Vec::new() })
    }

    /// All names and what they stand for, each of them read.
    pub fn entries(&self) -> Result<Vec<(&'a Key, At<'a>)>, Error> {
        let Value::Map(entries) = &self.node.value else { return Err(self.expected("a mapping")) };
        let at = |(key, node): &'a (Key, Node)| (key, self.within(node, join(&self.path, &key.name)));
        Ok(entries.iter().map(at).collect())
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A mapping that is being read.
#[derive(Debug)]
pub struct Fields<'a> {
    pub path: String,
    pub place: Place,
    typed: bool,
    entries: &'a [(Key, Node)],
    read: Vec<bool>,
    /// The names that were asked for.
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The field of this name; what is null is not said.
    pub fn get(&mut self, name: &'static str) -> Option<At<'a>> {
        self.known.push(name);
        let i = self.entries.iter().position(|(key, _)| key.name == name)?;
        self.read[i] = true;
        let node = &self.entries[i].1;
        (!node.is_null()).then(|| At { node, path: join(&self.path, name), typed: self.typed })
    }

    /// Fields that say nothing about how the process runs.
    pub fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend(names);
        for (read, (key, _)) in self.read.iter_mut().zip(self.entries) {
            *read |= names.contains(&key.name.as_str());
        }
    }

    /// Names that begin so say nothing, either.
    pub fn ignore_prefix(&mut self, prefix: &str) {
        for (read, (key, _)) in self.read.iter_mut().zip(self.entries) {
            *read |= key.name.starts_with(prefix);
        }
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<&'a str>, Error> {
        self.get(name).map(|at| at.text()).transpose()
    }

    pub fn truth(&mut self, name: &'static str) -> Result<Option<bool>, Error> {
        self.get(name).map(|at| at.truth()).transpose()
    }

    pub fn id(&mut self, name: &'static str) -> Result<Option<u32>, Error> {
        self.get(name).map(|at| at.id()).transpose()
    }

    /// What a list of this name holds; nothing where it is not said.
    pub fn list(&mut self, name: &'static str) -> Result<Vec<At<'a>>, Error> {
        self.get(name).map_or(Ok(Vec::new()), |at| at.list())
    }

    /// A mapping that is read whatever it holds.
    pub fn map(&mut self, name: &'static str) -> Result<Option<Fields<'a>>, Error> {
        self.get(name).map(|at| at.map()).transpose()
    }

    pub fn required(&mut self, name: &'static str) -> Result<At<'a>, Error> {
        self.get(name)
            .ok_or_else(|| Error::at(self.place, format!("{}: `{name}` is missing here", shown(&self.path))))
    }

    /// The field is not carried over, for this reason.
    pub fn lose(&mut self, name: &'static str, losses: &mut Vec<Loss>, why: &str) {
        losses.extend(self.get(name).map(|at| at.loss(why)));
    }

    /// What nobody has asked for is lost.
    pub fn rest(self, losses: &mut Vec<Loss>) {
        for (read, (key, node)) in self.read.iter().zip(self.entries) {
            if *read {
                continue;
            }
            let nearest = crate::similar::nearest(&key.name, self.known.iter().copied());
            let why = match nearest {
                Some(name) => format!("no such field is known; did you mean `{name}`?"),
                None => "no such field is known, so it has no effect".to_owned(),
            };
            let path = join(&self.path, &key.name);
            losses.push(Loss { place: key.place, path, says: node.brief(), why });
        }
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the file" } else { path }
}
