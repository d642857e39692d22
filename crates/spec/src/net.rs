//! The network that a command sees, and the name of its host.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The network that a command sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Net {
    /// The host's: services that CI started stay reachable.
    #[default]
    Host,
    /// Its own, with loopback up: each rootlet has its own port 80 and 8080.
    Private,
    /// Its own, with nothing up.
    None,
}

/// Reads `host`, `private` or `none`.
impl FromStr for Net {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "host" => Ok(Self::Host),
            "private" => Ok(Self::Private),
            "none" => Ok(Self::None),
            _ => {
                let error = ParseError::new("network", text, "expected host, private or none");
                Err(match text {
                    "bridge" | "default" | "slirp4netns" | "pasta" => {
                        error.with_hint("`private` is a network of its own with loopback, without a way out")
                    }
                    _ => error,
                })
            }
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Private => "private",
            Self::None => "none",
        })
    }
}

/// Checks a `--hostname`: what sethostname(2) and the tools that read it accept.
pub fn parse_hostname(text: &str) -> Result<String, ParseError> {
    let wrong = |reason: &str| Err(ParseError::new("host name", text, reason));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match text {
        "" => wrong("it is empty"),
        // The kernel's __NEW_UTS_LEN.
        _ if text.len() > 64 => wrong("it is longer than 64 bytes"),
        _ if !text.bytes().all(allowed) => wrong("expected letters, digits, `-`, `_` and `.`"),
        _ if text
            .split('.')
            .any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-')) =>
        {
            wrong("a part of it is empty, or starts or ends with `-`")
        }
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_networks() {
        for net in [Net::Host, Net::Private, Net::None] {
            assert_eq!(net.to_string().parse(), Ok(net));
        }
        assert!("bridge".parse::<Net>().unwrap_err().hint().unwrap().contains("private"));
        assert!("".parse::<Net>().is_err());
    }

    #[test]
    fn checks_host_names() {
        for good in ["a", "web-1.example.com", "UPPER", "a_b", "1"] {
            assert_eq!(parse_hostname(good).unwrap(), good);
        }
        for bad in ["", "-a", "a-", "a..b", ".a", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(parse_hostname(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<Net>();
            let _ = parse_hostname(&text);
        }
    }
}
