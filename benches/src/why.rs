//! What tracing costs: on programs that do little else than ask for paths, on a build and on a suite, beside none, and beside strace(1) with a filter of the same kind.

use crate::Result;
use crate::contest::{Competitor, Times, compete};
use crate::ground::{Ground, told};
use crate::table::{Bound, Row};
use rootlet::{Base, Rootlet, Stdio, Store};
use std::process::Command;
use std::time::Duration;

/// A script, how many times as long it may take, and what part of the rounds it takes part in.
const SCRIPTS: &[(&str, &str, f64, usize)] = &[
    ("tar", "tar -cf - -C /usr/include . | cat", 2.0, 1),
    ("git status", "git -c safe.directory='*' status", 2.0, 1),
    ("python", "/usr/bin/python3 -c 'import json, http.client, unittest, email, asyncio'", 1.5, 1),
    ("a crate's build", BUILD, 1.5, 4),
    ("pytest", PYTEST, 1.5, 1),
];

/// All of it, with cargo.
const BUILD: &str = "export CARGO_TARGET_DIR=$(mktemp -d); trap 'rm -r $CARGO_TARGET_DIR' EXIT
cargo build --quiet --offline --package rootlet-probe";

/// A suite that touches files.
const PYTEST: &str = "d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d && cat >test_files.py <<'END'
import pytest
@pytest.mark.parametrize('n', range(200))
def test_file(n, tmp_path):
    (tmp_path / 'file').write_text(str(n))
    assert (tmp_path / 'file').read_text() == str(n)
END
PYTHONPATH=$ROOTLET_BENCH_PYTHON /usr/bin/python3 -m pytest -q -p no:cacheprovider --basetemp=base .";

/// Each script in a live rootlet of this machine's root, and on the machine itself.
pub fn rows(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    if Command::new("strace").arg("-V").output().is_err() {
        return Err("strace is not installed".into());
    }
    let store = Store::open(ground.path("why")).map_err(|e| e.to_string())?;
    let base = Base::resolve("host", &store).map_err(|e| e.to_string())?;
    let root = Rootlet::builder(&base).user("root").spawn().map_err(told)?;
    let rows = SCRIPTS.iter().map(|script| row(&root, script, rounds));
    Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn row(
    root: &Rootlet,
    &(name, script, bound, part): &(&str, &str, f64, usize),
    rounds: usize,
) -> Result<[Row; 2]> {
    let here = std::env::current_dir().map_err(|e| e.to_string())?;
    let here = here.to_str().ok_or("the directory's name is not UTF-8")?;
    let command = || {
        let mut command = root.command("sh");
        command
            .args(["-c", script])
            .envs(std::env::vars())
            .current_dir(here)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let on_host = |words: &[&str]| {
        let (program, rest) = words.split_first().ok_or("no program")?;
        let mut command = Command::new(program);
        let output = command.args(rest).args(["sh", "-c", script]).output().map_err(|e| e.to_string())?;
        if output.status.success() { Ok(()) } else { Err(format!("{name}: {}", output.status)) }
    };
    let strace = ["strace", "-f", "--seccomp-bpf", "-e", "trace=%file", "-o", "/dev/null"];
    let times = compete(
        rounds.div_ceil(part).max(3),
        vec![
            Competitor::new("traced", || ended(command().explain().map_err(told)?.output.status)),
            Competitor::new("not traced", || ended(command().output().map_err(told)?.status)),
            Competitor::new("strace", || on_host(&strace)),
            Competitor::new("no strace", || on_host(&["env"])),
        ],
    )?;
    let (ours, theirs) = (beyond(&times[0], &times[1]), beyond(&times[2], &times[3]));
    Ok([
        Row::times(format!("{name}, traced; not traced"), &times[0], &times[1], Bound::AtMost(bound)),
        Row::times(
            format!("{name}: what tracing adds; what strace adds"),
            &ours,
            &theirs,
            Bound::AtMost(1.0),
        ),
    ])
}

fn ended(status: std::process::ExitStatus) -> Result<()> {
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// What is left of times without the median of others.
fn beyond(times: &Times, others: &Times) -> Times {
    times.map(|time| time.saturating_sub(others.median()).max(Duration::from_nanos(1)))
}
