//! Commands in a rootlet, with the names of `std::process`.

use crate::child::{Child, Tty};
use crate::rootlet::{Rootlet, environment, take_identity};
use crate::why::{self, Explained, Tracing};
use crate::{Error, ErrorKind, Identity, Result, interpreter};
use rootlet_kernel::{ExecError, ExecStep, Started, Streams};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{ExitStatus, Output};
use std::time::Duration;

/// A command to be run in a rootlet, as `std::process::Command`. Its variables are those of the rootlet, not the
/// caller's; its program is looked up inside, as the user who runs it.
#[derive(Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct Command<'a> {
    rootlet: &'a Rootlet,
    argv: Vec<OsString>,
    /// Changes of the variables, in order; `None` removes. The flag: begin with none.
    env: Vec<(OsString, Option<OsString>)>,
    env_clear: bool,
    workdir: Option<String>,
    user: Option<String>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    tty: Option<Tty>,
    timeout: Option<Duration>,
    last: bool,
}

/// Where a stream of a command leads. As `std::process::Stdio`.
#[derive(Debug)]
pub struct Stdio(Kind);

#[derive(Debug)]
enum Kind {
    Inherit,
    Piped,
    Null,
    Given(OwnedFd),
}

impl Stdio {
    /// The caller's own stream, the very descriptor.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// A pipe to the caller.
    pub fn piped() -> Self {
        Self(Kind::Piped)
    }

    /// /dev/null.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// A duplicate of the caller's descriptor of this number, for callers that have no owner of it to give.
    ///
    /// # Errors
    /// `EBADF` when nothing is open under this number.
    pub fn from_number(number: RawFd) -> io::Result<Self> {
        rootlet_kernel::duplicate(number).map(Self::from)
    }
}

impl<T: Into<OwnedFd>> From<T> for Stdio {
    fn from(fd: T) -> Self {
        Self(Kind::Given(fd.into()))
    }
}

/// What a stream is on either side.
struct Stream<'a> {
    theirs: Theirs<'a>,
    reader: Option<PipeReader>,
    writer: Option<PipeWriter>,
}

enum Theirs<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for Theirs<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}

impl Stdio {
    fn open<'a>(&'a self, caller: BorrowedFd<'a>, is_input: bool) -> io::Result<Stream<'a>> {
        let stream = |theirs| Stream { theirs, reader: None, writer: None };
        Ok(match &self.0 {
            Kind::Inherit => stream(Theirs::Borrowed(caller)),
            Kind::Given(fd) => stream(Theirs::Borrowed(fd.as_fd())),
            Kind::Null => {
                let null = File::options().read(is_input).write(!is_input).open("/dev/null")?;
                stream(Theirs::Owned(null.into()))
            }
            Kind::Piped => {
                let (reader, writer) = io::pipe()?;
                match is_input {
                    true => {
                        Stream { theirs: Theirs::Owned(reader.into()), reader: None, writer: Some(writer) }
                    }
                    false => {
                        Stream { theirs: Theirs::Owned(writer.into()), reader: Some(reader), writer: None }
                    }
                }
            }
        })
    }
}

impl<'a> Command<'a> {
    pub(crate) fn new(rootlet: &'a Rootlet, program: &OsStr) -> Self {
        Self {
            rootlet,
            argv: vec![program.to_owned()],
            env: Vec::new(),
            env_clear: false,
            workdir: None,
            user: None,
            stdin: None,
            stdout: None,
            stderr: None,
            tty: None,
            timeout: rootlet.spec().timeout,
            last: false,
        }
    }

    /// An argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.argv.push(arg.as_ref().to_owned());
        self
    }

    /// Arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.argv.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Sets variables.
    pub fn envs(
        &mut self,
        vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in vars {
            self.env(name, value);
        }
        self
    }

    /// Removes a variable.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Begins with no variables at all.
    pub fn env_clear(&mut self) -> &mut Self {
        self.env_clear = true;
        self.env.clear();
        self
    }

    /// The work directory, absolute, entered as the user. It is not made.
    pub fn current_dir(&mut self, path: impl Into<String>) -> &mut Self {
        self.workdir = Some(path.into());
        self
    }

    /// Another user of the root than the rootlet's: `root`, `1000`, `www-data`.
    pub fn user(&mut self, user: impl Into<String>) -> &mut Self {
        self.user = Some(user.into());
        self
    }

    /// Where standard input comes from. Not said: inherited with `spawn` and `status`, /dev/null with `output`.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Where standard output goes. Not said: inherited with `spawn` and `status`, a pipe with `output`.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Where standard error goes. Not said: inherited with `spawn` and `status`, a pipe with `output`.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Runs the command on a new terminal of this size, whose other end is [`Child::tty`]; the streams above are then not
    /// used.
    pub fn tty(&mut self, rows: u16, columns: u16) -> &mut Self {
        self.tty = Some(Tty { rows, columns });
        self
    }

    /// The rootlet ends with this command, and nothing can be asked of it afterwards: what a caller that drops it then does
    /// anyway, a moment sooner.
    pub fn last(&mut self) -> &mut Self {
        self.last = true;
        self
    }

    /// How long it may take; not said: as long as the Spec's `timeout` allows. Whoever waits for it is then told
    /// [`ErrorKind::TimedOut`], and every process of the rootlet has been ended, since what a command starts need not stay
    /// its child. The rootlet itself lives on: its files can be looked at, and other commands run in it.
    ///
    /// ```no_run
    /// # fn main() -> rootlet::Result<()> {
    /// # let store = rootlet::Store::open_default()?;
    /// # let root = rootlet::Rootlet::builder(&rootlet::Base::resolve("host", &store)?).spawn()?;
    /// use rootlet::ErrorKind;
    /// use std::time::Duration;
    ///
    /// match root.command("./server-test").timeout(Duration::from_secs(30)).output() {
    ///     Err(e) if e.kind() == ErrorKind::TimedOut => panic!("{e}: {:?}", root.read_to_string("/var/log/server.log")),
    ///     output => assert!(output?.status.success()),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// It is kept by those who wait: [`status`](Self::status), [`output`](Self::output) and the waiting of [`Child`]. Nobody ends
    /// a command that nobody waits for.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = Some(timeout);
        self
    }

    /// Starts the command.
    ///
    /// # Errors
    /// [`ErrorKind::CommandNotFound`], [`ErrorKind::CommandNotExecutable`], or what else kept it from starting.
    pub fn spawn(&mut self) -> Result<Child> {
        self.start(Stdio::inherit)
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and of [`Child::wait`].
    pub fn status(&mut self) -> Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Runs the command to its end and gives what it wrote.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and of [`Child::wait`].
    pub fn output(&mut self) -> Result<Output> {
        if self.stdin.is_none() {
            self.stdin = Some(Stdio::null());
        }
        self.start(Stdio::piped)?.wait_with_output()
    }

    /// Runs the command to its end, as [`output`](Self::output) does, and says what it was refused and why. It is traced
    /// (ptrace(2)), which slows calls that name paths or ids; see docs/why.md.
    ///
    /// ```no_run
    /// # fn main() -> rootlet::Result<()> {
    /// # let store = rootlet::Store::open_default()?;
    /// # let root = rootlet::Rootlet::builder(&rootlet::Base::resolve("host", &store)?).spawn()?;
    /// let explained = root.command("cat").arg("/etc/shadow").explain()?;
    /// println!("{}", explained.why);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`output`](Self::output), and [`ErrorKind::Host`] where the host does not allow tracing.
    pub fn explain(&mut self) -> Result<Explained> {
        if self.stdin.is_none() {
            self.stdin = Some(Stdio::null());
        }
        let mut tracing = None;
        let child = self.start_traced(Stdio::piped, &mut tracing)?;
        let output = child.wait_with_output()?;
        Ok(Explained { why: traced(tracing)?.why(Some(output.status.success())), output })
    }

    /// Starts the command, traced.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn), and [`ErrorKind::Host`] where the host does not allow tracing.
    pub fn spawn_explained(&mut self) -> Result<(Child, Tracing)> {
        let mut tracing = None;
        let child = self.start_traced(Stdio::inherit, &mut tracing)?;
        Ok((child, traced(tracing)?))
    }

    /// `tracing`: is there, too, when what is traced failed to execute.
    fn start_traced(&mut self, otherwise: fn() -> Stdio, tracing: &mut Option<Tracing>) -> Result<Child> {
        self.start_by(otherwise, |command, exec, streams| {
            let live = command.rootlet.live();
            let waiting = live
                .init
                .exec_traced(exec, streams, &why::filter(live)?)
                .map_err(|e| command.explain_error(e, &exec.workdir))?;
            let traced = tracing.insert(why::trace(live, exec, &waiting)?);
            waiting.go().map_err(|e| {
                let refused = [libc::EACCES, libc::EPERM].contains(&e.source.raw_os_error().unwrap_or(0));
                let error = command.explain_error(e, &exec.workdir);
                match traced.why(None).refusals.first().filter(|_| refused) {
                    Some(refusal) => error.with_hint(refusal.reason()),
                    None => error,
                }
            })
        })
    }

    fn start(&mut self, otherwise: fn() -> Stdio) -> Result<Child> {
        if let Some(gathered) = self.rootlet.gathered() {
            let mut tracing = None;
            let child = self.start_traced(otherwise, &mut tracing);
            let Some(traced) = tracing.map(|tracing| gathered.add(tracing)) else { return child };
            return match child {
                Ok(child) => Ok(child.traced(traced)),
                Err(error) => {
                    traced.ended(false);
                    Err(error)
                }
            };
        }
        self.start_by(otherwise, |command, exec, streams| {
            command.rootlet.init().exec(exec, streams).map_err(|e| command.explain_error(e, &exec.workdir))
        })
    }

    fn start_by(
        &mut self,
        otherwise: fn() -> Stdio,
        execute: impl FnOnce(&Self, &rootlet_kernel::Exec, Streams<'_>) -> Result<Started>,
    ) -> Result<Child> {
        let exec = self.exec()?;
        self.rootlet.live().admit(&exec.who)?;
        let init = self.rootlet.init();
        if let Some(tty) = self.tty {
            let failed = |e| Error::new(ErrorKind::Command, "failed to open a terminal inside").caused_by(e);
            let (master, number) = init.open_pty().map_err(failed)?;
            tty.resize(&master).map_err(failed)?;
            let started = execute(self, &exec, Streams::Pty(number))?;
            return Ok(Child::on_tty(init.clone(), started, self.timeout, master));
        }
        let failed = |e| Error::io("failed to open the streams of a command", e);
        for stream in [&mut self.stdin, &mut self.stdout, &mut self.stderr] {
            stream.get_or_insert_with(otherwise);
        }
        let (Some(stdin), Some(stdout), Some(stderr)) = (&self.stdin, &self.stdout, &self.stderr) else {
            return Err(Error::new(ErrorKind::Command, "the streams of a command are not said"));
        };
        let (i, o, e) = (io::stdin(), io::stdout(), io::stderr());
        let stdin = stdin.open(i.as_fd(), true).map_err(failed)?;
        let stdout = stdout.open(o.as_fd(), false).map_err(failed)?;
        let stderr = stderr.open(e.as_fd(), false).map_err(failed)?;
        let fds = [stdin.theirs.as_fd(), stdout.theirs.as_fd(), stderr.theirs.as_fd()];
        let started = execute(self, &exec, Streams::Given(fds))?;
        let mut child = Child::new(init.clone(), started, self.timeout);
        (child.stdin, child.stdout, child.stderr) = (stdin.writer, stdout.reader, stderr.reader);
        Ok(child)
    }

    fn exec(&self) -> Result<rootlet_kernel::Exec> {
        let mut exec = self.rootlet.exec().clone();
        if let Some(user) = &self.user {
            let identity: Identity = self.rootlet.identity(user)?;
            let live = self.rootlet.live();
            take_identity(&mut exec, &identity, live)?;
            exec.env = environment(live, &identity);
        }
        if let Some(workdir) = &self.workdir {
            exec.workdir.clone_from(workdir);
        }
        if self.env_clear {
            exec.env.clear();
        }
        if self.tty.is_some() && !self.env_clear && !exec.env.iter().any(|v| v.starts_with(b"TERM=")) {
            exec.env.push(b"TERM=xterm".to_vec());
        }
        for (name, value) in &self.env {
            let mut start = name.as_bytes().to_vec();
            start.push(b'=');
            exec.env.retain(|v| !v.starts_with(&start));
            if let Some(value) = value {
                start.extend_from_slice(value.as_bytes());
                exec.env.push(start);
            }
        }
        exec.last = self.last;
        exec.argv = self.argv.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let strings = exec.argv.iter().chain(&exec.env).map(Vec::as_slice).chain([exec.workdir.as_bytes()]);
        if strings.into_iter().any(|s| s.contains(&0)) {
            return Err(Error::new(
                ErrorKind::Command,
                "an argument, a variable or the work directory contains a NUL byte",
            ));
        }
        Ok(exec)
    }

    /// Says what kept the command from starting, as a person would want to know it.
    fn explain_error(&self, error: ExecError, workdir: &str) -> Error {
        let program = self.argv[0].to_string_lossy();
        let program = rootlet_spec::printable(&program).into_owned();
        let errno = error.source.raw_os_error();
        let (kind, what, hint) = match (error.step, errno) {
            (ExecStep::Execute, Some(libc::ENOENT | libc::ENOTDIR)) => {
                return self.not_found(&program, error.source);
            }
            (ExecStep::Execute, Some(libc::ENOEXEC)) => (
                ErrorKind::CommandNotExecutable,
                format!("failed to execute `{program}`"),
                Some("it is no program of this machine's architecture, or a script without its `#!` line"),
            ),
            (ExecStep::Execute, Some(libc::EACCES)) => (
                ErrorKind::CommandNotExecutable,
                format!("failed to execute `{program}`"),
                Some("its mode, or that of a directory above it, does not let this user execute it"),
            ),
            (ExecStep::Execute, Some(libc::E2BIG)) => (
                ErrorKind::Command,
                format!("failed to execute `{program}`"),
                Some("its arguments and variables are too long together"),
            ),
            // The number of processes is looked at when one is made, and again when the user's program is executed.
            (ExecStep::Execute | ExecStep::Clone, Some(libc::EAGAIN)) => {
                (ErrorKind::Command, format!("failed to start `{program}`"), Some(self.too_many_processes()))
            }
            (ExecStep::Execute, _) => {
                (ErrorKind::CommandNotExecutable, format!("failed to execute `{program}`"), None)
            }
            (ExecStep::Workdir, _) => (
                ErrorKind::Command,
                format!("failed to enter the work directory {}", rootlet_spec::printable(workdir)),
                Some("it must be there, and the user must be let into it; give another with --workdir"),
            ),
            (ExecStep::Identity, _) if self.rootlet.live().map.one.is_some() => (
                ErrorKind::Command,
                "failed to become the user".into(),
                Some(
                    "there is one id: commands run as the rootlet's own user or as root; make another rootlet for others",
                ),
            ),
            (ExecStep::Identity, _) => (
                ErrorKind::Command,
                "failed to become the user".into(),
                Some("one of its ids or groups is not mapped: subordinate ids cover 0 to 65535"),
            ),
            (ExecStep::Limit, _) => (
                ErrorKind::Command,
                "failed to set a limit".into(),
                Some("a hard limit cannot be raised above the caller's own (see `ulimit -H`)"),
            ),
            (ExecStep::Ask, Some(libc::ESRCH)) => (ErrorKind::Ended, "the rootlet has ended".into(), None),
            (ExecStep::Ask, _) => {
                (ErrorKind::Command, format!("failed to ask pid 1 to start `{program}`"), None)
            }
            (ExecStep::Clone, _) => (ErrorKind::Command, "failed to start a process".into(), None),
            (ExecStep::Terminal, _) => (ErrorKind::Command, "failed to attach the streams".into(), None),
            (ExecStep::Capabilities, _) => {
                (ErrorKind::Command, "failed to set the capabilities".into(), None)
            }
            (ExecStep::Trace, _) => (ErrorKind::Command, "failed to wait for its tracer".into(), None),
            (ExecStep::Privileges, _) => (ErrorKind::Command, "failed to set no_new_privs".into(), None),
        };
        let error = Error::new(kind, what).caused_by(error.source);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn too_many_processes(&self) -> &'static str {
        let live = self.rootlet.live();
        match (&live.spec.limits.pids, &live.cgroup) {
            (Some(_), Some(_)) => "the rootlet has as many processes as its limit allows (--pids-limit)",
            (Some(_), None) => {
                "the user has as many processes as the limit allows (--pids-limit): without a cgroup, those in all \
                 rootlets of one calling process count together"
            }
            (None, _) => {
                "the user has as many processes as --ulimit nproc, or `ulimit -u` of the caller, allows"
            }
        }
    }

    /// ENOENT has two meanings: there is no such program, or it is there and what it needs to run is not.
    fn not_found(&self, program: &str, source: io::Error) -> Error {
        let path = self.argv[0].as_bytes();
        let interpreter = match path.contains(&b'/') {
            true => self.interpreter_of(&OsString::from_vec(path.to_vec())),
            false => None,
        };
        let error = match &interpreter {
            Some(interpreter) => {
                Error::new(ErrorKind::CommandNotFound, format!("failed to execute `{program}`")).with_hint(
                    format!(
                        "it is there, but its interpreter {interpreter} is not in this root{}",
                        instead(interpreter)
                    ),
                )
            }
            None if path.contains(&b'/') => {
                Error::new(ErrorKind::CommandNotFound, format!("`{program}` is not there"))
            }
            None => {
                Error::new(ErrorKind::CommandNotFound, format!("no `{program}` in the PATH of this root"))
            }
        };
        error.caused_by(source)
    }

    /// What a `#!` line or an ELF program asks for, when the file itself is there.
    fn interpreter_of(&self, path: &OsStr) -> Option<String> {
        use std::io::Read;
        let mut head = Vec::new();
        self.rootlet.open(path).ok()?.take(interpreter::HEAD).read_to_end(&mut head).ok()?;
        let name = interpreter::named(&head)?;
        Some(rootlet_spec::printable(&String::from_utf8_lossy(&name)).into_owned())
    }
}

fn traced(tracing: Option<Tracing>) -> Result<Tracing> {
    tracing.ok_or_else(|| Error::new(ErrorKind::Command, "the command is not traced"))
}

/// What to do where a program was linked with another C library than the root has.
fn instead(interpreter: &str) -> &'static str {
    if interpreter.contains("/ld-linux") {
        ", which has no glibc: take a base that has (`apt:trixie`), or build for musl (`--target x86_64-unknown-linux-musl`)"
    } else if interpreter.contains("/ld-musl") {
        ", which has no musl: take a base that has (`apk:`, `alpine:`), or link statically"
    } else {
        ""
    }
}
