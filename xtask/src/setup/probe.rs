//! The programs that run inside roots, linked statically: they must run in Alpine too.

use crate::Result;
use crate::shell::{cargo, command, quiet, target, workspace};
use std::fs;
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
    in_c("hostile")
}

/// The program that starts another one under a system call filter. It knows all calls by name, as the C library's headers
/// have them.
pub fn confine() -> Result<PathBuf> {
    let mut macros = command("cc", &["-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]);
    let calls = quiet(&mut macros)?.lines().filter_map(call).collect::<String>();
    let (header, new) = (target().join("probe/calls.h"), format!("probe/calls.h-{}", std::process::id()));
    let new = target().join(new);
    fs::write(&new, calls).and_then(|()| fs::rename(new, header)).map_err(|e| format!("calls.h: {e}"))?;
    in_c("confine")
}

/// A line of the table, of a line `#define __NR_read 0`.
fn call(define: &str) -> Option<String> {
    let (name, number) = define.strip_prefix("#define __NR_")?.split_once(' ')?;
    number.parse::<u32>().ok().map(|number| format!("{{\"{name}\", {number}}},\n"))
}

/// The server in Go; `None`, said, where there is no Go.
pub fn server() -> Option<PathBuf> {
    let (source, directory) = (workspace().join("tests/probe/server.go"), target().join("probe"));
    let program = directory.join("server");
    let mut build = command("go", &["build", "-o"]);
    build.arg(&program).arg(source).env("CGO_ENABLED", "0").env("GOCACHE", directory.join("go"));
    match quiet(&mut build) {
        Ok(_) => Some(program),
        Err(why) => {
            eprintln!("no server in Go: what uses it will be skipped\n{why}");
            None
        }
    }
}

/// Several tests may have it built at once: what one of them runs is replaced, not written to.
fn in_c(name: &str) -> Result<PathBuf> {
    let (source, directory) =
        (workspace().join("tests/probe").join(name).with_extension("c"), target().join("probe"));
    let (program, new) = (directory.join(name), directory.join(format!("{name}-{}", std::process::id())));
    let mut compile = command("cc", &["-static", "-O1", "-Wall", "-Werror", "-o"]);
    quiet(compile.arg(&new).arg("-I").arg(directory).arg(source))?;
    fs::rename(&new, &program).map_err(|e| format!("{}: {e}", program.display()))?;
    Ok(program)
}
