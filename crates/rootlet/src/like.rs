//! Like production: a file that deploys a program, read together with what it refers to.
//!
//! ```no_run
//! use rootlet::{Rootlet, Store, like};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let like = like::read(&["deploy/api.yaml#api"])?;
//! for loss in &like.losses {
//!     eprintln!("not carried over: {loss}");
//! }
//! let store = Store::open_default()?;
//! let base = rootlet::resolver(&store).resolve(like.image.as_deref().unwrap_or("host"))?;
//! let root = Rootlet::builder(&base).like(&like).spawn()?;
//! assert!(root.command("sh").args(["-c", "echo > /etc/motd"]).status()?.code() != Some(0));
//! # Ok(()) }
//! ```

use crate::{Error, ErrorKind, Result};
use rootlet_spec::parity::{self, MOST_BYTES, Request, Surroundings};
use rootlet_spec::printable;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use rootlet_spec::parity::{Kind, Like, Loss, Place};

/// Stands for OpenShift's restricted profile, in place of a file or besides one.
const OPENSHIFT: &str = "openshift";

/// Reads a file of production: `FILE`, or `FILE#NAME` where it has several containers, services or stages; `-` is standard input.
/// `openshift` besides puts OpenShift's restricted profile on top, with a random uid; alone it is that profile.
///
/// # Errors
/// The file cannot be read, is none of production's, or does not say which of several is meant ([`ErrorKind::Spec`]); with the
/// line, the column, and what was expected.
pub fn read(names: &[impl AsRef<str>]) -> Result<Like> {
    let names = names.iter().map(AsRef::as_ref);
    let (profiles, files): (Vec<&str>, Vec<&str>) = names.partition(|name| *name == OPENSHIFT);
    let uid = match profiles.is_empty() {
        true => None,
        false => Some(namespace_uid()?),
    };
    match (files[..].first(), uid) {
        _ if files.len() > 1 => Err(Error::new(ErrorKind::Spec, "a run is like one file, and two are given")),
        (Some(name), uid) => read_file(name, uid),
        (None, Some(uid)) => Ok(parity::openshift(uid)),
        (None, None) => Err(Error::new(ErrorKind::Spec, "no file is given")),
    }
}

fn read_file(name: &str, openshift: Option<u32>) -> Result<Like> {
    // A file's own name may have the sign.
    let (file, select) = match name.rsplit_once('#') {
        Some((file, select)) if !Path::new(name).exists() => (file, Some(select)),
        _ => (name, None),
    };
    let shown = if file == "-" { "standard input" } else { file };
    let what = || format!("failed to read {}", printable(shown));
    let text = match file {
        "-" => limited(io::stdin().lock()),
        file => open(Path::new(file)).and_then(limited),
    };
    let text = text.map_err(|e| Error::io(what(), e))?;
    let around = Around::of(file).map_err(|e| Error::io(what(), e))?;
    let request = Request { name: shown, select, openshift, around: &around };
    parity::read(&text, &request).map_err(|e| from_parity(&e).within(printable(shown)))
}

pub(crate) fn from_parity(e: &parity::Error) -> Error {
    let error = Error::new(ErrorKind::Spec, e.to_string());
    match e.hint() {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Without waiting for the other end of a FIFO; a device or a socket is no deployment.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let kind = file.metadata()?.file_type();
    match kind.is_file() {
        true => Ok(file),
        // What a shell hands over as <(…).
        false if path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd") => File::open(path),
        false if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        false => Err(io::Error::other("it is no file")),
    }
}

/// No more than anybody may want: one byte beyond tells that it is too much.
fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(MOST_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// One that a namespace might have: the first of its ten thousand.
fn namespace_uid() -> Result<u32> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Error::io("failed to read /dev/urandom", e))?;
    Ok(1_000_000_000 + u32::from(u16::from_ne_bytes(bytes)) % 1000 * 10_000)
}

/// What lies around a file: nothing outside of its directory is asked for by name alone.
struct Around {
    directory: PathBuf,
}

impl Around {
    fn of(file: &str) -> io::Result<Self> {
        let directory = match file {
            "-" => Path::new("."),
            file => {
                Path::new(file).parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
            }
        };
        Ok(Self { directory: directory.canonicalize()? })
    }
}

impl Surroundings for Around {
    fn directory(&self) -> &Path {
        &self.directory
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        match open(&self.directory.join(path)).and_then(limited) {
            Ok(text) if text.len() > MOST_BYTES => Err("it is too large".into()),
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(crate::error::errno_name(&e).map_or_else(|| e.to_string(), str::to_owned)),
        }
    }

    fn list(&self, path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// In the directory, and not by way of a symlink that leads out of it: what is there may be bound.
    fn exists(&self, path: &Path) -> bool {
        let whole = self.directory.join(path).canonicalize();
        whole.is_ok_and(|whole| whole.starts_with(&self.directory))
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
