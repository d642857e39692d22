//! Words for what reads them: a shell, a unit of systemd, YAML. Whatever is in one, it stays one word, and steers no terminal.

use rootlet_spec::printable;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A word that is the same in all of them without quotes.
fn is_plain(text: &str) -> bool {
    const MARKS: &str = "/._-+=@";
    // YAML takes some that begin otherwise for something else.
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || MARKS.contains(c))
}

fn steers(c: char) -> bool {
    matches!(printable(c.encode_utf8(&mut [0; 4])), Cow::Owned(_))
}

/// For sh(1).
pub(crate) fn shell(word: &str) -> String {
    if is_plain(word) {
        return word.into();
    }
    if !word.contains(steers) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    // Only printf(1) writes such a character in every shell.
    let mut format = String::new();
    for c in word.chars() {
        match c {
            '\'' => format.push_str("'\\''"),
            '\\' => format.push_str("\\\\"),
            '%' => format.push_str("%%"),
            c if steers(c) => {
                let _ = c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|b| write!(format, "\\{b:03o}"));
            }
            c => format.push(c),
        }
    }
    format!("\"$(printf '{format}')\"")
}

/// For a unit's setting that takes paths (systemd.syntax(7)).
pub(crate) fn unit(word: &str) -> String {
    for_unit(&word.replace('%', "%%"), '"')
}

/// For a unit's command line, where `$` has a meaning, too (systemd.service(5)).
pub(crate) fn unit_command(word: &str) -> String {
    for_unit(&word.replace('%', "%%").replace('$', "$$"), '\'')
}

fn for_unit(word: &str, quote: char) -> String {
    if is_plain(&word.replace("%%", "").replace([':', ','], "")) {
        return word.into();
    }
    let other = if quote == '"' { '\'' } else { '"' };
    let quote = if word.contains(quote) && !word.contains(other) { other } else { quote };
    quoted(word, quote)
}

/// For YAML, in any place.
pub(crate) fn yaml(text: &str) -> String {
    if is_plain(text) && text.starts_with('/') { text.into() } else { quoted(text, '"') }
}

/// With escapes that YAML and units share with C.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if steers(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const NAMES: [&str; 9] = [
        "/srv/a b",
        "/srv/it's",
        "/srv/$(id)`id`;x",
        "/a\\b%s\"'",
        "/\x1b[31m%",
        "/n\nl",
        "/\u{202e}x",
        "-x",
        "",
    ];

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for name in NAMES {
            let word = shell(name);
            assert!(!word.contains(steers), "{word:?}");
            let said = Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), name, "{word}");
        }
        assert_eq!(shell("/var/lib/app"), "/var/lib/app");
    }

    #[test]
    fn yaml_and_units_have_their_quotes() {
        assert_eq!(yaml("/srv/cache"), "/srv/cache");
        assert_eq!(yaml("/srv/a: b"), "\"/srv/a: b\"");
        assert_eq!(yaml("/\u{202e}\"\n"), "\"/\\u202e\\\"\\u000a\"");
        assert_eq!(unit("/srv/100%"), "/srv/100%%");
        assert_eq!(unit("/srv/a \"b"), "'/srv/a \"b'");
        assert_eq!(unit("/srv/it's \"b\\"), "\"/srv/it's \\\"b\\\\\"");
        assert_eq!(unit_command("chown 0 '/srv/$x'"), "\"chown 0 '/srv/$$x'\"");
        assert_eq!(unit_command("a && b"), "'a && b'");
    }
}
