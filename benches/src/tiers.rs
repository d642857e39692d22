//! What the weaker tiers cost beside the exact one, as an ordinary user.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::Ground;
use crate::peers::ordinary;
use crate::server::Server;
use crate::table::{Bound, Row};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A fresh rootlet, a static command and its end: where one id stands for all, against all ids.
pub fn one_id(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let name = "fresh rootlet, an ordinary user, one id; all ids";
    let is_root = rustix::process::geteuid().is_root();
    let user = if is_root { ordinary() } else { None };
    if is_root && user.is_none() {
        return Ok(vec![Row::not_measured(name, "ROOTLET_BENCH_USER names no uid:gid")]);
    }
    let server = |tier: &str| Server::start(tier, &mut caller(ground, tier, user)?);
    let (mut one, mut all) = (server("one-id")?, server("exact")?);
    let competitors =
        vec![Competitor::timed("one id", || one.round()), Competitor::timed("all ids", || all.round())];
    let times = compete(rounds, competitors)?;
    Ok(vec![Row::times(name, &times[0], &times[1], Bound::AtMost(1.2))])
}

/// This program as that user, with a store of its own, making rootlets of one tier.
fn caller(ground: &Ground, tier: &str, user: Option<(u32, u32)>) -> Result<Command> {
    let tarball = ground.base(0).map(|_| ground.path("tree-0.tar"))?;
    let (program, store) = (ground.path("bench"), ground.path(&format!("store-{tier}")));
    let made = std::env::current_exe()
        .and_then(|me| if program.exists() { Ok(0) } else { fs::copy(me, &program) })
        .and_then(|_| fs::set_permissions(&program, Permissions::from_mode(0o755)))
        .and_then(|()| fs::create_dir_all(&store))
        .and_then(|()| user.map_or(Ok(()), |(uid, gid)| chown(&store, Some(uid), Some(gid))));
    made.map_err(|e| format!("{}: {e}", program.display()))?;
    let mut command = Command::new(&program);
    command.arg("serve").arg(&tarball).arg(&store).arg("0").env("ROOTLET_TIER", tier).current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid).env("HOME", &store);
    }
    Ok(command)
}
