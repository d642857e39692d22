//! Colours, where they are welcome.

use std::io::IsTerminal;

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub struct Style(bool);

impl Style {
    /// No colour.
    pub fn plain() -> Self {
        Self(false)
    }

    /// For this stream: coloured on a terminal that is not dumb, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn of(stream: &impl IsTerminal) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(stream.is_terminal() && !dumb && !set("NO_COLOR"))
    }

    /// Something failed.
    pub fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What to do about it.
    pub fn hint(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    /// Something is well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}
