//! Words of a Dockerfile: quotes, the escape character, and variables, as docker's own lexer has them (BuildKit's
//! `frontend/dockerfile/shell/lex.go`; the Dockerfile reference, "Environment replacement").

use super::open;
use std::iter::Peekable;
use std::str::Chars;

/// Defaults that hold variables that have defaults.
const MOST_DEPTH: usize = 16;
/// No value is longer; variables that hold each other's values multiply.
const MOST_BYTES: usize = 1 << 20;

pub struct Lex<'a> {
    /// `\`, or what `# escape=` says.
    pub escape: char,
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Lex<'_> {
    /// One word without its quotes, with the values of its variables. A variable without a value is left open ([`open`]).
    ///
    /// # Errors
    /// A quote or a brace is not closed, a variable has no name, or `${NAME:?why}` has no value.
    pub fn word(&self, text: &str) -> Result<String, String> {
        self.until(&mut text.chars().peekable(), None, 0)
    }

    fn until(&self, chars: &mut Peekable<Chars>, stop: Option<char>, depth: usize) -> Result<String, String> {
        if depth > MOST_DEPTH {
            return Err("its braces are nested too deep".into());
        }
        let mut out = String::new();
        while let Some(&c) = chars.peek() {
            if Some(c) == stop {
                return Ok(out);
            }
            match c {
                '\'' => single_quoted(chars, &mut out)?,
                '"' => self.double_quoted(chars, &mut out, depth)?,
                '$' => out.push_str(&self.dollar(chars, depth)?),
                c if c == self.escape => {
                    chars.next();
                    out.extend(chars.next());
                }
                c => {
                    chars.next();
                    out.push(c);
                }
            }
            if out.len() > MOST_BYTES {
                return Err("what it stands for is too long".into());
            }
        }
        match stop {
            None => Ok(out),
            Some(stop) => Err(format!("a `{stop}` is missing")),
        }
    }

    /// Variables are expanded; the escape character is one only before a quote, a dollar or itself.
    fn double_quoted(
        &self,
        chars: &mut Peekable<Chars>,
        out: &mut String,
        depth: usize,
    ) -> Result<(), String> {
        chars.next();
        loop {
            match chars.peek() {
                None => return Err("a \" is not closed".into()),
                Some('"') => {
                    chars.next();
                    return Ok(());
                }
                Some('$') => out.push_str(&self.dollar(chars, depth)?),
                Some(&c) => {
                    chars.next();
                    let escaped =
                        chars.next_if(|&next| c == self.escape && ("\"$".contains(next) || next == c));
                    out.push(escaped.unwrap_or(c));
                }
            }
        }
    }

    fn dollar(&self, chars: &mut Peekable<Chars>, depth: usize) -> Result<String, String> {
        chars.next();
        if chars.next_if_eq(&'{').is_none() {
            let name = name(chars);
            return Ok(if name.is_empty() { "$".into() } else { self.value(&name) });
        }
        let name = name(chars);
        if name.is_empty() {
            return Err("a variable without a name: `${}`".into());
        }
        let colon = chars.next_if_eq(&':').is_some();
        match (chars.next(), colon) {
            (Some('}'), false) => Ok(self.value(&name)),
            (Some(operator @ ('-' | '+' | '?')), _) => {
                let word = self.until(chars, Some('}'), depth + 1)?;
                chars.next();
                let said = (self.variable)(&name).filter(|value| !colon || !value.is_empty());
                match (operator, said) {
                    ('-', said) => Ok(said.unwrap_or(word)),
                    ('+', said) => Ok(said.map_or(String::new(), |_| word)),
                    (_, Some(said)) => Ok(said),
                    (_, None) => Err(format!("the variable {name} is not set: {word}")),
                }
            }
            (Some(operator @ ('#' | '%' | '/')), false) => {
                let twice = chars.next_if_eq(&operator).is_some();
                let stop = if operator == '/' { '/' } else { '}' };
                let pattern = pattern(chars, stop, self.escape)?;
                let replacement = match operator {
                    '/' => {
                        let word = self.until(chars, Some('}'), depth + 1)?;
                        chars.next();
                        word
                    }
                    _ => String::new(),
                };
                match (self.variable)(&name) {
                    Some(value) if !open::is_open(&value) => {
                        cut(&value, operator, twice, &pattern, &replacement)
                    }
                    _ => Ok(open::mark("")),
                }
            }
            (Some(other), _) => Err(format!("`{other}` is no operator of ${{{name}…}}")),
            (None, _) => Err(format!("`${{{name}` has no closing brace")),
        }
    }

    fn value(&self, name: &str) -> String {
        (self.variable)(name).unwrap_or_else(|| open::mark(name))
    }
}

fn single_quoted(chars: &mut Peekable<Chars>, out: &mut String) -> Result<(), String> {
    chars.next();
    loop {
        match chars.next() {
            None => return Err("a ' is not closed".into()),
            Some('\'') => return Ok(()),
            Some(c) => out.push(c),
        }
    }
}

/// A name, a number, or one of a shell's own signs; all but names stand for nothing.
fn name(chars: &mut Peekable<Chars>) -> String {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    match chars.peek() {
        Some(c) if c.is_ascii_digit() => std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect(),
        Some(c) if is_name(c) => std::iter::from_fn(|| chars.next_if(is_name)).collect(),
        Some(c) if "@*#?-$!".contains(*c) => chars.next().into_iter().collect(),
        _ => String::new(),
    }
}

/// One sign of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Any,
    One,
    This(char),
}

fn pattern(chars: &mut Peekable<Chars>, stop: char, escape: char) -> Result<Vec<Sign>, String> {
    let mut signs = Vec::new();
    loop {
        signs.push(match chars.next() {
            None => return Err(format!("a `{stop}` is missing")),
            Some(c) if c == stop => return Ok(signs),
            Some('*') => Sign::Any,
            Some('?') => Sign::One,
            Some(c) if c == escape => Sign::This(chars.next().unwrap_or(c)),
            Some(c) => Sign::This(c),
        });
    }
}

/// How long the parts are from the beginning of `text` that the pattern matches, in characters, shortest first.
fn matches(pattern: &[Sign], text: &[char]) -> Vec<usize> {
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for sign in pattern {
        let before = std::mem::replace(&mut ends, vec![false; text.len() + 1]);
        let mut any = false;
        for (i, &here) in before.iter().enumerate() {
            any |= here;
            match sign {
                Sign::Any => ends[i] = any,
                _ if here && i < text.len() && (*sign == Sign::One || *sign == Sign::This(text[i])) => {
                    ends[i + 1] = true;
                }
                _ => {}
            }
        }
    }
    ends.iter().enumerate().filter(|(_, here)| **here).map(|(i, _)| i).collect()
}

/// `#`, `##`: without what the pattern matches at the beginning, the shortest or the longest; `%`, `%%`: at the end; `/`, `//`: the
/// first, or each, replaced.
fn cut(
    value: &str,
    operator: char,
    twice: bool,
    pattern: &[Sign],
    replacement: &str,
) -> Result<String, String> {
    let text: Vec<char> = value.chars().collect();
    if text.len().max(pattern.len()) > MOST_CUT {
        return Err(format!("more than {MOST_CUT} characters are not held against a pattern"));
    }
    let choose = |all: Vec<usize>| if twice { all.last().copied() } else { all.first().copied() };
    Ok(match operator {
        '#' => text[choose(matches(pattern, &text)).unwrap_or(0)..].iter().collect(),
        '%' => {
            let turned: Vec<char> = text.iter().rev().copied().collect();
            let signs: Vec<Sign> = pattern.iter().rev().copied().collect();
            let end = choose(matches(&signs, &turned)).unwrap_or(0);
            text[..text.len() - end].iter().collect()
        }
        _ => {
            let (mut out, mut at, mut done) = (String::new(), 0, false);
            while at < text.len() {
                let longest = matches(pattern, &text[at..]).last().copied().filter(|&n| n > 0 && !done);
                match longest {
                    Some(length) => {
                        out.push_str(replacement);
                        at += length;
                        done = !twice;
                    }
                    None => {
                        out.push(text[at]);
                        at += 1;
                    }
                }
            }
            out
        }
    })
}

/// Versions are what is cut; each place of a value is held against the pattern.
const MOST_CUT: usize = 256;

/// The words of `NAME=VALUE …` as they are written, with their quotes.
pub fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
        // In single quotes it is a character like others.
        if c == escape && quote != Some('\'') {
            word.extend(chars.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(text: &str) -> Result<String, String> {
        let known = |name: &str| match name {
            "a" => Some("1".to_owned()),
            "empty" => Some(String::new()),
            "V" => Some("v1.2.3".into()),
            "S" => Some("foobarbaz".into()),
            _ => None,
        };
        let word = Lex { escape: '\\', variable: &known }.word(text)?;
        Ok(open::fill(&word, &|_| None))
    }

    /// What docker 20.10 makes of the same words.
    #[test]
    fn words_are_dockers() {
        let cases = [
            (r#""a b" c"#, "a b c"),
            ("'$a'", "$a"),
            (r#"a'b$a'"c$a""#, "ab$ac1"),
            (r"\$a", "$a"),
            (r#""a\"b\\c\nd""#, r#"a"b\c\nd"#),
            (r#""it's""#, "it's"),
            ("$1$@$?", ""),
            ("${a}$", "1$"),
            (r#""$""#, "$"),
            ("a$-b", "ab"),
            ("$$", ""),
            ("é$a", "é1"),
            (r"\'$a\'", "'1'"),
            (r"\\a", r"\a"),
            (r#""\x""#, r"\x"),
            ("${zz:-d}${empty:-e}${a:+s}${zz:+t}", "des"),
            ("${a}a$aa", "1a"),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["'x", "\"x", "${a", "${}", "${a:-x", "${zz:?no}", r"'a\'b'", "${a!x}"] {
            assert!(word(text).is_err(), "{text}");
        }
    }

    /// The examples of the Dockerfile reference, and what bash makes of the others.
    #[test]
    fn parts_are_cut_off_as_the_reference_has_it() {
        let cases = [
            ("${S#f*b}", "arbaz"),
            ("${S##f*b}", "az"),
            ("${S%b*}", "foobar"),
            ("${S%%b*}", "foo"),
            ("${S/ba/fo}", "fooforbaz"),
            ("${S//ba/fo}", "fooforfoz"),
            ("${V#v}", "1.2.3"),
            ("${V%.*}", "v1.2"),
            ("${V%%.*}", "v1"),
            ("${V##*.}", "3"),
            ("${V//./_}", "v1_2_3"),
            ("${V#x}", "v1.2.3"),
            ("${V/?./-}", "v-2.3"),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(word("${V/x}").is_err());
    }

    #[test]
    fn quotes_hold_words_together() {
        let words = split(r#"A="b c" D='e f'g H=\ i  J=k"#, '\\');
        assert_eq!(words, [r#"A="b c""#, "D='e f'g", r"H=\ i", "J=k"]);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), dollars in "[$'\"\\\\{}:#%/*?a-c -]{0,60}") {
            let _ = (word(&text), word(&dollars), split(&dollars, '\\'));
        }
    }
}
