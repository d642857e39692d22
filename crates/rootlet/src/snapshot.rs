//! Snapshots: a rootlet as it is now becomes a base, from which others start.

use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_base::Base;
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
            Error::new(ErrorKind::Io, "failed to copy the writable layer into the store").caused_by(e)
        };
        crate::ground::own(&live.map, staging.path()).map_err(failed)?;
        for area in &live.areas {
            // An area is a directory of the area around it, where its mount point stands.
            let place = staging.path().join(area.target.trim_start_matches('/'));
            if !area.target.is_empty() {
                std::fs::create_dir_all(&place).map_err(failed)?;
                crate::ground::own(&live.map, &place).map_err(failed)?;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(&place, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
            self.init().copy_tree(area.upper, directory.as_fd()).map_err(failed)?;
        }
        Ok(staging.adopt(&live.base, name)?)
    }
}
