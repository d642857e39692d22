//! dpkg's own configuration of the packages, and what apt inside is told of where they are from.

use super::database::Control;
use super::manifest::Extra;
use super::sources::{CHECK_VALID_UNTIL, Keys};
use super::suites::Suite;
use crate::packages::without_credentials;
use crate::{Error, Result, Script};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// What a build leaves behind that is nobody's: logs with times in them, caches, copies of what was there before, locks.
const LEAVE_OUT: [&str; 16] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/sbin/policy-rc.d",
    "/var/cache/apt",
    "/var/cache/debconf/config.dat-old",
    "/var/cache/debconf/templates.dat-old",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/status-old",
    "/var/log/alternatives.log",
    "/var/log/apt",
    "/var/log/dpkg.log",
];

/// Runs the scripts that come before unpacking, each after those of what it depends on, and lets dpkg do the rest. `order` has
/// the names of the packages.
pub(super) fn script(base: &str, controls: &[Control], order: &[&str], epoch: u64, time: Duration) -> Script {
    let dpkg = controls.iter().find(|control| control.name == "dpkg").map_or("", |control| &control.version);
    // No service is started: nothing of a build lives on.
    let mut text = String::from(
        "set -e\n\
         printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d\n\
         chmod 0755 /usr/sbin/policy-rc.d\n",
    );
    let by_name = |name: &&str| controls.iter().find(|control| control.name == **name);
    for control in order.iter().filter_map(by_name).filter(|control| control.file("preinst").is_some()) {
        let (name, info, architecture) = (&control.name, &control.info, control.field("Architecture"));
        let _ = writeln!(
            text,
            "DPKG_MAINTSCRIPT_PACKAGE={name} DPKG_MAINTSCRIPT_ARCH={architecture} DPKG_MAINTSCRIPT_NAME=preinst \
             DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 /var/lib/dpkg/info/{info}.preinst install \
             || {{ echo 'the preinst script of {name} has failed' >&2; exit 1; }}"
        );
    }
    text.push_str("unset DPKG_ROOT DPKG_ADMINDIR DPKG_RUNNING_VERSION\n");
    text.push_str("dpkg --configure --pending --force-unsafe-io\n");
    let variables = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_ROOT", ""),
        ("DPKG_RUNNING_VERSION", dpkg),
        ("LC_ALL", "C"),
    ];
    Script {
        what: format!("configure the packages of {base}"),
        text,
        env: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        network: false,
        time,
        epoch,
        leave_out: LEAVE_OUT.map(str::to_owned).into(),
    }
}

/// `/etc/apt/sources.list`, without anybody's credentials, and the keys that no package brings.
pub(super) fn sources_list(suites: &[Suite]) -> Result<Vec<Extra>> {
    let (mut text, mut files) = (String::new(), Vec::new());
    for Suite { source, release, .. } in suites {
        let mut options = Vec::new();
        for (bytes, end) in own_keys(&source.keys)? {
            let known = files.iter().position(|file: &Extra| file.bytes() == bytes);
            let at = known.unwrap_or(files.len());
            let path = format!("etc/apt/keyrings/rootlet-{}.{end}", at + 1);
            options.push(format!("/{path}"));
            if known.is_none() {
                files.push(Extra::new(path, bytes));
            }
        }
        let mut said: Vec<String> = Vec::new();
        if !options.is_empty() {
            said.push(format!("signed-by={}", options.join(",")));
        } else if source.keys == Keys::Anything {
            said.push("trusted=yes".into());
        }
        if !source.check_valid_until {
            said.push(format!("{CHECK_VALID_UNTIL}=no"));
        }
        let said = if said.is_empty() { String::new() } else { format!("[{}] ", said.join(" ")) };
        let components =
            if source.components.is_empty() { release.components() } else { source.components.clone() };
        let mirror = without_credentials(&source.mirror);
        let _ = writeln!(text, "deb {said}{mirror} {} {}", source.suite, components.join(" "));
    }
    files.push(Extra::new("etc/apt/sources.list", text.into_bytes()));
    Ok(files)
}

/// The keys of a source that are not a distribution's own, which its package of keys brings along.
fn own_keys(keys: &Keys) -> Result<Vec<(Vec<u8>, &'static str)>> {
    let of_a_package = |path: &Path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("debian-archive-") || name.starts_with("ubuntu-archive-")
        })
    };
    match keys {
        Keys::Machine | Keys::Fingerprints(_) | Keys::Anything => Ok(Vec::new()),
        Keys::Inline(armored) => Ok(vec![(format!("{armored}\n").into_bytes(), "asc")]),
        Keys::Files(files) => files
            .iter()
            .filter(|path| !of_a_package(path))
            .map(|path| {
                let bytes = std::fs::read(path)
                    .map_err(|e| Error::io(format!("failed to read the keys in {}", path.display()), e))?;
                let armored = bytes.starts_with(b"-----BEGIN");
                Ok((bytes, if armored { "asc" } else { "gpg" }))
            })
            .collect(),
    }
}
