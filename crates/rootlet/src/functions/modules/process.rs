//! The process that runs a module's code, from its start to its end.

use super::build;
use super::project::{Project, Sdk};
use crate::functions::{Engine, Failed, session};
use crate::{Error, ErrorKind, Result};
use rootlet_base::{Digest, Store};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The variable that has the number of the socket.
const SESSION: &str = "ROOTLET_SESSION";
/// How the conversation's own failures begin: the module has said nothing.
const SILENT: &str = "the module's process";
/// How long a process may take to end once its function is done.
const GRACE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// How long the last of what it printed may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// The SDK's directory is where this lies, so that it, and neither the caller's directory nor the module's, is what Python finds first.
const START: (&str, &str) =
    ("start.py", "import sys\nfrom rootlet.functions._run import main\nsys.exit(main())\n");

/// Who hears what modules print.
pub type Printed = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What modules' processes are started with. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    store: Store,
    sdk: &'static [(&'static str, &'static str)],
    printed: Option<Printed>,
    running: Arc<Mutex<Vec<Arc<Mutex<Child>>>>>,
}

impl Runtime {
    /// `sdk` are the files of Python's SDK, by path and text. What modules print goes to standard error.
    pub fn new(store: &Store, sdk: &'static [(&'static str, &'static str)]) -> Self {
        Self { store: store.clone(), sdk, printed: None, running: Arc::default() }
    }

    /// The same, where what modules print is handed over instead.
    pub fn printing_to(&self, printed: Printed) -> Self {
        Self { printed: Some(printed), ..self.clone() }
    }

    /// Ends all processes that run, and waits until they have ended.
    pub fn end(&self) {
        for child in self.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            // One that has ended by itself is none to be ended.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Of the SDK, by its contents.
    pub(super) fn sdk_key(&self) -> String {
        let all = self.sdk.iter().chain([&START]).flat_map(|(path, text)| [*path, "\0", *text, "\0"]);
        Digest::of(all.collect::<String>().as_bytes()).hex()
    }

    /// The directory of Python's SDK, in the store.
    fn sdk(&self) -> Result<PathBuf> {
        if self.sdk.is_empty() {
            let text =
                "this rootlet was built without the SDK of Python, so that modules in Python cannot be run";
            return Err(Error::new(ErrorKind::Module, text));
        }
        let write = |directory: &Path| {
            self.sdk.iter().chain([&START]).try_for_each(|(path, text)| {
                let file = directory.join(path);
                let parent = file.parent().unwrap_or(directory);
                fs::create_dir_all(parent)
                    .and_then(|()| fs::write(&file, text))
                    .map_err(|e| Error::io(format!("failed to write {}", file.display()), e))
            })
        };
        self.store.made("sdk", &self.sdk_key(), write)
    }

    /// The command that runs a module's code.
    fn command(&self, project: &Project) -> Result<Command> {
        match project.sdk() {
            Sdk::Python => {
                let mut command = Command::new(interpreter(project));
                command.arg(self.sdk()?.join(START.0)).arg(project.directory());
                Ok(command)
            }
            Sdk::Rust => {
                let mut command = Command::new(build::program(project, &self.store)?);
                command.arg(project.source());
                Ok(command)
            }
            Sdk::Other(name) if name.is_empty() && project.blueprint().is_some() => {
                let source = project.blueprint().unwrap_or_default();
                let text = format!(
                    "the module {} takes its functions from the blueprint {source}: rootlet has none",
                    project.name()
                );
                Err(Error::new(ErrorKind::Module, text)
                    .with_hint(format!("call that module itself: `--mod {source}`")))
            }
            Sdk::Other(name) => {
                let what =
                    if name.is_empty() { "has no code".into() } else { format!("is written in {name}") };
                let text = format!("the module {} {what}: it cannot be run", project.name());
                Err(Error::new(ErrorKind::Module, text).with_hint("python and rust are what rootlet runs"))
            }
        }
    }
}

/// Python, as the module wants it: its virtual environment's, else the caller's.
pub(super) fn interpreter(project: &Project) -> PathBuf {
    let own = [project.source(), project.directory().to_owned()];
    let own = own.iter().map(|directory| directory.join(".venv/bin/python3")).find(|python| python.exists());
    own.unwrap_or_else(|| "python3".into())
}

/// A module's process that waits for its job.
pub(super) struct Process {
    child: Arc<Mutex<Child>>,
    socket: UnixStream,
    /// Hears of the end of what the process prints.
    listener: Option<Receiver<()>>,
    runtime: Runtime,
    name: String,
}

impl Process {
    /// Starts it. It is killed when the calling thread ends.
    ///
    /// # Errors
    /// Its interpreter is not there; it cannot be built.
    pub fn start(project: &Project, runtime: &Runtime) -> Result<Self> {
        let mut command = runtime.command(project)?;
        let failed = |what: &str, e| Error::io(format!("failed to {what} the module {}", project.name()), e);
        let (socket, theirs) = UnixStream::pair().map_err(|e| failed("talk to", e))?;
        let program = Path::new(command.get_program()).display().to_string();
        command.stdin(Stdio::null());
        let pipe = match &runtime.printed {
            None => None,
            Some(_) => Some(io::pipe().map_err(|e| failed("hear", e))?),
        };
        match &pipe {
            None => {
                let stderr = io::stderr().as_fd().try_clone_to_owned();
                command.stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from)).stderr(Stdio::inherit());
            }
            Some((_, to)) => {
                let clone = || to.try_clone().map_err(|e| failed("hear", e));
                command.stdout(clone()?).stderr(clone()?);
            }
        }
        let child = rootlet_kernel::start_attached(command, theirs.into(), SESSION).map_err(|e| {
            let error = Error::io(format!("failed to start {program} for the module {}", project.name()), e);
            match error.raw_os_error() {
                Some(libc::ENOENT) if project.sdk() == Sdk::Python => {
                    error.with_hint("install Python 3.10 or later")
                }
                _ => error,
            }
        })?;
        let child = Arc::new(Mutex::new(child));
        runtime.running.lock().unwrap_or_else(PoisonError::into_inner).push(child.clone());
        let listener = pipe.zip(runtime.printed.clone()).map(|((from, to), printed)| {
            drop(to);
            let (over, heard) = channel();
            std::thread::spawn(move || {
                listen(from, &printed);
                let _ = over.send(());
            });
            heard
        });
        Ok(Self { child, socket, listener, runtime: runtime.clone(), name: project.name().to_owned() })
    }

    /// Hands it its job and answers what it asks; gives what it says at last. Then it has ended.
    ///
    /// # Errors
    /// What it says where it failed; how it ended, where it says nothing.
    pub fn perform(self, engine: &Engine, job: &Value) -> Result<Value, Failed> {
        let socket = self.socket.try_clone().map_err(|e| Failed::query(e.to_string()))?;
        let work = engine.work({
            let child = self.child.clone();
            move || drop(child.lock().unwrap_or_else(PoisonError::into_inner).kill())
        });
        work.check()?;
        let done = session::serve(engine, socket, job);
        let status = self.wait();
        work.check()?;
        done.map_err(|failed| match status {
            Some(status) if failed.message.starts_with(SILENT) => Failed {
                message: format!("the module {}: {} ({})", self.name, failed.message, how(status)),
                ..failed
            },
            _ => failed,
        })
    }

    /// Waits for its end, which comes at once, else by a signal.
    fn wait(&self) -> Option<ExitStatus> {
        // Nobody hears what it would still say.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = Pid::from_raw(child.id() as i32).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        if let Some(Ok(ended)) = ended {
            let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&GRACE));
        }
        if let Ok(None) = child.try_wait() {
            let _ = child.kill();
        }
        child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = child.kill();
            let _ = child.wait();
        }
        self.runtime
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|one| !Arc::ptr_eq(one, &self.child));
        // What it started itself may have its output still open, and is not waited for.
        let _ = self.listener.take().map(|listener| listener.recv_timeout(LAST_WORDS));
    }
}

fn listen(mut from: impl Read, printed: &Printed) {
    let mut buffer = [0; 16384];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => printed(&buffer[..length]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".into(),
    }
}
