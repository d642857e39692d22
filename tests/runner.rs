//! `rootlet runner` under cargo and nextest: a project that shows each thing, and crates of others as they are published.
//!
//! What cargo starts is the same for everybody; only who owns these sources has a cargo here, so that others run the programs that
//! were built alone.

#[path = "runner/attribute.rs"]
mod attribute;
#[path = "runner/crates.rs"]
mod crates;
#[path = "runner/program.rs"]
mod program;
#[path = "runner/project.rs"]
mod project;
#[path = "runner/suites.rs"]
mod suites;

use rootlet_tests::{rootlet_command, store};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

/// Whether who runs this can compile here.
fn compiles() -> bool {
    let owner = fs::metadata(env!("CARGO_MANIFEST_DIR")).map(|metadata| metadata.uid());
    owner.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw())
}

/// `cargo …` in a directory, with the command under test in PATH and its own target directory.
fn cargo(directory: &Path, target: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target)
        .env("ROOTLET_STORE", store())
        .env("PATH", path());
    // What cargo said to this very test is not for the other project.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "LD_LIBRARY_PATH"
        {
            command.env_remove(name);
        }
    }
    command
}

/// PATH, with the directory of the command under test before the rest.
fn path() -> std::ffi::OsString {
    let command = rootlet_command();
    let own = Path::new(command.get_program()).parent().unwrap().to_owned();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&rest))).unwrap()
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn write(file: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
    let file = file.as_ref();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, contents).unwrap();
}

fn has(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
}
