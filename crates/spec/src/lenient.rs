//! Where the runtimes of production differ: the strictest is the default, and these name the milder way.

use crate::{Mount, Net, ParseError, Spec};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What some runtimes allow and others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lenient {
    /// A work directory that the root does not have is made as the user's (BuildKit, Podman), not as root's (runc).
    Workdir,
    /// A uid without an account gets a line in `/etc/passwd` (Podman, CRI-O), instead of none (docker, containerd).
    Passwd,
    /// `/tmp`, `/var/tmp` and `/run` are in memory under a read-only root (Podman), instead of read-only.
    Tmp,
    /// Ports below 1024 are for everybody in a network of its own (docker, containerd 2), instead of for NET_BIND_SERVICE.
    Ports,
    /// The groups that the root's `/etc/group` gives the user come besides a group that is said (containerd's CRI, CRI-O).
    Groups,
}

/// Which groups of the root's own `/etc/group` a user has, where it names the user as a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memberships {
    /// docker's and runc's way: all of them, unless a group is said.
    #[default]
    UnlessSaid,
    /// Kubernetes' `supplementalGroupsPolicy: Merge`: all of them; and the primary group is among the supplementary ones.
    Merge,
    /// Kubernetes' `supplementalGroupsPolicy: Strict`: none; and the primary group is among the supplementary ones.
    Strict,
}

const NAMES: [(&str, Lenient); 5] = [
    ("workdir", Lenient::Workdir),
    ("passwd", Lenient::Passwd),
    ("tmp", Lenient::Tmp),
    ("ports", Lenient::Ports),
    ("groups", Lenient::Groups),
];

/// Reads `workdir`, `passwd`, `tmp`, `ports` or `groups`.
impl FromStr for Lenient {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, lenient)| *lenient);
        found.ok_or_else(|| {
            ParseError::new("milder way", text, "expected workdir, passwd, tmp, ports or groups")
        })
    }
}

impl fmt::Display for Lenient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, lenient)| lenient == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Spec {
    /// Does what the milder ways ask for by means of other fields.
    pub(crate) fn be_lenient(&mut self) {
        let asked = |lenient| self.lenient.contains(&lenient);
        let (tmp, ports, groups) = (asked(Lenient::Tmp), asked(Lenient::Ports), asked(Lenient::Groups));
        if tmp && self.read_only {
            for (target, mode) in [("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/run", 0o755)] {
                if !self.mounts.iter().any(|mount| mount.target().trim_end_matches('/') == target) {
                    // Before what is mounted below it.
                    self.mounts.insert(0, Mount::Tmpfs { target: target.into(), size: None, mode });
                }
            }
        }
        let start = "net.ipv4.ip_unprivileged_port_start";
        if ports && self.net != Net::Host && !self.sysctls.iter().any(|(name, _)| name == start) {
            self.sysctls.push((start.into(), "0".into()));
        }
        if groups && self.memberships == Memberships::UnlessSaid {
            self.memberships = Memberships::Merge;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for (name, lenient) in NAMES {
            assert_eq!(name.parse(), Ok(lenient));
            assert_eq!(lenient.to_string(), name);
        }
        assert!("all".parse::<Lenient>().is_err());
    }

    #[test]
    fn milder_ways_are_other_fields() {
        let mut spec = Spec {
            read_only: true,
            net: Net::Private,
            lenient: vec![Lenient::Tmp, Lenient::Ports, Lenient::Groups],
            mounts: vec![Mount::Volume { target: "/tmp/".into() }],
            ..Spec::default()
        };
        spec.be_lenient();
        let targets: Vec<_> = spec.mounts.iter().map(Mount::target).collect();
        assert_eq!(targets, ["/run", "/var/tmp", "/tmp/"]);
        assert_eq!(spec.sysctls.len(), 1);
        assert_eq!(spec.memberships, Memberships::Merge);
        let mut strict = Spec { read_only: true, net: Net::Private, ..Spec::default() };
        strict.be_lenient();
        assert_eq!(strict.mounts, []);
    }
}
