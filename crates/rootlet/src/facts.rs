//! What must be known of a base before a rootlet can be planned: its account files, and what stands at a few places.
//! Read once by a bare rootlet of the base itself, so that symlinks and whiteouts mean what they mean inside; then kept
//! in the store beside the base.

use crate::identity::AccountFiles;
use crate::{Error, ErrorKind, Result};
use rootlet_kernel::{IdMap, Init, Who};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Facts about a base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The form of this record; another one is read anew.
    version: u32,
    pub accounts: AccountFiles,
    /// What stands at [`PLACES`].
    pub places: BTreeMap<String, Place>,
}

/// What stands at a place of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Missing,
    Directory {
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// A symlink or a file: nothing is to be made below it.
    Other,
}

const VERSION: u32 = 3;
const PLACES: [&str; 9] = ["etc", "home", "proc", "dev", "sys", "tmp", "run", "root", "etc/apt/apt.conf.d"];

/// No honest account file is larger; a hostile one is cut, not swallowed.
const MAX_FILE: u64 = 4 << 20;

impl Facts {
    /// Those that are kept, if they can be read.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|f| f.version == VERSION)
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn place(&self, path: &str) -> Place {
        self.places.get(path).copied().unwrap_or(Place::Missing)
    }

    /// Asks a live rootlet of the base, as its root.
    pub fn of_rootlet(init: &Init) -> Result<Self> {
        let root = Who::default();
        let read = |path: &str| match init.open(&root, 0, path.as_bytes(), 0, 0) {
            Ok(file) => text(file),
            Err(e) => Err(e),
        };
        let place = |path: &str| match init.stat(&root, 0, path.as_bytes(), false) {
            Ok(st) => place(st.mode as u32, st.uid as u32, st.gid as u32),
            Err(_) => Place::Missing,
        };
        Self::gather(read, place)
    }

    /// The facts of a snapshot: these, with what its run itself wrote in `upper`, read by `read` there.
    pub fn with_changes(&self, read: impl Fn(&str) -> Option<File>, init: &Init) -> Self {
        let mut facts = self.clone();
        let file = |name: &str| read(name).and_then(|file| text(file).ok());
        if let Some(passwd) = file("passwd") {
            facts.accounts.passwd = passwd;
        }
        if let Some(group) = file("group") {
            facts.accounts.group = group;
        }
        if let Some(shadow) = file("shadow") {
            facts.accounts.shadow = Some(shadow);
        }
        // Nothing is mounted on these.
        for path in ["etc", "home", "root"] {
            if let Ok(st) = init.stat(&Who::default(), 0, path.as_bytes(), false) {
                facts.places.insert(path.to_owned(), place(st.mode as u32, st.uid as u32, st.gid as u32));
            }
        }
        facts
    }

    /// Reads a directory, or this machine's own root: symlinks in it are followed inside it.
    pub fn of_directory(directory: &Path) -> Result<Self> {
        use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, openat2, statat};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir: OwnedFd = rustix::fs::openat(CWD, directory, flags, Mode::empty())
            .map_err(|e| Error::io(format!("failed to open the base {}", directory.display()), e.into()))?;
        let read = |path: &str| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            text(File::from(openat2(&dir, path, flags, Mode::empty(), inside)?))
        };
        let place = |path: &str| match statat(&dir, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(st) => place(st.st_mode, st.st_uid, st.st_gid),
            Err(_) => Place::Missing,
        };
        Self::gather(read, place)
    }

    /// With the owners that a user namespace gives them: what the caller owns may be root's inside.
    pub fn seen_by(mut self, map: &IdMap) -> Self {
        const NOBODY: u32 = 65534;
        for place in self.places.values_mut() {
            if let Place::Directory { uid, gid, .. } = place {
                *uid = map.uid_inside(*uid).unwrap_or(NOBODY);
                *gid = map.gid_inside(*gid).unwrap_or(NOBODY);
            }
        }
        self
    }

    fn gather(read: impl Fn(&str) -> io::Result<String>, place: impl Fn(&str) -> Place) -> Result<Self> {
        // Not there, or not for us to read: the base has no accounts then, as far as we know.
        let optional = |path: &str| match read(path) {
            Err(e) if e.raw_os_error() == Some(24) => Err(e),
            r => Ok(r.ok()),
        };
        let file = |path: &str| {
            optional(path).map_err(|e| Error::io(format!("failed to read {path} of the base"), e))
        };
        Ok(Self {
            version: VERSION,
            accounts: AccountFiles {
                passwd: file("etc/passwd")?.unwrap_or_default(),
                group: file("etc/group")?.unwrap_or_default(),
                shadow: file("etc/shadow")?,
            },
            places: PLACES.iter().map(|&path| (path.to_owned(), place(path))).collect(),
        })
    }
}

fn text(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    // A passwd file in Latin-1 is old, not wrong.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn place(mode: u32, uid: u32, gid: u32) -> Place {
    const S_IFMT: u32 = 0o170000;
    const S_IFDIR: u32 = 0o040000;
    if mode & S_IFMT == S_IFDIR { Place::Directory { mode: mode & 0o7777, uid, gid } } else { Place::Other }
}

/// The places that everything below relies on must be directories or missing.
pub(crate) fn check(facts: &Facts) -> Result<()> {
    for path in ["proc", "dev"] {
        if facts.place(path) == Place::Other {
            return Err(Error::new(ErrorKind::Base, format!("the base's /{path} is no directory"))
                .with_hint(
                    "a root file system has empty directories there; this base may be damaged or hostile",
                ));
        }
    }
    Ok(())
}
