//! The error of every parser here: what was given, what was expected, and how to mend it.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A text that is not what an option expects.
///
/// Its message fits one line and is safe to print, whatever the text holds. The [`hint`](Self::hint) is kept
/// beside it, so that each face prints it in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    what: &'static str,
    given: String,
    reason: String,
    hint: Option<String>,
}

impl ParseError {
    /// `what` was given as `given`, which is wrong for this `reason` (a clause, such as `expected a number`).
    pub fn new(what: &'static str, given: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what, given: given.into(), reason: reason.into(), hint: None }
    }

    /// The same error with a way to mend it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What kind of thing it should have been: `user`, `volume`, `size`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The text as given.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Why it was refused.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {} `{}`: {}", self.what, printable(&self.given), self.reason)
    }
}

impl std::error::Error for ParseError {}

/// The text with everything escaped that could steer a terminal: control characters and the marks that turn the
/// direction of writing. Names and tags from images and registries pass through here before they are printed.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers_terminals) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        push_printable(&mut out, c).expect("a String never refuses a character");
        out
    }))
}

fn push_printable(out: &mut String, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        c if c.is_ascii_control() => write!(out, "\\x{:02x}", c as u32),
        c if steers_terminals(c) => write!(out, "\\u{{{:x}}}", c as u32),
        c => out.write_char(c),
    }
}

fn steers_terminals(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_steers_a_terminal() {
        assert_eq!(printable("plain ünï 🦀"), "plain ünï 🦀");
        assert_eq!(printable("\x1b[31mred\x07\n"), "\\x1b[31mred\\x07\\n");
        assert_eq!(printable("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\u{9b}c");
    }

    #[test]
    fn says_what_why_and_how() {
        let e = ParseError::new("size", "1\x1bx", "expected a number").with_hint("write 512m");
        assert_eq!(e.to_string(), "invalid size `1\\x1bx`: expected a number");
        assert_eq!(e.hint(), Some("write 512m"));
    }
}
