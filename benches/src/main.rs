//! `cargo xtask bench`: what rootlet costs, as ratios within one run.
//!
//! Absolute times of a machine that others use say nothing. So competitors take turns round by round ([`contest`]), medians
//! are compared, and between what a tenth and nine tenths of the rounds lie is printed beside them.

mod builds;
mod by_hand;
mod chroot;
mod command;
mod contest;
mod functions;
mod ground;
mod library;
mod maelstrom;
mod meter;
mod peers;
mod prepared;
mod programs;
mod python;
mod scale;
mod server;
mod suites;
mod table;
mod tiers;
mod unpack;
mod why;

use ground::Ground;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use table::Row;

/// What went wrong, as a sentence for the terminal.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
cargo xtask bench [OPTIONS] [PART]...

  PART            only parts whose name contains one of these words
  --quick         a fifth of the rounds
  --builds        also what a clean build costs (minutes)
  --json FILE     write the rows as JSON
  --check         exit with 1 when a bound is not kept or something was not measured";

/// What is asked for on the command line.
#[derive(Default)]
struct Options {
    quick: bool,
    builds: bool,
    check: bool,
    json: Option<String>,
    parts: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => options.quick = true,
                "--builds" => options.builds = true,
                "--check" => options.check = true,
                "--json" => options.json = Some(words.next().ok_or("--json FILE")?.clone()),
                "-h" | "--help" => return Err(USAGE.into()),
                other if other.starts_with('-') => return Err(format!("no option {other}\n\n{USAGE}")),
                part => options.parts.push(part.into()),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|word| part.contains(word.as_str()))
    }
}

type Part = (&'static str, fn(&Ground, usize) -> Result<Vec<Row>>, usize);

/// Name, what measures it, and the rounds.
const PARTS: &[Part] = &[
    ("library: fresh", library::fresh, 500),
    ("library: live", library::live, 1000),
    ("library: live, dynamic", library::live_dynamic, 500),
    ("command", command::rows, 100),
    ("programs", programs::rows, 60),
    ("scale: base", scale::sizes, 300),
    ("scale: caller and host", scale::callers, 300),
    ("scale: threads", scale::threads, 200),
    ("tiers: one id", tiers::one_id, 300),
    ("scale: leftovers", scale::leftovers, 1000),
    ("scale: first", scale::first, 100),
    ("chroot", chroot::rows, 40),
    ("prepared: bootstrap", prepared::bootstrap, 3),
    ("prepared: recipes", prepared::recipes, 60),
    ("suites: attribute", suites::attribute, 10),
    ("suites: runner", suites::runner, 100),
    ("suites: maelstrom", maelstrom::rows, 5),
    ("python: fixture", python::fixture, 10),
    ("python: fakechroot", python::fakechroot, 5),
    ("unpack", |ground, _| unpack::rows(ground), 0),
    ("why", why::rows, 20),
    ("functions", functions::rows, 40),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((word, rest)) if word == "serve" => scale::caller(rest).map(|()| true),
        Some((word, rest)) if word == "rootlets" => suites::rootlets(rest).map(|()| true),
        Some((word, _)) if word == "nothing" => Ok(true),
        _ => Options::parse(&arguments).and_then(|options| measure(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well, or nobody asked.
fn measure(options: &Options) -> Result<bool> {
    run_before_others();
    let ground = Ground::new()?;
    let mut all = vec![];
    for &(name, part, rounds) in PARTS.iter().filter(|(name, ..)| options.wants(name)) {
        let rounds = if options.quick { (rounds / 5).max(1) } else { rounds };
        all.extend(show(name, part(&ground, rounds)));
    }
    if options.wants("builds") {
        all.extend(match options.builds {
            true => show("builds", builds::rows(&ground)),
            false => show("builds", Err("takes minutes: ask for it with --builds".into())),
        });
    }
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
        std::fs::write(file, text).map_err(|e| format!("{file}: {e}"))?;
    }
    let well = all.iter().all(|row| row.kept != Some(false) && row.not_measured.is_none());
    Ok(well || !options.check)
}

fn show(name: &str, rows: Result<Vec<Row>>) -> Vec<Row> {
    let rows = rows.unwrap_or_else(|why| vec![Row::not_measured(name, why)]);
    table::print(name, &rows);
    rows
}

/// Becomes this program once more with a scheduling class that comes before all others, where that is allowed: what else
/// the machine does then disturbs all competitors less. They inherit it.
fn run_before_others() {
    const DONE: &str = "ROOTLET_BENCH_SCHEDULED";
    if std::env::var_os(DONE).is_some() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return eprintln!("not root: at the ordinary priority, so noisier");
    }
    if let (Ok(chrt), Ok(me)) = (peers::find("chrt"), std::env::current_exe()) {
        eprintln!("everything here runs before the machine's other work (chrt --fifo 50)");
        let arguments = std::env::args_os().skip(1);
        let error = Command::new(chrt).args(["--fifo", "50"]).arg(me).args(arguments).env(DONE, "1").exec();
        eprintln!("chrt: {error}");
    }
}
