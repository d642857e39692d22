//! Evaluates what was put together: each step on what is there so far, in rootlets.

use super::{Failed, Hears, Modules, Silent};
use rootlet_base::Resolver;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Answers what is asked of containers, directories and files. Cheap to clone; what was done for one question serves the next one, until
/// [`Engine::end`].
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    resolver: Resolver,
    directory: PathBuf,
    modules: Option<Arc<dyn Modules>>,
    hears: Arc<dyn Hears>,
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
        Self(Arc::new(Inner { resolver: resolver.clone(), directory, modules, hears }))
    }

    /// Answers a question: `name` is what is asked, `on` of what, `with` the arguments.
    ///
    /// # Errors
    /// The question is not known, or its arguments are not; a command did not end as it was to; what it stands on cannot be made.
    pub fn ask(&self, name: &str, on: &Value, with: &Map<String, Value>) -> Result<Value, Failed> {
        let _ = (on, with, &self.0.directory, &self.0.modules, &self.0.hears, &self.0.resolver);
        Err(Failed::query(format!("nobody knows what `{name}` asks")))
    }

    /// Ends what still runs: services, and what was kept for the next question.
    pub fn end(&self) {}
}
