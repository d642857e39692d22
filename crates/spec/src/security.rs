//! `--security-opt`, as docker writes it.

use crate::{ParseError, Spec};
use std::str::FromStr;

/// One `--security-opt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityOpt {
    /// `no-new-privileges[:true]` (rootlet's default) or `no-new-privileges:false`.
    NoNewPrivileges(bool),
    /// `seccomp=unconfined`: no system call filter.
    SeccompUnconfined,
    /// `apparmor=unconfined`, `label=disable`: rootlet asks neither of the host, so this holds already.
    AlreadySo,
}

impl SecurityOpt {
    /// Carries it over.
    pub fn apply(self, spec: &mut Spec) {
        match self {
            Self::NoNewPrivileges(on) => spec.allow_new_privileges = !on,
            Self::SeccompUnconfined => spec.seccomp_unconfined = true,
            Self::AlreadySo => {}
        }
    }
}

/// Reads both spellings of docker, with `:` and with `=`.
impl FromStr for SecurityOpt {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, value) = match text.split_once(['=', ':']) {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (name, value) {
            ("no-new-privileges", None | Some("true")) => Ok(Self::NoNewPrivileges(true)),
            ("no-new-privileges", Some("false")) => Ok(Self::NoNewPrivileges(false)),
            ("seccomp", Some("unconfined")) => Ok(Self::SeccompUnconfined),
            ("apparmor", Some("unconfined")) | ("label", Some("disable")) => Ok(Self::AlreadySo),
            _ => Err(ParseError::new(
                "security option",
                text,
                "expected no-new-privileges[:false] or seccomp=unconfined",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_options() {
        assert_eq!("no-new-privileges".parse(), Ok(SecurityOpt::NoNewPrivileges(true)));
        assert_eq!("no-new-privileges=false".parse(), Ok(SecurityOpt::NoNewPrivileges(false)));
        assert_eq!("seccomp=unconfined".parse(), Ok(SecurityOpt::SeccompUnconfined));
        assert_eq!("label:disable".parse(), Ok(SecurityOpt::AlreadySo));
        for text in ["", "seccomp", "seccomp=/x.json", "no-new-privileges:maybe"] {
            assert!(text.parse::<SecurityOpt>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_default_is_the_strict_side() {
        let mut spec = Spec::default();
        SecurityOpt::NoNewPrivileges(true).apply(&mut spec);
        assert_eq!(spec, Spec::default());
        SecurityOpt::NoNewPrivileges(false).apply(&mut spec);
        assert!(spec.allow_new_privileges);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<SecurityOpt>();
        }
    }
}
