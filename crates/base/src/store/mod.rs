//! The store: everything that rootlet keeps between runs.
//!
//! ```text
//! $ROOTLET_STORE, else $XDG_CACHE_HOME/rootlet, else $HOME/.cache/rootlet            0700
//! ├── CACHEDIR.TAG                 tells backup programs to leave it out
//! ├── layout                       the number of this layout: 1
//! ├── bases/NAME.json              a name: which content, where it came from, when; NAME is percent-encoded
//! ├── contents/ID/                 a content. Its shared lock says "in use", its mtime when it was last
//! │   ├── content.json             its layers and the image's defaults
//! │   ├── note-HEX                 what the library knows about it, by name (Base::set_note)
//! │   └── flat/, patterns/         as one tree, and roots made of it without mounts: see [`crate::flat`]
//! ├── images/                      an OCI image layout: `skopeo list-tags`, `skopeo copy oci:…/images:NAME …` read it
//! │   ├── oci-layout, index.json
//! │   ├── blobs/sha256/HEX         manifests, configs and compressed layers, each verified before it got this name
//! │   └── partial/HEX              blobs on their way; an interrupted download goes on from here
//! ├── layers/KEY/                  one layer, KEY its diff id (or the digest of its tarball)
//! │   ├── about.json               which ids it holds, what could not be carried over
//! │   └── PROJECTION/              unpacked for the id maps that agree on these ids; its mtime: last used
//! │       ├── map.json             the id map it was unpacked with, for removing it
//! │       └── root/                the tree, as an overlay's lower layer
//! ├── kept/ID.json                 how to start a kept rootlet again; its snapshot is a base of its own
//! ├── packages/KEY/PATH            what package managers fetched for themselves ([`PackageCache`]); its mtime: when it came
//! ├── caches/KEY/                  a directory that commands write, run after run ([`CacheDirectory`]); its mtime: last used
//! │   ├── map.json                 the id map of who writes it, for removing it
//! │   └── root/
//! ├── made/KIND/KEY                what functions need besides bases (`Store::made`); its mtime: when it was last used
//! ├── locks/NAME                   one at a time: the index; creating contents against gc
//! └── tmp/XXXX/                    staging, each with a lock that its maker holds
//! ```
//!
//! Nobody else may enter it: a set-user-id program of a layer would give every user of the machine the
//! subordinate ids of this one, and with them this store (containerd's CVE-2021-41103). Root of a user namespace
//! enters, since the directories on the way are the caller's own, who is mapped there.
//!
//! # Rules
//!
//! - Everything is written beside its place and renamed into it, so a reader sees all of it or nothing.
//! - Locks are flock(2): the kernel drops them with their holder, so a killed process leaves none. What is in
//!   `tmp/` and locked by nobody is a leftover; whoever stages something next removes it.
//! - A live `Base` holds a shared lock on its content. A content is removed only under the exclusive lock,
//!   first of all its parts; then go the layers and blobs that no content names. A content is written
//!   *before* its blobs are fetched, so what it names is never collected under a pull.
//! - Nothing is flushed to disk: this is a cache. After a power loss, remove it.

mod caches;
mod gc;
mod index;
mod info;
mod kept;
mod layers;
mod lock;
mod made;
mod package_cache;
mod record;
mod staging;

pub use caches::{CacheDirectory, CacheUse};
pub use gc::{GcOptions, Removed};
pub use info::{BaseInfo, LayerInfo};
pub use package_cache::PackageCache;
pub use staging::Staging;
pub(crate) use staging::{TmpDir, remove_tree};

#[cfg(feature = "tarball")]
pub(crate) use layers::unmapped;
pub(crate) use layers::{About, LayerDir, MapRecord, NO_LOWER};
pub(crate) use lock::Locked;
pub(crate) use record::{Content, Layer, NameRecord, Origin, Stamp, now};

use crate::{Digest, Error, ErrorKind, Result};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

const LAYOUT: &str = "1\n";
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory is a cache of rootlet. What is not in use may be removed with `rootlet gc`.\n";

/// A store on disk: see the [module](self) for its layout and rules. Cheap to clone; any number of processes
/// and threads may use one store at once.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<PathBuf>,
    /// What of `made/` this store was asked for: in use until its last clone is dropped.
    made: Arc<made::InUse>,
}

impl Store {
    /// Opens the store in `path`, which is made when it is not there.
    ///
    /// Errors: the directory cannot be made or written, or is somebody else's; it holds a store of another layout, or
    /// something that is no store.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(directory) = path.metadata().ok().filter(fs::Metadata::is_dir) {
            own(path, &directory)?;
        }
        match fs::read_to_string(path.join("layout")) {
            Ok(layout) if layout == LAYOUT => {}
            Ok(layout) => return Err(other_layout(path, layout.trim())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(e) => return Err(Error::io(format!("failed to open the store {}", path.display()), e)),
        }
        let root = fs::canonicalize(path)
            .map_err(|e| Error::io(format!("failed to open the store {}", path.display()), e))?;
        Ok(Self { root: Arc::new(root), made: Arc::default() })
    }

    /// Opens the store of this user: `$ROOTLET_STORE`, else `$XDG_CACHE_HOME/rootlet`, else
    /// `$HOME/.cache/rootlet`. Empty variables count as unset, and so does a relative `XDG_CACHE_HOME` (XDG
    /// Base Directory Specification).
    ///
    /// Errors: none of the three is set, and those of [`Store::open`].
    pub fn open_default() -> Result<Self> {
        Self::open(Self::default_path()?)
    }

    /// Where [`Store::open_default`] looks.
    ///
    /// Errors: none of the three variables is set.
    pub fn default_path() -> Result<PathBuf> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = variable("ROOTLET_STORE") {
            return Ok(path);
        }
        if let Some(cache) = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()) {
            return Ok(cache.join("rootlet"));
        }
        match variable("HOME").filter(|path| path.is_absolute()) {
            Some(home) => Ok(home.join(".cache/rootlet")),
            None => Err(Error::new(
                ErrorKind::Configuration,
                "failed to find a place for the store: ROOTLET_STORE, XDG_CACHE_HOME and HOME are not set",
            )
            .with_hint("set ROOTLET_STORE to a directory on a local disk")),
        }
    }

    /// The store's directory: absolute, without symlinks.
    pub fn path(&self) -> &Path {
        &self.root
    }

    pub(crate) fn base_file(&self, name: &str) -> PathBuf {
        self.root.join("bases").join(encode(name) + ".json")
    }

    pub(crate) fn content_dir(&self, id: Digest) -> PathBuf {
        self.root.join("contents").join(id.hex())
    }

    pub(crate) fn layer_dir(&self, key: Digest) -> PathBuf {
        self.root.join("layers").join(key.hex())
    }

    pub(crate) fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(encode(name))
    }

    /// The OCI image layout of what was pulled.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    pub(crate) fn blob_file(&self, digest: Digest) -> PathBuf {
        self.images().join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// A store is its owner's alone: what root would unpack in that of another, its owner could not read, and could lead astray.
///
/// Its group is made the caller's own: with the rights of a group that has no number in a user namespace (`root`'s, where a
/// directory was made for somebody), nothing below could be mounted there.
fn own(path: &Path, directory: &fs::Metadata) -> Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if directory.uid() != uid.as_raw() {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "failed to open the store {}: it belongs to uid {}, not {uid}",
                path.display(),
                directory.uid()
            ),
        )
        .with_hint("a store serves one user: set ROOTLET_STORE to a directory of your own"));
    }
    if directory.gid() != gid.as_raw() {
        // Where the file system does not let an owner do that, it may do as it is.
        let _ = rustix::fs::chown(path, None, Some(gid));
    }
    Ok(())
}

fn other_layout(path: &Path, layout: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "the store {} has layout {layout:?}, and this rootlet reads only {:?}",
            path.display(),
            LAYOUT.trim()
        ),
    )
    .with_hint("set ROOTLET_STORE to another directory, or remove this one")
}

/// Makes an empty store. Several processes may do so at once: every step is harmless when it was done
/// already, and `layout`, the last, says that it is complete.
fn create(path: &Path) -> Result<()> {
    let step = |path: &Path, result: io::Result<()>| {
        result.map_err(|e| {
            Error::io(format!("failed to make the store {}", path.display()), e)
                .with_hint("set ROOTLET_STORE to a directory that you may write, on a local disk")
        })
    };
    // The tag is the first thing in a store: what is there without it is not ours. Another process may be
    // making the store now, so the tag is looked for last.
    if path.read_dir().is_ok_and(|mut entries| entries.next().is_some())
        && !path.join("CACHEDIR.TAG").exists()
    {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!("failed to make the store {}: the directory holds other things", path.display()),
        )
        .with_hint("set ROOTLET_STORE to a directory that is empty or not there yet"));
    }
    step(path, make_directories(path))?;
    step(path, fs::set_permissions(path, fs::Permissions::from_mode(0o700)))?;
    // First of all: others who make the same store know by it that it is one.
    step(path, fs::write(path.join("CACHEDIR.TAG"), CACHEDIR_TAG))?;
    for (name, mode) in [
        ("bases", 0o700),
        ("contents", 0o700),
        ("images", 0o700),
        ("images/blobs/sha256", 0o700),
        ("images/partial", 0o700),
        ("layers", 0o700),
        ("locks", 0o700),
        ("tmp", 0o700),
    ] {
        let directory = path.join(name);
        step(&directory, make_directories(&directory))?;
        step(&directory, fs::set_permissions(&directory, fs::Permissions::from_mode(mode)))?;
    }
    let tmp = path.join("tmp");
    let images = path.join("images");
    step(&images, write_atomically(&tmp, &images.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#))?;
    if !images.join("index.json").exists() {
        let empty =
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        step(&images, write_atomically(&tmp, &images.join("index.json"), empty))?;
    }
    step(path, write_atomically(&tmp, &path.join("layout"), LAYOUT.as_bytes()))
}

/// Makes a directory and what is missing above it, whatever the umask: one that leaves us nothing would lock us out of what
/// we just made.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    match fs::create_dir(path) {
        // Somebody else was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o700))
}

/// Writes a small file into `tmp`, on the same file system, and renames it to `path`.
///
/// # Locking
/// Exclusive on the file while it is in `tmp`, so that no sweep takes it for a leftover.
pub(crate) fn write_atomically(tmp: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, beside) = loop {
        let beside = tmp.join(unique());
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        // The mode of open(2) is subject to the caller's umask.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.lock()?;
        // A sweep may have been faster than the lock.
        if file.metadata()?.nlink() > 0 {
            break (file, beside);
        }
    };
    let written = io::Write::write_all(&mut file, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// When a content or a tree was last used: see `record::touch`.
fn last_used(content: &Path) -> SystemTime {
    fs::metadata(content).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What is in a directory; nothing when it is not there.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io(format!("failed to read {}", directory.display()), e);
    match fs::read_dir(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(failed(e)),
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect(),
    }
}

/// A name that no other process and thread uses: process id, time and a counter.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}-{:x}", std::process::id(), now.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A file name for any text: `%XX` for what is not a letter, a digit, `.`, `_` or `-`; long ones end in their
/// digest.
fn encode(text: &str) -> String {
    let mut name = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'.' if name.is_empty() => name.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(byte as char),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > 200 {
        name.truncate(120);
        name.push('-');
        name.push_str(&Digest::of(text.as_bytes()).hex());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_names_one_to_one() {
        assert_eq!(encode("docker.io/library/alpine:3.20"), "docker.io%2Flibrary%2Falpine%3A3.20");
        assert_eq!(encode("../x"), "%2E.%2Fx");
        let long = "x".repeat(300);
        assert!(encode(&long).len() < 200);
        assert_ne!(encode(&long), encode(&format!("{long}x")));
    }
}
