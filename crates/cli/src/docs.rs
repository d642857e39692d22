//! Completions and man pages, from the same definition that parses.

use crate::args::Cli;
use crate::failure::Failure;
use crate::output;
use clap::CommandFactory;
use clap_complete::Shell;
use std::fs;
use std::path::Path;

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rootlet", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

/// Writes a page for `rootlet` and for each of its subcommands.
pub fn man(dir: &Path) -> Result<(), Failure> {
    let failed =
        |e| Failure::new(format!("failed to write the man pages into {}", dir.display())).caused_by(e);
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)
}
