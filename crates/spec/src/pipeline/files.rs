//! Files and directories, and the steps that write them.

use super::{Call, Container, GitTree, is_default};
use serde::{Deserialize, Serialize};

/// A directory: where it begins, and what is done to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct Directory {
    /// Where it begins; `None`: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DirectoryOrigin>,
    /// What is done to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<DirectoryStep>,
}

/// Where a directory begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryOrigin {
    /// With a directory of this machine.
    Host(HostPath),
    /// With the files of a git repository.
    Git(GitTree),
    /// With what a module's function gives.
    Call(Call),
    /// With one of a container.
    #[serde(untagged)]
    Container {
        /// The container.
        container: Container,
        /// The place in it.
        path: String,
        /// `$NAME` in the path stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// With one of a directory.
    #[serde(untagged)]
    Directory {
        /// The directory.
        directory: Box<Directory>,
        /// The place in it.
        path: String,
    },
}

/// Something of this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostPath {
    /// Absolute, or relative to where the engine's directory is.
    pub path: String,
    /// Patterns of what is taken, as .gitignore spells them; none: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns of what is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// A step of a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum DirectoryStep {
    /// All files and directories get this time.
    WithTimestamps {
        /// Seconds since 1970.
        timestamp: u64,
    },
    /// Only what these patterns take stays.
    Filter {
        /// What stays; none: everything.
        #[serde(default)]
        include: Vec<String>,
        /// What goes.
        #[serde(default)]
        exclude: Vec<String>,
    },
    /// Only what another one has not, or has otherwise.
    Diff {
        /// The other one.
        other: Box<Directory>,
    },
    /// Files are written or removed.
    #[serde(untagged)]
    Files(FileStep),
}

/// A step that writes or removes files, of a container or a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum FileStep {
    /// A file is copied.
    WithFile {
        /// Where.
        path: String,
        /// What.
        source: Box<File>,
        /// Permission bits; not said: its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permissions: Option<u32>,
        /// Whose: `user` or `user:group`, by name or number; not said: its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// `$NAME` in the path stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// Files are copied into a directory, under their own names.
    WithFiles {
        /// The directory.
        path: String,
        /// What.
        sources: Vec<File>,
        /// Permission bits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permissions: Option<u32>,
        /// Whose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// What a directory holds is copied into another one.
    WithDirectory(Copied),
    /// A file is written.
    WithNewFile {
        /// Where.
        path: String,
        /// What it holds.
        contents: String,
        /// Permission bits; not said: 0644.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permissions: Option<u32>,
        /// Whose; not said: root's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// `$NAME` in the path stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// A directory is made, and its missing parents.
    WithNewDirectory {
        /// Where.
        path: String,
        /// Permission bits; not said: 0755.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permissions: Option<u32>,
    },
    /// A symlink is made.
    WithSymlink {
        /// What it says.
        target: String,
        /// Where it is.
        link_name: String,
        /// `$NAME` in both stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// A file is removed, if it is there.
    WithoutFile {
        /// Which.
        path: String,
    },
    /// Files are removed, if they are there.
    WithoutFiles {
        /// Which.
        paths: Vec<String>,
    },
    /// A directory is removed with all in it, if it is there.
    WithoutDirectory {
        /// Which.
        path: String,
    },
}

/// What a directory holds, copied or mounted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// Where.
    pub path: String,
    /// What.
    pub source: Box<Directory>,
    /// Patterns of what is taken; none: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns of what is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whose: `user` or `user:group`; not said: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `$NAME` in the path stands for a variable.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expand: bool,
    /// Mounted only: nothing can be written there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct File {
    /// What it is.
    pub from: FileOrigin,
    /// What it is called; not said: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its time, in seconds since 1970; not said: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOrigin {
    /// One of this machine.
    Host(HostPath),
    /// One that is written down here.
    New(NewFile),
    /// A container as an archive that `docker load` reads.
    Tarball(Box<Container>),
    /// One that is fetched.
    Url(Fetched),
    /// What a module's function gives.
    Call(Call),
    /// One of a container.
    #[serde(untagged)]
    Container {
        /// The container.
        container: Box<Container>,
        /// The place in it.
        path: String,
        /// `$NAME` in the path stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// One of a directory.
    #[serde(untagged)]
    Directory {
        /// The directory.
        directory: Box<Directory>,
        /// The place in it.
        path: String,
    },
}

/// A file that is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFile {
    /// What it is called.
    pub name: String,
    /// What it holds.
    pub contents: String,
    /// Permission bits; not said: 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<u32>,
}

/// A file that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Where it is: `http://` or `https://`.
    pub url: String,
    /// Permission bits; not said: 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<u32>,
    /// What it has to be: `sha256:` and its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}
