//! The program of a module that is written in Rust: cargo builds it when something that it is made of has changed.

use super::project::Project;
use crate::recipe::Stamp;
use crate::{Error, ErrorKind, Result};
use rootlet_base::Store;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What was built, and what it was made of.
#[derive(Serialize, Deserialize)]
struct Built {
    program: PathBuf,
    of: Vec<Stamp>,
}

/// The program of a module.
///
/// # Errors
/// cargo is not there, or does not build it: it has said why on standard error.
pub(super) fn program(project: &Project, store: &Store) -> Result<PathBuf> {
    const KIND: &str = "rust";
    let key = project.source().to_string_lossy().into_owned();
    let read = |directory: PathBuf| {
        serde_json::from_slice::<Built>(&fs::read(directory.join("built.json")).ok()?).ok()
    };
    if let Some(built) = store.known_made(KIND, &key).and_then(read)
        && built.of.iter().all(Stamp::is_as_it_was)
    {
        return Ok(built.program);
    }
    let built = cargo(project)?;
    store.forget_made(KIND, &key)?;
    store.made::<Error>(KIND, &key, |directory| {
        let file = directory.join("built.json");
        let text = serde_json::to_vec(&built).unwrap_or_default();
        fs::write(&file, text).map_err(|e| Error::io(format!("failed to write {}", file.display()), e))
    })?;
    Ok(built.program)
}

fn cargo(project: &Project) -> Result<Built> {
    let failed = || Error::new(ErrorKind::Module, format!("failed to build the module {}", project.name()));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format=json-render-diagnostics"])
        .current_dir(project.source())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| {
            failed().caused_by(e).with_hint("a module in Rust is built by cargo, which is to be installed")
        })?;
    if !output.status.success() {
        return Err(
            failed().with_hint(format!("`cargo build` in {} says the same", project.source().display()))
        );
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program =
        programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    let program =
        program.ok_or_else(|| failed().caused_by("it has no program").with_hint("write a src/main.rs"))?;
    let mut of: Vec<Stamp> = sources(&program).iter().filter_map(|path| Stamp::of(path).ok()).collect();
    let own = ["Cargo.toml", "Cargo.lock"].map(|name| project.source().join(name));
    of.extend(own.iter().chain([&program]).filter_map(|path| Stamp::of(path).ok()));
    Ok(Built { program, of })
}

/// All files of this machine's projects that a program is made of, as cargo notes it beside it: `PROGRAM: FILE FILE`.
fn sources(program: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let files = text.split_once(": ").map_or("", |(_, files)| files.trim_end());
    // A space in a name is `\ `.
    let files = files.replace("\\ ", "\0");
    files.split(' ').filter(|file| !file.is_empty()).map(|file| file.replace('\0', " ").into()).collect()
}
