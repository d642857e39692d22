//! What rootlet asks of Linux: the only crate with `unsafe`.

pub mod idmap;
pub mod tree;

pub use idmap::{IdMap, IdRange};
pub use tree::{Meta, NodeKind, TreeError, TreeWriter, Worker};
