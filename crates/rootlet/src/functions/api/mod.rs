//! The API in Rust, with the names of Dagger's: values that are put together lazily, and questions that are answered later.

mod answer;
mod client;
mod container;
mod dag;
mod files;
mod git;
mod options;
mod service;

pub use answer::{Answer, block_on};
pub use client::Client;
pub use container::Container;
pub use dag::{Dag, Host, ModuleCall, dag};
pub use files::{Changes, Directory, File};
pub use git::{GitRef, GitRepository};
pub use options::{CacheOptions, DirectoryOptions, FileOptions, MountOptions};
pub use service::{CacheVolume, Secret, Service};
