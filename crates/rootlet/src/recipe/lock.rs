//! `rootlet.lock`: exactly which images and packages the recipes of a project were built from.

use super::project::Project;
use crate::{Error, ErrorKind, Result};
use rootlet_base::{Digest, Pin, Resolver};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the file is called.
pub const LOCK_FILE: &str = "rootlet.lock";
const VERSION: u32 = 1;
const HEADING: &str =
    "# Written by `rootlet lock`: what the recipes are built from, exactly. Keep it with the project.\n";

/// What a project's recipes are built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Recipes, by name.
    #[serde(default)]
    root: BTreeMap<String, RootPin>,
    /// Bases, by name.
    #[serde(default)]
    base: BTreeMap<String, BasePin>,
}

/// What a base's name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BasePin {
    digest: Digest,
    /// Its packages, where it is made of some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<serde_json::Value>,
}

/// What the packages of a recipe are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootPin {
    /// What the recipe asked for.
    pub wanted: Vec<String>,
    /// What came of that.
    pub packages: Vec<PackagePin>,
}

/// A package that was installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagePin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Of its file, where the package manager tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// How a lock file is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locked {
    /// As far as it fits what the recipes say.
    #[default]
    AsFar,
    /// It must fit: what it does not know is an error.
    Strictly,
    /// Not at all, and packages are looked for anew.
    Anew,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, root: BTreeMap::new(), base: BTreeMap::new() }
    }
}

impl Lock {
    /// The lock file in a directory; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is of another form.
    pub fn load(directory: &Path) -> Result<Option<Self>> {
        let file = directory.join(LOCK_FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(format!("failed to read {}", file.display()), e)),
        };
        let wrong = |why: String| {
            Error::new(ErrorKind::Recipe, format!("failed to read {}: {why}", file.display()))
                .with_hint("`rootlet update` writes a new one")
        };
        let lock: Self = toml::from_str(&text).map_err(|e| wrong(e.message().to_owned()))?;
        match lock.version {
            VERSION => Ok(Some(lock)),
            other => Err(wrong(format!("it is of the form {other}"))),
        }
    }

    /// Writes it into a directory, in place of an older one.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let file = directory.join(LOCK_FILE);
        let text = toml::to_string(self).map_err(|e| {
            Error::new(ErrorKind::Recipe, format!("failed to write {}", file.display())).caused_by(e)
        })?;
        let beside = directory.join(format!(".{LOCK_FILE}.{}", std::process::id()));
        let written =
            fs::write(&beside, format!("{HEADING}{text}")).and_then(|()| fs::rename(&beside, &file));
        written.map_err(|e| {
            let _ = fs::remove_file(&beside);
            Error::io(format!("failed to write {}", file.display()), e)
        })
    }

    /// Builds all recipes, and tells what they were built from.
    ///
    /// # Errors
    /// Those of [`Project::base`].
    pub fn of(project: &Project, resolver: &Resolver) -> Result<Self> {
        let mut lock = Self::default();
        for name in project.recipes().keys() {
            project.base(name, resolver)?;
            let made = project.made_of(name, resolver)?;
            if let Some(root) = made.packages {
                lock.root.insert(name.clone(), root);
            }
            if let Some((base, pin)) = made.base {
                let manifest = pin.manifest.as_deref().and_then(|json| serde_json::from_str(json).ok());
                lock.base.insert(base, BasePin { digest: pin.digest, manifest });
            }
        }
        Ok(lock)
    }

    pub(super) fn base(&self, name: &str) -> Option<Pin> {
        let pin = self.base.get(name)?;
        Some(Pin { digest: pin.digest, manifest: pin.manifest.as_ref().map(ToString::to_string) })
    }

    /// The packages of a recipe, if they are what it asks for now.
    pub(super) fn packages(&self, recipe: &str, wanted: &[String]) -> Option<&[PackagePin]> {
        self.root.get(recipe).filter(|pin| pin.wanted == wanted).map(|pin| pin.packages.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        let directory = std::env::temp_dir().join(format!("rootlet-lock-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        assert_eq!(Lock::load(&directory).unwrap(), None);
        let mut lock = Lock::default();
        let digest = Digest::of(b"x");
        let manifest =
            Some(serde_json::json!({ "epoch": 7, "packages": [{ "name": "a", "url": "http://h/a" }] }));
        lock.base.insert("apt:trixie".into(), BasePin { digest, manifest });
        let packages = vec![PackagePin { name: "a".into(), version: "1".into(), sha256: Some(digest) }];
        lock.root.insert("api".into(), RootPin { wanted: vec!["a".into()], packages });
        lock.save(&directory).unwrap();
        assert_eq!(Lock::load(&directory).unwrap().as_ref(), Some(&lock));
        assert_eq!(lock.packages("api", &["a".into()]).unwrap().len(), 1);
        assert!(lock.packages("api", &["b".into()]).is_none());
        fs::write(directory.join(LOCK_FILE), "version = 9\n").unwrap();
        assert!(Lock::load(&directory).unwrap_err().hint().is_some());
        fs::remove_dir_all(directory).unwrap();
    }
}
