//! `cargo rootlet …` is `rootlet cargo …`: cargo looks for its subcommands under such names.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let beside = std::env::current_exe()
        .ok()
        .map(|me| me.with_file_name("rootlet"))
        .filter(|rootlet| rootlet.exists());
    // cargo passes its own name for it as the first argument.
    let words = std::env::args_os().skip(1).enumerate().filter(|(n, word)| *n > 0 || word != "rootlet");
    let mut command = Command::new(beside.unwrap_or_else(|| "rootlet".into()));
    let error = command.arg("cargo").args(words.map(|(_, word)| word)).exec();
    eprintln!(
        "error: failed to execute `rootlet`: {error}\nhint: install it with `cargo install rootlet-cli`"
    );
    ExitCode::from(125)
}
