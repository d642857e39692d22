//! What rootlets stand on.

use crate::error;
use pyo3::prelude::*;
use rootlet::testing::Origin;
use std::path::PathBuf;
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

/// What a file of production says.
#[pyclass(frozen, module = "rootlet._rootlet")]
pub struct Like(pub rootlet::like::Like);

#[pymethods]
impl Like {
    /// The image that it runs, if it names one.
    #[getter]
    fn image(&self) -> Option<&str> {
        self.0.image.as_deref()
    }
}

/// Reads files of production ([`rootlet::like::read`]).
#[pyfunction]
pub fn like(py: Python<'_>, names: Vec<String>) -> PyResult<Like> {
    py.detach(|| rootlet::like::read(&names)).map(Like).map_err(|e| error::library(py, &e))
}

/// Which base: a name, or a recipe of the project, or one of rootlet's own recipes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Wanted {
    base: Option<String>,
    recipe: Option<String>,
    preset: Option<String>,
    directory: PathBuf,
}

/// Finds, pulls or builds a base, once in a process ([`Origin::builder`]). That may take minutes: a thread does it, and Ctrl-C is heard meanwhile. It then goes on until it
/// is done, or the process ends.
#[pyfunction]
pub fn resolve(py: Python<'_>, wanted: Wanted) -> PyResult<Base> {
    let Wanted { base, recipe, preset, directory } = wanted;
    let origin = Origin { base, recipe, preset, directory, like: None };
    const PAUSE: Duration = Duration::from_millis(50);
    let (tell, told) = channel();
    let find = move || {
        // Nobody listens any more after Ctrl-C.
        let _ = tell.send(origin.builder().map(|found| found.base().clone()));
    };
    let thread = std::thread::Builder::new().name("rootlet".into()).spawn(find);
    thread.map_err(|e| error::system(py, &e))?;
    let told = std::sync::Mutex::new(told);
    loop {
        let came = py.detach(|| {
            let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            told.recv_timeout(PAUSE)
        });
        match came {
            Ok(found) => {
                return found.map(Base).map_err(|e| error::library(py, &e));
            }
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(pyo3::exceptions::PyRuntimeError::new_err("the search for a base broke off"));
            }
        }
    }
}
