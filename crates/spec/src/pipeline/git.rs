//! Git repositories, and what is taken of them.

use super::is_default;
use serde::{Deserialize, Serialize};

/// A git repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct GitRepository {
    /// Where it is, as git takes it, or as modules are installed: `github.com/owner/repo`.
    pub url: String,
}

/// A version of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct GitRef {
    /// Where the repository is.
    pub url: String,
    /// A tag, a branch, a commit, or the whole name of a reference; `None`: where its HEAD is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The files of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitTree {
    /// The version.
    pub at: GitRef,
    /// Without the directory `.git`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub discard_git_dir: bool,
}
