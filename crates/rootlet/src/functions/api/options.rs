//! What can be said besides.

use super::Directory;
use rootlet_spec::pipeline::CacheSharing;

/// Of a file that is written or copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Permission bits; not said: the file's own, or 0644.
    pub permissions: Option<u32>,
    /// `user` or `user:group`, by name or number; not said: the file's own, or root.
    pub owner: Option<String>,
    /// `$NAME` in the path stands for a variable.
    pub expand: bool,
}

impl FileOptions {
    /// Whose it is to be.
    pub fn owned_by(owner: impl Into<String>) -> Self {
        Self { owner: Some(owner.into()), ..Self::default() }
    }
}

/// Of a directory that is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryOptions {
    /// Patterns of what is taken, as .dockerignore spells them; none: everything.
    pub include: Vec<String>,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// `user` or `user:group`; not said: the files' own.
    pub owner: Option<String>,
    /// `$NAME` in the path stands for a variable.
    pub expand: bool,
}

/// Of a cache that is mounted.
#[derive(Clone, Debug, Default)]
pub struct CacheOptions {
    /// `user` or `user:group`; not said: anybody may write there.
    pub owner: Option<String>,
    /// Who may use it at the same time.
    pub sharing: CacheSharing,
    /// What it holds when it is new.
    pub source: Option<Directory>,
}

/// Of something that is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// `user` or `user:group`; not said: root's, or its own.
    pub owner: Option<String>,
    /// Nothing can be written there.
    pub read_only: bool,
    /// Permission bits of a secret; not said: 0400.
    pub mode: Option<u32>,
}
