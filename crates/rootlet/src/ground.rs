//! The ground a rootlet stands on: the base's layers, and for this machine's own root the parts it is put together from,
//! each made a source of the nursery.

use crate::host;
use crate::{Error, ErrorKind, Identity, Result};
use rootlet_base::{Base, BaseKind, Resolver, Store};
use rootlet_kernel::{IdMap, Nursery, Source, StartError, Tree, holds_whiteout_files, mount};
use rootlet_spec::{Tier, User};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A resolver whose images are unpacked while they are pulled, for the ids that a rootlet has where neither the caller nor
/// the image says otherwise.
///
/// Where the host gives none, that is told when a rootlet is made.
pub fn resolver(store: &Store) -> Resolver {
    let resolver = Resolver::new(store);
    #[cfg(feature = "packages")]
    let resolver = resolver.setup(Arc::new(crate::setup::InRootlet));
    let User { uid, gid, .. } = User::sam();
    let sam = Identity { uid, gid, ..Identity::default() };
    // Without mounts, all layers become one tree, once the last has come.
    let layered = crate::tier::likely().ok().filter(|tier| *tier != Tier::Chroot);
    match layered.map(|tier| host::caller().id_map(tier, &BaseKind::Layers, &sam)) {
        Some(Ok(map)) => resolver.unpack_for(map),
        _ => resolver,
    }
}

/// What a base is, as sources of one nursery.
#[derive(Debug, Default)]
pub(crate) struct Ground {
    /// Lower layers of the root, bottom first. None: the root is the skin alone, and the parts fill it.
    pub layers: Vec<Source>,
    /// What stands at places of the root besides.
    pub parts: Vec<Part>,
    /// Snapshots on top of everything, bottom first.
    pub snapshots: Vec<Source>,
    /// What of the base could not be shown.
    pub not_reproduced: Vec<String>,
    /// Bytes of all files that are copied.
    copied: u64,
}

/// Something at a place of the root that is not part of its layers.
#[derive(Debug)]
pub(crate) struct Part {
    /// Absolute, no trailing slash.
    pub target: String,
    pub kind: PartKind,
}

#[derive(Debug)]
pub(crate) enum PartKind {
    /// A directory of the host, copied on write.
    Overlay(Source),
    /// A file of the host, read-only.
    File(Source),
    /// An empty directory of this mode, root's.
    Directory(u32),
    /// A file of the host, copied: mode, owner, group, contents.
    Copy(u32, u32, u32, Vec<u8>),
    /// What a symlink of the host says.
    Symlink(String),
    /// A fresh tmpfs of this mode: what a machine forgets when it stops.
    Tmpfs(u32),
}

impl Part {
    fn new(target: impl Into<String>, kind: PartKind) -> Self {
        Self { target: target.into(), kind }
    }

    /// Its mount point, or itself, in the skin.
    pub fn stands_in(&self, tree: &mut Tree) {
        let path = self.target.trim_start_matches('/');
        match &self.kind {
            PartKind::Overlay(_) => tree.directory(path, 0o755, 0, 0),
            PartKind::Directory(mode) | PartKind::Tmpfs(mode) => tree.directory(path, *mode, 0, 0),
            PartKind::File(_) => tree.file(path, 0o644, 0, 0, b""),
            PartKind::Copy(mode, uid, gid, data) => tree.file(path, *mode, *uid, *gid, data),
            PartKind::Symlink(to) => tree.symlink(path, to),
        };
    }
}

impl Ground {
    pub fn of(base: &Base, nursery: &Arc<Nursery>) -> Result<Self> {
        let paths = base.layer_paths(nursery.map())?;
        let mut ground = Self::default();
        match base.kind() {
            BaseKind::Layers => ground.layers = laid(nursery, &paths)?,
            BaseKind::Directory(directory) => {
                let snapshots = paths.iter().filter(|p| *p != directory).cloned().collect::<Vec<_>>();
                ground.layers = vec![owned_directory(nursery, directory)?];
                ground.snapshots = laid(nursery, &snapshots)?;
            }
            BaseKind::Host => {
                ground.host(nursery)?;
                // The store is somewhere below `/` itself.
                let copy = |source: &Source| {
                    nursery
                        .add_copy(source)
                        .map_err(|e| Error::io("failed to copy a snapshot into memory", e))
                };
                ground.snapshots = stored(nursery, &paths)?.iter().map(copy).collect::<Result<_>>()?;
            }
        }
        Ok(ground)
    }

    /// Why a source of it is not there, if one is not.
    pub fn check(&self, base: &Base) -> Result<()> {
        for source in self.layers.iter().chain(&self.snapshots) {
            source.ready().map_err(|e| match base.kind() {
                BaseKind::Directory(path) => unusable(path, e),
                _ => unmountable(format!("failed to mount the layers of {}", base.name()), e),
            })?;
        }
        Ok(())
    }

    /// This machine's own root, without what belongs to its running kernel and services.
    fn host(&mut self, nursery: &Arc<Nursery>) -> Result<()> {
        // What cannot be mounted is left out below, but not because there is no nursery.
        nursery.upper_in_memory().map_err(host::explain)?;
        let mounts = MountPoints::read()?;
        match host::caller().is_root() {
            true => match idmapped(nursery, Path::new("/"), false) {
                Ok(root) => {
                    self.layers.push(root);
                    for path in &mounts.shown {
                        self.add(path, idmapped(nursery, path, false));
                    }
                }
                // The root is an overlayfs, as in a container: its files cannot be shown with their owners.
                Err(_) => {
                    // Without CAP_SYS_ADMIN no part of it could be mounted either.
                    mount::clone(Path::new("/"), true)
                        .map_err(|e| unmountable("failed to mount this machine's own root".into(), e))?;
                    self.not_reproduced.push(
                        "owners of the host's files: its root file system cannot be mounted with other ids, so they \
                         show as nobody's"
                            .into(),
                    );
                    self.compose(nursery, Path::new("/"), &mounts);
                }
            },
            false => {
                self.not_reproduced.push(
                    "owners of the host's files: they show as nobody's, and root inside may not change those that \
                     are the host's root's"
                        .into(),
                );
                self.compose(nursery, Path::new("/"), &mounts);
            }
        }
        for (path, mode) in [("/tmp", 0o1777), ("/run", 0o755)] {
            self.parts.push(Part::new(path, PartKind::Tmpfs(mode)));
        }
        Ok(())
    }

    /// Puts a directory together that cannot be one overlay, because something is mounted below it: the kernel refuses
    /// to copy it without that (`has_locked_children` of fs/namespace.c). Each part without mounts is one overlay, and files
    /// are copied: a container has some mounted in /etc, beside those that make it a system.
    fn compose(&mut self, nursery: &Arc<Nursery>, directory: &Path, mounts: &MountPoints) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.sort();
        let mut left_out = 0;
        for path in paths {
            let Some(text) = path.to_str() else { continue };
            if HIDDEN.contains(&text) {
                continue;
            }
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let kind = metadata.file_type();
            if kind.is_symlink() {
                if let Some(to) =
                    fs::read_link(&path).ok().and_then(|to| to.into_os_string().into_string().ok())
                {
                    self.parts.push(Part::new(text, PartKind::Symlink(to)));
                }
            } else if kind.is_dir() {
                if mounts.inside(&path) {
                    self.parts.push(Part::new(text, PartKind::Directory(0o755)));
                    self.compose(nursery, &path, mounts);
                } else if fs::read_dir(&path).is_err() {
                    // Nobody inside could look into it: all that can be told of it is that it is there.
                    self.parts.push(Part::new(text, PartKind::Directory(0o700)));
                } else {
                    self.add(&path, plain(nursery, &path, false));
                }
            } else if kind.is_file() && mounts.shown.contains(&path) {
                self.add(&path, plain(nursery, &path, false));
            } else if kind.is_file() {
                left_out += u32::from(!self.copy(nursery.map(), text, &metadata));
            }
        }
        if left_out > 0 {
            let directory = directory.display();
            self.not_reproduced.push(format!(
                "{left_out} files of the host's {directory}: they lie beside something that is mounted there, and are too large \
                 to be copied"
            ));
        }
    }

    /// Whether a file is not too large for that. One that may not be read is there, and has no rights.
    fn copy(&mut self, map: &IdMap, path: &str, metadata: &fs::Metadata) -> bool {
        const MOST: u64 = 16 << 20;
        if self.copied + metadata.len() > MOST {
            return false;
        }
        self.copied += metadata.len();
        // Whoever has no number inside is root here, whom most are.
        let uid = map.uid_inside(metadata.uid()).unwrap_or(0);
        let gid = map.gid_inside(metadata.gid()).unwrap_or(0);
        let (mode, data) = match fs::read(path) {
            Ok(data) => (metadata.mode() & 0o777, data),
            Err(_) => (0, Vec::new()),
        };
        self.parts.push(Part::new(path, PartKind::Copy(mode, uid, gid, data)));
        true
    }

    fn add(&mut self, path: &Path, source: io::Result<Source>) {
        let Some(text) = path.to_str() else { return };
        match source.and_then(|source| source.ready().map(|()| source)) {
            Ok(source) if path.is_dir() => self.parts.push(Part::new(text, PartKind::Overlay(source))),
            Ok(source) => self.parts.push(Part::new(text, PartKind::File(source))),
            Err(e) => {
                let why = crate::error::errno_name(&e).unwrap_or("refused");
                self.not_reproduced.push(format!("the host's {text}: it cannot be mounted ({why})"));
                self.parts.push(Part::new(text, PartKind::Directory(0o755)));
            }
        }
    }
}

/// Unpacked layers of the store: they have the nursery's own ids.
fn stored(nursery: &Arc<Nursery>, paths: &[PathBuf]) -> Result<Vec<Source>> {
    paths
        .iter()
        .map(|path| {
            plain(nursery, path, false)
                .map_err(|e| unmountable(format!("failed to mount the layer {}", path.display()), e))
        })
        .collect()
}

/// Likewise, and upon each the whiteouts that are files in it.
fn laid(nursery: &Arc<Nursery>, paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut all = Vec::new();
    for (path, layer) in paths.iter().zip(stored(nursery, paths)?) {
        let whiteouts = holds_whiteout_files(path).then(|| nursery.add_whiteouts(&layer)).transpose();
        all.push(layer);
        all.extend(whiteouts.map_err(|e| Error::io("failed to copy whiteouts into memory", e))?);
    }
    Ok(all)
}

/// What a host forbids it may allow in another way; what else goes wrong does so in every way.
pub(crate) fn unmountable(what: String, error: io::Error) -> Error {
    let error = match error.downcast::<StartError>() {
        Ok(start) => return host::explain(start),
        Err(error) => error,
    };
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            Error::new(ErrorKind::Host, what).caused_by(error).with_hint(host::NO_MOUNTS)
        }
        _ => Error::io(what, error),
    }
}

/// A directory as it is, with the ids it has on disk. The nursery of real root may not walk to it, so it gets the mount.
pub(crate) fn plain(nursery: &Arc<Nursery>, path: &Path, recursive: bool) -> io::Result<Source> {
    match host::caller().is_root() {
        true => {
            use std::os::fd::AsFd;
            nursery.add_mount(mount::clone(path, recursive)?.as_fd())
        }
        false => nursery.add_path(path, recursive),
    }
}

/// A directory on disk for the writable layer: it becomes root's inside.
pub(crate) fn upper(nursery: &Arc<Nursery>, path: &Path) -> io::Result<Source> {
    own(nursery.map(), path)?;
    plain(nursery, path, false)
}

/// Makes a directory of the host that of root inside. An ordinary user's own directory belongs to an id that root inside
/// has power over; real root's does not.
pub(crate) fn own(map: &IdMap, path: &Path) -> io::Result<()> {
    match host::caller().is_root() {
        true => std::os::unix::fs::chown(path, map.uid_outside(0), map.gid_outside(0)),
        false => Ok(()),
    }
}

/// A directory whose ids on disk are those inside.
pub(crate) fn idmapped(nursery: &Arc<Nursery>, path: &Path, recursive: bool) -> io::Result<Source> {
    use std::os::fd::AsFd;
    nursery.add_mount(mount::clone_idmapped(path, nursery.user_namespace()?, recursive)?.as_fd())
}

fn owned_directory(nursery: &Arc<Nursery>, path: &Path) -> Result<Source> {
    match host::caller().is_root() {
        true => idmapped(nursery, path, false),
        false => nursery.add_path(path, false),
    }
    .map_err(|e| unusable(path, e))
}

fn unusable(path: &Path, e: io::Error) -> Error {
    let below = e.raw_os_error() == Some(libc::EINVAL);
    let error =
        Error::new(ErrorKind::Base, format!("failed to use the directory {}", path.display())).caused_by(e);
    match below {
        true => error.with_hint(
            "something is mounted below it, or its file system has no idmapped mounts: copy it, or pack it as tar:FILE",
        ),
        false => error,
    }
}

/// The part of the host's tree that is its kernel's and services': /proc and /dev are made anew, /tmp and /run are empty.
const HIDDEN: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/tmp"];

struct MountPoints {
    /// Everything that is mounted anywhere but on `/`.
    all: BTreeSet<PathBuf>,
    /// What of it belongs to the machine's files.
    shown: BTreeSet<PathBuf>,
}

impl MountPoints {
    fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|e| Error::io("failed to read /proc/self/mountinfo", e))?;
        let mut points = Self { all: BTreeSet::new(), shown: BTreeSet::new() };
        // proc_pid_mountinfo(5): the mount point is the fifth field; behind a lone dash comes the type.
        for line in text.lines() {
            let Some(path) = line.split(' ').nth(4).map(unescape) else { continue };
            let kind = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("");
            if path == Path::new("/") {
                continue;
            }
            if !HIDDEN.iter().any(|hidden| path.starts_with(hidden)) && !of_the_kernel(kind) && path.exists()
            {
                points.shown.insert(path.clone());
            }
            points.all.insert(path);
        }
        Ok(points)
    }

    /// Whether something is mounted strictly below `path`.
    fn inside(&self, path: &Path) -> bool {
        self.all.iter().any(|p| p != path && p.starts_with(path))
    }
}

/// File systems that show the kernel's state rather than files.
fn of_the_kernel(kind: &str) -> bool {
    const KINDS: [&str; 19] = [
        "proc",
        "sysfs",
        "devtmpfs",
        "devpts",
        "cgroup",
        "cgroup2",
        "securityfs",
        "debugfs",
        "tracefs",
        "bpf",
        "mqueue",
        "hugetlbfs",
        "configfs",
        "fusectl",
        "autofs",
        "pstore",
        "efivarfs",
        "binfmt_misc",
        "nsfs",
    ];
    KINDS.contains(&kind)
}

/// Octal escapes of mountinfo: space, tab, newline, backslash.
fn unescape(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = field.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes
            .get(i + 1..i + 4)
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 8).ok());
        match (bytes[i], octal) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                i += 4;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    std::ffi::OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescape(r"/a\040b\134c"), Path::new(r"/a b\c"));
        assert_eq!(unescape(r"/plain\"), Path::new(r"/plain\"));
    }
}
