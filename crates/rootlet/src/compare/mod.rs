//! The same command on fresh copies of the same base, as different people: what differs is what only root gets away with.
//!
//! ```no_run
//! use rootlet::compare::{Side, compare};
//! # use rootlet::{Base, Rootlet, Store};
//! # fn main() -> rootlet::Result<()> {
//! let base = Base::resolve("apt:trixie", &Store::open_default()?)?;
//! let sides = Side::usual(&Rootlet::builder(&base).user("sam"));
//! let ran = compare(&sides, &["make".into(), "check".into()])?;
//! assert_eq!(ran[0].status.code(), ran[1].status.code(), "as root; as production");
//! # Ok(()) }
//! ```

mod refused;
mod verdicts;
mod writes;

pub use verdicts::{Tests, Verdict};
pub use writes::Writes;

use crate::why::{Refusal, Why};
use crate::{Builder, Change, Error, ErrorKind, Identity, Result, Rootlet};
use rootlet_spec::{GroupSpec, Spec, UserSpec};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{ExitStatus, Output};
use std::time::{Duration, Instant};

/// Somebody to run as, and how the root is for him.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called: `root`, `production`, `random`, `read-only`.
    pub name: &'static str,
    /// The whole of it.
    pub builder: Builder,
}

/// What came of one side.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ran {
    /// See [`Side::name`].
    pub name: &'static str,
    /// Who ran.
    pub user: Identity,
    /// How it ended; where `Spec::timeout` ended it, by SIGKILL.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// What was changed.
    pub changes: Vec<Change>,
    /// What it was refused, where commands of that root are traced ([`Builder::explain`]).
    pub why: Option<Why>,
    /// How long it took.
    pub took: Duration,
    /// What this host cannot reproduce, a sentence each.
    pub not_reproduced: Vec<String>,
}

impl Side {
    /// All sides that `production` is compared with, and it itself: as root, as production, as a random uid of group 0, and as production
    /// with a read-only root (unless it has one).
    pub fn usual(production: &Builder) -> Vec<Self> {
        let with = |name, change: &dyn Fn(&mut Spec)| {
            let mut builder = production.clone();
            change(&mut builder.spec);
            Self { name, builder }
        };
        let mut sides = vec![
            with("root", &|spec| {
                spec.user = Some(UserSpec::Id(0, Some(GroupSpec::Id(0))));
                spec.groups.clear();
                spec.read_only = false;
                // What nobody takes away from root unless he is asked to.
                spec.caps = Default::default();
            }),
            with("production", &|_| {}),
            with("random", &|spec| {
                spec.user = Some(UserSpec::Name("random".into(), Some(GroupSpec::Id(0))));
                spec.groups.clear();
            }),
        ];
        sides.extend((!production.spec.read_only).then(|| with("read-only", &|spec| spec.read_only = true)));
        sides
    }
}

/// Runs a command on all sides at the same time, each in a rootlet of its own; what came of each, in the order of `sides`. An empty command is
/// the base's own.
///
/// # Errors
/// A rootlet cannot be made, or the command not be started on the first side: the first of these errors. Where it cannot be started on another
/// side alone, that is its result: status 126 or 127, as a shell has it, and the error in its standard error.
pub fn compare(sides: &[Side], command: &[OsString]) -> Result<Vec<Ran>> {
    std::thread::scope(|scope| {
        let running: Vec<_> = sides.iter().map(|side| scope.spawn(|| run(side, command))).collect();
        let ended = running.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Setup, "a side of the comparison panicked")))
        });
        ended.collect()
    })
}

fn run(side: &Side, command: &[OsString]) -> Result<Ran> {
    let root = side.builder.clone().spawn()?;
    let begin = Instant::now();
    let (output, why) = match output(&root, command) {
        Err(error) if side.name != "root" => (not_started(&error)?, None),
        output => output?,
    };
    Ok(Ran {
        name: side.name,
        user: root.user().clone(),
        status: output.status,
        stdout: output.stdout,
        stderr: output.stderr,
        why,
        took: begin.elapsed(),
        changes: root.changes()?,
        not_reproduced: root.report().not_reproduced.clone(),
    })
}

fn output(root: &Rootlet, command: &[OsString]) -> Result<(Output, Option<Why>)> {
    let mut command = match command.split_first() {
        Some((program, arguments)) => {
            let mut command = root.command(program);
            command.args(arguments);
            command
        }
        None => root.default_command().ok_or_else(|| {
            Error::new(ErrorKind::Spec, "no command is given, and the base names none")
                .with_hint("write it after `--`: rootlet compare -- id")
        })?,
    };
    match root.spec().explain {
        true => command.explain().map(|explained| (explained.output, Some(explained.why))),
        false => command.output().map(|output| (output, None)),
    }
}

/// What a shell says of a command that it cannot start.
fn not_started(error: &Error) -> Result<Output> {
    use std::os::unix::process::ExitStatusExt;
    let code = match error.kind() {
        ErrorKind::CommandNotFound => 127,
        ErrorKind::CommandNotExecutable => 126,
        // A work directory that this user may not enter: production's container would not start either.
        ErrorKind::Command => 125,
        ErrorKind::TimedOut => {
            return Ok(Output { status: ExitStatus::from_raw(9), stdout: Vec::new(), stderr: Vec::new() });
        }
        _ => return Err(Error::new(error.kind(), error.to_string())),
    };
    let stderr = format!("{error:?}\n").into_bytes();
    Ok(Output { status: ExitStatus::from_raw(code << 8), stdout: Vec::new(), stderr })
}

/// How two sides differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// They ended differently.
    pub status: bool,
    /// Tests whose verdicts differ: the name, the first side's, the second's; `None` where it is not there.
    pub tests: BTreeMap<String, (Option<Verdict>, Option<Verdict>)>,
    /// How many tests each side skipped, where that differs and not all are named.
    pub skipped: Option<(usize, usize)>,
    /// What the second side was refused and the first was not, where both were traced.
    pub refusals: Vec<Refusal>,
    /// Lines that the first side alone wrote.
    pub only_first: Vec<String>,
    /// Lines that the second side alone wrote.
    pub only_second: Vec<String>,
}

impl Difference {
    /// Whether the command did not do the same: other output alone is no such difference, since most has times in it.
    pub fn matters(&self) -> bool {
        self.status || !self.tests.is_empty() || self.skipped.is_some()
    }

    /// Those of the refusals that belong to one of the tests, as far as that can be known; `second` is the side that was refused.
    pub fn refusals_of<'a>(&'a self, test: &str, second: &Ran) -> Vec<&'a Refusal> {
        let output = second.text();
        self.refusals.iter().filter(|refusal| refused::belongs(refusal, test, &output)).collect()
    }

    /// Of two sides.
    pub fn of(first: &Ran, second: &Ran) -> Self {
        let (one, other) = (Tests::read(&first.text()), Tests::read(&second.text()));
        let unnamed = (one.has_unnamed || other.has_unnamed) && one.skipped != other.skipped;
        let skipped = unnamed.then_some((one.skipped, other.skipped));
        let names = one.named.keys().chain(other.named.keys()).cloned();
        let tests = names.map(|name| {
            let pair = (one.verdict(&name), other.verdict(&name));
            (name, pair)
        });
        // What one runner names and the other does not may have passed on both sides.
        let may_be_same = |one: Verdict, other: Verdict| {
            [one, other].contains(&Verdict::NotFailed) && ![one, other].contains(&Verdict::Failed)
        };
        let tests = tests.filter(|(_, pair)| match *pair {
            (Some(one), Some(other)) => one != other && !may_be_same(one, other),
            (one, other) => one != other,
        });
        let tests = tests.collect();
        let (one, other) = (first.text(), second.text());
        Self {
            status: first.status != second.status,
            tests,
            skipped,
            refusals: refused::beyond(first.why.as_ref(), second.why.as_ref()),
            only_first: beyond(&one, &other),
            only_second: beyond(&other, &one),
        }
    }
}

/// Lines of `text` that `rest` has not, each once, in their order.
fn beyond(text: &str, rest: &str) -> Vec<String> {
    let mut known: std::collections::HashSet<&str> = rest.lines().collect();
    text.lines().filter(|line| !line.trim().is_empty() && known.insert(line)).map(str::to_owned).collect()
}

impl Ran {
    /// What was written to both streams, as far as it is text.
    pub fn text(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn ran(name: &'static str, code: i32, stdout: &str) -> Ran {
        Ran {
            name,
            user: Identity::default(),
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: Vec::new(),
            changes: Vec::new(),
            why: None,
            took: Duration::ZERO,
            not_reproduced: Vec::new(),
        }
    }

    #[test]
    fn other_words_alone_do_not_matter() {
        let difference =
            Difference::of(&ran("root", 0, "took 1 s\nsame\n"), &ran("production", 0, "took 2 s\nsame\n"));
        assert!(!difference.matters());
        assert_eq!(
            (difference.only_first, difference.only_second),
            (vec!["took 1 s".into()], vec!["took 2 s".into()])
        );
    }

    #[test]
    fn statuses_and_tests_matter() {
        assert!(Difference::of(&ran("root", 0, ""), &ran("production", 1, "")).matters());
        let (root, sam) = ("test a ... ok\ntest b ... ok\n", "test a ... FAILED\ntest b ... ok\n");
        let difference = Difference::of(&ran("root", 101, root), &ran("production", 101, sam));
        assert!(difference.matters() && !difference.status);
        assert_eq!(difference.tests["a"], (Some(Verdict::Passed), Some(Verdict::Failed)));
        assert_eq!(difference.tests.len(), 1);
    }
}
