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
mod engine;
mod failed;
#[cfg(feature = "functions")]
mod modules;
pub mod schema;
pub mod serve;

pub use api::{
    Answer, CacheOptions, CacheVolume, Changes, Client, Container, Dag, Directory, DirectoryOptions, File,
    FileOptions, GitRef, GitRepository, Host, ModuleCall, MountOptions, Secret, Service, block_on, dag,
};
#[cfg(feature = "functions")]
pub use engine::{Asked, Engine, Entered, Hears, Modules, Options, Outcome, Silent, session};
pub use failed::{ExecFailed, Failed, FailedKind};
#[cfg(feature = "functions")]
pub use modules::{
    Dependency, Form, Module, Printed, Project, Runtime, Sdk, Values, each, from_host, init, install,
};
pub use rootlet_spec::pipeline::{CacheSharing, Exec, Expect};
pub use serve::{Result, serve};

/// What a module in Rust begins with.
pub mod prelude {
    pub use super::{
        CacheVolume, Container, Directory, Exec, Expect, Failed, File, Result, Secret, Service, dag, serve,
    };
}
