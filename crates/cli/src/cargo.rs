//! `cargo rootlet`: what a project's cargo has to be told.

use crate::args::{Cargo, CargoInit, Cli};
use crate::failure::Failure;
use crate::output::print;
use clap::Parser;
use rootlet::spec::printable;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `rootlet cargo …`, which `cargo rootlet …` calls.
pub fn cargo(command: &Cargo) -> Result<(), Failure> {
    match command {
        Cargo::Init(args) => init(args),
    }
}

/// The table of cargo's configuration: <https://doc.rust-lang.org/cargo/reference/config.html#targetcfgrunner>.
const TARGET: &str = "cfg(target_os = \"linux\")";

fn init(args: &CargoInit) -> Result<(), Failure> {
    check(&args.runner)?;
    let workspace = workspace()?;
    if args.nextest {
        let file = workspace.join(".config/nextest.toml");
        return write(&file, "scripts", &nextest(&args.runner), "a wrapper script");
    }
    let file = workspace.join(".cargo/config.toml");
    let text = format!(
        "# Tests, benches and `cargo run` run in a fresh root, as production's user: see `rootlet runner --help`.\n\
         [target.'{TARGET}']\nrunner = {}\n",
        words(&args.runner)
    );
    write(&file, "target", &text, "a runner")
}

/// What each test would be told of these options, its author is told now.
fn check(options: &[String]) -> Result<(), Failure> {
    let before = ["rootlet", "runner"].into_iter().chain(options.iter().map(String::as_str));
    match Cli::try_parse_from(before.chain(["--", "program"])) {
        Ok(_) => Ok(()),
        Err(error) => {
            let said = error.to_string();
            let said = said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Failure::new(format!("`rootlet runner` does not take these options: {said}"))
                .hint("`rootlet runner --help` lists them"))
        }
    }
}

/// For nextest alone, which starts each test by itself: <https://nexte.st/docs/configuration/wrapper-scripts/>.
fn nextest(options: &[String]) -> String {
    format!(
        "# Each test runs in a fresh root, as production's user: see `rootlet runner --help`.\n\
         experimental = [\"wrapper-scripts\"]\n\n\
         [scripts.wrapper.rootlet]\ncommand = {}\n\n\
         [[profile.default.scripts]]\nfilter = \"all()\"\nrun-wrapper = \"rootlet\"\n",
        words(options)
    )
}

/// An array of TOML: the words of the runner.
fn words(options: &[String]) -> String {
    let words = ["rootlet", "runner"].iter().map(|word| (*word).to_owned()).chain(options.iter().cloned());
    // A JSON string is a basic string of TOML, but for what JSON escapes otherwise, which no option has.
    let quoted = words.map(|word| serde_json::Value::from(word).to_string());
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

/// Writes a file anew, or adds to one that does not speak of the matter yet.
fn write(file: &Path, table: &str, text: &str, what: &str) -> Result<(), Failure> {
    let failed = |doing: &str, e| Failure::new(format!("failed to {doing} {}", file.display())).caused_by(e);
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed("read", e)),
    };
    if before.contains(text.trim_end()) {
        return print(&format!("{} has it already\n", printable(&file.to_string_lossy())));
    }
    // A table may be written in many ways; who has one knows better where this belongs.
    let speaks = |line: &str| line.trim_start().trim_start_matches(['[', ' ']).starts_with(table);
    if before.lines().any(speaks) || (table == "scripts" && before.contains("experimental")) {
        return Err(Failure::new(format!("{} has a table `{table}` already", file.display()))
            .hint(format!("add {what} to it:\n\n{text}")));
    }
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|e| failed("make the directory of", e))?;
    let gap = if before.is_empty() || before.ends_with("\n\n") { "" } else { "\n" };
    // Keys at the top of a file would belong to the last table of what is there.
    let all = if table == "scripts" { format!("{text}\n{before}") } else { format!("{before}{gap}{text}") };
    fs::write(file, all.trim_end().to_owned() + "\n").map_err(|e| failed("write", e))?;
    print(&format!("{} written\n", printable(&file.to_string_lossy())))
}

/// Where the workspace begins, as cargo has it.
fn workspace() -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let failed = || Failure::new("failed to ask cargo where the project is");
    let out = Command::new(cargo)
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .output()
        .map_err(|e| failed().caused_by(e))?;
    if !out.status.success() {
        return Err(failed().caused_by(String::from_utf8_lossy(&out.stderr).trim().to_owned()));
    }
    let manifest = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim_end());
    manifest.parent().map(Path::to_owned).ok_or_else(failed)
}
