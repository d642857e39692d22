//! Test suites: a thousand trivial tests under libtest against the library's bare rootlets, and the runner against a bare run.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::meter::{self, Meter, measured};
use crate::peers::at_ordinary_priority;
use crate::table::{Bound, Row};
use rootlet::{Base, Rootlet, Store};
use rustix::process::set_child_subreaper;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many tests a suite has.
pub const TESTS: usize = 1000;

/// A thousand tests by the attribute; the same rootlets without a test harness; each with one thread and with two.
pub fn attribute(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    ground.base(0)?;
    let (suite, me) = (built()?, std::env::current_exe().map_err(|e| e.to_string())?);
    // What they leave to nobody is ours to wait for, and so counted.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|e| e.to_string())?;
    let tests = |threads: &str, which: &str| {
        let mut command = Command::new(&suite);
        command.args([which, "--test-threads", threads]);
        command
    };
    let bare = |threads: &str| {
        let mut command = Command::new(&me);
        command.args(["rootlets", threads]);
        command
    };
    let mut commands =
        [tests("1", "attribute::"), bare("1"), tests("2", "attribute::"), bare("2"), tests("1", "plain::")];
    let meter = Meter::new();
    let mut cpu = vec![Vec::new(); commands.len()];
    let competitors = commands.iter_mut().zip(&mut cpu).map(|(command, cpu)| {
        command.current_dir(ground.path("")).env("ROOTLET_STORE", ground.path("store"));
        let meter = meter.as_ref().ok();
        Competitor::timed("suite", move || {
            let took = measured(command, meter)?;
            cpu.extend(took.processors);
            Ok(took.wall)
        })
    });
    let walls = compete(rounds, competitors.collect())?;
    let name = "1,000 tests by #[rootlet::test], processor time; bare rootlets";
    Ok(vec![
        meter::row(name, &cpu[0], &cpu[1], Bound::AtMost(1.3), &meter),
        Row::times("the same, time of one thread", &walls[0], &walls[1], Bound::AtMost(1.3)),
        meter::row("such tests with the library alone; bare rootlets", &cpu[4], &cpu[1], Bound::None, &meter),
        Row::times("the same on two threads; on one", &walls[2], &walls[0], Bound::AtMost(0.6)),
        Row::times("bare rootlets on two threads; on one", &walls[3], &walls[1], Bound::None),
    ])
}

/// The test program, built without being run.
pub fn built() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["test", "--quiet", "--release", "--package", "rootlet-bench", "--test", "suite", "--no-run"];
    let mut command = Command::new(cargo);
    command.args(words).args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    executable(&mut command, "suite")
}

/// What cargo says that it built under this name.
pub fn executable(cargo: &mut Command, name: &str) -> Result<PathBuf> {
    let out = cargo.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo: {e}"))?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let suite = |message: serde_json::Value| {
        (message["target"]["name"] == name).then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    messages.filter_map(suite).next_back().ok_or_else(|| format!("cargo: {}", out.status))
}

/// `rootlets THREADS`: this program as the peer of the tests.
pub fn rootlets(arguments: &[String]) -> Result<()> {
    let threads: usize = arguments.first().and_then(|n| n.parse().ok()).ok_or("rootlets THREADS")?;
    let store = Store::open_default().map_err(|e| e.to_string())?;
    let base = Base::resolve("tar:tree-0.tar", &store).map_err(|e| e.to_string())?;
    let once = || -> rootlet::Result<()> {
        let root = Rootlet::builder(&base).user("sam").spawn()?;
        root.command("/bin/true").status().map(drop)
    };
    std::thread::scope(|scope| {
        let all = |_| scope.spawn(|| (0..TESTS / threads).try_for_each(|_| once()));
        let running: Vec<_> = (0..threads).map(all).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })
    .map_err(|e| format!("{e:?}"))
}

/// The runner of a program in a project, against a bare run of the same command.
pub fn runner(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let rootlet: PathBuf =
        std::env::var_os("ROOTLET_BIN").ok_or("ROOTLET_BIN does not say where the command is")?.into();
    let (nothing, project) = (ground.nothing()?, ground.path("project"));
    fs::create_dir_all(project.join("target/debug/deps")).map_err(|e| e.to_string())?;
    for (file, text) in [("Cargo.lock", ""), ("target/CACHEDIR.TAG", "")] {
        fs::write(project.join(file), text).map_err(|e| e.to_string())?;
    }
    let program = project.join("target/debug/deps/test");
    fs::copy(&nothing, &program).map_err(|e| e.to_string())?;
    let command = |words: &[&str], program: &Path| {
        let mut command = Command::new(&rootlet);
        command.args(words).arg("--store").arg(ground.path("store")).arg("--").arg(program);
        command.current_dir(&project).env("CARGO_MANIFEST_DIR", &project);
        at_ordinary_priority(command)
    };
    let runner = || run(&mut command(&["runner"], &program));
    let bare = || run(&mut command(&["run"], Path::new("/bin/true")));
    let times = compete(rounds, vec![Competitor::new("runner", runner), Competitor::new("run", bare)])?;
    // It adds at most twice what a bare run costs.
    Ok(vec![Row::times(
        "rootlet runner, a static program; rootlet run -- true",
        &times[0],
        &times[1],
        Bound::AtMost(3.0),
    )])
}
