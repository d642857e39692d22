//! What the layers below know of a directory.

use rootlet_kernel::one_id::{Owner, TRUTH};
use rootlet_kernel::{IdMap, Meta};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The unpacked layers below, bottom first, and the map they were unpacked with.
pub(crate) struct Lower<'a> {
    pub paths: &'a [PathBuf],
    pub map: &'a IdMap,
}

impl Lower<'_> {
    /// Owner, mode and time of the directory `path` as seen through the layers; `None` when it is none, or
    /// this user may not look.
    pub(super) fn directory(&self, path: &[u8]) -> Option<Meta> {
        for layer in self.paths.iter().rev() {
            let root = File::open(layer).ok()?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve) {
                Ok(found) => return self.meta(&File::from(found)),
                Err(Errno::NOENT) => continue,
                Err(_) => return None,
            }
        }
        None
    }

    fn meta(&self, directory: &File) -> Option<Meta> {
        let m =
            directory.metadata().ok().filter(|m| FileType::from_raw_mode(m.mode()) == FileType::Directory)?;
        let stored = Owner {
            uid: self.map.uid_inside(m.uid())?,
            gid: self.map.gid_inside(m.gid())?,
            mode: m.mode() & 0o7777,
        };
        let Owner { uid, gid, mode } = if self.map.one.is_some() { truth(directory, stored) } else { stored };
        Some(Meta { mode, uid, gid, mtime: (m.mtime(), m.mtime_nsec() as u32), xattrs: Vec::new() })
    }
}

/// Where one id stands for all, an attribute says whose the directory is. One that may not be read keeps the user out, so it
/// is not the user's: root's, then, and as closed to everybody else as it is.
fn truth(directory: &File, stored: Owner) -> Owner {
    let place = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let mut value = [0u8; 12];
    match rustix::fs::getxattr(place, TRUTH, &mut value) {
        Ok(n) => Owner::from_bytes(&value[..n]).unwrap_or(stored),
        Err(Errno::NODATA | Errno::NOTSUP) => stored,
        Err(_) => Owner { uid: 0, gid: 0, mode: stored.mode | 0o700 },
    }
}
