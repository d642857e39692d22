//! Modules of functions on the command line.

mod call;
mod check;
mod core;
mod dagger;
mod enter;
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
use crate::progress::Bars;
use crate::store;
use rootlet::base::Resolver;
use rootlet::functions::schema::Schema;
use rootlet::functions::{Engine, Failed, Hears, Module, Options, Project, Runtime, Silent};
use std::env::current_dir;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tree::Progress;

/// Python's SDK for modules, by path and text.
const SDK: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// A module that can be called, and the engine that answers it.
pub struct Opened {
    pub module: Module,
    pub engine: Engine,
    pub runtime: Runtime,
}

/// Opens the module that is asked for; nobody hears what it does.
pub fn open(args: &ModuleArgs) -> Result<Opened, Failure> {
    opened(args, tools(args)?, Arc::new(Silent))
}

/// Opens the module that is asked for, and shows how far it is.
pub fn open_shown(args: &ModuleArgs, progress: &Progress) -> Result<Opened, Failure> {
    let (mut resolver, mut runtime) = tools(args)?;
    if let Some(tree) = progress.tree() {
        resolver = resolver.progress(Bars::within(tree));
    }
    if let Some(printed) = progress.printed() {
        runtime = runtime.printing_to(printed);
    }
    opened(args, (resolver, runtime), progress.hears())
}

fn opened(
    args: &ModuleArgs,
    (resolver, runtime): (Resolver, Runtime),
    hears: Arc<dyn Hears>,
) -> Result<Opened, Failure> {
    let here = here()?;
    let module = match &args.module {
        Some(what) => Module::open(what, &here, &runtime)?,
        None => Module::new(Project::find(&here)?, &runtime),
    };
    let options = Options { modules: Some(Arc::new(module.clone())), hears, ..Options::new(&here) };
    Ok(Opened { engine: Engine::new(&resolver, options), module, runtime })
}

/// What finds bases, and what runs modules.
fn tools(args: &ModuleArgs) -> Result<(Resolver, Runtime), Failure> {
    let store = store::open(&args.store)?;
    Ok((store::resolver(&store, &args.pull, args.quiet)?, Runtime::new(&store, SDK)))
}

fn here() -> Result<PathBuf, Failure> {
    current_dir().map_err(|e| Failure::new("failed to find the directory that this runs in").caused_by(e))
}

/// What a module offers, once it and all that it uses have been read; `None` when that took longer than it may.
fn described(opened: &Opened, timeout: Option<Duration>) -> Result<Option<Schema>, Failure> {
    let (module, engine) = (opened.module.clone(), opened.engine.clone());
    let described = within(timeout, &opened.runtime, move || {
        module.dependencies(&engine)?;
        module.schema(&engine).cloned()
    });
    described.transpose().map_err(|failed| told(&failed))
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

/// Whether a function is meant by what was typed. Dagger has a `-` before a number: `python-3` is `python3`, too.
fn is_called(name: &str, typed: &str) -> bool {
    let without = |text: &str| {
        let text = kebab(text);
        let next = text.chars().skip(1).chain([' ']);
        text.chars()
            .zip(next)
            .filter(|&(c, next)| c != '-' || !next.is_ascii_digit())
            .map(|(c, _)| c)
            .collect()
    };
    let (name, typed): (String, String) = (without(name), without(typed));
    name == typed
}

/// A failure of a function, for a person.
fn told(failed: &Failed) -> Failure {
    told::failure(failed)
}
