use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A store that no other test uses; removed with all that is in it when dropped.
pub struct OwnStore(PathBuf, bool);

impl Default for OwnStore {
    /// One that is not there yet, in the directory for temporary files.
    fn default() -> OwnStore {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        OwnStore(std::env::temp_dir().join(format!("store-{}-{number}", std::process::id())), true)
    }
}

impl OwnStore {
    /// One that is others', too, and stays: for what takes long to make.
    pub fn shared(path: &Path) -> OwnStore {
        OwnStore(path.into(), false)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The paths of what is in its directories, which is layers, documents and what is being made.
    pub fn listing(&self) -> BTreeSet<PathBuf> {
        let inner = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
        inner(&self.0).flat_map(|path| inner(&path).collect::<Vec<_>>()).collect()
    }
}

impl Drop for OwnStore {
    fn drop(&mut self) {
        if self.1 {
            remove_store(&self.0);
        }
    }
}

/// Removes a store, or what has one below. What an ordinary user unpacked is of his subordinate ids, and his own only where those are.
pub fn remove_store(path: &Path) {
    if path.exists() && std::fs::remove_dir_all(path).is_err() {
        let mut within = Command::new("unshare");
        within.args(["--map-root-user", "--map-auto", "rm", "-rf"]).arg(path);
        let _ = within.status();
    }
}
