//! The other files of a Compose project: the override that docker takes besides, and what is included.

use super::super::error::{Error, Place};
use super::super::fields::{At, Fields};
use super::super::yaml::{self, Node, Value};
use super::super::{Request, Surroundings};
use super::{merge, one_or_many, read_text};
use std::path::{Path, PathBuf};

/// The names under which docker finds a project's file, and then its override: the first that is there (compose-go's
/// `DefaultFileNames` and `DefaultOverrideFileNames`).
const DEFAULT: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDE: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The file with its override, if it is one that docker finds by itself.
pub fn with_override(file: &Node, request: &Request) -> Result<Node, Error> {
    let file = file.clone();
    let name = request.name.rsplit('/').next().unwrap_or_default();
    if !DEFAULT.contains(&name) {
        return Ok(file);
    }
    for name in OVERRIDE {
        let at = At::new(&file, "");
        if let Some(text) = read_text(&at, Path::new(name), request)? {
            return Ok(merge::files(file, &other(&text, name)?));
        }
    }
    Ok(file)
}

/// The tree of another file, whose places are no places of this one.
pub fn other(text: &str, name: &str) -> Result<Node, Error> {
    let documents = yaml::documents(text).map_err(|e| Error::new(format!("{name}: {e}")))?;
    let Some(first) = documents.first() else {
        return Err(Error::new(format!("{name}: there is nothing in it")));
    };
    let mut tree = first.clone();
    forget_places(&mut tree);
    Ok(tree)
}

fn forget_places(node: &mut Node) {
    node.place = Place::default();
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::List(nodes) => nodes.iter_mut().for_each(forget_places),
        Value::Map(entries) => {
            for (key, node) in entries {
                key.place = Place::default();
                forget_places(node);
            }
        }
    }
}

/// A service of a file in another directory, where its paths begin, with paths that begin here.
pub fn from(directory: &Path, mut service: Node) -> Node {
    let Value::Map(fields) = &mut service.value else { return service };
    for (key, node) in fields.iter_mut().filter(|_| directory != Path::new("")) {
        let is_path = match key.name.as_str() {
            "env_file" => |_: &str| true,
            "build" => |text: &str| !text.contains("://") && !text.starts_with("git@"),
            "volumes" => |text: &str| text.starts_with('.'),
            _ => continue,
        };
        let nodes = match &mut node.value {
            Value::List(nodes) => nodes.iter_mut().collect(),
            _ => vec![node],
        };
        for node in nodes {
            match &mut node.value {
                Value::Map(fields) => {
                    let of_path = |name: &str| ["path", "context", "source"].contains(&name);
                    let fields = fields.iter_mut().filter(|(key, _)| of_path(&key.name));
                    fields.for_each(|(_, node)| relocate(node, directory, is_path));
                }
                _ => relocate(node, directory, is_path),
            }
        }
    }
    service
}

fn relocate(node: &mut Node, directory: &Path, is_path: fn(&str) -> bool) {
    if let Value::Scalar { text, .. } = &mut node.value
        && is_path(text)
        && !text.starts_with(['/', '~'])
    {
        // `./` before it, since a name alone is that of a volume.
        let below = directory.to_string_lossy();
        let dot = if below.starts_with(['.', '/']) { "" } else { "./" };
        *text = format!("{dot}{below}/{text}");
    }
}

/// A project that this one includes.
pub struct Included {
    /// Its file, as it is named here.
    pub name: String,
    /// Where its own paths begin, likewise.
    directory: PathBuf,
    pub file: Node,
}

/// What the field `include` names: projects of their own; `left`: so many files may still be read.
pub fn included(top: &mut Fields, request: &Request, left: &mut usize) -> Result<Vec<Included>, Error> {
    let mut all = Vec::new();
    for at in top.list("include")? {
        let (paths, directory) = match at.node.text() {
            Some(path) => (vec![path.to_owned()], None),
            None => {
                let mut fields = at.map()?;
                let paths = one_or_many(&mut fields, "path")?;
                let paths = paths.iter().map(|at| at.text().map(str::to_owned)).collect::<Result<_, _>>()?;
                fields.ignore(&["env_file"]);
                (paths, fields.text("project_directory")?.map(PathBuf::from))
            }
        };
        let Some(first) = paths.first() else { return Err(at.error("it names no file")) };
        let beside = || Path::new(first).parent().unwrap_or(Path::new("")).to_owned();
        let directory = directory.unwrap_or_else(beside);
        let mut file: Option<Node> = None;
        for path in &paths {
            *left =
                left.checked_sub(1).ok_or_else(|| at.error("too many files are included: in a circle?"))?;
            let text = read_text(&at, Path::new(path), request)?;
            let text = text.ok_or_else(|| at.error(format!("{path} is not there")))?;
            let documents = yaml::documents(&text).map_err(|e| at.error(format!("{path}: {e}")))?;
            let more = documents
                .into_iter()
                .next()
                .ok_or_else(|| at.error(format!("{path}: there is nothing in it")))?;
            file = Some(file.map_or(more.clone(), |file| merge::files(file, &more)));
        }
        all.extend(file.map(|file| Included { name: first.clone(), directory, file }));
    }
    Ok(all)
}

impl Included {
    /// Its services' names.
    pub fn services(&self) -> Vec<String> {
        let Some(Node { value: Value::Map(entries), .. }) = self.file.get("services") else {
            return Vec::new();
        };
        entries.iter().map(|(key, _)| key.name.clone()).collect()
    }

    /// What is around it.
    pub fn around<'a>(&'a self, outer: &'a dyn Surroundings) -> Within<'a> {
        Within { outer, directory: outer.directory().join(&self.directory), below: &self.directory }
    }
}

/// What is around a file that lies in another directory: not more than around the first one.
pub struct Within<'a> {
    outer: &'a dyn Surroundings,
    directory: PathBuf,
    below: &'a Path,
}

impl Surroundings for Within<'_> {
    fn directory(&self) -> &Path {
        &self.directory
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        self.outer.read(&self.below.join(path))
    }

    fn list(&self, path: &Path) -> Vec<String> {
        self.outer.list(&self.below.join(path))
    }

    fn exists(&self, path: &Path) -> bool {
        self.outer.exists(&self.below.join(path))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.outer.variable(name)
    }
}
