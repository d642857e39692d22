//! CapabilityBoundingSet= and AmbientCapabilities=.

use super::super::Like;
use super::super::error::Error;
use super::capability;
use super::unit::{Assignment, Settings};
use crate::caps;

/// Settings that take capabilities from the bounding set (systemd.exec(5) says so of each; seen in systemd 252).
const TAKEN: [(&str, &[&str]); 4] = [
    ("PrivateDevices", &["MKNOD", "SYS_RAWIO"]),
    ("ProtectKernelModules", &["SYS_MODULE"]),
    ("ProtectKernelLogs", &["SYSLOG"]),
    ("ProtectClock", &["SYS_TIME", "WAKE_ALARM"]),
];

pub fn read(like: &mut Like, settings: &mut Settings) -> Result<(), Error> {
    let mut bounding = set(settings.take_all("CapabilityBoundingSet"), &caps::NAMES)?;
    for (key, without) in TAKEN {
        if settings.truth(key)? == Some(true) {
            let all = || caps::NAMES.iter().map(|&name| name.to_owned()).collect();
            bounding.get_or_insert_with(all).retain(|name| !without.contains(&name.as_str()));
        }
    }
    match bounding {
        None => like.spec.caps.add = vec![caps::ALL.into()],
        Some(names) => {
            like.spec.caps.drop = vec![caps::ALL.into()];
            like.spec.caps.add = names;
        }
    }
    like.spec.ambient = set(settings.take_all("AmbientCapabilities"), &[])?.unwrap_or_default();
    Ok(())
}

/// What the assignments say together; `None`: nothing is said. Each list is added, one with `~` before it is taken away; where the
/// first is of the second kind, it is taken from all.
fn set(assignments: Vec<Assignment>, all: &[&str]) -> Result<Option<Vec<String>>, Error> {
    let mut said: Option<Vec<String>> = None;
    for a in &assignments {
        if a.value.is_empty() {
            said = Some(Vec::new());
            continue;
        }
        let (without, list) = match a.value.strip_prefix('~') {
            Some(list) => (true, list),
            None => (false, a.value.as_str()),
        };
        let names = list.split_whitespace().map(|name| capability(a, name)).collect::<Result<Vec<_>, _>>()?;
        let so_far = said.get_or_insert_with(|| match without {
            true => all.iter().map(|&name| name.to_owned()).collect(),
            false => Vec::new(),
        });
        match without {
            true if names.is_empty() => *so_far = all.iter().map(|&name| name.to_owned()).collect(),
            true => so_far.retain(|name| !names.contains(name)),
            false => {
                for name in names {
                    if !so_far.contains(&name) {
                        so_far.push(name);
                    }
                }
            }
        }
    }
    Ok(said)
}
