//! What test suites use: `#[rootlet::test]`, assertions, and what the other faces share with them.
//!
//! ```ignore
//! use rootlet::{Rootlet, assert_changes, assert_refused};
//!
//! #[rootlet::test(recipe = "api", user = "sam", net = "private")]
//! fn cannot_write_its_configuration(root: &Rootlet) {
//!     assert_refused!(root.command("api").arg("--rewrite-config").output());
//!     assert_changes!(root, []);
//! }
//!
//! #[rootlet::test(users = ["root", "sam", "random:0"], faults = ["full-disk"])]
//! fn says_that_the_disk_is_full(root: &Rootlet) -> rootlet::Result<()> {
//!     let out = root.command("api").arg("--store").output()?;      // three tests: as root, as sam, as a uid without an account
//!     assert!(String::from_utf8_lossy(&out.stderr).contains("disk is full"));
//!     Ok(())
//! }
//!
//! #[rootlet::test(inside, user = "sam")]
//! fn may_not_write_etc() {
//!     let error = std::fs::write("/etc/motd", "x").unwrap_err();     // this very code, in a fresh root, as sam
//!     assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
//! }
//! ```
//!
//! # Arguments of `#[rootlet::test]`
//! `base = "…"` (as [`Base::resolve`](crate::Base::resolve) takes it; not said: `host`), `recipe = "…"` (of the `rootlet.toml` in the package's
//! directory or above), `preset = "…"`, `like = "deploy.yaml"` (a file of production's, feature `like`; its image
//! is the base where none is said); `user`, `groups`, `workdir`, `env = { NAME = "…" }`, `net`, `read_only`, `cap_add`, `cap_drop`, `umask`,
//! `faults`, `tier`: see [`Builder`]; `with = function` (from a [`Builder`] to a [`Builder`]) for all else.
//! `users = [...]` makes a test of each user, in a module of the function's name. `leaves = ["/var/lib/api"]`: a test that leaves a process, a
//! listening socket or a change elsewhere fails. `why`: commands are traced, and a failure says what they were refused. `inside`: see below.
//!
//! The function takes `root: &Rootlet`; it may be `async`, which needs the crate `tokio` (features `rt`, and `net` or `time` as used), and
//! return a `Result`. After a failure the test's output says who ran, on what, what was not as in production and what was changed; with
//! `ROOTLET_WHY=1` what commands were refused and why (docs/why.md), with `ROOTLET_WHY=github` as annotations of a workflow; with
//! `ROOTLET_KEEP=1` the rootlet is kept, and the output has the command that enters it.
//!
//! # Inside
//! With `inside` the test binary starts itself in the rootlet for this one test, and the body runs there. The project's directory is
//! visible at its own place, copy-on-write; variables are the caller's, but for those that belong to a user (`HOME` and its like). Output, panics,
//! `Result` and `should_panic` are as if it had run outside. The base must be able to run the binary: a binary for glibc does
//! not run on Alpine, and the failure says so.

mod assert;
mod inside;
mod leftovers;
mod origin;
mod run;
mod told;

pub use assert::{Refusal, expect_changes, expect_golden, expect_refused};
pub use inside::{Failed, Returned};
pub use leftovers::Leftover;
pub use origin::Origin;
pub use run::{Test, Verdict};

#[cfg(doc)]
use crate::Builder;
