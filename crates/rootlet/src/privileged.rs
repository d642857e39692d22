//! What commands with all capabilities want beside these, Docker's daemon above all: the kernel's own /sys, and a cgroup to divide.
//!
//! The kernel lets nobody mount a /sys or a /proc who does not see all of one already, and makes a cgroup only for the owner of the one
//! above it. So a daemon that makes containers is shown both.

use crate::cgroup::{Cgroup, Why};
use crate::{Error, ErrorKind, Result};
use rootlet_kernel::{IdMap, Init};
use rootlet_spec::{Mount, Spec};
use std::path::Path;

const SYS: &str = "/sys";
const CGROUP: &str = "/sys/fs/cgroup";

/// Shows it /sys, and at its place there the cgroup that it gets; without one, where none can be made.
pub(crate) fn show(spec: &mut Spec, map: &IdMap) -> Option<Cgroup> {
    let bind = |source: &Path, target: &str, read_only| Mount::Bind {
        source: source.to_owned(),
        target: target.into(),
        read_only,
    };
    // Before those of the caller's own, who may want something else there.
    spec.mounts.insert(0, bind(Path::new(SYS), SYS, true));
    let cgroup = owned(map).ok()?;
    spec.mounts.insert(1, bind(cgroup.path(), CGROUP, false));
    Some(cgroup)
}

/// A cgroup that is root's of the rootlet.
fn owned(map: &IdMap) -> std::result::Result<Cgroup, Why> {
    let cgroup = Cgroup::empty()?;
    match (map.uid_outside(0), map.gid_outside(0)) {
        (Some(uid), Some(gid)) => cgroup.give(uid, gid).map(|()| cgroup),
        _ => Err(Why::Refused(cgroup.path().to_owned(), std::io::ErrorKind::PermissionDenied.into())),
    }
}

/// Its first process is put there, and with it all that come after.
pub(crate) fn enter(cgroup: &Cgroup, init: &Init) -> Result<()> {
    let failed = |e| Error::new(ErrorKind::Setup, "failed to put the rootlet into its cgroup").caused_by(e);
    cgroup.take(init.host_pid().map_err(failed)?).map_err(failed)
}
