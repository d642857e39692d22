//! `cargo xtask wheel`: the Python package, with the command in it.

use crate::setup::python;
use crate::shell::{quiet, step, target, workspace};
use crate::{Result, dist};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds it as it is handed out, into `target/wheels`.
pub fn run() -> Result<PathBuf> {
    let maturin = python::tools()?.ok_or("no python3 with venv, which the wheel is built by")?;
    let command = dist::run()?;
    step("wheel");
    build(&maturin.join("maturin"), &command, &target().join("wheels"), &["--release"])
}

/// Builds it with this command in it; gives the file.
pub fn build(maturin: &Path, command: &Path, into: &Path, profile: &[&str]) -> Result<PathBuf> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    let package = workspace().join("crates/python");
    let scripts = package.join("rootlet.data/scripts");
    fs::create_dir_all(&scripts).map_err(failed(&scripts))?;
    let inside = scripts.join("rootlet");
    fs::copy(command, &inside).map_err(failed(command))?;
    fs::set_permissions(&inside, PermissionsExt::from_mode(0o755)).map_err(failed(&inside))?;
    // What is found there afterwards is the one that was built.
    let _ = fs::remove_dir_all(into);
    let mut maturin = Command::new(maturin);
    maturin.args(["build", "--quiet", "--out"]).arg(into).args(profile).current_dir(&package);
    quiet(&mut maturin)?;
    let wheels = fs::read_dir(into).map_err(failed(into))?.flatten().map(|entry| entry.path());
    wheels.max().ok_or_else(|| format!("maturin built nothing in {}", into.display()))
}
