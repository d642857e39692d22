//! What a person writes to say which base is meant.

use crate::{Error, ErrorKind, ImageRef, PackageSet, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of a base, as written.
///
/// | written | meant |
/// |---|---|
/// | `host` | this machine's own root |
/// | `dir:PATH` | a directory |
/// | `tar:PATH` | a tarball: plain, gzip, zstd or xz, told by its content |
/// | `oci:PATH[:TAG]` | an image of an OCI image layout |
/// | `archive:PATH[:TAG]` | an image that `docker save` or `podman save` wrote, told by its content |
/// | `apt:SUITE[+PACKAGE…][?OPTIONS]` | Debian or Ubuntu, made of its packages |
/// | `apk:RELEASE[+PACKAGE…][?OPTIONS]` | Alpine, made of its packages |
/// | `snapshot:NAME` | a snapshot that was given this name |
/// | anything else | an image of a registry, read as docker reads it: see [`ImageRef`] |
///
/// Paths may be relative to the work directory and may hold `:`; what follows the longest existing path is
/// the tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BaseName {
    /// This machine's own root.
    Host,
    /// A directory.
    Directory(PathBuf),
    /// A tarball.
    Tar(PathBuf),
    /// An image of an OCI image layout: the directory and the tag.
    Oci(PathBuf, Option<String>),
    /// An image of a docker-archive or an oci-archive: the file and the tag.
    Archive(PathBuf, Option<String>),
    /// A suite of Debian or Ubuntu. Options: `mirror`, `components`, `keyring`, `variant`.
    Apt(PackageSet),
    /// A release of Alpine. Options: `mirror`, `repositories`, `keys`.
    Apk(PackageSet),
    /// A named snapshot.
    Snapshot(String),
    /// An image of a registry.
    Image(ImageRef),
}

impl BaseName {
    /// The name with its path made absolute and free of symlinks, under which the store remembers it.
    ///
    /// Errors: the path does not exist or may not be read.
    pub fn absolute(self) -> Result<Self> {
        let real = |path: PathBuf| {
            std::fs::canonicalize(&path).map_err(|e| {
                let error = Error::io(format!("failed to find the base {}", path.display()), e);
                match error.kind() {
                    ErrorKind::NotFound => error.with_hint(format!(
                        "the path is taken from the work directory, {}",
                        std::env::current_dir().unwrap_or_default().display()
                    )),
                    _ => error,
                }
            })
        };
        Ok(match self {
            Self::Directory(path) => Self::Directory(real(path)?),
            Self::Tar(path) => Self::Tar(real(path)?),
            Self::Oci(path, tag) => Self::Oci(real(path)?, tag),
            Self::Archive(path, tag) => Self::Archive(real(path)?, tag),
            other => other,
        })
    }
}

impl fmt::Display for BaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tagged = |f: &mut fmt::Formatter<'_>, scheme: &str, path: &Path, tag: &Option<String>| {
            write!(f, "{scheme}:{}", path.display())?;
            tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
        };
        match self {
            Self::Host => f.write_str("host"),
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Tar(path) => write!(f, "tar:{}", path.display()),
            Self::Oci(path, tag) => tagged(f, "oci", path, tag),
            Self::Archive(path, tag) => tagged(f, "archive", path, tag),
            Self::Apt(packages) => write!(f, "apt:{packages}"),
            Self::Apk(packages) => write!(f, "apk:{packages}"),
            Self::Snapshot(name) => write!(f, "snapshot:{name}"),
            Self::Image(image) => image.fmt(f),
        }
    }
}

impl FromStr for BaseName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.contains('\0') {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("{text:?} is not the name of a base: it holds NUL"),
            ));
        }
        let path = |rest: &str| match rest {
            "" => Err(Error::new(ErrorKind::InvalidName, format!("`{text}` names no path"))
                .with_hint(format!("write the path after the colon: `{text}./some/path`"))),
            rest => Ok(PathBuf::from(rest)),
        };
        match text.split_once(':') {
            None if text == "host" => Ok(Self::Host),
            Some(("dir", rest)) => path(rest).map(Self::Directory),
            Some(("tar", rest)) => path(rest).map(Self::Tar),
            Some(("oci", rest)) => {
                path(rest).map(|_| split_tag(rest)).map(|(path, tag)| Self::Oci(path, tag))
            }
            Some(("archive" | "docker-archive" | "oci-archive", rest)) => {
                path(rest).map(|_| split_tag(rest)).map(|(path, tag)| Self::Archive(path, tag))
            }
            Some(("apt", rest)) => {
                const KNOWN: [&str; 5] = ["mirror", "components", "keyring", "variant", "check-valid-until"];
                PackageSet::parse(text, rest, &KNOWN).map(Self::Apt)
            }
            Some(("apk", rest)) => {
                PackageSet::parse(text, rest, &["mirror", "repositories", "keys"]).map(Self::Apk)
            }
            Some(("snapshot", name)) => snapshot_name(name).map(Self::Snapshot),
            _ => text.parse().map(Self::Image).map_err(|error: Error| explain(text, error)),
        }
    }
}

/// `PATH:TAG`: the longest part before a colon that exists is the path, since both may hold colons. Where
/// none exists, a tag is what follows the last colon, and the error about the path comes later.
fn split_tag(text: &str) -> (PathBuf, Option<String>) {
    if Path::new(text).exists() {
        return (text.into(), None);
    }
    let at = text.rmatch_indices(':').map(|(at, _)| at).find(|&at| at > 0 && Path::new(&text[..at]).exists());
    let at = at.or_else(|| text.rfind(':').filter(|&at| at > 0 && !text[at..].contains('/')));
    match at {
        Some(at) if at + 1 < text.len() => (text[..at].into(), Some(text[at + 1..].to_owned())),
        _ => (text.into(), None),
    }
}

/// Checks the name of a snapshot, with or without `snapshot:` before it.
pub(crate) fn snapshot_name(text: &str) -> Result<String> {
    let name = text.strip_prefix("snapshot:").unwrap_or(text);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
    if name.is_empty() || name.len() > 128 || name.starts_with(['.', '-', '/']) || !name.bytes().all(allowed)
    {
        return Err(Error::new(
            ErrorKind::InvalidName,
            format!(
                "`{name}` is not a name for a snapshot: 1 to 128 of A-Z a-z 0-9 _ . - / and a letter or \
                    digit first"
            ),
        ));
    }
    Ok(name.to_owned())
}

/// A name that cannot be an image is most often a path without its scheme.
fn explain(text: &str, error: Error) -> Error {
    if error.hint().is_some() {
        return error;
    }
    let path = Path::new(text);
    if path.is_dir() {
        return error.with_hint(format!("for the directory write `dir:{text}`"));
    }
    if path.is_file() {
        return error.with_hint(format!(
            "for the file write `tar:{text}` (a root) or `archive:{text}` (a saved image)"
        ));
    }
    error.with_hint(
        "a base is `host`, `dir:PATH`, `tar:PATH`, `oci:PATH[:TAG]`, `archive:PATH[:TAG]`, `apt:SUITE`, \
        `apk:RELEASE` or an image such as `alpine:3.20`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_scheme() {
        for (text, meant) in [
            ("host", BaseName::Host),
            ("dir:/srv/root", BaseName::Directory("/srv/root".into())),
            ("dir:a:b", BaseName::Directory("a:b".into())),
            ("tar:x.tar.gz", BaseName::Tar("x.tar.gz".into())),
            ("oci:/x/y", BaseName::Oci("/x/y".into(), None)),
            ("oci:/x/y:3.20", BaseName::Oci("/x/y".into(), Some("3.20".into()))),
            ("oci:/x:1/y", BaseName::Oci("/x:1/y".into(), None)),
            ("archive:a.tar:me/x:1", BaseName::Archive("a.tar:me/x".into(), Some("1".into()))),
            ("archive:a.tar", BaseName::Archive("a.tar".into(), None)),
            ("docker-archive:a.tar", BaseName::Archive("a.tar".into(), None)),
            ("snapshot:warm", BaseName::Snapshot("warm".into())),
            (
                "apk:v3.20+curl",
                BaseName::Apk(PackageSet {
                    release: "v3.20".into(),
                    add: vec!["curl".into()],
                    ..PackageSet::default()
                }),
            ),
            ("host:1", BaseName::Image("host:1".parse().unwrap())),
            ("alpine", BaseName::Image("alpine".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<BaseName>().unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn a_path_that_exists_wins_over_a_tag() {
        let dir = std::env::temp_dir().join(format!("rootlet-name-{}", std::process::id()));
        let odd = dir.join("a:b");
        std::fs::create_dir_all(&odd).unwrap();
        assert_eq!(format!("oci:{}", odd.display()).parse::<BaseName>().unwrap(), BaseName::Oci(odd, None));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn refuses_with_a_hint() {
        for text in ["", "dir:", "tar:", "oci:", "./root", "/", "a b", "snapshot:", "snapshot:../x", "x\0"] {
            let error = text.parse::<BaseName>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{text:?}: {error}");
        }
        assert_eq!("/".parse::<BaseName>().unwrap_err().hint(), Some("for the directory write `dir:/`"));
    }
}
