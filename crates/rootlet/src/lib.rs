//! rootlet: a fresh, private, copy-on-write Linux root for every test, as the very user that production uses, without
//! root and without a daemon, in about a millisecond.
//!
//! ```no_run
//! use rootlet::{Base, Rootlet, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open_default()?;
//! let base = Base::resolve("host", &store)?;
//! let root = Rootlet::builder(&base).user("sam").spawn()?;
//!
//! let out = root.command("sh").args(["-c", "echo hello > /etc/motd"]).output()?;
//! assert!(!out.status.success());                        // production would refuse it, so it is refused
//!
//! root.write("/etc/motd", "hello")?;                     // the test's author may: as root, inside
//! assert_eq!(root.metadata("/etc/motd")?.uid(), 0);
//! for change in root.changes()? {
//!     println!("{change}");                              // A /etc/motd
//! }
//! # Ok(()) }
//! ```
//!
//! # How it works
//! A small process of its own, the *nursery*, sits in a user namespace and clones each rootlet: mounts, process numbers,
//! an overlay, /proc, /dev. pid 1 of the rootlet stays, starts commands and does file operations inside. Nothing of the
//! calling process is changed: no signal handler, no working directory, no namespace, no variable.
//!
//! # Cargo features
//! `tarball`: bases from tarballs, OCI layouts and archives. `registry`: bases from a registry. `packages`: bases made of packages,
//! `apt:SUITE` and `apk:RELEASE`. `recipes`: [`recipe`]s. `like`: [`like`] production. `testing`: [`#[rootlet::test]`](test) and what goes
//! with it. `compare`: [`compare`]. `module`: what a
//! module of [`functions`] is written with; `functions`: their engine, too. Without them, `host`, `dir:PATH` and what is in the store already.

mod bpf;
mod builder;
mod cgroup;
mod changes;
mod child;
mod chroot;
mod command;
#[cfg(feature = "packages")]
mod commit;
#[cfg(feature = "compare")]
pub mod compare;
pub mod doctor;
mod error;
mod facts;
mod failed;
mod files;
#[cfg(feature = "module")]
pub mod functions;
mod ground;
mod host;
mod host_directory;
mod identity;
#[cfg(feature = "like")]
mod init_containers;
mod interpreter;
mod kept;
mod known;
#[cfg(feature = "like")]
pub mod like;
mod limits;
mod net;
mod plan;
mod prepared;
mod privileged;
#[cfg(feature = "recipes")]
pub mod recipe;
mod report;
mod rootlet;
mod seccomp;
#[cfg(feature = "packages")]
mod setup;
mod skin;
mod snapshot;
mod spare;
#[cfg(feature = "testing")]
pub mod testing;
mod tier;
mod volumes;
mod who;
pub mod why;
mod words;
pub mod workspace;

pub use builder::Builder;
pub use changes::{Change, ChangeKind};
pub use child::{Child, Tty};
pub use command::{Command, Stdio};
pub use error::{Error, ErrorKind, Result};
pub use files::{DirEntry, Files, Metadata, OpenOptions};
pub use ground::resolver;
pub use identity::Identity;
pub use report::Report;
pub use rootlet::Rootlet;
pub use rootlet_base as base;
pub use rootlet_base::{Base, Store};
#[cfg(feature = "module")]
pub use rootlet_macros::module;
#[cfg(feature = "testing")]
pub use rootlet_macros::test;
pub use rootlet_spec as spec;
#[cfg(feature = "recipes")]
pub use rootlet_spec::preset as presets;
pub use rootlet_spec::{Lenient, Require, Tier};

/// The examples of the documents compile.
#[cfg(all(doctest, feature = "recipes"))]
#[doc = include_str!("../../../docs/recipes.md")]
struct Recipes;

/// Likewise.
#[cfg(all(doctest, feature = "functions"))]
#[doc = include_str!("../../../docs/functions.md")]
struct FunctionsDocument;

/// Likewise.
#[cfg(all(doctest, feature = "like"))]
#[doc = include_str!("../../../docs/like.md")]
struct LikeProduction;
/// The example of the document compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/why.md")]
struct WhyDocument;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
