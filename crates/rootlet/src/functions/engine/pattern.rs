//! Which files are meant, as .dockerignore spells it: `**/*.py`, `target`, `!target/keep`.

use super::Result;
use crate::functions::Failed;
use globset::{Glob, GlobBuilder, GlobMatcher};
use std::path::{Path, PathBuf};

/// What is taken, and what is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    /// Where paths begin, seen from where the patterns do.
    below: PathBuf,
}

#[derive(Clone, Debug)]
struct Pattern {
    matches: GlobMatcher,
    /// It takes back what one before it says.
    negated: bool,
}

impl Patterns {
    /// Errors: a pattern cannot be read.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let read =
            |patterns: &[String]| patterns.iter().map(|pattern| Pattern::new(pattern)).collect::<Result<_>>();
        Ok(Self { include: read(include)?, exclude: read(exclude)?, below: PathBuf::new() })
    }

    /// The same patterns for paths that begin further below.
    pub fn below(&self, path: &str) -> Self {
        Self { below: self.below.join(path), ..self.clone() }
    }

    /// Whether a path is taken.
    pub fn takes(&self, path: &Path) -> bool {
        let path = self.below.join(path);
        (self.include.is_empty() || said(&self.include, &path)) && !said(&self.exclude, &path)
    }

    /// Whether neither a directory nor anything in it can be taken.
    pub fn leaves_out_all(&self, path: &Path) -> bool {
        !self.exclude.iter().any(|pattern| pattern.negated) && said(&self.exclude, &self.below.join(path))
    }
}

/// What the last pattern says that fits the path, or a directory that it is in.
fn said(patterns: &[Pattern], path: &Path) -> bool {
    let fits = |pattern: &Pattern| path.ancestors().any(|path| pattern.matches.is_match(path));
    patterns.iter().rfind(|pattern| fits(pattern)).is_some_and(|pattern| !pattern.negated)
}

impl Pattern {
    fn new(text: &str) -> Result<Self> {
        let (negated, glob) = match text.strip_prefix('!') {
            Some(glob) => (true, glob),
            None => (false, text),
        };
        let glob = glob.trim_start_matches("./").trim_matches('/');
        Ok(Self { matches: glob_of(glob)?.compile_matcher(), negated })
    }
}

/// A pattern in which `*` ends at a slash.
fn glob_of(text: &str) -> Result<Glob> {
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map_err(|e| Failed::query(format!("`{text}` is not a pattern: {}", e.kind())))
}

/// What paths fit that are asked for by a pattern.
pub(super) fn matcher(text: &str) -> Result<GlobMatcher> {
    Ok(glob_of(text.trim_start_matches("./").trim_matches('/'))?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_dockerignore_has_it() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (include, exclude, path, takes) in [
            (&[][..], &[][..], "a/b", true),
            (&["*.py"], &[], "a.py", true),
            (&["*.py"], &[], "d/a.py", false),
            (&["**/*.py"], &[], "d/a.py", true),
            (&["src"], &[], "src/deep/a.py", true),
            (&[], &["target/"], "target/debug/x", false),
            (&[], &["target", "!target/keep"], "target/keep/x", true),
            (&[], &["**/.git"], "a/.git/config", false),
        ] {
            let patterns = Patterns::new(&list(include), &list(exclude)).unwrap();
            assert_eq!(patterns.takes(Path::new(path)), takes, "{include:?} {exclude:?} {path}");
        }
        assert!(Patterns::new(&list(&["[a"]), &[]).is_err());
    }
}
