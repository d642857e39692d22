//! A plan that could not be carried out, as a sentence.

use crate::plan::{Planned, describe};
use crate::{Error, ErrorKind, host};
use rootlet_kernel::SpawnError;

/// What was attempted when a plan could not be carried out, and what may help.
pub(crate) fn explain(error: SpawnError, planned: &Planned) -> Error {
    match error {
        SpawnError::Start(start) => host::explain(start),
        SpawnError::Clone(e) => {
            Error::new(ErrorKind::Setup, "failed to start a process in namespaces of its own")
                .caused_by(e)
                .with_hint("the limits are in /proc/sys/user/max_*_namespaces and `ulimit -u`")
        }
        SpawnError::Step { index, source } => {
            let what = planned.ops.get(index).map_or_else(|| "perform the plan".into(), describe);
            let hint = step_hint(&what, &source);
            let error = Error::new(ErrorKind::Setup, format!("failed to {what}")).caused_by(source);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        SpawnError::Io(e) => {
            Error::new(ErrorKind::Setup, "lost the nursery process while it made the root").caused_by(e)
        }
    }
}

fn step_hint(what: &str, source: &std::io::Error) -> Option<&'static str> {
    match source.raw_os_error() {
        Some(libc::ENOSPC) => {
            Some("memory or disk for the writable layer is used up; try --writable disk, or free some")
        }
        Some(libc::EINVAL) if what.contains("overlay") => Some(
            "the kernel has no overlayfs in user namespaces (Linux 5.11), or the store lies on a file system that it cannot use: \
             set ROOTLET_STORE to a directory of another",
        ),
        Some(libc::EPERM) if what.contains("procfs") => {
            Some("this container hides parts of /proc; run `rootlet doctor`")
        }
        Some(libc::ENOENT | libc::EACCES) if what.contains("/src/") => Some(
            "something that the root stands on could not be mounted, a layer most likely: the store's directories must be ones that the \
             user may enter without the rights of a group; `rootlet doctor` says more",
        ),
        Some(libc::EINVAL | libc::EISDIR | libc::ENOTDIR)
            if what.contains("bind") || what.contains("bound") =>
        {
            Some("a directory is mounted on a directory, and a file on a file")
        }
        Some(libc::EROFS) if what.contains("bound") => Some(
            "nothing is made in /dev, nor where it is read-only: what is mounted there has to be there already",
        ),
        Some(libc::ELOOP) => Some("a symlink of the base leads in a circle"),
        _ => None,
    }
}
