//! File operations inside, of one user: `rootlet.Path` is made of these.

use crate::error;
use pyo3::prelude::*;
use rootlet::Metadata;
use std::ffi::OsString;
use std::io;
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// File operations inside as one identity.
#[pyclass(frozen, module = "rootlet._rootlet")]
pub struct Files(pub rootlet::Files);

/// What a file is: mode, inode, device, links, owner, group, size, seconds and nanoseconds of its time, rdev, blocks.
type Stat = (u32, u64, u64, u64, u32, u32, u64, u64, u32, u64, u64);

fn stat(found: &Metadata) -> Stat {
    let time = found.modified().duration_since(UNIX_EPOCH).unwrap_or_default();
    (
        found.mode(),
        found.ino(),
        found.dev(),
        found.nlink(),
        found.uid(),
        found.gid(),
        found.len(),
        time.as_secs(),
        time.subsec_nanos(),
        found.rdev(),
        found.blocks(),
    )
}

impl Files {
    /// Does something with a path while other threads run.
    fn act<T: Send>(
        &self,
        py: Python<'_>,
        path: &Path,
        act: impl FnOnce(&rootlet::Files) -> io::Result<T> + Send,
    ) -> PyResult<T> {
        py.detach(|| act(&self.0)).map_err(|e| error::file(py, &e, &[path.as_os_str()]))
    }

    /// Does something with two paths; the error names both, in the order of the system call.
    fn act_on_two(
        &self,
        py: Python<'_>,
        paths: [&Path; 2],
        act: impl FnOnce(&rootlet::Files) -> io::Result<()> + Send,
    ) -> PyResult<()> {
        let paths = paths.map(|path| path.as_os_str());
        py.detach(|| act(&self.0)).map_err(|e| error::file(py, &e, &paths))
    }
}

#[pymethods]
impl Files {
    /// A descriptor of a file, opened with flags of open(2).
    fn open(&self, py: Python<'_>, path: PathBuf, flags: i32, mode: u32) -> PyResult<i32> {
        const ACCESS: i32 = 0o3;
        self.act(py, &path, |files| {
            let mut options = files.options();
            match flags & ACCESS {
                0 => options.read(true),
                1 => options.write(true),
                _ => options.read(true).write(true),
            };
            Ok(options.custom_flags(flags & !ACCESS).mode(mode).open(&path)?.into_raw_fd())
        })
    }

    fn stat(&self, py: Python<'_>, path: PathBuf, follow: bool) -> PyResult<Stat> {
        let found = self.act(py, &path, |files| match follow {
            true => files.metadata(&path),
            false => files.symlink_metadata(&path),
        })?;
        Ok(stat(&found))
    }

    /// Names, with the mode of each; 0 where nothing but the name may be known.
    fn list(&self, py: Python<'_>, path: PathBuf) -> PyResult<Vec<(OsString, u32)>> {
        let entries = self.act(py, &path, |files| files.read_dir(&path))?;
        Ok(entries.iter().map(|e| (e.file_name().to_owned(), e.metadata().mode())).collect())
    }

    fn mkdir(&self, py: Python<'_>, path: PathBuf, parents: bool) -> PyResult<()> {
        self.act(py, &path, |files| match parents {
            true => files.create_dir_all(&path),
            false => files.create_dir(&path),
        })
    }

    fn chmod(&self, py: Python<'_>, path: PathBuf, mode: u32) -> PyResult<()> {
        self.act(py, &path, |files| files.set_permissions(&path, mode))
    }

    fn chown(
        &self,
        py: Python<'_>,
        path: PathBuf,
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> PyResult<()> {
        self.act(py, &path, |files| match follow {
            true => files.chown(&path, uid, gid),
            false => files.lchown(&path, uid, gid),
        })
    }

    fn symlink(&self, py: Python<'_>, target: PathBuf, path: PathBuf) -> PyResult<()> {
        self.act_on_two(py, [&target, &path], |files| files.symlink(&target, &path))
    }

    fn link(&self, py: Python<'_>, original: PathBuf, path: PathBuf) -> PyResult<()> {
        self.act_on_two(py, [&original, &path], |files| files.hard_link(&original, &path))
    }

    fn readlink(&self, py: Python<'_>, path: PathBuf) -> PyResult<OsString> {
        self.act(py, &path, |files| files.read_link(&path)).map(PathBuf::into_os_string)
    }

    fn rename(&self, py: Python<'_>, path: PathBuf, target: PathBuf) -> PyResult<()> {
        self.act_on_two(py, [&path, &target], |files| files.rename(&path, &target))
    }

    fn unlink(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.act(py, &path, |files| files.remove_file(&path))
    }

    fn rmdir(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.act(py, &path, |files| files.remove_dir(&path))
    }

    fn rmtree(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.act(py, &path, |files| files.remove_dir_all(&path))
    }

    /// Sets the time of the last modification and access.
    fn utime(&self, py: Python<'_>, path: PathBuf, nanoseconds: u64) -> PyResult<()> {
        self.act(py, &path, |files| files.set_modified(&path, UNIX_EPOCH + Duration::from_nanos(nanoseconds)))
    }
}
