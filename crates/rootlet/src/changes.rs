//! What a run changed: read from the writable layer, compared with what the base has.

use crate::plan::Area;
use crate::rootlet::Live;
use crate::{Error, Result, Rootlet};
use rootlet_base::flat::Difference;
use rootlet_kernel::{Stat, Who};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A difference between the rootlet and its base. Comparable and sortable, for assertions; times are left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Absolute path inside.
    pub path: PathBuf,
    /// What happened.
    pub kind: ChangeKind,
    /// Type and permission bits now (`st_mode`); 0 for what was removed.
    pub mode: u32,
    /// Owner now.
    pub uid: u32,
    /// Group now.
    pub gid: u32,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The base has nothing there.
    Added,
    /// The base has something else there: contents, type, mode or owner.
    Modified,
    /// The base has it, the rootlet no longer.
    Removed,
}

/// As `docker diff` writes it: `A /etc/motd`; with `{:#}` mode, owner and type as well: `A /etc/motd 0644 0:0 file`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'C',
            ChangeKind::Removed => 'D',
        };
        write!(f, "{letter} {}", rootlet_spec::printable(&self.path.to_string_lossy()))?;
        match self.kind {
            ChangeKind::Removed => Ok(()),
            _ if f.alternate() => self.details().iter().try_for_each(|detail| write!(f, " {detail}")),
            _ => Ok(()),
        }
    }
}

impl Change {
    /// Mode, owner, type.
    fn details(&self) -> [String; 3] {
        let kind = match self.mode & libc::S_IFMT {
            libc::S_IFREG => "file",
            libc::S_IFDIR => "directory",
            libc::S_IFLNK => "symlink",
            libc::S_IFSOCK => "socket",
            libc::S_IFIFO => "fifo",
            _ => "device",
        };
        [format!("{:04o}", self.mode & 0o7777), format!("{}:{}", self.uid, self.gid), kind.into()]
    }

    /// Whether `line` says this change, with as many of mode, owner and type as it likes.
    #[cfg(feature = "testing")]
    pub(crate) fn is_written_as(&self, line: &str) -> bool {
        let mut written = self.to_string();
        let details = if self.kind == ChangeKind::Removed { Vec::new() } else { self.details().to_vec() };
        written == line
            || details.iter().any(|detail| {
                written = format!("{written} {detail}");
                written == line
            })
    }
}

impl Rootlet {
    /// What was changed since the rootlet was made, sorted by path: by commands and by file operations alike. What lies
    /// in bind mounts, volumes and tmpfs is not part of it, nor is what rootlet itself put there. A file that was opened
    /// for writing and left as it was is no change.
    pub fn changes(&self) -> Result<Vec<Change>> {
        if let Some((skeleton, hidden)) = &self.live().skeleton {
            let failed = |e| Error::io("failed to read what was changed", e);
            let mut found: Vec<_> =
                skeleton.changes(hidden).map_err(failed)?.into_iter().map(Change::from).collect();
            found.sort();
            return Ok(found);
        }
        let mut found = Vec::new();
        for area in &self.live().areas {
            let mut walk = Walk { live: self.live(), area, root: Who::default(), found: &mut found };
            walk.directory(&[], false).map_err(|e| Error::io("failed to read what was changed", e))?;
        }
        // What the plan made, and the directories on the way there.
        let made = |change: &Change| {
            change.kind == ChangeKind::Added
                && self.live().made.iter().any(|m| Path::new(m).starts_with(&change.path))
        };
        found.retain(|change| !made(change));
        found.sort();
        Ok(found)
    }
}

struct Walk<'a> {
    live: &'a Live,
    area: &'a Area,
    root: Who,
    found: &'a mut Vec<Change>,
}

const DIRECTORY: u32 = libc::S_IFDIR;

fn kind_of(stat: &Stat) -> u32 {
    stat.mode as u32 & libc::S_IFMT
}

fn is_whiteout(stat: &Stat) -> bool {
    kind_of(stat) == libc::S_IFCHR && stat.rdev == 0
}

impl Walk<'_> {
    /// `path`: of a directory of the upper layer, without a leading slash. `fresh`: nothing of the base shows through.
    fn directory(&mut self, path: &[u8], fresh: bool) -> io::Result<()> {
        let entries = self.live.init.list(&self.root, self.area.upper, path)?;
        for (name, stat) in &entries {
            let mut child = path.to_vec();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend_from_slice(name);
            self.entry(&child, stat, fresh)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &[u8], stat: &Stat, fresh: bool) -> io::Result<()> {
        let before = if fresh { None } else { self.before(path)? };
        if is_whiteout(stat) {
            if before.is_some() {
                self.add(path, ChangeKind::Removed, &Stat::default());
            }
            return Ok(());
        }
        if kind_of(stat) != DIRECTORY {
            match before {
                None => self.add(path, ChangeKind::Added, stat),
                Some(old) if !same(&old, stat) => self.add(path, ChangeKind::Modified, stat),
                Some(_) => {}
            }
            return Ok(());
        }
        let opaque = self.is_opaque(self.area.upper, path)?;
        match &before {
            None => self.add(path, ChangeKind::Added, stat),
            Some(old) if (old.mode, old.uid, old.gid) != (stat.mode, stat.uid, stat.gid) => {
                self.add(path, ChangeKind::Modified, stat);
            }
            Some(_) => {}
        }
        let was_directory = before.is_some_and(|old| kind_of(&old) == DIRECTORY);
        if opaque && was_directory {
            self.replaced(path)?;
        }
        self.directory(path, opaque || !was_directory)
    }

    /// A directory that was removed and made again: what the base has in it is gone, unless it was made again too.
    fn replaced(&mut self, path: &[u8]) -> io::Result<()> {
        let now = self.live.init.list(&self.root, self.area.upper, path)?;
        for &tree in &self.area.lowers {
            let Ok(old) = self.live.init.list(&self.root, tree, path) else { continue };
            for (name, _) in
                old.iter().filter(|(name, stat)| !is_whiteout(stat) && !now.iter().any(|(n, _)| n == name))
            {
                let child = [path, b"/", name].concat();
                if self.before(&child)?.is_some() {
                    self.add(&child, ChangeKind::Removed, &Stat::default());
                }
            }
        }
        self.found.sort();
        self.found.dedup();
        Ok(())
    }

    /// What the base has at a path: the lower layers, merged as overlayfs merges them.
    fn before(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        for &tree in &self.area.lowers {
            // Each directory on the way may hide what is below it in the layers below.
            let mut hides = false;
            for end in (0..path.len()).filter(|&i| path[i] == b'/').chain([path.len()]) {
                match self.stat(tree, &path[..end])? {
                    None => break,
                    Some(stat) if is_whiteout(&stat) => return Ok(None),
                    Some(stat) if end == path.len() => return Ok(Some(stat)),
                    Some(stat) if kind_of(&stat) != DIRECTORY => return Ok(None),
                    Some(_) => hides |= self.is_opaque(tree, &path[..end])?,
                }
            }
            if hides {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn stat(&self, tree: u32, path: &[u8]) -> io::Result<Option<Stat>> {
        match self.live.init.stat(&self.root, tree, path, false) {
            Ok(stat) => Ok(Some(stat)),
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES)) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn is_opaque(&self, tree: u32, path: &[u8]) -> io::Result<bool> {
        match self.live.init.get_xattr(&self.root, tree, path, "user.overlay.opaque") {
            Ok(value) => Ok(value == b"y"),
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::ENODATA | libc::ENOTSUP | libc::EACCES | libc::EPERM)
                ) =>
            {
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn add(&mut self, path: &[u8], kind: ChangeKind, stat: &Stat) {
        let mut whole = self.area.target.clone().into_bytes();
        whole.push(b'/');
        whole.extend_from_slice(path);
        let (mode, uid, gid) = (stat.mode as u32, stat.uid as u32, stat.gid as u32);
        self.found.push(Change { path: OsStr::from_bytes(&whole).into(), kind, mode, uid, gid });
    }
}

/// A copied-up file keeps its time until it is written to.
fn same(old: &Stat, new: &Stat) -> bool {
    let facts = |s: &Stat| (s.mode, s.uid, s.gid, s.size, s.mtime, s.mtime_nsec);
    facts(old) == facts(new)
}

impl From<Difference> for Change {
    fn from(found: Difference) -> Self {
        let kind = match (&found.before, &found.now) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        let path = Path::new("/").join(found.path);
        let (mode, uid, gid) = found.now.map_or((0, 0, 0), |st| (st.st_mode, st.st_uid, st.st_gid));
        Self { path, kind, mode, uid, gid }
    }
}

impl Change {
    /// Whether the path is a directory now.
    pub fn is_dir(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}
