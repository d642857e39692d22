//! The library: a fresh rootlet, and a command in one that lives.

use crate::Result;
use crate::by_hand;
use crate::contest::{Competitor, compete};
use crate::ground::{Ground, run, told};
use crate::peers;
use crate::table::{Bound, Row};
use rootlet::{Base, Rootlet};
use std::path::Path;
use std::process::Command;

/// A fresh rootlet.
pub fn spawn(base: &Base) -> Result<Rootlet> {
    Rootlet::builder(base).user("sam").spawn().map_err(told)
}

/// A fresh rootlet in which `/bin/true` runs and which is gone again.
pub fn once(base: &Base) -> Result<()> {
    call(&spawn(base)?, "/bin/true")
}

fn call(root: &Rootlet, program: &str) -> Result<()> {
    let status = root.command(program).status().map_err(told)?;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}

fn plain(program: &Path) -> Result<()> {
    let status = Command::new(program).status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", program.display())) }
}

/// A fresh root, one command, and its end.
pub fn fresh(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let base = ground.base(0)?;
    let mut by_hand = by_hand::start(ground, &base, "/bin/true", None)?;
    let tree = ground.tree(0)?;
    let bwrap = peers::bwrap(ground);
    let mut competitors = vec![
        Competitor::new("the library", || once(&base)),
        Competitor::timed("by hand", || by_hand.round()),
        // Said apart, because nobody can do without it: what a process costs that is asked for one.
        Competitor::new("no command", || spawn(&base).map(drop)),
    ];
    if let Ok(bwrap) = &bwrap {
        competitors.push(Competitor::new("bwrap", || run(&mut bwrap.command(&tree, &["/bin/true"]))));
    }
    let times = compete(rounds, competitors)?;
    let name = "fresh rootlet, static command, gone; by hand";
    let mut rows = vec![Row::times(name, &times[0], &times[1], Bound::AtMost(1.5))];
    rows.push(Row::times("the same without a command; by hand with it", &times[2], &times[1], Bound::None));
    let name = "the same; bwrap with a tmp-overlay";
    rows.push(match bwrap {
        Ok(_) => Row::times(name, &times[0], &times[3], Bound::AtMost(0.2)),
        Err(why) => Row::not_measured(name, why),
    });
    Ok(rows)
}

/// A command in a live rootlet against a plain spawn of the same program.
pub fn live(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let root = spawn(&ground.base(0)?)?;
    let program = ground.nothing()?;
    let times = compete(
        rounds,
        vec![
            Competitor::new("call", || call(&root, "/bin/true")),
            Competitor::new("spawn", || plain(&program)),
        ],
    )?;
    let name = "a static command in a live rootlet; plain spawn";
    Ok(vec![Row::times(name, &times[0], &times[1], Bound::AtMost(1.5))])
}

/// The same with a program that is linked dynamically, on this machine's own root.
pub fn live_dynamic(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let host = Base::resolve("host", &ground.store).map_err(|e| e.to_string())?;
    let root = spawn(&host)?;
    let times = compete(
        rounds,
        vec![
            Competitor::new("call", || call(&root, "/bin/true")),
            Competitor::new("spawn", || plain(Path::new("/bin/true"))),
        ],
    )?;
    let name = "a dynamic command in a live rootlet (host); plain spawn";
    Ok(vec![Row::times(name, &times[0], &times[1], Bound::AtMost(1.5))])
}
