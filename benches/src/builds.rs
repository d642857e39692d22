//! How heavy the library is for a project that tests with it: crates, and processor time of a clean build.

use crate::Result;
use crate::ground::{Ground, run};
use crate::peers::at_ordinary_priority;
use crate::table::{Bound, Row};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Crates, and the time of a clean build against testcontainers'.
pub fn rows(ground: &Ground) -> Result<Vec<Row>> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/rootlet");
    let library = library.canonicalize().map_err(|e| e.to_string())?;
    let ours = format!("rootlet = {{ path = {library:?}, default-features = false }}");
    let ours = project(ground, "with-rootlet", &ours)?;
    let count = crates(&ours)?;
    let mut rows = vec![Row::numbers("crates without features; wanted", count, 40.0, Bound::AtMost(1.0))];
    let name = "clean build, seconds of processors; testcontainers";
    rows.push(match project(ground, "with-testcontainers", "testcontainers = \"*\"") {
        Ok(theirs) => Row::numbers(name, build(&ours)?, build(&theirs)?, Bound::AtMost(0.25)),
        Err(why) => Row::not_measured(name, why),
    });
    Ok(rows)
}

/// A crate that has this development dependency, everything fetched.
fn project(ground: &Ground, name: &str, dependency: &str) -> Result<std::path::PathBuf> {
    let place = ground.path(name);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dev-dependencies]\n{dependency}\n\n[workspace]\n"
    );
    let written = fs::create_dir_all(place.join("src"))
        .and_then(|()| fs::write(place.join("Cargo.toml"), manifest))
        .and_then(|()| fs::write(place.join("src/lib.rs"), "#[test]\nfn nothing() {}\n"));
    written.map_err(|e| format!("{}: {e}", place.display()))?;
    run(&mut cargo(&place, &["fetch"]))?;
    Ok(place)
}

/// A cargo that is not part of the build that runs this.
fn cargo(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(place).env("CARGO_TARGET_DIR", place.join("target"));
    at_ordinary_priority(command)
}

fn crates(place: &Path) -> Result<f64> {
    let arguments = ["tree", "--edges", "normal,dev", "--prefix", "none", "--format", "{p}"];
    let output = cargo(place, &arguments).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let crates: BTreeSet<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // Less the project itself.
    Ok(crates.len().saturating_sub(1) as f64)
}

fn build(place: &Path) -> Result<f64> {
    let before = processor_seconds()?;
    run(&mut cargo(place, &["test", "--no-run", "--offline"]))?;
    Ok((processor_seconds()? - before).round())
}

/// User and system time of all children that have ended: fields 16 and 17 of proc_pid_stat(5), in hundredths.
fn processor_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|e| e.to_string())?;
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = behind_name.split_whitespace().skip(13).take(2);
    Ok(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}
