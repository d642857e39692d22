//! Containers, directories and files as they are written down before anything is done: what functions are made of.
//!
//! A value says how something comes to be, step by step, and nothing is done until somebody asks it something. Each has a form as JSON,
//! in which `$` names its type and `do` a step; names and arguments are those of Dagger's API. SDKs build these values, and the library's
//! engine evaluates them.
//!
//! ```
//! use rootlet_spec::pipeline::Container;
//! let json = r#"{"$":"Container","steps":[{"do":"from","address":"alpine:3.23"},{"do":"with_exec","args":["id"]}]}"#;
//! let container: Container = serde_json::from_str(json).unwrap();
//! assert_eq!(container.steps.len(), 2);
//! assert_eq!(serde_json::to_string(&container).unwrap(), json);
//! ```

mod files;
mod git;
mod step;

pub use files::{
    Copied, Directory, DirectoryOrigin, DirectoryStep, Fetched, File, FileOrigin, FileStep, HostPath, NewFile,
};
pub use git::{GitRef, GitRepository, GitTree};
pub use step::{CacheSharing, ContainerStep, Exec, Expect};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A container: what was done, in order. Without any step it is an empty root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct Container {
    /// What is done.
    pub steps: Vec<ContainerStep>,
}

/// A container that serves while others run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct Service {
    /// What serves. Its exposed ports are those that are waited for, and reached.
    pub container: Container,
    /// What it runs; `None`: its default arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// The entrypoint is put before these.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_entrypoint: bool,
    /// It has all capabilities, as far as this host gives them, and no system call filter.
    #[serde(default, skip_serializing_if = "is_default")]
    pub insecure_root_capabilities: bool,
    /// `$NAME` in its words stands for a variable.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expand: bool,
    /// The name that it calls itself by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// Something that is handed to commands and never written down.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct Secret {
    /// Where it is found when it is wanted: `env://NAME`, `file://PATH`, `cmd://COMMAND`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Or what it was called when it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A directory that lasts from one run to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct CacheVolume {
    /// What it is called.
    pub key: String,
}

/// What differs between two directories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$", rename = "Changeset")]
pub struct Changes {
    /// The later one.
    pub of: Directory,
    /// The earlier one.
    pub from: Directory,
}

/// An object of a module, with what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct Object {
    /// The module.
    pub module: String,
    /// What the module calls it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its fields.
    pub state: serde_json::Map<String, serde_json::Value>,
}

/// Functions of a module that are called, each on what the one before gave; the first on the module's main object, which is made for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "$")]
pub struct Call {
    /// The module.
    pub module: String,
    /// An object of its that was handed over, on which the first is called then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Object>,
    /// What its main object is made with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constructor: BTreeMap<String, serde_json::Value>,
    /// What is called.
    pub calls: Vec<Function>,
}

/// A function and its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name, in the module's spelling.
    pub function: String,
    /// Its arguments by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, serde_json::Value>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
