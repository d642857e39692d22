//! A project's tests, each in a root of its own: by maelstrom, a test runner that gives each a container, and by ours.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::Ground;
use crate::meter::measured;
use crate::peers::find;
use crate::suites::{TESTS, built, executable};
use crate::table::{Bound, Row};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// At once, which is what maelstrom does on two processors.
const AT_ONCE: usize = 2;

/// A thousand empty tests: by maelstrom, whose own build and start are in it as they are whenever it is called; by the runner, called for
/// each test as nextest calls it; by `#[rootlet::test(inside)]`.
pub fn rows(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let maelstrom =
        find("cargo-maelstrom").map_err(|e| format!("{e}: cargo install --locked cargo-maelstrom"))?;
    let rootlet = std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?;
    let project = project(ground)?;
    let mut peer = Command::new(maelstrom);
    peer.args(["maelstrom", "--profile", "release", "--ui", "quiet", "--slots", &AT_ONCE.to_string()]);
    peer.current_dir(&project).env("CARGO_TARGET_DIR", project.join("by-maelstrom"));
    // Its caches are to go away with the rest.
    for name in ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
        peer.env(name, project.join("by-maelstrom").join(name));
    }
    let mut tests = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tests.args(["test", "--quiet", "--release", "--no-run", "--message-format", "json"]);
    tests.current_dir(&project).env("CARGO_TARGET_DIR", project.join("target"));
    let program = executable(&mut tests, "project")?;
    let runner = |test: usize| {
        let mut command = Command::new(&rootlet);
        command.arg("runner").arg("--store").arg(ground.path("store")).arg("--").arg(&program);
        command.args([format!("t{test}").as_str(), "--exact"]);
        command.current_dir(&project).env("CARGO_MANIFEST_DIR", &project);
        command
    };
    let mut inside = Command::new(built()?);
    inside.args(["inside::", "--test-threads", &AT_ONCE.to_string()]);
    inside.current_dir(ground.path("")).env("ROOTLET_STORE", ground.path("store"));
    let times = compete(
        rounds,
        vec![
            Competitor::timed("maelstrom", || Ok(measured(&mut peer, None)?.wall / TESTS as u32)),
            Competitor::timed("runner", || each(runner)),
            Competitor::timed("inside", || Ok(measured(&mut inside, None)?.wall / TESTS as u32)),
        ],
    )?;
    let name = "a test by rootlet runner, as nextest calls it; by maelstrom";
    Ok(vec![
        Row::times(name, &times[1], &times[0], Bound::AtMost(1.0)),
        Row::times(
            "a test by #[rootlet::test(inside)]; by maelstrom",
            &times[2],
            &times[0],
            Bound::AtMost(1.0),
        ),
    ])
}

/// The project, unlike any that is there.
fn project(ground: &Ground) -> Result<std::path::PathBuf> {
    let place = ground.path("project-of-tests");
    let write = |name: &str, text: String| {
        let path = place.join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"project\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n".into(),
    )?;
    write("src/lib.rs", (0..TESTS).map(|n| format!("#[test]\nfn t{n}() {{}}\n")).collect())?;
    Ok(place)
}

/// Runs all of them, some at once; what one takes.
fn each(command: impl Fn(usize) -> Command + Sync) -> Result<Duration> {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let some = |first: usize| {
            let command = &command;
            scope.spawn(move || {
                (first..TESTS).step_by(AT_ONCE).try_for_each(|test| crate::ground::run(&mut command(test)))
            })
        };
        let running: Vec<_> = (0..AT_ONCE).map(some).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    Ok(begin.elapsed() / TESTS as u32)
}
