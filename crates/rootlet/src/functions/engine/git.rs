//! Files of git repositories. Which commit a version is, is asked once in a session; the files of a commit stay in the store.

use super::memo::key;
use super::{Engine, Result};
use crate::functions::modules::git::{Place, Version};
use crate::functions::{Failed, Outcome};
use rootlet_spec::pipeline::{GitRef, GitRepository, GitTree};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

impl Engine {
    /// Where the files of a version are.
    pub(super) fn git_tree(&self, tree: &GitTree) -> Result<PathBuf> {
        let (place, version) = self.git_version(&tree.at)?;
        let with_git = !tree.discard_git_dir;
        self.0.fetched.get_or_try(key(tree), || {
            let what = format!("get {} at {}", place.repository(), version.name);
            self.git(&what, || place.tree(&version, with_git, self.0.resolver.store()))
        })
    }

    /// The repository, and which commit it is.
    fn git_version(&self, at: &GitRef) -> Result<(Place, Version)> {
        let place = Place::whole(&at.url, at.version.as_deref())?;
        let version = self.0.commits.get_or_try(key(at), || {
            self.git(&format!("look at {}", place.repository()), || place.look_up())
        })?;
        Ok((place, version))
    }

    /// Does what takes git some time.
    fn git<T>(&self, what: &str, act: impl FnOnce() -> crate::Result<T>) -> Result<T> {
        let id = self.0.begin(&rootlet_spec::printable(what));
        let began = Instant::now();
        let done = act();
        let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.0.hears.end(id, outcome, began.elapsed());
        Ok(done?)
    }

    /// What is asked of a version.
    pub(super) fn git_ref(&self, name: &str, at: &GitRef) -> Result<Value> {
        let version = self.git_version(at)?.1;
        match name {
            "commit" => Ok(json!(version.commit)),
            "ref" if version.name.starts_with("refs/") || version.name == version.commit => {
                Ok(json!(version.name))
            }
            "ref" => {
                let place = Place::whole(&at.url, None)?;
                let is_tag = place.names("refs/tags/")?.contains(&version.name);
                let kind = if is_tag { "tags" } else { "heads" };
                Ok(json!(format!("refs/{kind}/{}", version.name)))
            }
            _ => Err(Failed::query(format!("nobody knows what `{}` asks", rootlet_spec::printable(name)))),
        }
    }

    /// What is asked of a repository.
    pub(super) fn git_repository(&self, name: &str, of: &GitRepository) -> Result<Value> {
        let below = match name {
            "tags" => "refs/tags/",
            "branches" => "refs/heads/",
            _ => {
                return Err(Failed::query(format!(
                    "nobody knows what `{}` asks",
                    rootlet_spec::printable(name)
                )));
            }
        };
        let place = Place::whole(&of.url, None)?;
        Ok(json!(self.git(&format!("look at {}", place.repository()), || place.names(below))?))
    }
}
