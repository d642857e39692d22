//! Modules of functions: where they are, what they offer, and the processes that run their code.
//!
//! ```text
//! project     rootlet.json, dagger.json          init, install write it; locate, git find what it depends on
//! module      what it offers, described once: stamps; names, by which modules call each other
//! answers     what functions gave whose authors let it be given again
//! process     python3 with the SDK, or a program that cargo has built: build
//! presets     the module `lib`, which is rootlet's own
//! ```

mod answers;
mod build;
pub(super) mod git;
pub mod init;
pub mod install;
mod locate;
mod module;
mod names;
mod presets;
mod process;
mod project;
mod stamps;

pub use locate::from_host;
pub use module::{Module, Values, each};
pub use process::{Printed, Runtime};
pub use project::{Dependency, Form, Project, Sdk};
