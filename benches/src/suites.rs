//! Test suites: a thousand trivial tests under libtest against the library's bare rootlets, and the runner against a bare run.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::peers::at_ordinary_priority;
use crate::table::{Bound, Row};
use rootlet::{Base, Rootlet, Store};
use rustix::process::{WaitOptions, set_child_subreaper, wait};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many tests a suite has.
pub const TESTS: usize = 1000;

/// What a run of a program took: of the clock, and of all processors, with all that it started.
#[derive(Clone, Copy)]
pub struct Took {
    pub wall: Duration,
    pub processors: Duration,
}

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
    let mut processors = vec![Vec::new(); commands.len()];
    let competitors = commands.iter_mut().zip(&mut processors).map(|(command, processors)| {
        command.current_dir(ground.path("")).env("ROOTLET_STORE", ground.path("store"));
        Competitor::timed("suite", move || {
            let took = measured(command)?;
            processors.push(took.processors);
            Ok(took.wall)
        })
    });
    let walls = compete(rounds, competitors.collect())?;
    let cpu: Vec<_> = processors.into_iter().map(crate::contest::Times::new).collect();
    Ok(vec![
        Row::times(
            "1,000 tests by #[rootlet::test], processor time; bare rootlets",
            &cpu[0],
            &cpu[1],
            Bound::AtMost(1.3),
        ),
        Row::times("the same, time of one thread", &walls[0], &walls[1], Bound::AtMost(1.3)),
        Row::times(
            "the same, processor time; such tests with the library alone",
            &cpu[0],
            &cpu[4],
            Bound::None,
        ),
        Row::times("the same on two threads; on one", &walls[2], &walls[0], Bound::AtMost(0.6)),
        Row::times("bare rootlets on two threads; on one", &walls[3], &walls[1], Bound::None),
    ])
}

/// The test program, built without being run.
pub fn built() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["test", "--quiet", "--release", "--package", "rootlet-bench", "--test", "suite", "--no-run"];
    let out = Command::new(cargo)
        .args(words)
        .args(["--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let suite = |message: serde_json::Value| {
        (message["target"]["name"] == "suite").then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    messages.filter_map(suite).next_back().ok_or_else(|| format!("cargo: {}", out.status))
}

/// Runs it, and waits for all that it leaves to nobody.
pub fn measured(command: &mut Command) -> Result<Took> {
    let (begin, before) = (Instant::now(), of_the_children()?);
    run(command)?;
    let wall = begin.elapsed();
    while wait(WaitOptions::empty()).is_ok() {}
    Ok(Took { wall, processors: of_the_children()?.saturating_sub(before) })
}

/// User and system time of all children that were waited for (proc_pid_stat(5): fields 16 and 17, in hundredths of a second).
fn of_the_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|e| format!("/proc/self/stat: {e}"))?;
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
    let ticks = fields.into_iter().flatten().skip(13).take(2).filter_map(|field| field.parse::<u64>().ok());
    Ok(Duration::from_millis(ticks.sum::<u64>() * 10))
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
