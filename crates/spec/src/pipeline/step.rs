//! The steps of a container.

use super::files::{Copied, Directory, File, FileStep};
use super::{CacheVolume, Call, Secret, Service, is_default};
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// One step. Those that change files become layers; the others say how commands run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ContainerStep {
    /// It begins with a base, in any form that `run --base` takes.
    From {
        /// The base.
        address: String,
    },
    /// It begins with what a recipe makes.
    Recipe {
        /// The recipe.
        recipe: Box<Recipe>,
    },
    /// It begins with what a module's function gives.
    Call {
        /// The function.
        call: Call,
    },
    /// All files are replaced by those of a directory.
    WithRootfs {
        /// The directory.
        directory: Box<Directory>,
    },
    /// A command runs.
    WithExec(Exec),
    /// Who runs what comes later.
    WithUser {
        /// `sam`, `1000`, `1000:1000`.
        name: String,
    },
    /// Root runs what comes later.
    WithoutUser,
    /// Where commands begin. A missing one is made, the user's own.
    WithWorkdir {
        /// Absolute, or relative to the one before.
        path: String,
        /// `$NAME` in it stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// Commands begin at `/`.
    WithoutWorkdir,
    /// A variable is set.
    WithEnvVariable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// `$NAME` in the value stands for a variable.
        #[serde(default, skip_serializing_if = "is_default")]
        expand: bool,
    },
    /// A variable is removed.
    WithoutEnvVariable {
        /// Its name.
        name: String,
    },
    /// A variable that holds a secret.
    WithSecretVariable {
        /// Its name.
        name: String,
        /// Its value.
        secret: Secret,
    },
    /// Such a variable is removed.
    WithoutSecretVariable {
        /// Its name.
        name: String,
    },
    /// A label is set.
    WithLabel {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A label is removed.
    WithoutLabel {
        /// Its name.
        name: String,
    },
    /// Who we are to a registry, for images that are pulled later and for what is published.
    WithRegistryAuth {
        /// The registry, or a part of it: `ghcr.io`, `ghcr.io/owner`.
        address: String,
        /// The user's name.
        username: String,
        /// The password.
        secret: Secret,
    },
    /// Nobody in particular.
    WithoutRegistryAuth {
        /// The registry.
        address: String,
    },
    /// What is put before a command that asks for it.
    WithEntrypoint {
        /// Its words.
        args: Vec<String>,
        /// The default arguments stay as they are.
        #[serde(default, skip_serializing_if = "is_default")]
        keep_default_args: bool,
    },
    /// There is no entrypoint.
    WithoutEntrypoint {
        /// The default arguments stay as they are.
        #[serde(default, skip_serializing_if = "is_default")]
        keep_default_args: bool,
    },
    /// What runs where nothing is said.
    WithDefaultArgs {
        /// Its words.
        args: Vec<String>,
    },
    /// Nothing runs where nothing is said.
    WithoutDefaultArgs,
    /// A port that it serves on.
    WithExposedPort {
        /// Its number.
        port: u16,
        /// `TCP` or `UDP`.
        #[serde(default = "tcp", skip_serializing_if = "is_tcp")]
        protocol: String,
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// A port that it no longer serves on.
    WithoutExposedPort {
        /// Its number.
        port: u16,
        /// `TCP` or `UDP`.
        #[serde(default = "tcp", skip_serializing_if = "is_tcp")]
        protocol: String,
    },
    /// A directory is there for commands, and no part of the container's own files.
    WithMountedDirectory(Copied),
    /// Likewise a file.
    WithMountedFile {
        /// Where.
        path: String,
        /// What.
        source: Box<File>,
        /// Whose: `user` or `user:group`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// A directory that lasts from one run to the next.
    WithMountedCache {
        /// Where.
        path: String,
        /// Which.
        cache: CacheVolume,
        /// What it holds when it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Box<Directory>>,
        /// Who may use it at the same time.
        #[serde(default, skip_serializing_if = "is_default")]
        sharing: CacheSharing,
        /// Whose it is when it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// An empty directory in memory, for each command anew.
    WithMountedTemp {
        /// Where.
        path: String,
        /// Bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A file that holds a secret.
    WithMountedSecret {
        /// Where.
        path: String,
        /// Its contents.
        source: Secret,
        /// Whose; not said: root's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// Permission bits; not said: 0400.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// What was mounted at a place is there no longer.
    WithoutMount {
        /// Where.
        path: String,
    },
    /// A service runs while commands do, and is reached by a name.
    WithServiceBinding {
        /// The name.
        alias: String,
        /// The service.
        service: Box<Service>,
    },
    /// Files are written or removed.
    #[serde(untagged)]
    Files(FileStep),
}

/// A command of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Its words; none: the default arguments.
    pub args: Vec<String>,
    /// The entrypoint is put before them.
    #[serde(skip_serializing_if = "is_default")]
    pub use_entrypoint: bool,
    /// What it reads.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin: String,
    /// A file of the container that it reads.
    #[serde(skip_serializing_if = "is_default")]
    pub redirect_stdin: String,
    /// A file of the container that its output goes to as well.
    #[serde(skip_serializing_if = "is_default")]
    pub redirect_stdout: String,
    /// Likewise of what it says on standard error.
    #[serde(skip_serializing_if = "is_default")]
    pub redirect_stderr: String,
    /// How it is to end.
    #[serde(skip_serializing_if = "is_default")]
    pub expect: Expect,
    /// It has all capabilities, as far as this host gives them, and no system call filter.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure_root_capabilities: bool,
    /// `$NAME` in its words stands for a variable.
    #[serde(skip_serializing_if = "is_default")]
    pub expand: bool,
    /// Also its verdict may be one that was given before.
    #[serde(skip_serializing_if = "is_default")]
    pub cache: bool,
}

impl Exec {
    /// A command.
    pub fn new(args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// How it is to end.
    #[must_use]
    pub fn expect(self, expect: Expect) -> Self {
        Self { expect, ..self }
    }

    /// What it reads.
    #[must_use]
    pub fn stdin(self, stdin: impl Into<String>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Exec {
    fn from(args: [S; N]) -> Self {
        Self::new(args)
    }
}

impl<S: Into<String>> From<Vec<S>> for Exec {
    fn from(args: Vec<S>) -> Self {
        Self::new(args)
    }
}

/// How a command is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Expect {
    /// With 0.
    #[default]
    Success,
    /// With 1 to 127.
    Failure,
    /// Either way.
    Any,
}

/// Who may use a cache at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CacheSharing {
    /// Everybody.
    #[default]
    Shared,
    /// Each has its own.
    Private,
    /// One after the other.
    Locked,
}

fn tcp() -> String {
    "TCP".into()
}

fn is_tcp(protocol: &String) -> bool {
    protocol == "TCP"
}
