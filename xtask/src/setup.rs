//! What the tests need of the machine: packages, an ordinary user, a Debian root, the probe.

pub mod account;
mod debian;
mod packages;
mod probe;

use crate::Result;
use crate::shell::{is_root, step};
use std::path::PathBuf;

/// Files that the tests read; a missing one makes them skip, or fail when `ROOTLET_MUST_WORK` is set.
pub struct Data {
    /// A Debian root, as a tarball.
    pub debian: Option<PathBuf>,
    /// The static program that prints facts.
    pub probe: PathBuf,
    /// The static program that tries to break out.
    pub hostile: PathBuf,
}

/// Makes everything that is not there yet. Only root changes the machine; anybody else is told what is missing.
pub fn run() -> Result<Data> {
    step("set-up");
    packages::run()?;
    if is_root() {
        account::ensure()?;
    }
    Ok(Data { debian: debian::tarball()?, probe: probe::facts()?, hostile: probe::hostile()? })
}

/// What is there already, without set-up.
pub fn existing() -> Result<Data> {
    Ok(Data { debian: debian::cached(), probe: probe::facts()?, hostile: probe::hostile()? })
}

/// Builds the programs that run inside roots, and prints their paths.
pub fn print_programs() -> Result<()> {
    println!("{}\n{}", probe::facts()?.display(), probe::hostile()?.display());
    Ok(())
}
