//! What a rootlet's cost must not depend on: the size of the base, of the caller and of the host, and how many there were.

use crate::Result;
use crate::by_hand;
use crate::contest::{Competitor, Times, compete};
use crate::ground::{Ground, run};
use crate::library::{once, spawn};
use crate::server::{Server, serve};
use crate::table::{Bound, Row};
use rootlet::{Base, Store};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What this machine's noise may make of two equal things.
const SAME: Bound = Bound::AtMost(1.15);

/// Bases of 10,000 and of 100,000 files.
pub fn sizes(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let (small, large) = (ground.base(10_000)?, ground.base(100_000)?);
    let times = compete(
        rounds,
        vec![Competitor::new("100,000", || once(&large)), Competitor::new("10,000", || once(&small))],
    )?;
    Ok(vec![Row::times("a base of 100,000 files; of 10,000", &times[0], &times[1], SAME)])
}

/// Rootlets a second, of two threads on two processors against one thread on one. By hand the same does not double
/// either: each root waits for three expedited grace periods (`synchronize_rcu_expedited`: the old tree is let go of, the
/// mount namespace ends, the overlay ends), and the whole machine has one of them at a time. Without a mount namespace
/// two by hand make 1.98 times as many, with one 1.2 to 1.7 times. So what is asked is to lose no more.
pub fn threads(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let base = ground.base(0)?;
    let tarball = ground.path("tree-0.tar");
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let serve = |processors: &str, threads: &str| {
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).arg(&me).arg("serve").arg(&tarball).arg(ground.path("store"));
        Server::start("threads", command.args(["0", threads]))
    };
    let (mut two, mut one, mut ahead) = (serve("0-1", "2")?, serve("0", "1")?, serve("0-1", "1")?);
    let by_hand = |processors| by_hand::start(ground, &base, "/bin/true", Some(processors));
    let (mut first, mut second) = (by_hand("0")?, by_hand("1")?);
    let (mut hand, mut other) = (by_hand("0")?, [&mut first, &mut second]);
    let each = |server: &mut Server| (0..EACH).map(|_| server.round()).sum::<Result<Duration>>();
    let times = compete(
        (rounds / 20).max(5),
        vec![
            Competitor::timed("two threads", || two.round()),
            Competitor::timed("one thread", || one.round()),
            Competitor::timed("one thread that has both processors", || ahead.round()),
            Competitor::new("two by hand", || at_once(&mut other, |server| each(server).map(drop))),
            Competitor::new("one by hand", || each(&mut hand).map(drop)),
        ],
    )?;
    let rate = |i: usize, n: f64| n * EACH as f64 / Times::median(&times[i]).as_secs_f64();
    let (two, one, ahead) = (rate(0, 2.0), rate(1, 1.0), rate(2, 1.0));
    let (hands, hand) = (rate(3, 2.0), rate(4, 1.0));
    let row = |name: &str, ours: f64, peer: f64| {
        let shown = |rate: f64| format!("{rate:.0} a second");
        Row::values(name, shown(ours), shown(peer), ours / peer, Bound::None)
    };
    let gains = [two / one, hands / hand].map(|gain| format!("{gain:.2} times"));
    let [gain, by_hand] = gains;
    let name = "what a second thread and processor gain; by hand";
    Ok(vec![
        row("two threads on two processors; one on one", two, one),
        row("the same; one thread that has both processors", two, ahead),
        row("two by hand on two processors; one on one", hands, hand),
        Row::values(name, gain, by_hand, (two / one) / (hands / hand), Bound::AtLeast(0.9)),
    ])
}

/// Does `act` with each of these in a thread of its own.
fn at_once<T: Send>(each: &mut [T], act: impl Fn(&mut T) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = each.iter_mut().map(|one| scope.spawn(move || act(one))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))
        };
        threads.into_iter().map(join).fold(Ok(()), Result::and)
    })
}

/// Rootlets that a thread makes in a round.
const EACH: usize = 100;

/// What is left of rootlets that were made and dropped.
pub fn leftovers(ground: &Ground, count: usize) -> Result<Vec<Row>> {
    let base = ground.base(0)?;
    // What is kept for the next ones is there from now on.
    (0..50).try_for_each(|_| once(&base))?;
    let before = census()?;
    (0..count).try_for_each(|_| once(&base))?;
    let after = census()?;
    let rows = after.into_iter().zip(before).map(|((what, after), (_, before))| {
        let bound = if what == MEMORY { Bound::AtMost(1.1) } else { Bound::AtMost(1.0) };
        Row::numbers(format!("{count} rootlets, {what}: after; before"), after, before, bound)
    });
    Ok(rows.collect())
}

const MEMORY: &str = "resident KiB of caller and nursery";

/// Of this process and all that come from it.
fn census() -> Result<Vec<(&'static str, f64)>> {
    let family = family()?;
    let of = |pid: u32, file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let resident = |pid: u32| {
        let status = of(pid, "status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let descriptors = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |fds| fds.count());
    Ok(vec![
        (MEMORY, family.iter().map(|&pid| resident(pid)).sum()),
        ("processes", family.len() as f64),
        ("mounts", family.iter().map(|&pid| of(pid, "mountinfo").lines().count() as f64).sum()),
        ("descriptors", family.iter().map(|&pid| descriptors(pid) as f64).sum()),
    ])
}

fn family() -> Result<Vec<u32>> {
    let mut family = vec![std::process::id()];
    let mut known = 0;
    while known < family.len() {
        let path = format!("/proc/{0}/task/{0}/children", family[known]);
        let children = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        known += 1;
    }
    Ok(family)
}

/// A caller with much memory, and one on a host with many mounts, against a plain one.
pub fn callers(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let tarball = ground.base(0).map(|_| ground.path("tree-0.tar"))?;
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let serve = |megabytes: u32| {
        let mut command = Command::new(&me);
        command.arg("serve").arg(&tarball).arg(ground.path("store")).arg(megabytes.to_string());
        command
    };
    let mut small = Server::start("a small caller", &mut serve(0))?;
    let mut large = Server::start("a large caller", &mut serve(1024))?;
    let mut among = among_mounts(ground, &serve(0))?;
    let mut competitors =
        vec![Competitor::timed("small", || small.round()), Competitor::timed("large", || large.round())];
    if let Ok(among) = &mut among {
        competitors.push(Competitor::timed("among mounts", || among.round()));
    }
    let times = compete(rounds, competitors)?;
    let mut rows =
        vec![Row::times("a caller of 1 GB resident memory; a small one", &times[1], &times[0], SAME)];
    let name = "1,000 more mounts on the host; none";
    rows.push(match among {
        Ok(_) => Row::times(name, &times[2], &times[0], SAME),
        Err(why) => Row::not_measured(name, why),
    });
    Ok(rows)
}

/// The same caller in a mount namespace with a thousand mounts more.
fn among_mounts(ground: &Ground, caller: &Command) -> Result<std::result::Result<Server, String>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Err("only real root mounts".into()));
    }
    let place = ground.path("mounts");
    fs::create_dir_all(&place).map_err(|e| e.to_string())?;
    run(Command::new("sh").args(["-c", "seq 1000 | xargs mkdir"]).current_dir(&place))?;
    let script = "for i in $(seq 1000); do mount -t tmpfs tmpfs $0/$i; done; exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script])
        .arg(&place)
        .arg(caller.get_program())
        .args(caller.get_args());
    Ok(Server::start("a caller among mounts", &mut command))
}

/// `serve TARBALL STORE MEGABYTES [THREADS]`: this program as such a caller, of one rootlet in a round, or of some in each
/// thread.
pub fn caller(arguments: &[String]) -> Result<()> {
    let [tarball, store, megabytes, threads @ ..] = arguments else {
        return Err("serve TARBALL STORE MEGABYTES [THREADS]".into());
    };
    let megabytes: usize = megabytes.parse().map_err(|_| "a number of megabytes")?;
    // Written, so that it is resident.
    let ballast = vec![1u8; megabytes << 20];
    let store = Store::open(Path::new(store)).map_err(|e| e.to_string())?;
    let base = Base::resolve(&format!("tar:{tarball}"), &store).map_err(|e| e.to_string())?;
    match threads.first().map(|n| n.parse()) {
        None => serve(|| once(&base))?,
        Some(threads) => {
            let threads: usize = threads.map_err(|_| "a number of threads")?;
            serve(|| at_once(&mut vec![(); threads], |()| (0..EACH).try_for_each(|_| once(&base))))?;
        }
    }
    drop(std::hint::black_box(ballast));
    Ok(())
}

/// The first rootlet of a process, whose nursery has yet to start: what a short-lived test binary pays once.
pub fn first(ground: &Ground, rounds: usize) -> Result<Vec<Row>> {
    let base = ground.base(0)?;
    spawn(&base)?;
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let tarball = ground.path("tree-0.tar");
    let process = |arguments: &[&str]| {
        let mut command = Command::new(&me);
        command.arg(arguments[0]).arg(&tarball).arg(ground.path("store")).arg("0");
        run(&mut command)
    };
    let times = compete(
        rounds / 5,
        vec![
            Competitor::new("first rootlet", || process(&["serve"])),
            Competitor::timed("nothing", || {
                let begin = Instant::now();
                let _ = process(&["nothing"]);
                Ok::<Duration, String>(begin.elapsed())
            }),
        ],
    )?;
    let name = "a process that makes one rootlet; one that makes none";
    Ok(vec![Row::times(name, &times[0], &times[1], Bound::None)])
}
