//! The programs that run inside roots, linked statically: they must run in Alpine too.

use crate::Result;
use crate::shell::{cargo, command, quiet, target, workspace};
use std::path::PathBuf;

/// The program that prints facts.
pub fn facts() -> Result<PathBuf> {
    let version = quiet(&mut command("rustc", &["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    // A directory of its own: the flags below would otherwise rebuild the workspace at every change between the two.
    // The target is named so that the flags stay away from build scripts and macros, which cannot be static.
    let directory = target().join("probe");
    let mut build = cargo(&["build", "--quiet", "--release", "--package", "rootlet-probe", "--target", host]);
    quiet(build.env("CARGO_TARGET_DIR", &directory).env("RUSTFLAGS", "-Ctarget-feature=+crt-static"))?;
    Ok(directory.join(host).join("release/rootlet-probe"))
}

/// The program that tries to break out: system calls that no safe library offers, so it is written in C.
pub fn hostile() -> Result<PathBuf> {
    let (source, program) = (workspace().join("tests/probe/hostile.c"), target().join("probe/hostile"));
    let mut compile = command("cc", &["-static", "-O1", "-Wall", "-Werror", "-o"]);
    quiet(compile.arg(&program).arg(source))?;
    Ok(program)
}
