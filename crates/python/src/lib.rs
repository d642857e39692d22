//! The native part of the Python package `rootlet`: it hands requests to the library and errors back, and nothing else. What
//! a Python programmer sees is written in Python, in `python/rootlet`; `_rootlet.pyi` describes this module to it.
//!
//! Whatever may wait lets other threads of Python run meanwhile ([`Python::detach`]). What may wait long is waited for in
//! Python, which hears of Ctrl-C.

mod base;
mod error;
mod files;
mod process;
mod root;

#[pyo3::pymodule]
mod _rootlet {
    #[pymodule_export]
    use super::base::{Base, Like, like, resolve};
    #[pymodule_export]
    use super::files::Files;
    #[pymodule_export]
    use super::process::Process;
    #[pymodule_export]
    use super::root::Rootlet;
}
