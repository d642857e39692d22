//! A command that was started. Who waits for it polls its descriptor in Python, where Ctrl-C is heard.

use crate::error;
use pyo3::prelude::*;
use rootlet::Child;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A command that was started.
#[pyclass(frozen, module = "rootlet._rootlet")]
pub struct Process(Mutex<Child>);

impl Process {
    pub fn new(child: Child) -> Self {
        Self(Mutex::new(child))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Process {
    #[getter]
    fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Readable when the command has ended.
    fn fileno(&self) -> i32 {
        self.child().ended_fd().as_raw_fd()
    }

    /// Its end as subprocess has it: the exit code, or the number of the signal below zero. `None` while it runs.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<i32>> {
        let ended = py.detach(|| self.child().try_wait()).map_err(|e| error::library(py, &e))?;
        Ok(ended.map(|status| status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))))
    }

    /// Sends a signal to it, or to all of its process group.
    fn signal(&self, py: Python<'_>, signal: i32, group: bool) -> PyResult<()> {
        let sent = py.detach(|| match group {
            true => self.child().signal_group(signal),
            false => self.child().signal(signal),
        });
        sent.map_err(|e| error::library(py, &e))
    }
}
