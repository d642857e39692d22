//! How a failure of rootlet itself is told: `error:`, the causes, and a `hint:`.

use crate::style::Style;
use rootlet_spec::{ParseError, printable};
use std::error::Error;
use std::fmt;

/// What failed, why, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// `message` is a sentence without its full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Why.
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// What to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What can be done besides.
    pub fn also_hint(mut self, hint: &str) -> Self {
        self.hint = Some(self.hint.map_or_else(|| hint.to_owned(), |known| format!("{known}; {hint}")));
        self
    }

    /// It happened while doing this, which is what failed for the reader.
    pub fn while_doing(mut self, what: String) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, what));
        self
    }

    /// It is about this option.
    pub fn before(mut self, option: &str) -> Self {
        self.message = format!("{option}: {}", self.message);
        self
    }

    /// An error with its chain of causes. A cause that its own error already told is left out.
    pub fn of(error: &dyn Error, hint: Option<&str>) -> Self {
        let mut failure = Self::new(error.to_string());
        let mut told = failure.message.clone();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = words(cause);
            if !told.contains(&text) {
                failure.causes.push(text.clone());
                told = text;
            }
            next = cause.source();
        }
        failure.hint = hint.map(str::to_owned);
        failure
    }

    /// The lines for standard error. Much of it was written by others (names of images, answers of registries), so
    /// none of it may steer the terminal.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("{} {}\n", style.error("error:"), lines(&self.message));
        for cause in &self.causes {
            text += &format!("  caused by: {}\n", lines(cause));
        }
        if let Some(hint) = &self.hint {
            text += &format!("{} {}\n", style.hint("hint:"), lines(hint));
        }
        text
    }
}

/// A text made safe, its lines kept: what a script said has several, which are set in.
fn lines(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

/// The system's own words for an errno, without its number: the sentence above names it.
fn words(cause: &(dyn Error + 'static)) -> String {
    let text = cause.to_string();
    match text.find(" (os error ") {
        Some(end) if cause.is::<std::io::Error>() => text[..end].to_owned(),
        _ => text,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Style::plain()))
    }
}

impl From<rootlet::Error> for Failure {
    fn from(error: rootlet::Error) -> Self {
        Self::of(&error, error.hint())
    }
}

impl From<rootlet::base::Error> for Failure {
    fn from(error: rootlet::base::Error) -> Self {
        Self::of(&error, error.hint())
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::of(&error, error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn tells_what_why_and_how() {
        let failure = Failure::new("failed to open x").caused_by("no such file").hint("make it");
        assert_eq!(
            failure.to_string(),
            "error: failed to open x\n  caused by: no such file\nhint: make it\n"
        );
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let failure = Failure::new("no image \x1b]0;x\x07").caused_by("a\nb");
        assert_eq!(
            failure.to_string(),
            "error: no image \\x1b]0;x\\x07\n  caused by: a\n  b\n",
            "never at the beginning of a line"
        );
    }

    #[test]
    fn a_cause_is_told_once() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "failed: {}", self.0)
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let failure = Failure::of(&Outer(io::Error::other("why")), None);
        assert_eq!(failure.to_string(), "error: failed: why\n");
    }
}
