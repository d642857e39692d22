//! The project's own chores: `cargo xtask test | bench | docs | dist | wheel | setup`.
//!
//! Everything a chore needs is installed or made by the chore itself, from the machine's own package sources.

mod bench;
mod dist;
mod docs;
#[path = "../../tests/support/leftovers.rs"]
mod leftovers;
mod setup;
mod shell;
mod stage;
mod test;
mod wheel;

use std::process::ExitCode;

/// What went wrong, as a sentence for the terminal.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
cargo xtask test [--fast] [FILTER]   all checks and tests, as root and as an ordinary user
                                     --fast: only the tests, as who you are, without set-up
cargo xtask bench [ARGUMENTS]        the measurements, against peers
cargo xtask docs                     the API's documentation; a broken link is an error
cargo xtask dist                     the command as one static file
cargo xtask wheel                    the Python package, with the command in it
cargo xtask setup                    only what `test` does first: packages, test user, Debian root";

fn python() -> Result<()> {
    shell::loud(&mut shell::cargo(&["build", "--quiet", "--package", "rootlet-cli", "--all-features"]))?;
    let directory = setup::python::install(&shell::target().join("debug/rootlet"), false)?;
    directory.iter().for_each(|directory| println!("{}", directory.display()));
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => test::Options::parse(rest).and_then(|options| test::run(&options)),
        ["bench", rest @ ..] => bench::run(rest),
        ["docs"] => docs::run(),
        ["dist"] => dist::run().map(|built| println!("{}", built.display())),
        ["wheel"] => wheel::run().map(|built| println!("{}", built.display())),
        ["setup"] => setup::run().map(drop),
        // The tests call this when they run without `cargo xtask test`.
        ["probe"] => setup::print_programs(),
        // What Python's tests use, for those who run them without `cargo xtask test`.
        ["python"] => python(),
        // cargo calls this for each test binary of the second pass; see `stage`.
        [stage::RUNNER, stage, program, rest @ ..] => stage::run_as_test_user(stage, program, rest),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("what to do?\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
