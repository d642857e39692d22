//! The POSIX file system suite, which others wrote: a program from the registry of crates.

use crate::Result;
use crate::shell::{cargo, quiet, target};
use std::path::PathBuf;

/// The documented differences are those of this version's tests.
const VERSION: &str = "0.2.2";

/// The program, installed when it is not there; `None` where it cannot be, with the reason said.
pub fn program() -> Option<PathBuf> {
    cached().or_else(|| match install() {
        Ok(()) => cached(),
        Err(why) => {
            eprintln!("no pjdfstest: what uses it will be skipped\n{why}");
            None
        }
    })
}

/// The program installed earlier.
pub fn cached() -> Option<PathBuf> {
    Some(root().join("bin/pjdfstest")).filter(|program| program.exists())
}

fn root() -> PathBuf {
    target().join(format!("tests/pjdfstest-{VERSION}"))
}

/// Unoptimised, since it runs for seconds and builds for minutes; not in our target directory, which cargo then leaves
/// full of what is never used again.
fn install() -> Result<()> {
    eprintln!("building pjdfstest (once)");
    let mut install =
        cargo(&["install", "--quiet", "--locked", "--debug", "--config", "profile.dev.debug=false"]);
    install.args(["pjdfstest", "--version", VERSION, "--root"]).arg(root());
    quiet(install.env_remove("CARGO_TARGET_DIR")).map(drop)
}
