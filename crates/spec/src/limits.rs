//! Limits of the whole tree of processes: memory, number of processes, processors.

use crate::ParseError;
use serde::{Deserialize, Serialize};

/// Limits of the whole tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u32>,
    /// Processors, `0.5` is half of one.
    pub cpus: Option<f64>,
}

/// Reads `--memory`; 0 is no limit.
pub fn parse_memory(text: &str) -> Result<Option<u64>, ParseError> {
    Ok(Some(crate::size::parse(text)?).filter(|&bytes| bytes > 0))
}

/// Reads `--pids-limit`; 0, -1 and `unlimited` are no limit.
pub fn parse_pids(text: &str) -> Result<Option<u32>, ParseError> {
    if matches!(text, "-1" | "unlimited") {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(pids) => Ok(Some(pids).filter(|&pids| pids > 0)),
        Err(_) => Err(ParseError::new("number of processes", text, "expected a number, or -1 for no limit")),
    }
}

/// Reads `--cpus`, such as `1.5`; 0 is no limit.
pub fn parse_cpus(text: &str) -> Result<Option<f64>, ParseError> {
    // f64's own parser also takes signs, exponents, `inf` and `nan`.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match text.parse::<f64>() {
        Ok(cpus) if plain && cpus.is_finite() => Ok(Some(cpus).filter(|&cpus| cpus > 0.0)),
        _ => Err(ParseError::new("number of processors", text, "expected a number, such as 2 or 0.5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_limits() {
        assert_eq!(parse_memory("64m").unwrap(), Some(64 << 20));
        assert_eq!(parse_memory("0").unwrap(), None);
        assert_eq!(parse_pids("100").unwrap(), Some(100));
        assert_eq!(parse_pids("-1").unwrap(), None);
        assert_eq!(parse_cpus("0.5").unwrap(), Some(0.5));
        assert_eq!(parse_cpus("0").unwrap(), None);
        for text in ["", "x", "-1", "inf", "nan", "1e9", "+1", "1,5"] {
            assert!(parse_cpus(text).is_err(), "{text:?}");
        }
        assert!(parse_pids("-2").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = (parse_memory(&text), parse_pids(&text), parse_cpus(&text));
        }
    }
}
