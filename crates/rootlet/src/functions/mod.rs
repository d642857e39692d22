//! Functions: containers that are put together lazily, step by step, with the names of Dagger's API, and modules of functions that make
//! them.
//!
//! ```text
//! rootlet call ──▶ module's process        the author's code, in Python or Rust
//!      │ Engine        │ builds values     spec::pipeline: nothing is done yet
//!      │◀── asks ──────┘                   `session`: what is a container's output, what is in a file
//!      └── answers ──▶                     `engine`: rootlets, layers, the store
//! ```
//!
//! What prepares is cached by content, as a recipe's steps are; what a function runs last, to answer, runs every time.
//!
//! The feature `module` has what a module in Rust is written with, and builds fast; `functions` has the engine, too.
//!
//! # A module in Rust
//! A program whose `main` serves one object. Its methods marked `#[function]` are called by name; those marked `#[check]` are checks, too.
//! Their documents are the help. `new`, where there is one, makes the object, and its arguments are the module's own; else it is made by
//! `Default`. Arguments and what a function gives are texts, numbers, booleans, containers and their kin, and lists and options of these;
//! `#[default(1000)]` before an argument says what it is where nothing is said.
//!
//! ```no_run
//! use rootlet::functions::prelude::*;
//!
//! #[derive(Default)]
//! struct CiLikeProduction;
//!
//! #[rootlet::module]
//! impl CiLikeProduction {
//!     /// Check that the container runs as a regular user.
//!     #[check]
//!     async fn whoami_check(&self) -> Result<String> {
//!         dag().lib().call("alpine_user").container().with_exec(["whoami"]).stdout().await
//!     }
//!
//!     /// A container of a user.
//!     #[function]
//!     fn user(&self, base: String, #[default("sam")] name: String) -> Container {
//!         dag().container().from_(base).with_user(name)
//!     }
//! }
//!
//! fn main() -> Result<()> {
//!     serve::<CiLikeProduction>()
//! }
//! ```

mod api;
#[cfg(feature = "functions")]
mod build;
#[cfg(feature = "functions")]
mod engine;
mod failed;
#[cfg(feature = "functions")]
mod git;
#[cfg(feature = "functions")]
mod hears;
#[cfg(feature = "functions")]
pub mod init;
#[cfg(feature = "functions")]
pub mod install;
#[cfg(feature = "functions")]
mod locate;
#[cfg(feature = "functions")]
mod module;
#[cfg(feature = "functions")]
mod names;
#[cfg(feature = "functions")]
mod presets;
#[cfg(feature = "functions")]
mod process;
#[cfg(feature = "functions")]
mod project;
pub mod schema;
pub mod serve;
#[cfg(feature = "functions")]
pub mod session;
#[cfg(feature = "functions")]
mod stamps;

pub use api::{
    Answer, CacheOptions, CacheVolume, Changes, Client, Container, Dag, Directory, DirectoryOptions, File,
    FileOptions, Host, ModuleCall, MountOptions, Secret, Service, block_on, dag,
};
#[cfg(feature = "functions")]
pub use engine::{Engine, Entered, Options};
pub use failed::{ExecFailed, Failed, FailedKind};
#[cfg(feature = "functions")]
pub use hears::{Hears, Outcome, Silent};
#[cfg(feature = "functions")]
pub use locate::from_host;
#[cfg(feature = "functions")]
pub use module::{Module, Values};
#[cfg(feature = "functions")]
pub use process::{Printed, Runtime};
#[cfg(feature = "functions")]
pub use project::{Dependency, Form, Project, Sdk};
pub use serve::{Result, serve};

pub use rootlet_spec::pipeline::{CacheSharing, Exec, Expect};

#[cfg(feature = "functions")]
use rootlet_spec::pipeline::Call;
#[cfg(feature = "functions")]
use serde_json::Value;

/// What a module in Rust begins with.
pub mod prelude {
    pub use super::{
        CacheVolume, Container, Directory, Exec, Expect, Failed, File, Result, Secret, Service, dag, serve,
    };
}

#[cfg(feature = "functions")]
/// Who can call the functions of modules.
pub trait Modules: Send + Sync {
    /// Calls functions of a module, one upon the other, and gives what the last one gave, in the form of [`spec::pipeline`](crate::spec::pipeline).
    ///
    /// # Errors
    /// No such module or function; what it said where it failed.
    fn call(&self, engine: &Engine, call: &Call) -> Result<Value>;
}
