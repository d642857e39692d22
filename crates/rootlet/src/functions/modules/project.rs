//! A module's directory: `rootlet.json`, or the `dagger.json` of a module that was written for Dagger.

use crate::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which file says what a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `rootlet.json`
    Rootlet,
    /// `dagger.json`
    Dagger,
}

impl Form {
    /// What the file is called.
    pub fn file(self) -> &'static str {
        match self {
            Self::Rootlet => "rootlet.json",
            Self::Dagger => "dagger.json",
        }
    }

    /// Where the code of a new module lies.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Rootlet => ".",
            Self::Dagger => ".dagger",
        }
    }
}

/// What a module is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Python.
    Python,
    /// Rust.
    Rust,
    /// Something that rootlet does not run, or nothing.
    Other(String),
}

impl Sdk {
    /// By its name, also where a version follows it: `python@v0.18`.
    fn named(text: &str) -> Self {
        match text.split('@').next().unwrap_or_default() {
            "python" => Self::Python,
            "rust" => Self::Rust,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Other(name) => name,
        }
    }
}

/// A module that another one uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// What it is called by: `dag.NAME()`.
    pub name: String,
    /// Where it is from: a path that begins at the file's directory, or a git repository with `@VERSION`.
    pub source: String,
    /// The commit that the version was, when it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// The file, in the order in which it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Manifest {
    name: String,
    #[serde(rename = "engineVersion", default, skip_serializing_if = "Option::is_none")]
    engine_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sdk: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// What is for others.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A module's directory.
#[derive(Clone, Debug)]
pub struct Project {
    directory: PathBuf,
    form: Form,
    manifest: Manifest,
}

impl Project {
    /// The module that a directory is part of: its own, or the nearest above it.
    ///
    /// # Errors
    /// There is none, or its file cannot be read or says something else than it should.
    pub fn find(directory: &Path) -> Result<Self> {
        let real = canonical(directory)?;
        for above in real.ancestors() {
            if let Some(project) = Self::at(above)? {
                return Ok(project);
            }
        }
        Err(no_module(&real, "in it or above it"))
    }

    /// The module of this very directory, if it is one's.
    ///
    /// # Errors
    /// Its file cannot be read or says something else than it should.
    pub fn at(directory: &Path) -> Result<Option<Self>> {
        for form in [Form::Rootlet, Form::Dagger] {
            let file = directory.join(form.file());
            match fs::read_to_string(&file) {
                Ok(text) => return Self::read(&canonical(directory)?, form, &text).map(Some),
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(e) => return Err(Error::io(format!("failed to read {}", file.display()), e)),
            }
        }
        Ok(None)
    }

    /// The module of this very directory, which has to be one's.
    ///
    /// # Errors
    /// It is none, or its file cannot be read or says something else than it should.
    pub fn exactly_at(directory: &Path) -> Result<Self> {
        Self::at(directory)?.ok_or_else(|| no_module(directory, "in it"))
    }

    /// A new one, that is not written yet.
    pub(super) fn new(directory: &Path, form: Form, sdk: &Sdk, name: &str, source: &str) -> Self {
        let sdk = match form {
            Form::Rootlet => Value::from(sdk.name()),
            Form::Dagger => serde_json::json!({ "source": sdk.name() }),
        };
        let source = Some(source.to_owned()).filter(|source| source != ".");
        let manifest = Manifest { name: name.into(), sdk: Some(sdk), source, ..Manifest::default() };
        Self { directory: directory.to_owned(), form, manifest }
    }

    fn read(directory: &Path, form: Form, text: &str) -> Result<Self> {
        let failed = |why: String| {
            let file = directory.join(form.file());
            Error::new(ErrorKind::Module, format!("failed to read {}: {why}", file.display()))
        };
        let manifest: Manifest = serde_json::from_str(text).map_err(|e| failed(e.to_string()))?;
        let mut names: Vec<&str> = Vec::new();
        for name in std::iter::once(&manifest.name).chain(manifest.dependencies.iter().map(|one| &one.name)) {
            check_name(name).map_err(|e| failed(e.to_string()))?;
        }
        for one in &manifest.dependencies {
            if names.contains(&one.name.as_str()) {
                return Err(failed(format!("two dependencies are called `{}`", one.name))
                    .with_hint("give one of them another name"));
            }
            names.push(&one.name);
            if let Some(pin) = one.pin.as_ref().filter(|pin| !pin.is_empty() && !is_commit(pin)) {
                return Err(failed(format!("the pin of `{}` is no commit: `{pin}`", one.name))
                    .with_hint(format!("install {} again", one.source)));
            }
        }
        Ok(Self { directory: directory.to_owned(), form, manifest })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written; what was there stays then.
    pub fn save(&self) -> Result<()> {
        let file = self.file();
        let failed = |e| Error::io(format!("failed to write {}", file.display()), e);
        let text = serde_json::to_string_pretty(&self.manifest).map_err(|e| failed(e.into()))? + "\n";
        let beside = self.directory.join(format!(".{}.{}", self.form.file(), std::process::id()));
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &file));
        written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.directory.join(self.form.file())
    }

    /// The directory that the file is in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of the code.
    pub fn source(&self) -> PathBuf {
        match self.manifest.source.as_deref() {
            None | Some("" | ".") => self.directory.clone(),
            Some(source) => self.directory.join(source),
        }
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What it is written in.
    pub fn sdk(&self) -> Sdk {
        match &self.manifest.sdk {
            Some(Value::String(name)) => Sdk::named(name),
            Some(sdk) => Sdk::named(sdk["source"].as_str().unwrap_or_default()),
            None => Sdk::Other(String::new()),
        }
    }

    /// Where its functions come from instead of code of its own, as Dagger has it.
    pub fn blueprint(&self) -> Option<&str> {
        self.manifest.rest.get("blueprint")?.get("source")?.as_str()
    }

    /// What it uses.
    pub fn dependencies(&self) -> &[Dependency] {
        &self.manifest.dependencies
    }

    pub(super) fn dependencies_mut(&mut self) -> &mut Vec<Dependency> {
        &mut self.manifest.dependencies
    }
}

fn canonical(directory: &Path) -> Result<PathBuf> {
    fs::canonicalize(directory).map_err(|e| Error::io(format!("failed to open {}", directory.display()), e))
}

fn no_module(directory: &Path, place: &str) -> Error {
    let (ours, daggers) = (Form::Rootlet.file(), Form::Dagger.file());
    Error::new(
        ErrorKind::Module,
        format!("{} is no module: there is neither {ours} nor {daggers} {place}", directory.display()),
    )
    .with_hint("make one with `init --sdk=python`")
}

/// Names are said on command lines and become names of code.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    match plain && name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Module, format!("`{name}` cannot be the name of a module"))
            .with_hint("a letter, then letters, digits, `-`, `_` and `.`")),
    }
}

/// A whole name of a commit, of either of git's digests.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAGGER: &str = r#"{
  "name": "ci-like-production",
  "engineVersion": "v0.18.10",
  "sdk": {
    "source": "python"
  },
  "dependencies": [
    {
      "name": "lib",
      "source": "github.com/Konubinix/daggerlib@main",
      "pin": "f222c0f440df7fa5335b396978514d73a92d0f15"
    }
  ],
  "source": ".dagger",
  "include": [
    "x"
  ]
}
"#;

    #[test]
    fn what_dagger_wrote_is_written_as_it_was() {
        let directory = tempfile_directory();
        let project = Project::read(&directory, Form::Dagger, DAGGER).unwrap();
        assert_eq!((project.sdk(), project.name()), (Sdk::Python, "ci-like-production"));
        assert_eq!(project.source(), directory.join(".dagger"));
        project.save().unwrap();
        assert_eq!(fs::read_to_string(project.file()).unwrap(), DAGGER);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_damaged_is_told() {
        for (text, told) in [
            ("{", "EOF"),
            ("{}", "missing field `name`"),
            (r#"{"name": "-x"}"#, "cannot be the name"),
            (
                r#"{"name": "x", "dependencies": [{"name": "a", "source": "b", "pin": "main"}]}"#,
                "is no commit",
            ),
            (
                r#"{"name": "x", "dependencies": [{"name": "a", "source": "b"}, {"name": "a", "source": "c"}]}"#,
                "two",
            ),
            (r#"{"name": "x", "dependencies": {}}"#, "expected a sequence at line 1"),
        ] {
            let error = Project::read(Path::new("/x"), Form::Rootlet, text).unwrap_err();
            assert!(error.to_string().contains(told), "{text}: {error}");
            assert!(error.to_string().starts_with("failed to read /x/rootlet.json: "), "{error}");
        }
    }

    fn tempfile_directory() -> PathBuf {
        let directory = std::env::temp_dir().join(format!("rootlet-project-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::canonicalize(directory).unwrap()
    }
}
