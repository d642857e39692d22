//! `cargo xtask bench`: the measurements, against peers, in one run.

use crate::Result;
use crate::dist;
use crate::setup::{self, account};
use crate::shell::{cargo, loud, step};

/// Builds the command and the measurements with optimisation, and runs them.
pub fn run(arguments: &[&str]) -> Result<()> {
    let peers = setup::peers()?;
    let rootlet = dist::run()?;
    let python = setup::python::measured(&rootlet)?;
    step("measure");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([peers.programs].into_iter().chain(std::env::split_paths(&path)));
    let mut bench = cargo(&["run", "--quiet", "--release", "--package", "rootlet-bench", "--"]);
    bench.env("PATH", path.map_err(|e| e.to_string())?).env("ROOTLET_BIN", rootlet);
    if let Some(debian) = peers.debian {
        bench.env("ROOTLET_BENCH_DEBIAN", debian);
    }
    if let Some(large) = peers.large {
        bench.env("ROOTLET_BENCH_DEBIAN_LARGE", large);
    }
    if let Some(python) = python {
        bench.env("ROOTLET_BENCH_PYTHON", python.path).env("ROOTLET_BENCH_FAKECHROOT", python.fakechroot);
    }
    if let Some(user) = account::find() {
        bench.env("ROOTLET_BENCH_USER", format!("{}:{}", user.uid, user.gid));
    }
    loud(bench.args(arguments))
}
