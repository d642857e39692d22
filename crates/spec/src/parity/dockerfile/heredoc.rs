//! Here-documents (the Dockerfile reference, "Here-Documents"): the lines behind a RUN, COPY or ADD that are its input and no
//! instructions, wherever in its line `<<NAME` stands.

use super::super::error::{Error, Place};
use super::lex;

/// The text with all here-documents blank, so that each byte stays where it is. Instructions lose the signs that announce
/// them.
///
/// # Errors
/// One has no end.
pub fn blanked(text: &str, escape: char) -> Result<String, Error> {
    let mut out = text.as_bytes().to_vec();
    let mut lines = Lines { text, at: 0 };
    while let Some((begin, line)) = lines.next() {
        let words = line.trim_start();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let (whole, end) = logical(&mut lines, begin, line, escape);
        let names = if takes_input(&whole) { names(&whole, escape) } else { Vec::new() };
        if names.is_empty() {
            continue;
        }
        for at in begin..end {
            if out[at..end].starts_with(b"<<") {
                out[at..at + 2].fill(b' ');
            }
        }
        for (name, tabs) in names {
            body(&mut lines, &mut out, &name, tabs).ok_or_else(|| {
                let place = Place::after(&text.as_bytes()[..begin]);
                Error::at(place, format!("the here-document {name} has no end"))
                    .with_hint(format!("expected a line with {name} alone"))
            })?;
        }
    }
    Ok(String::from_utf8(out).unwrap_or_else(|_| text.to_owned()))
}

/// Lines without their ends, each with where it begins.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.at;
        let rest = self.text.get(begin..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_inclusive('\n').next()?;
        self.at += line.len();
        Some((begin, line.trim_end_matches(['\n', '\r'])))
    }
}

/// An instruction with the lines in which it goes on, and where it ends.
fn logical(lines: &mut Lines, begin: usize, first: &str, escape: char) -> (String, usize) {
    let (mut whole, mut end) = (String::new(), begin + first.len());
    let mut line = first;
    loop {
        let goes_on = line.trim_end_matches([' ', '\t']).strip_suffix(escape);
        whole.push_str(goes_on.unwrap_or(line));
        if goes_on.is_none() {
            return (whole, end);
        }
        // Comments and empty lines in between are left out.
        let between = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let Some((at, next)) = lines.find(|(_, line)| !between(line)) else { return (whole, end) };
        (line, end) = (next, at + next.len());
    }
}

fn takes_input(instruction: &str) -> bool {
    let is = |word: Option<&str>, names: &[&str]| {
        word.is_some_and(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
    };
    let mut words = instruction.split_whitespace().peekable();
    words.next_if(|word| is(Some(word), &["ONBUILD"]));
    is(words.next(), &["RUN", "COPY", "ADD"])
}

/// The names that words of the form `<<NAME`, `<<-NAME`, `<<"NAME"` or `3<<NAME` announce, and whether tabs before lines are cut.
fn names(instruction: &str, escape: char) -> Vec<(String, bool)> {
    let name = |word: String| {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?.to_owned();
        let (rest, tabs) = rest.strip_prefix('-').map_or((&*rest, false), |rest| (rest, true));
        let name = rest.trim_matches(['"', '\'']);
        (!name.is_empty() && !name.contains('<')).then(|| (name.to_owned(), tabs))
    };
    lex::split(instruction, escape).into_iter().filter_map(name).collect()
}

/// Up to the line that ends it.
fn body(lines: &mut Lines, out: &mut [u8], name: &str, tabs: bool) -> Option<()> {
    for (begin, line) in lines.by_ref() {
        out[begin..begin + line.len()].fill(b' ');
        let said = if tabs { line.trim_start_matches('\t') } else { line };
        if said == name {
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instructions(text: &str) -> Vec<String> {
        let blank = blanked(text, '\\').unwrap();
        assert_eq!(blank.len(), text.len());
        blank
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|l| !l.is_empty())
            .collect()
    }

    #[test]
    fn what_is_input_is_no_instruction() {
        let cases: [(&str, &[&str]); 7] = [
            ("RUN cat <<EOF > /x\nUSER 9\n${Z}\nEOF\nUSER 5\n", &["RUN cat EOF > /x", "USER 5"]),
            ("copy <<-\"E\" <<F /b\nUSER x\n\tE\nE\nF\nUSER 6\n", &["copy - \"E\" F /b", "USER 6"]),
            ("RUN a \\\n  # <<NO\n  <<E && b\né\nE\nUSER 1\n", &["RUN a \\", "# NO", "E && b", "USER 1"]),
            ("RUN echo \"<<EOF\" x<<y <<< \"z\"\nUSER 7\n", &["RUN echo \"<<EOF\" x<<y <<< \"z\"", "USER 7"]),
            ("CMD cat <<EOF\nUSER 8\n", &["CMD cat <<EOF", "USER 8"]),
            ("ONBUILD RUN <<E\nUSER 9\nE\n", &["ONBUILD RUN E"]),
            ("RUN 3<<E x\r\nUSER 9\r\nE\r\nUSER 2\r\n", &["RUN 3 E x", "USER 2"]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|line| line.replace("- \"E\"", "-\"E\"")).collect();
            assert_eq!(instructions(text), expected, "{text}");
        }
        let e = blanked("FROM a\nRUN cat <<EOF\nx\n", '\\').unwrap_err();
        assert_eq!(e.to_string(), "line 2, column 1: the here-document EOF has no end");
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), signs in "(RUN |<<E|E|\n|\\\\|\"|é| ){0,30}") {
            let _ = (blanked(&text, '\\'), blanked(&signs, '`'));
        }
    }
}
