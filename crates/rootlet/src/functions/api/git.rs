//! Git repositories.

use super::client::Client;
use super::{Answer, Directory};
use rootlet_spec::pipeline::{self, DirectoryOrigin, GitTree};

/// A git repository.
#[derive(Clone, Debug)]
pub struct GitRepository {
    client: Client,
    value: pipeline::GitRepository,
}

/// A version of one.
#[derive(Clone, Debug)]
pub struct GitRef {
    client: Client,
    value: pipeline::GitRef,
}

impl GitRepository {
    pub(super) fn new(client: Client, url: String) -> Self {
        Self { client, value: pipeline::GitRepository { url } }
    }

    fn at(&self, version: Option<String>) -> GitRef {
        let value = pipeline::GitRef { url: self.value.url.clone(), version };
        GitRef { client: self.client.clone(), value }
    }

    /// Where its HEAD is.
    pub fn head(&self) -> GitRef {
        self.at(None)
    }

    /// A branch.
    pub fn branch(&self, name: impl AsRef<str>) -> GitRef {
        self.at(Some(format!("refs/heads/{}", name.as_ref())))
    }

    /// A tag.
    pub fn tag(&self, name: impl AsRef<str>) -> GitRef {
        self.at(Some(format!("refs/tags/{}", name.as_ref())))
    }

    /// A commit, by its whole name.
    pub fn commit(&self, id: impl Into<String>) -> GitRef {
        self.at(Some(id.into()))
    }

    /// Any of these.
    pub fn reference(&self, name: impl Into<String>) -> GitRef {
        self.at(Some(name.into()))
    }

    /// Its tags.
    pub fn tags(&self) -> Answer<Vec<String>> {
        self.client.ask_plain("tags", serde_json::json!(self.value))
    }

    /// Its branches.
    pub fn branches(&self) -> Answer<Vec<String>> {
        self.client.ask_plain("branches", serde_json::json!(self.value))
    }
}

impl GitRef {
    /// Its files, with the directory `.git` of that commit.
    pub fn tree(&self) -> Directory {
        let from = DirectoryOrigin::Git(GitTree { at: self.value.clone(), discard_git_dir: false });
        Directory::from_value(&self.client, pipeline::Directory { from: Some(from), steps: Vec::new() })
    }

    /// Which commit it is.
    pub fn commit(&self) -> Answer<String> {
        self.client.ask_plain("commit", serde_json::json!(self.value))
    }
}
