//! Variables: `--env`, and files of them as docker reads those.

use crate::ParseError;
use std::fmt;
use std::str::FromStr;

/// One variable as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvArg {
    /// `NAME=VALUE`.
    Set(String, String),
    /// `NAME`: the value that it has in the caller's environment, and none if it is not there.
    Caller(String),
}

impl EnvArg {
    /// The variable's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Caller(name) => name,
        }
    }
}

/// Reads `NAME=VALUE` or `NAME`. Everything after the first `=` is the value, just as it stands.
impl FromStr for EnvArg {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.contains('\0') {
            return Err(ParseError::new("variable", text, "it cannot hold a NUL byte"));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(ParseError::new("variable", text, "the name is empty; expected NAME=VALUE or NAME"));
        }
        Ok(match value {
            Some(value) => Self::Set(name.into(), value.into()),
            None => Self::Caller(name.into()),
        })
    }
}

impl fmt::Display for EnvArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(name, value) => write!(f, "{name}={value}"),
            Self::Caller(name) => f.write_str(name),
        }
    }
}

/// Reads an `--env-file` as docker does: a variable a line, `#` starts a comment line, white space before the name is
/// skipped, and the value is taken just as it stands, quotes included.
pub fn parse_file(contents: &str) -> Result<Vec<EnvArg>, ParseError> {
    let contents = contents.strip_prefix('\u{feff}').unwrap_or(contents);
    contents
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_start()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| parse_line(number, line))
        .collect()
}

fn parse_line(number: usize, line: &str) -> Result<EnvArg, ParseError> {
    let wrong = |reason: &str| ParseError::new("line of variables", line, format!("line {number}: {reason}"));
    let name = line.split_once('=').map_or(line, |(name, _)| name);
    if name.contains(char::is_whitespace) {
        return Err(wrong("the name has white space in it").with_hint("write NAME=VALUE, without `export`"));
    }
    line.parse().map_err(|e: ParseError| wrong(e.reason()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(name: &str, value: &str) -> EnvArg {
        EnvArg::Set(name.into(), value.into())
    }

    #[test]
    fn reads_variables() {
        assert_eq!("A=b".parse(), Ok(set("A", "b")));
        assert_eq!("A=".parse(), Ok(set("A", "")));
        assert_eq!("A=b=c d".parse(), Ok(set("A", "b=c d")));
        assert_eq!("A".parse(), Ok(EnvArg::Caller("A".into())));
        for text in ["", "=", "=x", "A=\0"] {
            assert!(text.parse::<EnvArg>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_files_as_docker_does() {
        let text = "\u{feff}A=1\n\n# a comment\n  B=\"quoted\" # kept\r\n\tC\nD= x \n";
        let expected =
            vec![set("A", "1"), set("B", "\"quoted\" # kept"), EnvArg::Caller("C".into()), set("D", " x ")];
        assert_eq!(parse_file(text), Ok(expected));
        let e = parse_file("A=1\nexport B=2").unwrap_err();
        assert!(e.to_string().contains("line 2"), "{e}");
        assert!(parse_file("A =1").is_err());
        assert!(parse_file("=1").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<EnvArg>();
            let _ = parse_file(&text);
        }

        #[test]
        fn comes_back_as_written(text in "[A-Z]{1,3}(=.{0,5})?") {
            if let Ok(env) = text.parse::<EnvArg>() {
                prop_assert_eq!(env.to_string().parse::<EnvArg>(), Ok(env));
            }
        }
    }
}
