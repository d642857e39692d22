//! Real programs: what opens hundreds of files must not pay for the fresh overlay.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, told};
use crate::library::spawn;
use crate::server::Server;
use crate::table::{Bound, Row};
use crate::{by_hand, contest::Times};
use rootlet::{Base, Stdio};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PROGRAMS: &[&[&str]] =
    &[&["/usr/bin/python3", "-c", "import json, ssl"], &["/usr/bin/git", "--version"]];

/// Each of them, in a fresh rootlet of a Debian and on the bare tree.
pub fn rows(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let debian = std::env::var_os("ROOTLET_BENCH_DEBIAN").ok_or("ROOTLET_BENCH_DEBIAN names no tarball")?;
    if !rustix::process::geteuid().is_root() {
        return Err("only real root can change its root to the bare tree".into());
    }
    let base = ground.base_of(Path::new(&debian))?;
    PROGRAMS.iter().map(|argv| row(ground, &base, argv, rounds)).collect()
}

fn row(ground: &Ground, base: &Base, argv: &[&str], rounds: usize) -> Result<Row> {
    let uid = by_hand::map(base)?.uid_outside(1000).ok_or("1000 is not mapped")?;
    let mut bare = Command::new(ground.compile("bare", &["-static", "-O2"])?);
    let mut bare = Server::start("bare", bare.arg(by_hand::layer(base)?).arg(uid.to_string()).args(argv))?;
    let times = compete(
        rounds,
        vec![
            Competitor::new("fresh rootlet", || fresh(base, argv)),
            Competitor::timed("bare tree", || bare.round()),
            Competitor::new("root alone", || spawn(base).map(drop)),
        ],
    )?;
    let program = argv.join(" ");
    let name = format!("{} without the root itself; bare tree", program.trim_start_matches("/usr/bin/"));
    Ok(Row::times(name, &less(&times[0], &times[2]), &times[1], Bound::AtMost(1.3)))
}

fn fresh(base: &Base, argv: &[&str]) -> Result<()> {
    let root = spawn(base)?;
    let mut command = root.command(argv[0]);
    let status =
        command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).status().map_err(told)?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// The same times without what the median of others is.
fn less(times: &Times, others: &Times) -> Times {
    times.map(|time| time.saturating_sub(others.median()).max(Duration::from_nanos(1)))
}
