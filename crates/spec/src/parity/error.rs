//! Where something stands in a file, and what is wrong with it there.

use serde::Serialize;
use std::fmt;

/// A line and a column, both counted from 1; columns in characters. Line 0 is the whole file, or another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl Place {
    pub(super) fn new(line: usize, column: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column) }
    }

    /// Behind this text, from which the file begins.
    pub(super) fn after(before: &[u8]) -> Self {
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let last = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        Self::new(line, String::from_utf8_lossy(last).chars().count() + 1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str("-"),
            line => write!(f, "{line}:{}", self.column),
        }
    }
}

/// A file of production that cannot be used. Its message fits one line and is safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    place: Option<Place>,
    message: String,
    hint: Option<String>,
    refused: bool,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), hint: None, refused: false }
    }

    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::new(message) }
    }

    /// Production itself would not start this.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { refused: true, ..Self::new(message) }
    }

    pub(super) fn refused_at(place: Place, message: impl Into<String>) -> Self {
        Self { refused: true, ..Self::at(place, message) }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where in the file.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// How to mend it, or what was expected.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether it is what production itself would answer: an admission error.
    pub fn is_refusal(&self) -> bool {
        self.refused
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place.filter(|place| place.line > 0) {
            write!(f, "line {}, column {}: ", place.line, place.column)?;
        }
        if self.refused {
            f.write_str("production would refuse to start this: ")?;
        }
        f.write_str(&crate::printable(&self.message))
    }
}

impl std::error::Error for Error {}
