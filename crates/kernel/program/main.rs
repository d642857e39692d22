//! The nursery: a small static program that the library starts once for each id map, and from which every rootlet is
//! cloned. It links neither libc nor an allocator, so that "a child and a pid 1 that never allocate" is not a rule to
//! keep but a thing that cannot be broken; and its memory is a few pages, so that a clone of it is cheap whatever the
//! size of the program that uses the library.
//!
//! `build.rs` compiles it with the same rustc and embeds it; the library executes it from a memfd.
#![no_std]
#![no_main]
#![deny(unsafe_op_in_unsafe_fn)]

mod copy;
mod exec;
mod fake;
mod family;
mod files;
mod gate;
mod init;
mod launch;
mod links;
mod listing;
mod message;
mod numbers;
mod nursery;
#[allow(dead_code)]
#[path = "../src/one_id.rs"]
mod one_id;
mod owner;
mod path;
mod plain;
mod read;
mod remove;
mod setup;
mod start;
mod supervise;
mod sys;
mod traced;
mod tree;
mod whiteout;
// The library uses the parts of it that this side does not.
#[allow(dead_code)]
#[path = "../src/wire.rs"]
mod wire;
