//! Capabilities: their names, docker's default set, and what `--cap-add` and `--cap-drop` make of it.

use crate::ParseError;
use serde::{Deserialize, Serialize};

/// Changes to docker's default capability set. Names are without `CAP_`, in capitals; `ALL` stands for every one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Added after the drops.
    pub add: Vec<String>,
    /// Dropped first.
    pub drop: Vec<String>,
}

/// Every capability of Linux, at its number in `linux/capability.h`.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The fourteen that docker leaves to the root of a container.
pub const DOCKER_DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SYS_CHROOT",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
];

/// Stands for every capability.
pub const ALL: &str = "ALL";

/// A bit for every capability.
const EVERY: u64 = (1 << NAMES.len()) - 1;

/// Reads a name in any case, with or without `CAP_`, or `ALL`; gives it without, in capitals.
pub fn parse(text: &str) -> Result<String, ParseError> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if name == ALL || number(name).is_some() {
        return Ok(name.into());
    }
    let error = ParseError::new("capability", text, "Linux has none of this name");
    // A forgotten SYS_ or NET_ is the usual slip.
    let close = NAMES.iter().find(|known| !name.is_empty() && known.ends_with(&format!("_{name}")));
    Err(match close {
        Some(known) => error.with_hint(format!("did you mean {known}?")),
        None => error.with_hint("the names are those of capabilities(7), such as NET_BIND_SERVICE, or ALL"),
    })
}

/// The kernel's number of a capability, by its name without `CAP_`, in capitals.
pub fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|known| *known == name).map(|n| n as u32)
}

/// The bits of these names, as the kernel writes them in `/proc/PID/status`; unknown names count nothing.
pub fn mask<'a>(names: impl IntoIterator<Item = &'a str>) -> u64 {
    names.into_iter().filter_map(number).fold(0, |mask, n| mask | 1 << n)
}

impl Capabilities {
    /// The set that is left to the root of the rootlet, one bit for each number. The order is docker's:
    ///
    /// 1. with `ALL` among the added: everything but what is dropped by name;
    /// 2. with `ALL` among the dropped: only what is added by name;
    /// 3. else docker's default, less what is dropped, plus what is added.
    pub fn mask(&self) -> Result<u64, ParseError> {
        let (add_all, add) = split(&self.add)?;
        let (drop_all, drop) = split(&self.drop)?;
        Ok(if add_all {
            EVERY & !drop
        } else if drop_all {
            add
        } else {
            mask(DOCKER_DEFAULT) & !drop | add
        })
    }
}

/// Whether `ALL` is among the names, and the bits of the others.
fn split(names: &[String]) -> Result<(bool, u64), ParseError> {
    names.iter().try_fold((false, 0), |(all, mask), name| match parse(name)?.as_str() {
        ALL => Ok((true, mask)),
        name => Ok((all, mask | number(name).map_or(0, |n| 1 << n))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caps(add: &[&str], drop: &[&str]) -> u64 {
        let strings = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Capabilities { add: strings(add), drop: strings(drop) }.mask().unwrap()
    }

    #[test]
    fn the_table_is_the_kernels() {
        for (name, n) in [
            ("CHOWN", 0),
            ("NET_BIND_SERVICE", 10),
            ("SYS_ADMIN", 21),
            ("SETFCAP", 31),
            ("CHECKPOINT_RESTORE", 40),
        ] {
            assert_eq!(number(name), Some(n), "{name}");
        }
        // What a container of docker shows as CapBnd.
        assert_eq!(mask(DOCKER_DEFAULT), 0xa804_25fb);
    }

    #[test]
    fn reads_names_as_people_write_them() {
        for text in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_net_Admin"] {
            assert_eq!(parse(text).unwrap(), "NET_ADMIN");
        }
        assert_eq!(parse("all").unwrap(), "ALL");
        assert_eq!(parse("admin").unwrap_err().hint(), Some("did you mean NET_ADMIN?"));
        for text in ["", "CAP_", "CAP_CAP_KILL", "KILL "] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn adds_and_drops_in_dockers_order() {
        assert_eq!(caps(&[], &[]), mask(DOCKER_DEFAULT));
        assert_eq!(caps(&[], &["ALL"]), 0);
        assert_eq!(caps(&["NET_BIND_SERVICE"], &["all"]), 1 << 10);
        assert_eq!(caps(&["all"], &["SYS_ADMIN"]), EVERY & !(1 << 21));
        assert_eq!(caps(&["ALL"], &["ALL"]), EVERY);
        assert_eq!(caps(&[], &["CHOWN"]), mask(DOCKER_DEFAULT) & !1);
        assert_eq!(caps(&["CHOWN"], &["CHOWN"]), mask(DOCKER_DEFAULT));
        assert_eq!(caps(&["BPF"], &[]), mask(DOCKER_DEFAULT) | 1 << 39);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn comes_back_as_written(n in 0usize..41) {
            prop_assert_eq!(parse(NAMES[n]), Ok(NAMES[n].to_owned()));
        }
    }
}
