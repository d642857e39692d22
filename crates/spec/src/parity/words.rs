//! Splitting and expanding: `$NAME` and `${NAME:-x}` of Compose and Dockerfiles, and words in quotes.

/// Replaces `$NAME`, `${NAME}` and the forms with `:-`, `-`, `:+`, `+`, `:?` and `?`. `escape` before a dollar keeps it: `\` in a
/// Dockerfile, `$` in Compose.
///
/// # Errors
/// What `?` says of a variable that is not set, or what is wrong with the braces.
pub fn expand(
    text: &str,
    escape: char,
    variable: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<String, String> {
    expand_nested(text, escape, variable, 0)
}

/// Defaults that hold variables that have defaults.
const MOST_DEPTH: usize = 16;
/// No value is longer; variables that hold each other's values multiply.
const MOST_BYTES: usize = 1 << 20;

fn expand_nested(
    text: &str,
    escape: char,
    variable: &mut dyn FnMut(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    if depth > MOST_DEPTH {
        return Err("its braces are nested too deep".into());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', escape]) {
        out.push_str(&rest[..at]);
        let found = &rest[at..];
        let mut chars = found.chars();
        let first = chars.next().unwrap_or_default();
        if first == escape && chars.clone().next() == Some('$') {
            out.push('$');
            rest = &found[first.len_utf8() + 1..];
        } else if first != '$' {
            out.push(first);
            rest = &found[first.len_utf8()..];
        } else if let Some(inside) = found.strip_prefix("${") {
            let end = closing(inside).ok_or_else(|| format!("`{text}` has no closing brace"))?;
            out.push_str(&braced(&inside[..end], escape, variable, depth)?);
            rest = &inside[end + 1..];
        } else {
            let name = name_at(&found[1..]);
            match name {
                "" => out.push('$'),
                name => out.push_str(&variable(name).unwrap_or_default()),
            }
            rest = &found[1 + name.len()..];
        }
        if out.len() > MOST_BYTES {
            return Err("what it stands for is too long".into());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The brace that closes the one before.
fn closing(inside: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    match text.starts_with(|c: char| c.is_ascii_digit()) {
        true => "",
        false => &text[..end],
    }
}

fn braced(
    inside: &str,
    escape: char,
    variable: &mut dyn FnMut(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    let name = name_at(inside);
    if name.is_empty() {
        return Err(format!("`${{{inside}}}` names no variable"));
    }
    let (operator, word) = match inside[name.len()..].split_at_checked(1) {
        None => ("", ""),
        Some((":", rest)) => {
            let length = 1 + rest.chars().next().map_or(0, char::len_utf8);
            inside[name.len()..].split_at(length)
        }
        Some((operator, word)) => (operator, word),
    };
    let value = variable(name);
    let full = value.clone().filter(|value| !value.is_empty());
    let mut word = || expand_nested(word, escape, variable, depth + 1);
    match operator {
        "" => Ok(value.unwrap_or_default()),
        ":-" => full.map_or_else(word, Ok),
        "-" => value.map_or_else(word, Ok),
        ":+" => full.map_or(Ok(String::new()), |_| word()),
        "+" => value.map_or(Ok(String::new()), |_| word()),
        ":?" | "?" => match if operator == "?" { value } else { full } {
            Some(value) => Ok(value),
            None => Err(format!("the variable {name} is not set: {}", word()?)),
        },
        // BuildKit cuts prefixes and suffixes (`${x%y}`); what is left over is the value.
        _ => Ok(value.unwrap_or_default()),
    }
}

/// Words separated by white space, as systemd and Dockerfiles have them: quotes hold a word together and are taken off, a
/// backslash takes the next character for itself.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', Some('"') | None) => {
                let next = chars.next().unwrap_or('\\');
                word.get_or_insert_default().push(next);
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("a {quote} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(text: &str) -> Result<String, String> {
        expand(text, '$', &mut |name| match name {
            "A" => Some("a".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_those_of_a_shell() {
        let cases = [
            ("$A ${A}x $B|${B}", "a ax |"),
            ("${B:-x} ${B-x} ${EMPTY:-x} ${EMPTY-x} ${A:-x}", "x x x  a"),
            ("${A:+y} ${B:+y} ${EMPTY:+y} ${EMPTY+y}", "y   y"),
            ("${B:-${A:-z}}", "a"),
            ("$$A $", "$A $"),
            ("$1 a$", "$1 a$"),
        ];
        for (text, expected) in cases {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(expanded("${B:?give one}").unwrap_err(), "the variable B is not set: give one");
        for text in ["${A", "${}", "${:-x}"] {
            assert!(expanded(text).is_err(), "{text}");
        }
        let docker = expand(r"\$A $A \x", '\\', &mut |_| Some("a".into()));
        assert_eq!(docker.as_deref(), Ok(r"$A a \x"));
    }

    #[test]
    fn words_keep_their_quotes_content() {
        assert_eq!(split(r#"a "b c" 'd "e' f\ g """#).unwrap(), ["a", "b c", "d \"e", "f g", ""]);
        assert!(split("\"a").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = (expanded(&text), split(&text), expand(&text, '\\', &mut |_| None));
        }
    }
}
