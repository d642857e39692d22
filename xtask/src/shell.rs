//! Running other programs, and saying so.

use crate::Result;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The directory that cargo builds into.
pub fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    workspace().join(named)
}

/// A `cargo` in the workspace's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    command
}

/// A program and its arguments.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// A headline, so that a reader of a long log sees where it is.
pub fn step(title: &str) {
    eprintln!("\n=== {title}");
}

/// Runs a command whose output is for the reader.
pub fn loud(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("{}: {e}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command))) }
}

/// Runs a command whose output matters only when it fails; returns its standard output.
pub fn quiet(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{}: {}\n{text}{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Whether a program of this name can be run.
pub fn installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()))
}

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The entries of a directory that are named `prefix` and the number of a process which is no more: it was killed before
/// it could remove them.
pub fn of_the_killed(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let of_the_killed = |name: &OsStr| {
        let process = name.to_str().and_then(|name| name.strip_prefix(prefix));
        process.is_some_and(|process| !Path::new("/proc").join(process).exists())
    };
    entries.filter(|entry| of_the_killed(&entry.file_name())).map(|entry| entry.path()).collect()
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::of_the_killed;
    use std::fs::create_dir_all;

    #[test]
    fn what_runs_keeps_its_files() {
        let directory = std::env::temp_dir().join(format!("xtask-killed-{}", std::process::id()));
        let ours = format!("run-{}", std::process::id());
        // No process has the number 0.
        for name in [&ours, "run-0", "stage-0", "run"] {
            create_dir_all(directory.join(name)).unwrap();
        }
        let found = of_the_killed(&directory, "run-");
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(found, [directory.join("run-0")]);
        assert!(of_the_killed(&directory, "run-").is_empty());
    }
}
