//! `cargo xtask dist`: the command as it is handed out.

use crate::Result;
use crate::shell::{cargo, loud, quiet, step, target};
use std::path::PathBuf;
use std::process::Command;

/// Builds it: one file without libraries beside it, so that it runs wherever its kernel does, on Alpine as on an old
/// Debian. At a fixed place, as runc's and podman's: to move it takes about a twentieth of a run.
pub fn run() -> Result<PathBuf> {
    step("the command");
    let about = quiet(Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    // With a target, the flags are not for build scripts and macros, which cannot be static.
    let arguments = ["build", "--release", "--package", "rootlet-cli", "--target", host];
    loud(cargo(&arguments).env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static"))?;
    Ok(target().join(host).join("release/rootlet"))
}
