//! `cargo xtask bench`: the measurements, against peers, in one run.

use crate::Result;
use crate::shell::{cargo, loud, step};

/// Builds the command and the measurements with optimisation, and runs them.
pub fn run(arguments: &[&str]) -> Result<()> {
    step("build");
    loud(&mut cargo(&["build", "--release", "--package", "rootlet-cli", "--package", "rootlet-bench"]))?;
    step("measure");
    loud(cargo(&["run", "--quiet", "--release", "--package", "rootlet-bench", "--"]).args(arguments))
}
