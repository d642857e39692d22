//! Files of variables as Compose reads them (compose-go's `dotenv`): `NAME=VALUE` or `NAME: VALUE`, `export` before it, quotes around the
//! value, which may hold lines, comments, and variables in all but single quotes.

use super::super::MOST_ENTRIES;
use super::super::words::expand;

/// `None`: a name alone, whose value is the caller's. `outer` has the variables that are set already.
///
/// # Errors
/// A quote is not closed, or what is wrong with a variable.
pub fn parse(
    text: &str,
    outer: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, Option<String>)>, String> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while !rest.is_empty() && all.len() < MOST_ENTRIES {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if line.starts_with('#') {
            rest = after.trim_start();
            continue;
        }
        let said = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some(end) = said.find(['=', ':']) else {
            // In a comment behind it is no name.
            let name = said.split(" #").next().unwrap_or_default().trim();
            all.push((name.to_owned(), None));
            rest = after.trim_start();
            continue;
        };
        let (name, value) = (said[..end].trim(), said[end + 1..].trim_start_matches([' ', '\t']));
        let (value, raw, after) = match value.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                // It may go on in further lines.
                let begin = rest.len() - after.len() - usize::from(rest.len() > line.len()) - value.len();
                let (value, after) =
                    quoted(&rest[begin + 1..], quote).ok_or_else(|| format!("a {quote} is not closed"))?;
                (value, quote == '\'', after.split_once('\n').map_or("", |(_, after)| after))
            }
            _ => (without_comment(value).to_owned(), false, after),
        };
        let known = |name: &str| {
            let own =
                || all.iter().rev().find(|(known, _)| known == name).and_then(|(_, value)| value.clone());
            outer(name).or_else(own)
        };
        let value = if raw { value } else { expand(&value, '$', &mut |name| known(name))? };
        if !name.is_empty() {
            all.push((name.to_owned(), Some(value)));
        }
        rest = after.trim_start();
    }
    Ok(all)
}

fn without_comment(value: &str) -> &str {
    let at = [" #", "\t#"].iter().filter_map(|sign| value.find(sign)).min();
    let value = if value.starts_with('#') { "" } else { &value[..at.unwrap_or(value.len())] };
    value.trim_end()
}

/// What stands before the closing quote, and what follows it. In double quotes a backslash escapes.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((out, &text[at + 1..])),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                // The expansion takes two for one.
                '$' => out.push_str("$$"),
                c @ ('"' | '\\') => out.push(c),
                c => out.extend(['\\', c]),
            },
            '\\' if text[at + 1..].starts_with('\'') => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_variables() {
        let text = "A=1\nexport B = two # c\n# C=3\nD='x # y $A'\nE=\"a\\nb $A\"\n\nF\n=g\nG=${A}0/${X:-x} \nH: yaml\nI=\"one\n  two\"\r\nJ=#no\nK=a#b\n\
                    L=\"\\$A\"\nM=\nN=$OUTER";
        let read = parse(text, &|name| (name == "OUTER").then(|| "o".into())).unwrap();
        let expected = [
            ("A", Some("1")),
            ("B", Some("two")),
            ("D", Some("x # y $A")),
            ("E", Some("a\nb 1")),
            ("F", None),
            ("G", Some("10/x")),
            ("H", Some("yaml")),
            ("I", Some("one\n  two")),
            ("J", Some("")),
            ("K", Some("a#b")),
            ("L", Some("$A")),
            ("M", Some("")),
            ("N", Some("o")),
        ];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))));
        assert!(parse("A=\"x\nB=1\n", &|_| None).unwrap_err().contains("not closed"));
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), signs in "[A=:'\"\\\\ \n#$é]{0,40}") {
            let _ = (parse(&text, &|_| None), parse(&signs, &|_| None));
        }
    }
}
