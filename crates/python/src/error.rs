//! Errors, as Python has them: what the system refused is an `OSError`, which becomes `FileNotFoundError`, `PermissionError`
//! and so on by its number; anything else is `rootlet.Error`.

use pyo3::exceptions::{PyOSError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use rootlet::{Error, ErrorKind};
use rootlet_spec::ParseError;
use std::ffi::OsStr;
use std::io;

const ENOENT: i32 = 2;
const ENOEXEC: i32 = 8;
const ENOTDIR: i32 = 20;

/// An `OSError` with its number, its words and the paths, at most two.
fn os(py: Python<'_>, errno: i32, words: &str, paths: &[&OsStr]) -> PyErr {
    let class = py.get_type::<PyOSError>();
    let made = match paths {
        [] => class.call1((errno, words)),
        [path] => class.call1((errno, words, path)),
        // The fourth is Windows'.
        [path, other, ..] => class.call1((errno, words, path, py.None(), other)),
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The error of a file operation.
pub fn file(py: Python<'_>, error: &io::Error, paths: &[&OsStr]) -> PyErr {
    let text = error.to_string();
    match error.raw_os_error() {
        // Rust's words are strerror(3)'s, with the number behind them.
        Some(errno) => os(py, errno, text.split(" (os error").next().unwrap_or(&text), paths),
        None if error.kind() == io::ErrorKind::InvalidInput => PyValueError::new_err(text),
        None => os(py, 0, &text, paths),
    }
}

/// What the system refused, of no file.
pub fn system(py: Python<'_>, error: &io::Error) -> PyErr {
    file(py, error, &[])
}

/// An error of the library.
pub fn library(py: Python<'_>, error: &Error) -> PyErr {
    let kind = format!("{:?}", error.kind());
    match error.kind() {
        ErrorKind::TimedOut => PyTimeoutError::new_err(said(error)),
        _ => own(py, &error.to_string(), &kind, error.hint()),
    }
}

/// Why a command did not start.
pub fn command(py: Python<'_>, error: &Error, program: &OsStr, cwd: Option<&str>) -> PyErr {
    let errno = match (error.kind(), error.raw_os_error()) {
        (ErrorKind::CommandNotFound, _) => ENOENT,
        (ErrorKind::CommandNotExecutable, errno) => errno.unwrap_or(ENOEXEC),
        (ErrorKind::Command, Some(errno)) => errno,
        _ => return library(py, error),
    };
    // As subprocess: the path is that of what is missing.
    let of_cwd = error.kind() == ErrorKind::Command && matches!(errno, ENOENT | ENOTDIR);
    let path = cwd.filter(|_| of_cwd).map_or(program, OsStr::new);
    os(py, errno, &said(error), &[path])
}

/// What was asked for cannot be read.
pub fn parse(py: Python<'_>, error: &ParseError) -> PyErr {
    own(py, &error.to_string(), "Spec", error.hint())
}

fn said(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error} (hint: {hint})"),
        None => error.to_string(),
    }
}

/// A `rootlet.Error`.
pub fn own(py: Python<'_>, what: &str, kind: &str, hint: Option<&str>) -> PyErr {
    let class = py.import("rootlet._errors").and_then(|module| module.getattr("Error"));
    let made = class.and_then(|class| class.call1((what, kind.to_lowercase(), hint)));
    made.map_or_else(|error| error, PyErr::from_value)
}
