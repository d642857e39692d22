//! What rootlet asks of Linux: the only crate with `unsafe`.
//!
//! The kernel side of a rootlet lives in a small static program, the *nursery* (`program/`, compiled by `build.rs`
//! without libc and without an allocator). It is executed from memory, sits in a user namespace, and clones one process
//! for each rootlet, which performs a [`Plan`] and stays as its pid 1. This crate starts it and talks to it:
//!
//! ```text
//! Nursery::shared(&map, bounds)   a process in the user namespace of an id map; one for each and calling process
//!   ├─ add_path, add_tree    a Source: something of the host that plans can mount
//!   ├─ spawn(&plan)          an Init: pid 1 of a new rootlet, which starts commands and opens files inside
//!   └─ Worker::start         a process that makes, reads and removes trees with owners of the namespace
//! ```

#![allow(unsafe_code)]
mod attached;
mod begun;
mod descriptor;
mod errno;
pub mod idmap;
pub mod init;
pub mod mount;
pub mod nursery;
pub mod one_id;
pub mod plan;
mod read;
mod socket;
mod start;
pub mod trace;
pub mod tree;
#[allow(dead_code)] // The other side uses the parts that this one does not.
mod wire;

pub use attached::start_attached;
pub use descriptor::{duplicate, inherited};
pub use errno::errno_name;
pub use idmap::{IdMap, IdRange, OneId, SubIds};
pub use init::{Ended, Exec, ExecError, ExecStep, Init, Started, Streams, Waiting, Who};
pub use nursery::{Bounds, Coming, Nursery, Source, SpawnError, holds_whiteout_files};
pub use plan::{Access, FileSystem, Filters, Op, Plan};
pub use read::Opened;
pub use start::StartError;
pub use tree::{Meta, NodeKind, Tree, TreeError, TreeWriter, Worker};
pub use wire::Stat;
