//! Running the real command.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Write;
use std::process::{Command, Stdio};

/// What came of an invocation.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The command. `cargo xtask test` says where it is; an ordinary user may not be able to read where cargo built it.
pub fn rootlet(args: &[&str]) -> Command {
    let built = || env!("CARGO_BIN_EXE_rootlet").into();
    let mut command = Command::new(std::env::var_os("ROOTLET_BIN").unwrap_or_else(built));
    command.args(args);
    command
}

/// `rootlet run ARGS` with this on its standard input.
pub fn run(args: &[&str], input: &str) -> Ran {
    finish(rootlet(&["run"]).args(args), input)
}

/// Any invocation.
pub fn finish(command: &mut Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing closes the pipe early.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
