//! Snapshots: a rootlet as it is now becomes a base, from which others start.

use crate::facts::Facts;
use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_base::Base;
use rootlet_kernel::Who;
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;

impl Rootlet {
    /// A new base of what this rootlet is now: warm it up once, start hundreds of tests from it. It lives as long as its
    /// last handle.
    ///
    /// Processes are not part of it; a file that one of them is writing is copied as it is at that moment. What lies in
    /// bind mounts, volumes and tmpfs is not part of it. Hard links become files of their own.
    pub fn snapshot(&self) -> Result<Base> {
        self.take_snapshot(None)
    }

    /// As [`Rootlet::snapshot`], kept in the store as `snapshot:NAME`, in place of an older one of that name.
    pub fn snapshot_as(&self, name: &str) -> Result<Base> {
        self.take_snapshot(Some(name))
    }

    fn take_snapshot(&self, name: Option<&str>) -> Result<Base> {
        let live = self.live();
        let staging = live.base.store().stage_layer(&live.map)?;
        let failed = |e: std::io::Error| {
            let what = "failed to copy the writable layer into the store";
            match e.raw_os_error() {
                // Neither the device nor the attributes that stand for what was removed.
                Some(libc::EPERM | libc::ENOTSUP) => Error::new(ErrorKind::Io, what).caused_by(e).with_hint(
                    "the store's file system cannot keep what was removed: set ROOTLET_STORE to a directory of another, of a volume say",
                ),
                _ => Error::new(ErrorKind::Io, what).caused_by(e),
            }
        };
        if let Some((skeleton, hidden)) = &live.skeleton {
            skeleton.copy_to(staging.path(), hidden).map_err(failed)?;
            let facts = Facts::of_directory(staging.path())?;
            let base = staging.adopt(&live.base, name)?;
            crate::known::know(&base, facts);
            return Ok(base);
        }
        // Every directory is made and opened while it is still the caller's: a copy gives it the owner it has inside.
        let mut directories = Vec::new();
        for area in &live.areas {
            // An area is a directory of the area around it, where its mount point stands.
            let place = staging.path().join(area.target.trim_start_matches('/'));
            std::fs::create_dir_all(&place).map_err(failed)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(&place, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
            directories.push((area.upper, place, directory));
        }
        for (upper, place, directory) in &directories {
            crate::ground::own(&live.map, place).map_err(failed)?;
            self.init().copy_tree(*upper, directory.as_fd()).map_err(failed)?;
        }
        let base = staging.adopt(&live.base, name)?;
        crate::known::know(&base, self.facts_now());
        Ok(base)
    }

    /// What is to be known of the snapshot: of the account files, those that the run itself wrote. The others are the
    /// skin's, which is no part of it.
    fn facts_now(&self) -> Facts {
        let live = self.live();
        let own = live.areas.iter().find(|area| area.target == "/etc").map(|area| (area.upper, ""));
        let (tree, directory) =
            own.or(live.areas.first().map(|area| (area.upper, "etc/"))).unwrap_or((0, "etc/"));
        let read = |name: &str| {
            let path = format!("{directory}{name}");
            self.init().open(&Who::default(), tree, path.as_bytes(), 0, 0).ok()
        };
        live.facts.with_changes(read, self.init())
    }
}
