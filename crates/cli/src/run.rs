//! `run`, `shell` and `enter`: a rootlet is made, one command runs in it, and it is gone.

use crate::args::{Enter, From, Root, Run, Shell};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::report::{Full, Reporter};
use crate::signals::Signals;
use crate::store::{self, KEPT};
use crate::terminal::{self, Attended, RawMode, attend};
use crate::used::Caller;
use rootlet::spec::Spec;
use rootlet::{Base, Child, ErrorKind, Rootlet};
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Instant;

/// What is asked of a rootlet besides what it is.
struct Job {
    /// Empty: the image's own, or a shell.
    command: Vec<OsString>,
    shell: bool,
    tty: bool,
    keep: bool,
}

/// `rootlet run`.
pub fn run(args: Run) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, args.json.as_deref())?;
    let job = Job { command: args.command, shell: false, tty: args.tty, keep: args.keep };
    let done = spec(args.root, &job.command).and_then(|spec| {
        let base = base(&args.from, args.quiet)?;
        perform(&base, spec, &job, &mut reporter)
    });
    reporter.finish(done)
}

/// `rootlet shell`.
pub fn shell(args: Shell) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, None)?;
    let job = Job { command: vec![], shell: true, tty: on_a_terminal(), keep: args.keep };
    let mut spec = spec(args.root, &[])?;
    // An image's entrypoint would take the shell for its argument.
    spec.entrypoint.get_or_insert_default();
    let done = base(&args.from, args.quiet).and_then(|base| perform(&base, spec, &job, &mut reporter));
    reporter.finish(done)
}

/// `rootlet enter`.
pub fn enter(args: Enter) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, None)?;
    let shell = args.command.is_empty();
    let job =
        Job { command: args.command, shell, tty: args.tty || (shell && on_a_terminal()), keep: args.keep };
    let mut spec = spec(args.root, &job.command)?;
    spec.entrypoint.get_or_insert_default();
    let store = store::open(&args.store)?;
    let base = Base::resolve(&store::kept(&store, &args.id)?, &store)?;
    let done = perform(&base, spec, &job, &mut reporter);
    reporter.finish(done)
}

fn on_a_terminal() -> bool {
    use std::io::{IsTerminal, stdin, stdout};
    stdin().is_terminal() && stdout().is_terminal()
}

fn base(from: &From, quiet: bool) -> Result<Base, Failure> {
    let store = store::open(&from.store)?;
    Ok(store::resolver(&store, &from.pull, quiet)?.resolve(&from.base)?)
}

fn spec(root: Root, command: &[OsString]) -> Result<Spec, Failure> {
    let cwd = std::env::current_dir()
        .map_err(|e| Failure::new("failed to find the directory that this runs in").caused_by(e))?;
    let caller = Caller {
        cwd: &cwd,
        variable: &|name| std::env::var_os(name),
        read: &|path: &Path| std::fs::read(path),
    };
    let mut spec = root.spec(&caller)?;
    // Arguments need not be UTF-8: what runs is the words as given, this is what reports show.
    spec.command = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    Ok(spec)
}

fn perform(base: &Base, mut spec: Spec, job: &Job, reporter: &mut Reporter) -> Result<Outcome, Failure> {
    let timeout = spec.timeout;
    if job.tty && !spec.env.iter().any(|(name, _)| name == "TERM") {
        spec.env.push(("TERM".into(), std::env::var("TERM").unwrap_or_else(|_| "xterm".into())));
    }
    // Before anything is there that a signal could leave behind.
    let signals = Signals::catch().map_err(|e| Failure::new("failed to catch signals").caused_by(e))?;
    let root = Rootlet::builder(base).spec(spec).spawn()?;
    let argv = argv(&root, job)?;
    reporter.started(&root, &argv);
    let mut command = root.command(&argv[0]);
    command.args(&argv[1..]);
    if job.tty {
        let (rows, columns) = terminal::size();
        command.tty(rows, columns);
    }
    let started = Instant::now();
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let outcome = match error.kind() {
                ErrorKind::CommandNotFound => Outcome::NotFound,
                ErrorKind::CommandNotExecutable => Outcome::NotExecutable,
                _ => Outcome::Failed,
            };
            reporter.refused(error.into());
            return Ok(outcome);
        }
    };
    let deadline = timeout.and_then(|timeout| started.checked_add(timeout));
    let outcome = wait(child, signals, deadline)?;
    reporter.ended(Full { seconds: started.elapsed().as_secs_f64(), timeout, ..Full::default() });
    if job.keep {
        reporter.kept(keep(&root)?);
    }
    Ok(outcome)
}

/// The entrypoint, and the command with each argument as it was given.
fn argv(root: &Rootlet, job: &Job) -> Result<Vec<OsString>, Failure> {
    let spec = root.spec();
    let mut argv: Vec<OsString> = spec.entrypoint.iter().flatten().map(OsString::from).collect();
    if job.shell {
        argv.push(login_shell(root).into());
    } else if job.command.is_empty() {
        argv.extend(spec.command.iter().map(OsString::from));
    } else {
        argv.extend(job.command.iter().cloned());
    }
    if argv.is_empty() {
        return Err(Failure::new(format!(
            "no command is given, and the base {} names none",
            root.base().name()
        ))
        .hint("write it after `--`: rootlet run -- id"));
    }
    Ok(argv)
}

/// The user's own, unless that one is made to refuse (nologin) or is not in this root.
fn login_shell(root: &Rootlet) -> &str {
    let own = root.user().shell.as_str();
    let refuses = ["nologin", "false"].iter().any(|name| own.ends_with(name));
    if refuses || root.metadata(own).is_err() { "/bin/sh" } else { own }
}

fn wait(mut child: Child, signals: Signals, deadline: Option<Instant>) -> Result<Outcome, Failure> {
    let failed = |e| Failure::new("failed to wait for the command").caused_by(e);
    let tty = child.tty().map(|tty| tty.try_clone()).transpose().map_err(failed)?;
    let mut signals = if tty.is_some() { signals.and_resizes().map_err(failed)? } else { signals };
    let ended = child.ended_fd().try_clone_to_owned().map_err(failed)?;
    let attended = {
        let _raw = if tty.is_some() { RawMode::enter().map_err(failed)? } else { None };
        attend(std::os::fd::AsFd::as_fd(&ended), &mut signals, tty.as_ref(), deadline, |signal| {
            forward(&mut child, signal)
        })
        .map_err(failed)?
    };
    match attended {
        // The caller drops the rootlet, and everything in it ends.
        Attended::TimedOut => Ok(Outcome::TimedOut),
        Attended::Ended => Ok(outcome_of(child.wait()?)),
    }
}

/// Interrupt and quit come from a keyboard, which means everything that runs in the foreground, not only its leader.
fn forward(child: &mut Child, signal: i32) {
    use signal_hook::consts::{SIGINT, SIGQUIT};
    let _gone = match signal {
        SIGINT | SIGQUIT => child.signal_group(signal),
        _ => child.signal(signal),
    };
}

fn outcome_of(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited(code as u8),
        (None, Some(signal)) => Outcome::Signaled(signal as u8),
        (None, None) => Outcome::Failed,
    }
}

/// Keeps the root as a snapshot of its own name; gives what `rootlet enter` takes.
fn keep(root: &Rootlet) -> Result<String, Failure> {
    let id = format!("{:08x}", RandomState::new().hash_one(std::process::id()) as u32);
    root.snapshot_as(&format!("{KEPT}{id}"))?;
    Ok(id)
}
