//! A cgroup (v2) around one rootlet, in the nearest cgroup above this process that may be divided.
//!
//! Two rules of cgroups(7) say which that is. Processes are in leaves only: a cgroup that holds some gives no controllers to
//! its children, so this process's own never does, unless it is the root of all. And who moves a process needs the right
//! to write `cgroup.procs` of the cgroup above both its places. This process itself is never moved.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a leftover is recognised by. Its owner, while it lives, holds a lock on the directory.
const PREFIX: &str = "rootlet-";

/// A file of a cgroup, and what is to be written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub controller: &'static str,
    pub file: &'static str,
    pub value: String,
    /// Some kernels are built without it.
    pub optional: bool,
}

/// A cgroup of ours; removed when it is dropped, which is to be when nothing runs in it any more.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    _lock: File,
}

/// Why a cgroup cannot be divided.
#[derive(Debug)]
pub(crate) enum Why {
    /// There is no hierarchy of version 2.
    NotMounted,
    /// It holds processes.
    Populated(PathBuf),
    /// It is not given this controller.
    Lacks(PathBuf, &'static str),
    Refused(PathBuf, io::Error),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted => f.write_str("no cgroup of version 2 is mounted"),
            Self::Populated(path) => write!(f, "{} holds processes itself", path.display()),
            Self::Lacks(path, controller) => write!(f, "{} is not given {controller}", path.display()),
            Self::Refused(path, e) => match crate::error::errno_name(e) {
                Some(errno) => write!(f, "{}: {errno}", path.display()),
                None => write!(f, "{}: {e}", path.display()),
            },
        }
    }
}

impl Cgroup {
    /// Puts a process that has no children yet into a cgroup with these settings.
    pub fn around(pid: u32, settings: &[Setting]) -> Result<Self, Why> {
        let (top, own) = own_cgroup().ok_or(Why::NotMounted)?;
        let mut why = None;
        for parent in own.ancestors().take_while(|path| path.starts_with(&top)) {
            match Self::below(parent, pid, settings) {
                Ok(cgroup) => return Ok(cgroup),
                // The nearest says it best, but that it holds this process goes without saying.
                Err(e) if matches!(why, None | Some(Why::Populated(_))) => why = Some(e),
                Err(_) => {}
            }
        }
        Err(why.unwrap_or(Why::NotMounted))
    }

    fn below(parent: &Path, pid: u32, settings: &[Setting]) -> Result<Self, Why> {
        let refused = |e| Why::Refused(parent.to_owned(), e);
        if holds_processes(parent) {
            return Err(Why::Populated(parent.to_owned()));
        }
        enable(parent, settings)?;
        let cgroup = Self::make(parent).map_err(refused)?;
        for setting in settings {
            match fs::write(cgroup.path.join(setting.file), &setting.value) {
                Err(e) if !setting.optional => return Err(refused(e)),
                _ => {}
            }
        }
        cgroup.take(pid).map_err(refused)?;
        Ok(cgroup)
    }

    /// An empty one that limits nothing, in the nearest above this process in which one can be made.
    pub fn empty() -> Result<Self, Why> {
        let (top, own) = own_cgroup().ok_or(Why::NotMounted)?;
        let mut why = Why::NotMounted;
        for parent in own.ancestors().take_while(|path| path.starts_with(&top)) {
            match Self::make(parent) {
                Ok(cgroup) => return Ok(cgroup),
                Err(e) => why = Why::Refused(parent.to_owned(), e),
            }
        }
        Err(why)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it to somebody, who may divide it then: those of its files that cgroups(7) names for that.
    pub fn give(&self, uid: u32, gid: u32) -> Result<(), Why> {
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            std::os::unix::fs::chown(self.path.join(file), Some(uid), Some(gid))
                .map_err(|e| Why::Refused(self.path.clone(), e))?;
        }
        Ok(())
    }

    /// Puts a process into it.
    pub fn take(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    fn make(parent: &Path) -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| sweep(parent));
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                // Of a killed process that had our number, or of one in another pid namespace.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            // Until it is locked, somebody who sweeps may take it for a leftover.
            if let Some(lock) = lock(&path)
                && path.exists()
            {
                return Ok(Self { path, _lock: lock });
            }
        }
    }

    /// How many processes the kernel has killed in it because memory ran out.
    pub fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        kills.unwrap_or(0)
    }

    /// Waits until nothing is in it, for at most a second: the kernel counts a process in a little longer than it lets others
    /// see it.
    fn wait_until_empty(&self) -> io::Result<()> {
        let events = File::open(self.path.join("cgroup.events"))?;
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        while fs::read_to_string(self.path.join("cgroup.events"))?.contains("populated 1") {
            if poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&second))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What cannot be removed now, the next process removes.
        if remove(&self.path).is_err() && self.wait_until_empty().is_ok() {
            let _ = remove(&self.path);
        }
    }
}

/// The root of the hierarchy as it is seen here, and this process's own cgroup.
fn own_cgroup() -> Option<(PathBuf, PathBuf)> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut tops = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from).into_iter();
    let top = tops.find(|top| top.join("cgroup.controllers").exists())?;
    let own: PathBuf = top.join(own).components().collect();
    // Outside of the cgroup namespace, it has no path here.
    let seen = own.is_dir() && !own.components().any(|part| part == Component::ParentDir);
    seen.then_some((top, own))
}

/// Only the root of all may hold processes and give controllers too; it is the one that has no type.
fn holds_processes(path: &Path) -> bool {
    let none = |text: String| text.is_empty();
    path.join("cgroup.type").exists() && !fs::read_to_string(path.join("cgroup.procs")).is_ok_and(none)
}

/// Has a cgroup give its children the controllers of these settings.
fn enable(parent: &Path, settings: &[Setting]) -> Result<(), Why> {
    let words = |file| fs::read_to_string(parent.join(file)).unwrap_or_default();
    let (has, gives) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
    let in_list = |list: &str, controller| list.split_whitespace().any(|word| word == controller);
    for controller in settings.iter().map(|setting| setting.controller) {
        if !in_list(&has, controller) {
            return Err(Why::Lacks(parent.to_owned(), controller));
        }
        if !in_list(&gives, controller) {
            fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"))
                .map_err(|e| Why::Refused(parent.to_owned(), e))?;
        }
    }
    Ok(())
}

/// Removes what killed processes left here. What still runs, nobody can remove.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && let Some(_lock) = lock(&entry.path())
        {
            let _ = remove(&entry.path());
        }
    }
}

/// Removes a cgroup, after those that were made in it.
fn remove(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// A lock on a cgroup, if nobody else has it; it ends with who holds it.
fn lock(path: &Path) -> Option<File> {
    let directory = File::open(path).ok()?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(directory)
}
