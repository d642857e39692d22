//! Permission bits and the mask against them, in octal as chmod(1) and umask(1) write them.

use crate::ParseError;

/// Reads permission bits: `755`, `1777`, `0o644`.
pub fn parse(text: &str) -> Result<u32, ParseError> {
    octal(text, 0o7777)
        .ok_or_else(|| ParseError::new("mode", text, "expected an octal number up to 7777, such as 1777"))
}

/// Reads a umask: `022`, `0077`.
pub fn parse_umask(text: &str) -> Result<u32, ParseError> {
    octal(text, 0o777)
        .ok_or_else(|| ParseError::new("umask", text, "expected an octal number up to 0777, such as 022"))
}

fn octal(text: &str, highest: u32) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    // from_str_radix also takes a sign.
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    u32::from_str_radix(digits, 8).ok().filter(|&mode| mode <= highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_octal() {
        assert_eq!(parse("1777").unwrap(), 0o1777);
        assert_eq!(parse("0o644").unwrap(), 0o644);
        assert_eq!(parse_umask("0022").unwrap(), 0o022);
        for text in ["", "8", "u=rwx", "+7", "10000", "0o"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse_umask("1777").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = parse(&text);
            let _ = parse_umask(&text);
        }

        #[test]
        fn comes_back_as_written(mode in 0u32..=0o7777) {
            prop_assert_eq!(parse(&format!("{mode:o}")), Ok(mode));
        }
    }
}
