//! Roots without mounts, which a plain container has: against a copy of hard links that is thrown away.

use crate::Result;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run, told};
use crate::table::{Bound, Row};
use rootlet::{Base, Rootlet, Tier};
use std::path::PathBuf;
use std::process::Command;

fn once(base: &Base, user: &str, author: bool) -> Result<()> {
    let root = Rootlet::builder(base).tier(Tier::Chroot).user(user).spawn().map_err(told)?;
    if author {
        root.write("/etc/motd", "as the author of a test does").map_err(|e| e.to_string())?;
    }
    let status = root.command("/bin/true").status().map_err(told)?;
    if status.success() { Ok(()) } else { Err(format!("/bin/true: {status}")) }
}

/// Debian's smallest root where the tests have made one, else as many empty files.
fn debian(ground: &Ground) -> Result<(&'static str, PathBuf)> {
    let made = [
        std::env::var_os("ROOTLET_DEBIAN_TAR").map(PathBuf::from),
        std::env::current_exe().ok().and_then(|me| Some(me.ancestors().nth(2)?.join("tests/debian.tar"))),
    ];
    match made.into_iter().flatten().find(|path| path.exists()) {
        Some(tarball) => Ok(("Debian's smallest root", tarball)),
        None => {
            ground.base(10_000)?;
            Ok(("10,000 empty files", ground.path("tree-10000.tar")))
        }
    }
}

pub fn rows(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root may change its root directory".into());
    }
    let (what, tarball) = debian(ground)?;
    let base = ground.base_of(&tarball)?;
    let (tree, copy) = (ground.path("chroot-tree"), ground.path("chroot-copy"));
    std::fs::create_dir_all(&tree).map_err(|e| e.to_string())?;
    run(Command::new("tar").arg("-xf").arg(&tarball).arg("-C").arg(&tree))?;
    let mut uid = 20_000;
    let times = compete(
        rounds,
        vec![
            Competitor::new("again", || once(&base, "sam", false)),
            Competitor::new("author", || once(&base, "sam", true)),
            Competitor::new("first", || {
                uid += 1;
                once(&base, &format!("{uid}:{uid}"), false)
            }),
            Competitor::new("root", || once(&base, "root", false)),
            Competitor::new("cp and rm", || {
                run(Command::new("cp").arg("-al").arg(&tree).arg(&copy))?;
                run(Command::new("rm").arg("-rf").arg(&copy))
            }),
            Competitor::new("a copy", || {
                run(Command::new("cp").arg("-a").arg(&tree).arg(&copy))?;
                run(Command::new("rm").arg("-rf").arg(&copy))
            }),
        ],
    )?;
    let row = |name: &str, i: usize, peer: usize, bound| {
        let peers = ["cp -al and rm -rf", "cp -a and rm -rf"];
        Row::times(format!("{name} ({what}); {}", peers[peer - 4]), &times[i], &times[peer], bound)
    };
    Ok(vec![
        row("a fresh root, a command, gone", 0, 4, Bound::AtMost(1.0 / 3.0)),
        row("the same, a file written as root", 1, 4, Bound::AtMost(1.0 / 3.0)),
        row("the first for a user", 2, 4, Bound::AtMost(1.0)),
        row("a fresh root for root, all of it copied", 3, 5, Bound::AtMost(1.0)),
    ])
}
