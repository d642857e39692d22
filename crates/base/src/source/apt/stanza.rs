//! Paragraphs of `Field: value` lines: indexes, Release files, control files and sources (deb822(5)).

use std::io::{self, BufRead};

/// No paragraph of an honest index is larger.
const LARGEST: usize = 4 << 20;

/// Gives one paragraph after the other, with one buffer for all.
pub(super) struct Stanzas<R> {
    lines: R,
    text: String,
}

/// A paragraph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stanza<'a>(&'a str);

impl<R: BufRead> Stanzas<R> {
    pub(super) fn new(lines: R) -> Self {
        Self { lines, text: String::new() }
    }

    /// The next one; `None` at the end. Lines that begin with `#` are left out.
    ///
    /// Errors: reading fails; the text is not UTF-8; a paragraph is larger than 4 MiB.
    pub(super) fn next(&mut self) -> io::Result<Option<Stanza<'_>>> {
        self.text.clear();
        loop {
            let before = self.text.len();
            let read = (&mut self.lines).take_line(&mut self.text)?;
            let line = self.text[before..].trim_end();
            match (read, line.is_empty()) {
                (0, _) if self.text.is_empty() => return Ok(None),
                (0, _) => break,
                (_, true) => {
                    self.text.truncate(before);
                    if before > 0 {
                        break;
                    }
                }
                (_, false) if line.starts_with('#') => self.text.truncate(before),
                (_, false) => {}
            }
            if self.text.len() > LARGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a paragraph is larger than 4 MiB"));
            }
        }
        Ok(Some(Stanza(&self.text)))
    }
}

trait TakeLine {
    fn take_line(self, text: &mut String) -> io::Result<usize>;
}

impl<R: BufRead> TakeLine for &mut R {
    /// As `read_line`, and never more than a paragraph may have.
    fn take_line(self, text: &mut String) -> io::Result<usize> {
        io::Read::take(self, LARGEST as u64 + 1).read_line(text)
    }
}

impl<'a> Stanza<'a> {
    /// The first paragraph of a text as it is, such as a control file.
    pub(super) fn of(text: &'a str) -> Self {
        Self(text.trim_start_matches('\n'))
    }

    /// All fields in their order: name, and value with its further lines as they are, the first one trimmed.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let mut end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                while matches!(rest.as_bytes().get(end), Some(b' ' | b'\t')) {
                    end += rest[end..].find('\n').map_or(rest.len() - end, |at| at + 1);
                }
                let field = &rest[..end];
                rest = &rest[end..];
                if let Some((name, value)) = field.split_once(':') {
                    return Some((name, value.trim()));
                }
            }
            None
        })
    }

    /// The value of a field; case does not matter.
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paragraphs() {
        let text = "\n# first\nPackage: a\nDescription: one\n two\n .\n\n\nPackage:b\nEmpty:\n";
        let mut stanzas = Stanzas::new(text.as_bytes());
        let first = stanzas.next().unwrap().unwrap();
        assert_eq!(first.fields().collect::<Vec<_>>(), [("Package", "a"), ("Description", "one\n two\n .")]);
        let second = stanzas.next().unwrap().unwrap();
        assert_eq!(
            (second.get("package"), second.get("EMPTY"), second.get("x")),
            (Some("b"), Some(""), None)
        );
        assert!(stanzas.next().unwrap().is_none());
    }

    #[test]
    fn a_paragraph_without_end_is_refused() {
        let endless = std::iter::repeat_n("a: b\n", 1 << 20).collect::<String>();
        assert!(Stanzas::new(endless.as_bytes()).next().is_err());
        let line = "x".repeat(LARGEST + 10);
        assert!(Stanzas::new(line.as_bytes()).next().is_err());
    }
}
