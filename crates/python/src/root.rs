//! A live rootlet.

use crate::base::{Base, Like};
use crate::error;
use crate::files::Files;
use crate::process::Process;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rootlet::base::BaseKind;
use rootlet::spec::{SecurityOpt, Spec, Volume, limits, mount};
use rootlet::why::Why;
use rootlet::workspace::{Workspace, variables};
use rootlet::{ChangeKind, Error, Identity, Stdio};
use rootlet_spec::ParseError;
use std::ffi::OsString;
use std::io;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

/// A rootlet, until it is closed.
#[pyclass(frozen, module = "rootlet._rootlet")]
pub struct Rootlet {
    live: RwLock<Option<Arc<rootlet::Rootlet>>>,
    /// The process that made it. A forked child must not talk over its parent's sockets.
    process: u32,
}

/// What a rootlet is to be, written as the command's options are.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    user: Option<String>,
    groups: Vec<String>,
    env: Vec<(String, String)>,
    workdir: Option<String>,
    hostname: Option<String>,
    volumes: Vec<String>,
    /// Path on the host, target, and `rw`, `ro` or `O`.
    binds: Vec<(PathBuf, String, String)>,
    tmpfs: Vec<String>,
    read_only: bool,
    writable: Option<String>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    security_opt: Vec<String>,
    net: Option<String>,
    umask: Option<u32>,
    tier: Option<String>,
    require: Vec<String>,
    faults: Vec<String>,
    memory: Option<String>,
    pids_limit: Option<String>,
    cpus: Option<String>,
    ulimits: Vec<String>,
    /// Its commands are traced.
    why: bool,
    directory: PathBuf,
    /// A project that runs inside: its directories, what else it reads, where it starts.
    project: Option<(Vec<PathBuf>, Vec<PathBuf>, PathBuf)>,
}

/// Adds a project to what a rootlet is to be, and the caller's variables below those that are asked for.
fn add_project(spec: &mut Spec, base: &Base, (own, read, workdir): (Vec<PathBuf>, Vec<PathBuf>, PathBuf)) {
    Workspace::showing(own, read, &workdir).add_to(spec);
    let mut env = variables(std::env::vars_os(), base.0.kind() == &BaseKind::Host);
    env.append(&mut spec.env);
    spec.env = env;
}

fn all<T: FromStr<Err = ParseError>>(words: &[String]) -> Result<Vec<T>, ParseError> {
    words.iter().map(|word| word.parse()).collect()
}

fn one<T: FromStr<Err = ParseError>>(word: Option<&String>) -> Result<Option<T>, ParseError> {
    word.map(|word| word.parse()).transpose()
}

impl Options {
    fn spec(self) -> Result<Spec, ParseError> {
        let mut spec = Spec {
            user: one(self.user.as_ref())?,
            groups: all(&self.groups)?,
            env: self.env,
            workdir: self.workdir.as_deref().map(mount::parse_workdir).transpose()?,
            hostname: self.hostname,
            read_only: self.read_only,
            net: one(self.net.as_ref())?.unwrap_or_default(),
            umask: self.umask,
            writable: one(self.writable.as_ref())?.unwrap_or_default(),
            tier: one(self.tier.as_ref())?,
            require: all(&self.require)?,
            faults: all(&self.faults)?,
            ulimits: all(&self.ulimits)?,
            explain: self.why,
            ..Spec::default()
        };
        spec.caps.add = self.cap_add;
        spec.caps.drop = self.cap_drop;
        spec.limits.memory = self.memory.as_deref().map(limits::parse_memory).transpose()?.flatten();
        spec.limits.pids = self.pids_limit.as_deref().map(limits::parse_pids).transpose()?.flatten();
        spec.limits.cpus = self.cpus.as_deref().map(limits::parse_cpus).transpose()?.flatten();
        for option in all::<SecurityOpt>(&self.security_opt)? {
            option.apply(&mut spec);
        }
        for volume in all::<Volume>(&self.volumes)? {
            spec.mounts.push(volume.into_mount(&self.directory));
        }
        for (source, target, how) in self.binds {
            // Its own path on the host may hold a colon.
            let volume = Volume { source: Some(source), ..format!("/:{target}:{how}").parse()? };
            spec.mounts.push(volume.into_mount(&self.directory));
        }
        for tmpfs in &self.tmpfs {
            spec.mounts.push(mount::parse_tmpfs(tmpfs)?);
        }
        Ok(spec)
    }
}

/// A command.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Start {
    argv: Vec<OsString>,
    /// All of them; not said: the rootlet's.
    env: Option<Vec<(OsString, OsString)>>,
    cwd: Option<String>,
    user: Option<String>,
    /// Numbers of descriptors.
    streams: (i32, i32, i32),
}

/// Name, uid, gid, further groups, home, shell.
type User = (Option<String>, u32, u32, Vec<u32>, String, String);

fn user_of(identity: &Identity) -> User {
    let Identity { name, uid, gid, groups, home, shell } = identity.clone();
    (name, uid, gid, groups, home, shell)
}

/// What happened, path, mode, owner, group.
type Change = (char, OsString, u32, u32, u32);

impl Rootlet {
    fn live(&self, py: Python<'_>) -> PyResult<Arc<rootlet::Rootlet>> {
        if self.process != std::process::id() {
            let hint = Some("make one here: after fork, a process has rootlets of its own");
            return Err(error::own(py, "the rootlet is another process's", "Ended", hint));
        }
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        live.ok_or_else(|| {
            error::own(py, "the rootlet is closed", "Ended", Some("use it inside its `with` or its test"))
        })
    }

    /// Does something with it while other threads run.
    fn act<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&rootlet::Rootlet) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let live = self.live(py)?;
        py.detach(|| act(&live)).map_err(|e| error::library(py, &e))
    }

    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&rootlet::Rootlet) -> io::Result<T> + Send,
    ) -> PyResult<T> {
        let live = self.live(py)?;
        py.detach(|| ask(&live)).map_err(|e| error::system(py, &e))
    }
}

#[pymethods]
impl Rootlet {
    #[new]
    fn new(py: Python<'_>, base: &Base, mut options: Options, like: Option<&Like>) -> PyResult<Self> {
        let project = options.project.take();
        let mut spec = options.spec().map_err(|e| error::parse(py, &e))?;
        if let Some(project) = project {
            add_project(&mut spec, base, project);
        }
        let mut builder = rootlet::Rootlet::builder(&base.0);
        if let Some(Like(like)) = like {
            spec = spec.over(like.spec.clone());
            builder = builder.like(like);
        }
        let made = py.detach(|| builder.spec(spec).spawn());
        let made = made.map_err(|e| error::library(py, &e))?;
        Ok(Self { live: RwLock::new(Some(Arc::new(made))), process: std::process::id() })
    }

    /// Ends it; again is nothing.
    fn close(&self, py: Python<'_>) {
        let live = self.live.write().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(live));
    }

    #[getter]
    fn closed(&self) -> bool {
        self.live.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Starts a command and puts it into the list: a signal handler of Python's may raise right after this call, where nothing
    /// that it returned would be held by anybody.
    fn start(&self, py: Python<'_>, start: Start, held: &Bound<'_, PyList>) -> PyResult<()> {
        let live = self.live(py)?;
        let Some((program, arguments)) = start.argv.split_first() else {
            return Err(PyValueError::new_err("a command needs a program"));
        };
        let (stdin, stdout, stderr) = start.streams;
        let stream = |number| Stdio::from_number(number).map_err(|e| error::system(py, &e));
        let mut command = live.command(program);
        command.args(arguments).stdin(stream(stdin)?).stdout(stream(stdout)?).stderr(stream(stderr)?);
        if let Some(env) = &start.env {
            command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        }
        if let Some(cwd) = &start.cwd {
            command.current_dir(cwd.as_str());
        }
        if let Some(user) = &start.user {
            command.user(user.as_str());
        }
        let child = py.detach(|| command.spawn());
        let child = child.map_err(|e| error::command(py, &e, program, start.cwd.as_deref()))?;
        held.append(Process::new(child))
    }

    /// File operations: as root, or as a user.
    fn files(&self, py: Python<'_>, user: Option<String>) -> PyResult<Files> {
        let user = user.unwrap_or_else(|| "0:0".into());
        self.act(py, |root| root.as_user(&user)).map(Files)
    }

    fn identity(&self, py: Python<'_>, user: Option<String>) -> PyResult<User> {
        self.act(py, |root| match user {
            Some(user) => root.identity(&user).map(|identity| user_of(&identity)),
            None => Ok(user_of(root.user())),
        })
    }

    /// `NAME=value` each.
    fn environment(&self, py: Python<'_>) -> PyResult<Vec<OsString>> {
        self.act(py, |root| Ok(root.environment().map(ToOwned::to_owned).collect()))
    }

    /// As JSON.
    fn report(&self, py: Python<'_>) -> PyResult<String> {
        let live = self.live(py)?;
        serde_json::to_string(live.report()).map_err(|e| PyRuntimeError::new_err(e.to_string()))
    }

    /// What its commands were refused, as `text`, as `json`, or as annotations whose titles begin with `of`; `None` where they are not
    /// traced.
    fn why(&self, py: Python<'_>, form: &str, of: Option<&str>) -> PyResult<Option<String>> {
        let live = self.live(py)?;
        let written = |why: Why| match form {
            "text" => Ok(why.to_string()),
            "json" => serde_json::to_string(&why).map_err(|e| PyRuntimeError::new_err(e.to_string())),
            "github" => Ok(why.annotations(of)),
            _ => Err(PyValueError::new_err(format!("{form:?} is none of text, json and github"))),
        };
        py.detach(|| live.why()).map(written).transpose()
    }

    fn changes(&self, py: Python<'_>) -> PyResult<Vec<Change>> {
        let found = self.act(py, rootlet::Rootlet::changes)?;
        let letter = |kind| match kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'C',
            ChangeKind::Removed => 'D',
        };
        Ok(found.into_iter().map(|c| (letter(c.kind), c.path.into(), c.mode, c.uid, c.gid)).collect())
    }

    /// What is still there and is not allowed, a line each.
    fn leftovers(&self, py: Python<'_>, allowed: Vec<String>) -> PyResult<Vec<String>> {
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        let left = self.act(py, |root| root.leftovers(&allowed))?;
        Ok(left.iter().map(ToString::to_string).collect())
    }

    /// Under a name it stays in the store.
    fn snapshot(&self, py: Python<'_>, name: Option<String>) -> PyResult<Base> {
        self.act(py, |root| match &name {
            Some(name) => root.snapshot_as(name),
            None => root.snapshot(),
        })
        .map(Base)
    }

    fn keep(&self, py: Python<'_>) -> PyResult<String> {
        self.act(py, rootlet::Rootlet::keep)
    }

    /// A descriptor of a connected socket.
    fn connect(&self, py: Python<'_>, port: u16) -> PyResult<i32> {
        let live = self.live(py)?;
        let connected = py.detach(|| live.connect(port));
        connected.map(IntoRawFd::into_raw_fd).map_err(|e| error::system(py, &e))
    }

    fn process_count(&self, py: Python<'_>) -> PyResult<u32> {
        self.ask(py, rootlet::Rootlet::process_count)
    }

    /// To every process of it.
    fn signal_all(&self, py: Python<'_>, signal: i32) -> PyResult<()> {
        self.ask(py, |root| root.signal_all(signal))
    }

    /// The number of its pid 1 on the host.
    fn host_pid(&self, py: Python<'_>) -> PyResult<u32> {
        self.ask(py, rootlet::Rootlet::host_pid)
    }
}
