//! `cargo xtask docs`: the API's documentation.

use crate::Result;
use crate::shell::{cargo, loud, step};

/// Builds the documentation of the whole workspace; a warning (a broken link, say) is an error.
pub fn run() -> Result<()> {
    step("documentation");
    let arguments = ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"];
    loud(cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings"))
}
