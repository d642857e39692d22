//! What rootlets stand on.

use crate::error;
use pyo3::prelude::*;
use rootlet::base::Resolver;
use rootlet::recipe::{Build, Project, expanded};
use rootlet::spec::recipe::Recipe;
use rootlet::{Result, Store};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A base, held: nobody collects it while this object lives.
#[pyclass(frozen, module = "rootlet._rootlet")]
pub struct Base(pub rootlet::Base);

#[pymethods]
impl Base {
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    #[getter]
    fn id(&self) -> &str {
        self.0.id()
    }
}

/// Which base: a name, or a recipe of the file, or one of rootlet's own recipes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Wanted {
    base: Option<String>,
    recipe: Option<String>,
    preset: Option<String>,
    file: Option<PathBuf>,
    directory: PathBuf,
}

impl Wanted {
    fn find(&self) -> Result<rootlet::Base> {
        let resolver = rootlet::resolver(&Store::open_default()?);
        if let Some(name) = &self.recipe {
            return self.project()?.base(name, &resolver);
        }
        if let Some(name) = &self.preset {
            return preset(name, &resolver, &self.directory);
        }
        Ok(resolver.resolve(self.base.as_deref().unwrap_or("host"))?)
    }

    fn project(&self) -> Result<Project> {
        match &self.file {
            Some(file) => Project::load(file),
            None => Project::find(&self.directory),
        }
    }
}

fn preset(name: &str, resolver: &Resolver, directory: &Path) -> Result<rootlet::Base> {
    let recipe = expanded(Recipe { preset: Some(name.to_owned()), ..Recipe::default() })?;
    Build::new(resolver, directory).base(&format!("preset#{name}"), &recipe)
}

/// Finds, pulls or builds a base. That may take minutes: a thread does it, and Ctrl-C is heard meanwhile. It then goes on until it
/// is done, or the process ends.
#[pyfunction]
pub fn resolve(py: Python<'_>, wanted: Wanted) -> PyResult<Base> {
    const PAUSE: Duration = Duration::from_millis(50);
    let (tell, told) = channel();
    let thread = std::thread::Builder::new().name("rootlet".into()).spawn(move || tell.send(wanted.find()));
    thread.map_err(|e| error::system(py, &e))?;
    let told = std::sync::Mutex::new(told);
    loop {
        let came = py.detach(|| {
            let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            told.recv_timeout(PAUSE)
        });
        match came {
            Ok(found) => return found.map(Base).map_err(|e| error::library(py, &e)),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(pyo3::exceptions::PyRuntimeError::new_err("the search for a base broke off"));
            }
        }
    }
}
