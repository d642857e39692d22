//! Modules of functions on the command line.

mod call;
mod check;
mod core;
mod dagger;
mod flags;
mod level;
mod list;
mod manage;
mod session;
mod show;
mod told;
mod tree;

pub use self::dagger::{dagger, is_dagger};
pub use call::call;
pub use check::check;
pub use list::functions;
pub use manage::{init, install, is_near, uninstall, update};
pub use session::session;

use crate::args::functions::ModuleArgs;
use crate::failure::Failure;
use crate::store;
use rootlet::base::Resolver;
use rootlet::functions::{Engine, Failed, Hears, Module, Options, Printed, Project, Runtime};
use std::env::current_dir;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Python's SDK for modules, by path and text.
const SDK: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// A module that can be called, and the engine that answers it.
pub struct Opened {
    pub module: Module,
    pub engine: Engine,
    pub runtime: Runtime,
}

/// Opens the module that is asked for.
pub fn open(args: &ModuleArgs, hears: Arc<dyn Hears>, printed: Option<Printed>) -> Result<Opened, Failure> {
    let here = here()?;
    let (resolver, runtime) = tools(args, printed)?;
    let module = match &args.module {
        Some(what) => Module::open(what, &here, &runtime)?,
        None => Module::new(Project::find(&here)?, &runtime),
    };
    let options = Options { modules: Some(Arc::new(module.clone())), hears, ..Options::new(&here) };
    Ok(Opened { engine: Engine::new(&resolver, options), module, runtime })
}

/// What finds bases, and what runs modules.
fn tools(args: &ModuleArgs, printed: Option<Printed>) -> Result<(Resolver, Runtime), Failure> {
    let store = store::open(&args.store)?;
    let resolver = store::resolver(&store, &args.pull, args.quiet)?;
    let runtime = Runtime::new(&store, SDK);
    let runtime = match printed {
        Some(printed) => runtime.printing_to(printed),
        None => runtime,
    };
    Ok((resolver, runtime))
}

fn here() -> Result<PathBuf, Failure> {
    current_dir().map_err(|e| Failure::new("failed to find the directory that this runs in").caused_by(e))
}

/// Does something that may take only so long; `None` when it took longer. What it was doing then ends with this process.
fn within<T: Send + 'static>(
    timeout: Option<Duration>,
    runtime: &Runtime,
    act: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(timeout) = timeout.filter(|time| !time.is_zero()) else { return Some(act()) };
    let (done, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Nobody waits any more after the deadline.
        let _ = done.send(act());
    });
    let result = heard.recv_timeout(timeout).ok();
    if result.is_none() {
        runtime.end();
    }
    result
}

/// A function's name as it is typed.
fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

/// A failure of a function, for a person.
fn told(failed: &Failed) -> Failure {
    told::failure(failed)
}
