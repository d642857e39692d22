//! Evaluates what was put together: each step on what is there so far, in rootlets.
//!
//! ```text
//! asks ──▶ state     steps of a container, one upon the other            exec, write: what touches files, once each
//!      ──▶ directory, file     where they are: `place`
//!      ──▶ exec      a verdict: the last command, run every time         service, secret, cache: what it needs
//! ```

mod asked;
mod asks;
mod cache;
mod capture;
mod content;
mod deep;
mod directory;
mod enter;
mod exec;
mod file;
mod git;
mod hears;
mod memo;
mod pattern;
mod place;
mod secret;
mod service;
pub mod session;
mod state;
mod write;

pub use asked::Asked;
pub use enter::Entered;
pub use hears::{Hears, Outcome, Silent};

use super::Failed;
use crate::{Error, Rootlet};
use memo::{Memo, key};
use rootlet_base::{Base, Resolver};
use rootlet_spec::pipeline::{Call, Container};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

type Result<T> = std::result::Result<T, Failed>;

/// Answers what is asked of containers, directories and files. Cheap to clone; what was done for one question serves the next one, until
/// [`Engine::end`].
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    resolver: Resolver,
    directory: PathBuf,
    modules: Option<Arc<dyn Modules>>,
    hears: Arc<dyn Hears>,
    calls: Memo<Result<Value>>,
    /// What functions gave whose authors say that it may be given again.
    answers: Memo<Value>,
    states: Memo<Result<Arc<state::State>>>,
    verdicts: Memo<Result<Arc<exec::Ran>>>,
    places: Memo<Result<place::Place>>,
    readers: Memo<Result<Arc<Rootlet>>>,
    services: Memo<Result<Arc<service::Running>>>,
    tarballs: Memo<Result<PathBuf>>,
    fetched: Memo<PathBuf>,
    /// Which commits the versions of git repositories are.
    commits: Memo<super::modules::git::Version>,
    secrets: secret::Secrets,
    /// Everything that was started, to be ended.
    alive: Mutex<Vec<Weak<Rootlet>>>,
    /// What is ended when nobody waits for it.
    works: Mutex<Vec<Weak<asked::Work>>>,
    /// A directory for files of the session's own, removed with it.
    scratch: Mutex<Option<PathBuf>>,
    next: AtomicU64,
}

/// Who can call the functions of modules.
pub trait Modules: Send + Sync {
    /// Calls functions of a module, one upon the other, and gives what the last one gave, in the form of
    /// [`spec::pipeline`](crate::spec::pipeline).
    ///
    /// # Errors
    /// No such module or function; what it said where it failed.
    fn call(&self, engine: &Engine, call: &Call) -> Result<Value>;
}

/// What an engine is made with.
#[derive(Clone)]
pub struct Options {
    /// Where relative paths of this machine begin.
    pub directory: PathBuf,
    /// Who calls functions of modules; `None`: nobody can.
    pub modules: Option<Arc<dyn Modules>>,
    /// Who hears what is being done.
    pub hears: Arc<dyn Hears>,
}

impl Options {
    /// Relative paths begin in `directory`; nobody calls functions, and nobody hears.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().to_owned(), modules: None, hears: Arc::new(Silent) }
    }
}

impl Engine {
    /// One that finds bases by `resolver`.
    pub fn new(resolver: &Resolver, options: Options) -> Self {
        let Options { directory, modules, hears } = options;
        Self(Arc::new(Inner {
            resolver: resolver.clone(),
            directory,
            modules,
            hears,
            calls: Memo::default(),
            answers: Memo::default(),
            states: Memo::default(),
            verdicts: Memo::default(),
            places: Memo::default(),
            readers: Memo::default(),
            services: Memo::default(),
            tarballs: Memo::default(),
            fetched: Memo::default(),
            commits: Memo::default(),
            secrets: secret::Secrets::default(),
            alive: Mutex::default(),
            works: Mutex::default(),
            scratch: Mutex::default(),
            next: AtomicU64::new(1),
        }))
    }

    /// Answers a question: `name` is what is asked, `on` of what, `with` the arguments.
    ///
    /// # Errors
    /// The question is not known, or its arguments are not; a command did not end as it was to; what it stands on cannot be made.
    pub fn ask(&self, name: &str, on: &Value, with: &Map<String, Value>) -> Result<Value> {
        deep::with_room(|| asks::answer(self, name, on, with))
    }

    /// Ends what still runs, services above all, and forgets what was done. What is being asked meanwhile fails.
    pub fn end(&self) {
        let alive = std::mem::take(&mut *self.0.alive.lock().unwrap_or_else(PoisonError::into_inner));
        alive.iter().filter_map(Weak::upgrade).for_each(|root| drop(root.signal_all(libc::SIGKILL)));
        self.0.forget();
    }

    /// What a module's function gives, once for each session.
    fn called<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let value = self.call(call)?;
        serde_json::from_value(value).map_err(|e| {
            let last = call.calls.last().map_or("", |call| call.function.as_str());
            Failed::query(format!(
                "`{last}` of the module `{}` gives something else than is expected: {e}",
                call.module
            ))
        })
    }

    fn call(&self, call: &Call) -> Result<Value> {
        let Some(modules) = &self.0.modules else {
            return Err(Failed::query(format!("there is no module `{}` here", call.module)));
        };
        self.0.calls.get_or(key(call), || modules.call(self, call))
    }

    /// The digest that an image's registry tells now.
    #[cfg(feature = "registry")]
    pub(in crate::functions) fn image_digest(&self, image: &str) -> Result<String> {
        Ok(self.0.resolver.image_digest(image).map_err(Error::from)?.to_string())
    }

    #[cfg(not(feature = "registry"))]
    pub(in crate::functions) fn image_digest(&self, image: &str) -> Result<String> {
        Err(Failed::query(format!(
            "failed to ask the registry of `{image}`: this is built without the feature `registry`"
        )))
    }

    /// A container as others take it: its own files, and what is to be said of it.
    fn whole(&self, container: &Container) -> Result<Base> {
        let state = self.state(container)?;
        let base = self.own_files(&state)?;
        let name = format!("step:{}", key(&("whole", base.id(), &state.config)).hex());
        match self.0.resolver.known(&name)? {
            Some(base) => Ok(base),
            None => Ok(base.with_layers(Vec::new(), state.config.clone(), &name, "with its config", &[])?),
        }
    }

    fn scratch_path(&self, name: &str) -> Result<PathBuf> {
        let mut scratch = self.0.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if scratch.is_none() {
            let unique = format!("rootlet-functions-{}-{:p}", std::process::id(), Arc::as_ptr(&self.0));
            let path = std::env::temp_dir().join(unique);
            // Nobody else may put something there first.
            let made = rustix::fs::mkdir(&path, rustix::fs::Mode::RWXU);
            made.map_err(|e| Error::io(format!("failed to make {}", path.display()), e.into()))?;
            *scratch = Some(path);
        }
        Ok(scratch.as_ref().expect("it was just made").join(name))
    }
}

impl Inner {
    /// Tells that something begins.
    fn begin(&self, what: &str) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.hears.begin(id, what);
        id
    }

    /// Tells of something that took no time.
    fn told(&self, what: &str, outcome: Outcome) {
        let id = self.begin(what);
        self.hears.end(id, outcome, Duration::ZERO);
    }

    fn lives(&self, root: &Arc<Rootlet>) {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.retain(|root| root.strong_count() > 0);
        alive.push(Arc::downgrade(root));
    }

    fn forget(&self) {
        self.calls.clear();
        self.answers.clear();
        self.states.clear();
        self.verdicts.clear();
        self.places.clear();
        self.services.clear();
        self.readers.clear();
        self.tarballs.clear();
        self.fetched.clear();
        self.commits.clear();
        self.secrets.forget();
        if let Some(path) = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.forget();
    }
}
