//! pytest's fixture: a thousand trivial tests against the library's bare rootlets, and one of them against the package fakechroot.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run};
use crate::meter::{self, Meter, measured};
use crate::suites::{TESTS, built};
use crate::table::{Bound, Row};
use rustix::process::set_child_subreaper;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The machine's own, as the tests have it.
const PYTHON: &str = "/usr/bin/python3";

/// A suite under pytest, on this base; without one, of tests that ask for nothing.
fn pytest(ground: &Ground, base: Option<&Path>) -> Result<Command> {
    let packages = std::env::var_os("ROOTLET_BENCH_PYTHON").ok_or("no Python packages were fetched")?;
    let (name, body) = match base {
        Some(_) => {
            ("test_rootlet.py", "(rootlet, n):\n    assert rootlet.run(['/bin/true']).returncode == 0\n")
        }
        None => ("test_nothing.py", "(n):\n    assert True\n"),
    };
    let suite = ground.path(name);
    let head = format!("import pytest\n@pytest.mark.parametrize('n', range({TESTS}))\ndef test_trivial");
    fs::write(&suite, head + body).map_err(|e| format!("{}: {e}", suite.display()))?;
    let mut command = Command::new(PYTHON);
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(&suite);
    command
        .current_dir(ground.path(""))
        .env("PYTHONPATH", packages)
        .env("ROOTLET_STORE", ground.path("store"));
    if let Some(base) = base {
        command.arg(format!("--rootlet-base=tar:{}", base.display()));
    }
    Ok(command)
}

/// A thousand tests by the fixture; the same rootlets without a test harness.
pub fn fixture(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    ground.base(0)?;
    let tarball = ground.path("tree-0.tar");
    let mut bare = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
    bare.args(["rootlets", "1"]).current_dir(ground.path("")).env("ROOTLET_STORE", ground.path("store"));
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|e| e.to_string())?;
    let mut commands = [pytest(ground, Some(&tarball))?, bare, pytest(ground, None)?];
    let meter = Meter::new();
    let mut cpu = vec![Vec::new(); commands.len()];
    let competitors = commands.iter_mut().zip(&mut cpu).map(|(command, cpu)| {
        let meter = meter.as_ref().ok();
        Competitor::timed("suite", move || {
            let took = measured(command, meter)?;
            cpu.extend(took.processors);
            Ok(took.wall)
        })
    });
    let walls = compete(rounds, competitors.collect())?;
    let name = "1,000 tests by pytest's fixture, processor time; bare rootlets";
    Ok(vec![
        meter::row(name, &cpu[0], &cpu[1], Bound::AtMost(3.0), &meter),
        Row::times("the same, time of one thread", &walls[0], &walls[1], Bound::AtMost(3.0)),
        Row::times("1,000 empty tests under pytest; bare rootlets", &walls[2], &walls[1], Bound::None),
    ])
}

/// One test of fakechroot, fakeroot and cowdancer against one of ours, on a small Debian and on one that projects are built in: theirs link
/// each file, so that the size of the base is what they take.
pub fn fakechroot(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, bound) in
        [("ROOTLET_BENCH_DEBIAN", Bound::None), ("ROOTLET_BENCH_DEBIAN_LARGE", Bound::AtLeast(500.0))]
    {
        match std::env::var_os(name) {
            Some(debian) => rows.extend(fakechroot_on(Path::new(&debian), bound, ground, rounds)?),
            None => rows.push(Row::not_measured(name, "no tarball of debian")),
        }
    }
    Ok(rows)
}

fn fakechroot_on(debian: &Path, bound: Bound, ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let package =
        std::env::var_os("ROOTLET_BENCH_FAKECHROOT").ok_or("the package fakechroot was not fetched")?;
    // Its base lies beside its chroots, for it links the files; the suite of Rust's tests looks for its own under this name.
    let place = ground.path("fakechroot");
    let (tree, named) = (place.join("base-image"), place.join("tree-0.tar"));
    fs::create_dir_all(&tree).map_err(|e| format!("{}: {e}", tree.display()))?;
    run(Command::new("tar").arg("-xf").arg(debian).arg("-C").arg(&tree))?;
    std::os::unix::fs::symlink(debian, &named).map_err(|e| format!("{}: {e}", named.display()))?;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python_peer.py");
    let mut peer = Command::new(PYTHON);
    peer.arg(script).arg(package).arg(&place).env_remove("PYTHONPATH");
    let mut fixture = pytest(ground, Some(debian))?;
    let mut attribute = Command::new(built()?);
    attribute.args(["attribute::", "--test-threads", "1"]).current_dir(&place);
    attribute.env("ROOTLET_STORE", ground.path("store"));
    let each = |command: &mut Command| Ok(measured(command, None)?.wall / TESTS as u32);
    let times = compete(
        rounds,
        vec![
            Competitor::timed("fakechroot", || seconds(&mut peer)),
            Competitor::timed("pytest", || each(&mut fixture)),
            Competitor::timed("attribute", || each(&mut attribute)),
        ],
    )?;
    let files = walk(&tree).map_err(|e| format!("{}: {e}", tree.display()))?;
    let _ = fs::remove_dir_all(&place);
    let name = format!("{files} files: a test by fakechroot + fakeroot + cowdancer; by pytest");
    Ok(vec![
        Row::times(name, &times[0], &times[1], bound),
        Row::times("the same; by #[rootlet::test]", &times[0], &times[2], bound),
    ])
}

/// How many files there are.
fn walk(directory: &Path) -> std::io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { 1 + walk(&entry.path())? } else { 1 };
    }
    Ok(count)
}

/// The middle one of what it says, a line each.
fn seconds(peer: &mut Command) -> Result<Duration> {
    let out = peer.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&out.stdout);
    let mut all: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    all.sort_by(f64::total_cmp);
    match all.get(all.len() / 2) {
        Some(middle) if out.status.success() => Ok(Duration::from_secs_f64(*middle)),
        _ => Err(String::from_utf8_lossy(&out.stderr).trim().lines().last().unwrap_or_default().to_owned()),
    }
}
