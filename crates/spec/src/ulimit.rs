//! Limits of each process: `--ulimit NAME=SOFT[:HARD]`.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One `--ulimit NAME=SOFT[:HARD]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Which, by the kernel's number (`RLIMIT_*` of `<sys/resource.h>`).
    pub resource: u32,
    /// Soft limit; `u64::MAX` is unlimited.
    pub soft: u64,
    /// Hard limit; `u64::MAX` is unlimited.
    pub hard: u64,
}

/// docker's names, each at the kernel's number (`asm-generic/resource.h`: x86, ARM, RISC-V, POWER, s390).
const NAMES: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

impl Ulimit {
    /// docker's name of the resource, if the kernel's number is known.
    pub fn name(&self) -> Option<&'static str> {
        NAMES.get(self.resource as usize).copied()
    }

    /// As it stands behind the `=`: `1024`, `1024:unlimited`.
    pub fn value(&self) -> String {
        let value = |v: u64| if v == u64::MAX { "unlimited".into() } else { v.to_string() };
        if self.soft == self.hard {
            value(self.soft)
        } else {
            format!("{}:{}", value(self.soft), value(self.hard))
        }
    }
}

/// Reads `nofile=1024`, `nofile=1024:2048`, `core=unlimited`, `memlock=-1`. The values are the kernel's own units.
impl FromStr for Ulimit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |reason: String| ParseError::new("ulimit", text, reason);
        let (name, values) = text
            .split_once('=')
            .ok_or_else(|| wrong("expected NAME=SOFT[:HARD], such as nofile=1024:2048".into()))?;
        let resource = NAMES.iter().position(|n| *n == name).ok_or_else(|| {
            let mut known = NAMES;
            known.sort_unstable();
            wrong(format!("no limit is named `{name}`"))
                .with_hint(format!("the names are {}", known.join(", ")))
        })?;
        let value = |text: &str| {
            limit(text).ok_or_else(|| wrong(format!("`{text}` is not a number, `unlimited` or -1")))
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(soft)?, value(hard)?);
        if soft > hard {
            return Err(wrong("the soft limit is above the hard limit".into()));
        }
        Ok(Self { resource: resource as u32, soft, hard })
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.resource)?,
        }
        write!(f, "={}", self.value())
    }
}

fn limit(text: &str) -> Option<u64> {
    match text {
        "unlimited" | "-1" => Some(u64::MAX),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_docker_reads() {
        let ulimit = |text: &str| text.parse::<Ulimit>().unwrap();
        assert_eq!(ulimit("nofile=1024:2048"), Ulimit { resource: 7, soft: 1024, hard: 2048 });
        assert_eq!(ulimit("core=0"), Ulimit { resource: 4, soft: 0, hard: 0 });
        assert_eq!(ulimit("memlock=-1:-1"), Ulimit { resource: 8, soft: u64::MAX, hard: u64::MAX });
        assert_eq!(ulimit("nproc=10:unlimited"), Ulimit { resource: 6, soft: 10, hard: u64::MAX });
        for text in [
            "",
            "nofile",
            "nofile=",
            "files=1",
            "nofile=2:1",
            "nofile=unlimited:5",
            "nofile=-2",
            "nofile=1:2:3",
        ] {
            assert!(text.parse::<Ulimit>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), shaped in "[a-z]{0,5}=[0-9:-]{0,22}") {
            let _ = text.parse::<Ulimit>();
            let _ = shaped.parse::<Ulimit>();
        }

        #[test]
        fn comes_back_as_written(resource in 0u32..16, a in any::<u64>(), b in any::<u64>()) {
            let limit = Ulimit { resource, soft: a.min(b), hard: a.max(b) };
            prop_assert_eq!(limit.to_string().parse::<Ulimit>(), Ok(limit));
        }
    }
}
