//! flock(2) on files of the store.
//!
//! A lock belongs to an open file, not to a path: between opening and locking, another process may have
//! removed the file. So after the lock is taken, the path must still lead to the same file.

use crate::{Error, Result};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// An open file or directory with a lock on it, which goes with it.
#[derive(Debug)]
pub(crate) struct Locked {
    file: File,
}

impl Locked {
    /// Opens and locks what exists, shared with other readers; `None` when it does not exist.
    ///
    /// # Locking
    /// Waits for a holder of the exclusive lock, who removes it in a moment.
    pub(crate) fn shared(path: &Path) -> Result<Option<Self>> {
        retry(path, || match File::open(path) {
            Ok(file) => file.lock_shared().map(|()| Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
    }

    /// Opens and locks what exists for this holder alone; `None` when it does not exist or another holds it.
    ///
    /// # Locking
    /// Does not wait.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        retry(path, || match File::open(path) {
            Ok(file) => match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(e)) => Err(e),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
    }

    /// Locks the file for this holder alone, and makes it when it is not there.
    ///
    /// # Locking
    /// Waits for every other holder.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        let open = || {
            let file = create(path)?;
            file.lock().map(|()| Some(file))
        };
        Ok(retry(path, open)?.expect("an attempt that creates the file never finds it missing"))
    }

    /// Locks the file for this holder alone, and makes it when it is not there; `None` when another holds it.
    ///
    /// # Locking
    /// Does not wait.
    #[cfg_attr(not(feature = "registry"), allow(dead_code, reason = "for blobs on their way"))]
    pub(crate) fn try_made(path: &Path) -> Result<Option<Self>> {
        retry(path, || {
            let file = create(path)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(e)) => Err(e),
            }
        })
    }

    /// Locks the file together with other readers, and makes it when it is not there.
    ///
    /// # Locking
    /// Waits for a holder of the exclusive lock.
    pub(crate) fn shared_or_made(path: &Path) -> Result<Self> {
        let open = || {
            let file = create(path)?;
            file.lock_shared().map(|()| Some(file))
        };
        Ok(retry(path, open)?.expect("an attempt that creates the file never finds it missing"))
    }

    /// Locks the directory for this holder alone; it exists.
    ///
    /// # Locking
    /// Waits for every other holder.
    pub(crate) fn directory(path: &Path) -> Result<Option<Self>> {
        retry(path, || match File::open(path) {
            Ok(file) => file.lock().map(|()| Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

fn create(path: &Path) -> io::Result<File> {
    let open = |options: &mut OpenOptions| options.read(true).write(true).mode(0o600).open(path);
    match open(OpenOptions::new().create_new(true)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            open(OpenOptions::new().create(true).truncate(false))
        }
        made => {
            let file = made?;
            // The mode of open(2) is subject to the caller's umask, which may leave too little to open it again.
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        }
    }
}

fn retry(path: &Path, attempt: impl Fn() -> io::Result<Option<File>>) -> Result<Option<Locked>> {
    let failed = |e| Error::io(format!("failed to lock {}", path.display()), e);
    loop {
        let Some(file) = attempt().map_err(failed)? else { return Ok(None) };
        let held = file.metadata().map_err(failed)?;
        match std::fs::metadata(path) {
            Ok(now) if (now.dev(), now.ino()) == (held.dev(), held.ino()) => {
                return Ok(Some(Locked { file }));
            }
            // It was removed, or replaced, while we waited: begin again with what is there now.
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
    }
}
