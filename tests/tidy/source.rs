//! The files that the rules look at.

use rootlet_tests::manifest_directory;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A file of the tree.
pub struct Source {
    /// Path below the root of the workspace.
    pub path: String,
    /// Text; empty for what is not text.
    pub text: String,
}

impl Source {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    /// Whether it is Rust, and not one of the rules themselves, which name what they forbid.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs") && !self.path.starts_with("tests/tidy")
    }

    /// Its lines with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// A complaint about a line.
    pub fn complaint(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Complains about each line whose code has one of these words.
    pub fn forbid(&self, words: &[&str], why: &str) -> Vec<String> {
        let found = self.lines().filter_map(|(number, line)| {
            let code = code_of(line);
            words.iter().find(|word| has_word(&code, word)).map(|word| (number, word))
        });
        found.map(|(number, word)| self.complaint(number, &format!("{word}: {why}"))).collect()
    }

    /// The same without the unit tests at its end.
    pub fn without_tests(&self) -> Source {
        let end = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        Source::new(&self.path, &self.text[..end])
    }
}

/// A line of Rust without its comment and without what stands in quotes.
pub fn code_of(line: &str) -> String {
    let (mut code, mut quoted, mut escaped) = (String::new(), false, false);
    let mut rest = line.char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            // A quotation mark that is itself a character.
            '\'' if !quoted && line[at..].starts_with("'\"'") => drop(rest.nth(1)),
            '/' if !quoted && line[at..].starts_with("//") => break,
            _ if !quoted => code.push(character),
            _ => {}
        }
    }
    code
}

/// Whether `word` occurs in `code` as a whole: `print!` does not occur in `eprint!`, nor `unsafe` in `unsafe_code`.
pub fn has_word(code: &str, word: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let begins = !word.starts_with(inner) || !code[..at].ends_with(inner);
        let ends = !word.ends_with(inner) || !code[at + word.len()..].starts_with(inner);
        begins && ends
    })
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    manifest_directory().parent().expect("tests/ lies in the workspace").to_owned()
}

/// All files of the tree, read once.
pub fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let workspace = workspace();
        let paths = tracked(&workspace).unwrap_or_else(|| walked(&workspace));
        let read = |path: String| {
            // What is deleted but not yet committed is still listed.
            let bytes = fs::read(workspace.join(&path)).ok()?;
            Some(Source { text: String::from_utf8(bytes).unwrap_or_default(), path })
        };
        paths.into_iter().filter_map(read).collect()
    })
}

/// The paths that git knows; `None` outside of a repository.
fn tracked(workspace: &Path) -> Option<Vec<String>> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(workspace).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !list.is_empty())
        .then(|| list.split_terminator('\0').map(str::to_owned).collect())
}

/// All paths: in the copy that `cargo xtask test` makes for the ordinary user there is nothing but the tree.
fn walked(workspace: &Path) -> Vec<String> {
    let mut pending = vec![workspace.to_owned()];
    let mut paths = vec![];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).expect("the tree is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let inner = path.strip_prefix(workspace).expect("found below it");
                paths.push(inner.to_string_lossy().into_owned());
            }
        }
    }
    paths
}
