//! `run`, `shell` and `enter`: a rootlet is made, one command runs in it, and it is gone.

use crate::args::{self, Enter, From, Layer, Root, Run, Shell};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::like;
use crate::recipe;
use crate::report::Reporter;
use crate::signals::{self, Signals};
use crate::store;
use crate::terminal::{self, Attended, RawMode, attend};
use crate::used::{self, Caller};
use crate::why::Target;
use rootlet::base::BaseKind;
use rootlet::spec::{Spec, UserSpec, printable};
use rootlet::why::Tracing;
use rootlet::{Builder, Child, ErrorKind, Identity, Rootlet, Tier};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Instant;

/// What is asked of a rootlet besides what it is.
#[derive(Default)]
pub struct Job {
    /// Empty: the image's own, or a shell.
    pub command: Vec<OsString>,
    pub shell: bool,
    pub tty: bool,
    pub keep: bool,
    /// What it is refused is explained.
    pub why: bool,
    /// Instead of the rootlet's own.
    pub user: Option<UserSpec>,
    pub env: Vec<(String, String)>,
    pub env_remove: Vec<String>,
    pub workdir: Option<String>,
}

/// `rootlet run`.
pub fn run(args: Run) -> Result<Outcome, Failure> {
    let why = args.why.then(Target::default);
    run_explained(args, why)
}

/// `rootlet why`.
pub fn why(args: args::Why) -> Result<Outcome, Failure> {
    let target = Target::new(args.format, args.to)?;
    run_explained(args.run, Some(target))
}

fn run_explained(args: Run, why: Option<Target>) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, args.json.as_deref())?;
    let job =
        Job { command: args.command, tty: args.tty, keep: args.keep, why: why.is_some(), ..Job::default() };
    reporter.explain_to(why);
    let done = perform(&job, &mut reporter, || spawn(args.root, args.layer, &args.from, &job, args.quiet));
    reporter.finish(done)
}

/// `rootlet shell`.
pub fn shell(args: Shell) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, None)?;
    let job = Job { shell: true, tty: on_a_terminal(), keep: args.keep, ..Job::default() };
    let done = perform(&job, &mut reporter, || spawn(args.root, args.layer, &args.from, &job, args.quiet));
    reporter.finish(done)
}

/// `rootlet enter`.
pub fn enter(args: Enter) -> Result<Outcome, Failure> {
    let mut reporter = Reporter::new(args.quiet, None)?;
    let shell = args.command.is_empty();
    let (env, env_remove) = with_caller(|caller| used::variables(args.env, &[] as &[&Path], caller))?;
    let job = Job {
        command: args.command,
        shell,
        tty: args.tty || (shell && on_a_terminal()),
        keep: args.keep,
        why: false,
        user: args.user,
        env,
        env_remove,
        workdir: args.workdir,
    };
    let done = perform(&job, &mut reporter, || Ok(Rootlet::enter(&args.id, &store::open(&args.store)?)?));
    reporter.finish(done)
}

fn on_a_terminal() -> bool {
    use std::io::{IsTerminal, stdin, stdout};
    stdin().is_terminal() && stdout().is_terminal()
}

fn spawn(root: Root, layer: Layer, from: &From, job: &Job, quiet: bool) -> Result<Rootlet, Failure> {
    let mut spec = with_caller(|caller| root.spec(caller))?;
    spec.writable = layer.writable;
    spec.explain = job.why;
    // Arguments need not be UTF-8: what runs is the words as given, this is what reports show.
    spec.command = job.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    rootlet(spec, from, quiet)
}

/// The one rootlet that this process makes.
pub fn rootlet(spec: Spec, from: &From, quiet: bool) -> Result<Rootlet, Failure> {
    Ok(builder(spec, from, quiet, true)?.spawn()?)
}

/// What is asked for, on the base that is asked for. `one`: this process makes no other, so that what it takes can begin at once.
pub fn builder(spec: Spec, from: &From, quiet: bool, one: bool) -> Result<Builder, Failure> {
    let like = like::of(&from.like)?;
    let spec = like.as_ref().map_or(spec.clone(), |like| spec.over(like.spec.clone()));
    let name = like::base(from, like.as_ref());
    // With init containers there are several.
    if one && !from.init_containers {
        Rootlet::foresee(name, &spec);
    }
    let store = store::open(&from.store)?;
    let base = recipe::base(from, name, &store::resolver(&store, &from.pull, quiet)?)
        .map_err(|failure| like::explain(failure, from, name))?;
    let builder = Rootlet::builder(&base);
    let builder = like.as_ref().map_or(builder.clone(), |like| builder.like(like));
    Ok(builder.spec(spec).init_containers(from.init_containers))
}

const GONE: &str = "it may have been removed: change to another one";

/// A file of variables; what has no end, as /dev/zero, is none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    const MOST: u64 = 16 << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST {
        true => Err(io::Error::other("it is larger than 16 MiB")),
        false => Ok(bytes),
    }
}

pub fn with_caller<T>(act: impl FnOnce(&Caller) -> Result<T, Failure>) -> Result<T, Failure> {
    let cwd = std::env::current_dir().map_err(|e| {
        Failure::new("failed to find the directory that this runs in").caused_by(e).hint(GONE)
    })?;
    act(&Caller { cwd: &cwd, variable: &|name| std::env::var_os(name), read: &read })
}

/// Makes a rootlet, and runs one command in it.
pub fn perform(
    job: &Job,
    reporter: &mut Reporter,
    make: impl FnOnce() -> Result<Rootlet, Failure>,
) -> Result<Outcome, Failure> {
    // So that what comes of the nursery's own rootlet is ours to wait for, when the nursery is gone: see below.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let ignored = signals::ignored();
    // Until then, a download above all, a signal ends us as it ends any program, and nothing is left.
    let root = make()?;
    // From here on the rootlet waits for us.
    let signals =
        Signals::catch(ignored).map_err(|e| Failure::new("failed to catch signals").caused_by(e))?;
    let identity = match &job.user {
        Some(user) => root.identity(&user.to_string())?,
        None => root.user().clone(),
    };
    let argv = argv(&root, job, &identity)?;
    reporter.started(&root, &identity, &argv);
    let mut command = command(&root, job, &argv);
    let started = Instant::now();
    let (child, tracing) = match start(&mut command, job.why) {
        Ok(started) => started,
        Err(error) => {
            let outcome = match error.kind() {
                ErrorKind::CommandNotFound => Outcome::NotFound,
                ErrorKind::CommandNotExecutable => Outcome::NotExecutable,
                _ => Outcome::Failed,
            };
            let hint = (outcome == Outcome::NotFound).then(|| on_this_machine(&root, &argv[0])).flatten();
            let failure = Failure::from(error);
            reporter.refused(match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            });
            return Ok(outcome);
        }
    };
    // Nothing more comes from there; what is left of it ends while the command runs. But where the kernel does not end all
    // processes of a rootlet by itself, somebody has to be there who does.
    if root.report().tier != Tier::Chroot {
        Rootlet::end_helpers();
    }
    let deadline = root.spec().timeout.and_then(|timeout| started.checked_add(timeout));
    let outcome = wait(child, signals, deadline)?;
    reporter.ended(&root, started.elapsed());
    if let Some(tracing) = tracing {
        let succeeded = (outcome != Outcome::TimedOut).then_some(outcome == Outcome::SUCCESS);
        reporter.explained(tracing.why(succeeded));
    }
    if job.keep {
        reporter.kept(root.keep()?);
    }
    Ok(outcome)
}

/// Where the caller finds a program that the root's own PATH has not.
fn on_this_machine(root: &Rootlet, program: &OsStr) -> Option<String> {
    let name = Path::new(program);
    let is_name = name.components().count() == 1 && !program.as_bytes().contains(&b'/');
    let path = std::env::var_os("PATH").filter(|_| is_name)?;
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file())?;
    let found = printable(&found.to_string_lossy()).into_owned();
    Some(match root.base().kind() {
        BaseKind::Host => format!(
            "on this machine it is {found}: `--env PATH` takes your own PATH, and the user of the root must be let there; what cargo \
             has built, `rootlet runner` runs"
        ),
        _ => {
            format!("this machine has it as {found}, the base does not: `--base host` is this machine's root")
        }
    })
}

fn start(command: &mut rootlet::Command<'_>, why: bool) -> rootlet::Result<(Child, Option<Tracing>)> {
    match why {
        true => command.spawn_explained().map(|(child, tracing)| (child, Some(tracing))),
        false => command.spawn().map(|child| (child, None)),
    }
}

fn command<'a>(root: &'a Rootlet, job: &Job, argv: &[OsString]) -> rootlet::Command<'a> {
    let mut command = root.command(&argv[0]);
    command.args(&argv[1..]);
    if !job.keep {
        command.last();
    }
    if job.tty {
        let (rows, columns) = terminal::size();
        command.tty(rows, columns);
        if let Some(term) =
            std::env::var_os("TERM").filter(|_| !root.spec().env.iter().any(|(name, _)| name == "TERM"))
        {
            command.env("TERM", term);
        }
    }
    if let Some(user) = &job.user {
        command.user(user.to_string());
    }
    if let Some(workdir) = &job.workdir {
        command.current_dir(workdir);
    }
    for name in &job.env_remove {
        command.env_remove(name);
    }
    command.envs(job.env.iter().map(|(name, value)| (name, value)));
    command
}

/// The entrypoint, and the command with each argument as it was given.
fn argv(root: &Rootlet, job: &Job, identity: &Identity) -> Result<Vec<OsString>, Failure> {
    // An entrypoint would take a shell for its argument.
    if job.shell {
        return Ok(vec![login_shell(root, identity).into()]);
    }
    let spec = root.spec();
    let mut argv: Vec<OsString> = spec.entrypoint.iter().flatten().map(OsString::from).collect();
    if job.command.is_empty() {
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
fn login_shell<'a>(root: &Rootlet, identity: &'a Identity) -> &'a str {
    let own = identity.shell.as_str();
    let refuses = ["nologin", "false"].iter().any(|name| own.ends_with(name));
    if refuses || root.metadata(own).is_err() { "/bin/sh" } else { own }
}

/// Waits for a command, hands it the signals of this process, and is its terminal where it has one.
pub fn wait(mut child: Child, signals: Signals, deadline: Option<Instant>) -> Result<Outcome, Failure> {
    let failed = |e| Failure::new("failed to wait for the command").caused_by(e);
    let tty = child.tty().map(|tty| tty.try_clone()).transpose().map_err(failed)?;
    let mut signals = if tty.is_some() { signals.and_resizes().map_err(failed)? } else { signals };
    let ended = child.ended_fd().try_clone_to_owned().map_err(failed)?;
    let attended = {
        let _raw = if tty.is_some() { RawMode::enter().map_err(failed)? } else { None };
        attend(ended.as_fd(), &mut signals, tty.as_ref(), deadline, |signal| forward(&mut child, signal))
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
