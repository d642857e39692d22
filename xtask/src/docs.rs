//! `cargo xtask docs`: everything that is written for readers and made from the source.

use crate::Result;
use crate::shell::{cargo, loud, quiet, step, target};
use std::fs;

/// The API's documentation, where a warning (a broken link, say) is an error; the man pages; the shells' completions.
pub fn run() -> Result<()> {
    step("documentation");
    // The command has no API, and the comments on its arguments are texts of its help: brackets are no links there.
    let arguments = ["doc", "--workspace", "--exclude", "rootlet-cli", "--all-features", "--no-deps"];
    loud(cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings"))?;

    step("man pages and completions");
    let (pages, completions) = (target().join("man"), target().join("completions"));
    fs::create_dir_all(&completions).map_err(|e| e.to_string())?;
    let rootlet = ["run", "--quiet", "--package", "rootlet-cli", "--"];
    loud(cargo(&rootlet).arg("man").arg(&pages))?;
    for shell in ["bash", "zsh", "fish"] {
        let text = quiet(cargo(&rootlet).args(["completions", shell]))?;
        fs::write(completions.join(format!("rootlet.{shell}")), text).map_err(|e| e.to_string())?;
    }
    eprintln!("{}\n{}", pages.display(), completions.display());
    Ok(())
}
