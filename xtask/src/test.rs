//! `cargo xtask test`: all checks and all tests.

use crate::Result;
use crate::leftovers::Leftovers;
use crate::setup::{self, Data, account};
use crate::shell::{cargo, command, is_root, loud, of_the_killed, quiet, step, target, workspace};
use crate::stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Options {
    /// Only the tests, as who we are: no set-up, no lints, no second user.
    fast: bool,
    /// Only tests whose names contain this.
    filter: Option<String>,
}

impl Options {
    /// Reads the words behind `test`.
    pub fn parse(words: &[&str]) -> Result<Options> {
        let mut options = Options::default();
        for &word in words {
            match word {
                "--fast" => options.fast = true,
                _ if word.starts_with('-') => return Err(format!("test has no option {word}")),
                _ if options.filter.is_none() => options.filter = Some(word.into()),
                _ => return Err("test takes one FILTER".into()),
            }
        }
        Ok(options)
    }
}

/// The tests once more or less, as somebody, somewhere.
struct Pass {
    /// As real root, or as an ordinary user.
    root: bool,
    /// Not the strongest tier that the place gives, but this one.
    tier: Option<&'static str>,
    place: Place,
    /// These alone, since the others do not change with the tier; or all.
    tests: &'static [&'static str],
}

#[derive(PartialEq)]
enum Place {
    /// This machine as it is.
    Here,
    /// Where parts of /proc are hidden, as in most containers.
    MaskedProc,
    /// Under the filter and the capabilities of docker's default container.
    Docker,
}

/// All passes. What nobody here can be (real root, for an ordinary caller) is left out.
const PASSES: &[Pass] = &[
    Pass { root: true, tier: None, place: Place::Here, tests: &[] },
    Pass { root: false, tier: None, place: Place::Here, tests: &[] },
    Pass {
        root: false,
        tier: ONE_ID,
        place: Place::Here,
        tests: &["engine", "library", "programs", "faults", "prepared", "parity", "containers"],
    },
    Pass { root: false, tier: ONE_ID, place: Place::MaskedProc, tests: &["engine", "library"] },
    Pass { root: true, tier: CHROOT, place: Place::Docker, tests: &["engine", "library", "faults", "why"] },
    // They have the same program run outside as well, for which docker's container has not the means, or make many bases, of each of
    // which it would compare all trees.
    Pass { root: true, tier: CHROOT, place: Place::Here, tests: &["programs", "containers"] },
];
const ONE_ID: Option<&str> = Some("one-id");
const CHROOT: Option<&str> = Some("chroot");

impl Pass {
    fn title(&self) -> String {
        let who = if self.root { "root" } else { "an ordinary user" };
        let tier = self.tier.map(|tier| format!(", tier {tier}")).unwrap_or_default();
        let place = match self.place {
            Place::Here => "",
            Place::MaskedProc => ", masked /proc",
            Place::Docker => ", as in docker's default container",
        };
        format!("tests, as {who}{tier}{place}")
    }

    /// The tests of this pass; the targets are those of one that is whole.
    fn tests(&self, options: &Options, targets: &[&str]) -> Command {
        // Always the workspace: for a part of it cargo would build everything once more, with fewer features.
        let mut tests = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
        match self.tests {
            [] => tests.args(targets),
            some => tests.args(some.iter().flat_map(|name| ["--test", name])),
        };
        tests.envs(self.tier.map(|tier| ("ROOTLET_TIER", tier)));
        if self.place == Place::Docker {
            let runner = target().join("debug/examples/in-docker");
            tests.args(["--config", &format!("target.'cfg(all())'.runner='{}'", runner.display())]);
        }
        tests.args(&options.filter);
        tests
    }
}

/// Runs everything; the first failing check ends it, but all passes of the tests are always seen through.
pub fn run(options: &Options) -> Result<()> {
    let before = Leftovers::before();
    let mut data = if options.fast { setup::existing()? } else { setup::run()? };
    if !options.fast {
        lint()?;
    }
    step("build");
    run_cargo(&["build", "--workspace", "--all-features", "--bins", "--examples"])?;
    data.python = setup::python::install(&command_under_test(), options.fast)?;

    let scratch = Scratch::new()?;
    let mut temporaries = vec![scratch.0.join("tmp")];
    let user = account::find().filter(|_| is_root() && !options.fast);
    let stage = user.map(|user| Stage::new(&user)).transpose()?;
    temporaries.extend(stage.as_ref().map(Stage::temporary));
    let mut results = Vec::new();
    for pass in PASSES.iter().filter(|pass| !options.fast || pass.tier.is_none()) {
        match &stage {
            _ if pass.root == is_root() => results.push(as_caller(pass, options, &data, &scratch)),
            Some(stage) if !pass.root => results.push(as_test_user(pass, options, &data, &scratch, stage)),
            _ => {}
        }
    }
    step("leftovers");
    results.push(nothing_left(&before, &temporaries));
    // They hold stores of many files.
    std::thread::scope(|both| {
        both.spawn(|| drop(stage));
        drop(scratch);
    });

    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nxtask: ")) }
}

/// What a run of the tests leaves on the machine is a failure of that run.
fn nothing_left(before: &Leftovers, temporaries: &[PathBuf]) -> Result<()> {
    let mut left = before.left();
    for directory in temporaries {
        let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        left.extend(entries.flatten().map(|entry| format!("file {}", entry.path().display())));
    }
    if left.is_empty() { Ok(()) } else { Err(format!("left behind:\n    {}", left.join("\n    "))) }
}

fn lint() -> Result<()> {
    step("format and lints");
    run_cargo(&["fmt", "--all", "--check"])?;
    // No crate of the workspace: `crates/kernel/build.rs` compiles it.
    loud(
        command("rustfmt", &["--check", "--edition", "2024", "crates/kernel/program/main.rs"])
            .current_dir(workspace()),
    )?;
    run_cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ])
}

fn run_cargo(arguments: &[&str]) -> Result<()> {
    loud(&mut cargo(arguments))
}

/// The tests as who we are, doc tests included.
fn as_caller(pass: &Pass, options: &Options, data: &Data, scratch: &Scratch) -> Result<()> {
    step(&pass.title());
    let mut tests = pass.tests(options, &[]);
    tests.env("TMPDIR", scratch.0.join("tmp")).env("ROOTLET_STORE", scratch.0.join("store"));
    if is_root() {
        tests.env("ROOTLET_REFERENCE", scratch.reference()).env("ROOTLET_BASE_IDS", scratch.base_ids());
    }
    tell(&mut tests, data, &command_under_test(), shared().as_deref());
    loud(&mut tests)
}

/// The same binaries once more, as the ordinary user.
fn as_test_user(pass: &Pass, options: &Options, data: &Data, scratch: &Scratch, stage: &Stage) -> Result<()> {
    step(&pass.title());
    // Every target but the doc tests, which are built as they run and so cannot be copied beforehand.
    let mut tests = pass.tests(options, &["--lib", "--bins", "--tests"]);
    tests.args(["--config", &stage.cargo_config()]);
    tests.env("TMPDIR", stage.temporary()).env("ROOTLET_STORE", stage.store());
    if scratch.reference().exists() {
        tests.env("ROOTLET_REFERENCE", stage.data(&scratch.reference())?);
    }
    if scratch.base_ids().exists() {
        tests.env("ROOTLET_BASE_IDS", stage.data(&scratch.base_ids())?);
    }
    let shared = shared().map(|directory| stage.shared(&directory)).transpose()?;
    tell(&mut tests, &stage.all_data(data)?, &stage.data(&command_under_test())?, shared.as_deref());
    if pass.place == Place::MaskedProc {
        tests = behind_a_masked_proc(&tests);
    }
    loud(&mut tests)
}

/// The same command where parts of /proc are hidden.
fn behind_a_masked_proc(command: &Command) -> Command {
    let script = concat!(include_str!("../../tests/support/hosts/mask-proc.sh"), "exec \"$@\"");
    let mut masked = Command::new("unshare");
    masked.args(["--mount", "sh", "-ec", script, "sh"]).arg(command.get_program()).args(command.get_args());
    masked.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    masked.env("ROOTLET_TEST_PROC", "hosts").current_dir(workspace());
    masked
}

/// Where the tests find what they need (`tests/support` reads these).
fn tell(tests: &mut Command, data: &Data, command: &Path, shared: Option<&Path>) {
    tests.env("ROOTLET_PROBE", &data.probe).env("ROOTLET_HOSTILE", &data.hostile);
    tests.env("ROOTLET_CONFINE", &data.confine).env("ROOTLET_BIN", command);
    tests.envs(data.debian.as_deref().map(|tarball| ("ROOTLET_DEBIAN_TAR", tarball)));
    tests.envs(data.services.as_deref().map(|tarball| ("ROOTLET_SERVICES_TAR", tarball)));
    tests.envs(data.pjdfstest.as_deref().map(|program| ("ROOTLET_PJDFSTEST", program)));
    tests.envs(data.server.as_deref().map(|program| ("ROOTLET_SERVER", program)));
    tests.envs(data.python.as_deref().map(|directory| ("ROOTLET_PYTHON", directory)));
    tests.envs(shared.map(|directory| ("ROOTLET_SHARED", directory)));
}

fn command_under_test() -> PathBuf {
    target().join("debug/rootlet")
}

/// Data that is shared by checkouts and not in git: `ROOTLET_SHARED`, or `../shared/data`.
fn shared() -> Option<PathBuf> {
    let beside = || workspace().join("../shared/data");
    let directory = std::env::var_os("ROOTLET_SHARED").map_or_else(beside, PathBuf::from);
    directory.canonicalize().ok()
}

/// A temporary directory, a store and what root finds out for others, of this run alone; removed when dropped, and a killed run's by the next one.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        let tests = target().join("tests");
        of_the_killed(&tests, "run-").into_iter().map(Scratch).for_each(drop);
        let scratch = Scratch(tests.join(format!("run-{}", std::process::id())));
        for name in ["tmp", "store"] {
            fs::create_dir_all(scratch.0.join(name)).map_err(|e| e.to_string())?;
        }
        Ok(scratch)
    }
}

impl Scratch {
    /// Where root's pass leaves what a real user is allowed, which nobody else can find out.
    fn reference(&self) -> PathBuf {
        self.0.join("reference.json")
    }

    /// Where root's pass leaves which bases it made, so that others may see that theirs are the same.
    fn base_ids(&self) -> PathBuf {
        self.0.join("base-ids")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The store holds files of subordinate ids, which an ordinary user can remove only where they are his own.
        let within =
            |path| quiet(command("unshare", &["--map-root-user", "--map-auto", "rm", "-rf"]).arg(path));
        if let Err(error) =
            fs::remove_dir_all(&self.0).map_err(|e| e.to_string()).or_else(|_| within(&self.0).map(drop))
        {
            eprintln!("xtask: {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn words_become_options() {
        let asked = Options { fast: true, filter: Some("tidy".into()) };
        assert_eq!(Options::parse(&["tidy", "--fast"]), Ok(asked));
        assert!(Options::parse(&["--slow"]).is_err());
        assert!(Options::parse(&["a", "b"]).is_err());
    }
}
