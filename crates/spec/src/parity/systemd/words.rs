//! Words as systemd takes a line apart (systemd.syntax(7), "Quoting"): both quotes hold words together, and escapes are C's, in
//! quotes and outside.

use std::iter::Peekable;
use std::str::Chars;

/// The words of a line.
///
/// # Errors
/// A quote is not closed.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    Ok(commands(text)?.into_iter().flatten().collect())
}

/// The words of each command: a `;` that stands alone separates two.
///
/// # Errors
/// A quote is not closed.
pub fn commands(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut all = vec![Vec::new()];
    let mut chars = text.chars().peekable();
    while let Some(word) = next(&mut chars)? {
        match word {
            Word::Separator => all.push(Vec::new()),
            Word::Text(text) => all.last_mut().expect("there is one").push(text),
        }
    }
    all.retain(|words| !words.is_empty());
    Ok(all)
}

enum Word {
    Text(String),
    Separator,
}

fn next(chars: &mut Peekable<Chars>) -> Result<Option<Word>, String> {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
    if chars.peek().is_none() {
        return Ok(None);
    }
    let (mut word, mut quote, mut as_written) = (String::new(), None, true);
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                as_written = false;
                escaped(chars, &mut word);
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('"' | '\'', None) => {
                as_written = false;
                quote = Some(c);
            }
            (c, None) if c.is_whitespace() => break,
            (c, None) => word.push(c),
        }
    }
    match quote {
        Some(quote) => Err(format!("a {quote} is not closed")),
        None if word == ";" && as_written => Ok(Some(Word::Separator)),
        None => Ok(Some(Word::Text(word))),
    }
}

/// What stands behind a backslash; one that escapes nothing stays.
fn escaped(chars: &mut Peekable<Chars>, out: &mut String) {
    let plain = match chars.peek() {
        Some('a') => '\x07',
        Some('b') => '\x08',
        Some('f') => '\x0c',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('s') => ' ',
        Some('t') => '\t',
        Some('v') => '\x0b',
        Some(&c @ ('\\' | '"' | '\'' | ';')) => c,
        Some('x') => return numbered(chars, out, Some('x'), 16, 2),
        Some('u') => return numbered(chars, out, Some('u'), 16, 4),
        Some('U') => return numbered(chars, out, Some('U'), 16, 8),
        Some('0'..='7') => return numbered(chars, out, None, 8, 3),
        _ => return out.push('\\'),
    };
    chars.next();
    out.push(plain);
}

/// A character by its number of so many digits.
fn numbered(chars: &mut Peekable<Chars>, out: &mut String, sign: Option<char>, radix: u32, digits: usize) {
    let ahead: String = chars.clone().skip(usize::from(sign.is_some())).take(digits).collect();
    let is_number = ahead.chars().count() == digits && ahead.chars().all(|c| c.is_digit(radix));
    let number = is_number.then(|| u32::from_str_radix(&ahead, radix).ok()).flatten();
    match number.and_then(char::from_u32).filter(|&c| c != '\0') {
        Some(c) => {
            chars.nth(usize::from(sign.is_some()) + digits - 1);
            out.push(c);
        }
        None => out.push('\\'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As systemd 252 takes them apart.
    #[test]
    fn words_are_systemds() {
        let line =
            r#"/bin/echo a\x20b 'c\x20d' "e\"f" g'h i'j \. 'k\.l' \101 m\n \s \; n ; /bin/echo second "o p""#;
        let expected: [&[&str]; 2] = [
            &["/bin/echo", "a b", "c d", "e\"f", "gh ij", "\\.", "k\\.l", "A", "m\n", " ", ";", "n"],
            &["/bin/echo", "second", "o p"],
        ];
        assert_eq!(commands(line).unwrap(), expected);
        assert_eq!(split(r#"A=1 "B=2 3" 'C=4\x205' D=a"b c""#).unwrap(), ["A=1", "B=2 3", "C=4 5", "D=ab c"]);
        assert_eq!(split(r"';' \xZZ \u00e9 \").unwrap(), [";", r"\xZZ", "é", r"\"]);
        assert!(split("\"a").is_err() && split(" ").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), signs in "[\\\\'\"xuU0-9 ;]{0,40}") {
            let _ = (split(&text), commands(&signs));
        }
    }
}
