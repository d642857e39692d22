//! Where an export goes, as docker, podman and skopeo write it.

use crate::{Error, ErrorKind, ImageRef, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where [`Base::export`](crate::Base::export) puts a base, and in which form.
///
/// | written | meant |
/// |---|---|
/// | `oci:PATH[:TAG]` | an OCI image layout: a directory that is made, or added to |
/// | `oci-archive:FILE[:TAG]` | the same in one tar |
/// | `docker-archive:FILE[:NAME[:TAG]]` | what `docker load` reads |
/// | `tar:FILE` | the whole root as one plain tar |
/// | `docker://HOST/NAME[:TAG]`, `NAME[:TAG]` | an image of a registry: it is pushed |
///
/// A PATH ends at its first colon, as skopeo has it; the FILE of `tar:` is all that follows. A FILE `-` is standard
/// output. A tag that is not said is `latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExportTarget {
    /// A directory, and the tag in it.
    Oci(PathBuf, String),
    /// A file, and the tag in it.
    OciArchive(PathBuf, String),
    /// A file, and the name that the image gets where it is loaded.
    DockerArchive(PathBuf, Option<ImageRef>),
    /// A file.
    Tar(PathBuf),
    /// An image of a registry.
    Image(ImageRef),
}

impl ExportTarget {
    /// Whether it is written to standard output.
    pub fn is_standard_output(&self) -> bool {
        match self {
            Self::OciArchive(path, _) | Self::DockerArchive(path, _) | Self::Tar(path) => {
                path == Path::new("-")
            }
            Self::Oci(..) | Self::Image(_) => false,
        }
    }
}

/// What names something else elsewhere, and would pass for an image here.
const NOT_HERE: &[&str] = &[
    "apk",
    "apt",
    "archive",
    "atomic",
    "containers-storage",
    "dir",
    "docker-daemon",
    "host",
    "oci-layout",
    "sif",
    "snapshot",
    "tarball",
];

impl FromStr for ExportTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.contains('\0') {
            return Err(bad(text, "it holds NUL"));
        }
        match text.split_once(':') {
            Some(("oci", rest)) => {
                path(text, rest).and_then(|(path, rest)| Ok(Self::Oci(path, tag(text, rest)?)))
            }
            Some(("oci-archive", rest)) => {
                path(text, rest).and_then(|(path, rest)| Ok(Self::OciArchive(path, tag(text, rest)?)))
            }
            Some(("docker-archive", rest)) => {
                let (path, name) = path(text, rest)?;
                let name = name.map(|name| image(text, name)).transpose()?;
                Ok(Self::DockerArchive(path, name))
            }
            Some(("tar", "")) => Err(bad(text, "it names no file")),
            Some(("tar", rest)) => Ok(Self::Tar(rest.into())),
            Some(("docker", rest)) if rest.starts_with("//") => image(text, &rest[2..]).map(Self::Image),
            Some((scheme, _)) if NOT_HERE.contains(&scheme) => {
                Err(bad(text, &format!("`{scheme}:` is no place to export to")))
            }
            _ => image(text, text).map(Self::Image),
        }
    }
}

/// What stands before the first colon, and behind it.
fn path<'a>(text: &str, rest: &'a str) -> Result<(PathBuf, Option<&'a str>)> {
    let (path, tag) = rest.split_once(':').map_or((rest, None), |(path, tag)| (path, Some(tag)));
    match path {
        "" => Err(bad(text, "it names no path")),
        path => Ok((path.into(), tag)),
    }
}

/// A tag of a layout: components with separators between them (`org.opencontainers.image.ref.name` of the OCI
/// image specification). It may be a whole name.
fn tag(text: &str, tag: Option<&str>) -> Result<String> {
    let tag = tag.unwrap_or("latest");
    let ends = |c: char| c.is_ascii_alphanumeric();
    let within = |b: u8| b.is_ascii_alphanumeric() || b"-._:@/+".contains(&b);
    match tag.starts_with(ends) && tag.ends_with(ends) && tag.bytes().all(within) {
        true => Ok(tag.into()),
        false => Err(bad(text, "a tag is of A-Z a-z 0-9, with one of - . _ : @ / + between them")),
    }
}

/// A name that a tag can be given to.
fn image(text: &str, name: &str) -> Result<ImageRef> {
    let image: ImageRef = name.parse().map_err(|e: Error| match e.hint() {
        Some(_) => e,
        None => e.with_hint(targets(text)),
    })?;
    match image.digest() {
        None => Ok(image),
        Some(_) => Err(bad(text, "a digest is what comes of it, and cannot be chosen")),
    }
}

fn bad(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidName, format!("`{text}` is not a target of an export: {why}"))
        .with_hint(targets(text))
}

fn targets(text: &str) -> String {
    // What has no scheme and looks like a path is one.
    if text.starts_with(['/', '.']) {
        return format!(
            "for a file write `tar:{text}` (a root) or `docker-archive:{text}` (an image), for a \
            directory `oci:{text}`"
        );
    }
    "a target is `oci:PATH[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME:TAG]`, `tar:FILE`, or an image \
        of a registry such as `docker://ghcr.io/me/root:1`"
        .into()
}

impl fmt::Display for ExportTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(path, tag) => write!(f, "oci:{}:{tag}", path.display()),
            Self::OciArchive(path, tag) => write!(f, "oci-archive:{}:{tag}", path.display()),
            Self::DockerArchive(path, None) => write!(f, "docker-archive:{}", path.display()),
            Self::DockerArchive(path, Some(name)) => write!(f, "docker-archive:{}:{name}", path.display()),
            Self::Tar(path) => write!(f, "tar:{}", path.display()),
            Self::Image(image) => write!(f, "docker://{image}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_skopeo_writes() {
        let image = |name: &str| name.parse::<ImageRef>().unwrap();
        for (text, meant, whole) in [
            ("oci:/x/y", ExportTarget::Oci("/x/y".into(), "latest".into()), "oci:/x/y:latest"),
            ("oci:x:3.20", ExportTarget::Oci("x".into(), "3.20".into()), "oci:x:3.20"),
            (
                "oci:x:ghcr.io/me/a:1",
                ExportTarget::Oci("x".into(), "ghcr.io/me/a:1".into()),
                "oci:x:ghcr.io/me/a:1",
            ),
            (
                "oci-archive:a.tar:1",
                ExportTarget::OciArchive("a.tar".into(), "1".into()),
                "oci-archive:a.tar:1",
            ),
            (
                "docker-archive:a.tar",
                ExportTarget::DockerArchive("a.tar".into(), None),
                "docker-archive:a.tar",
            ),
            (
                "docker-archive:a.tar:me/x:1",
                ExportTarget::DockerArchive("a.tar".into(), Some(image("me/x:1"))),
                "docker-archive:a.tar:docker.io/me/x:1",
            ),
            ("tar:a:b", ExportTarget::Tar("a:b".into()), "tar:a:b"),
            ("tar:-", ExportTarget::Tar("-".into()), "tar:-"),
            (
                "docker://localhost:5000/x",
                ExportTarget::Image(image("localhost:5000/x")),
                "docker://localhost:5000/x:latest",
            ),
            ("me/x:1", ExportTarget::Image(image("me/x:1")), "docker://docker.io/me/x:1"),
        ] {
            let target: ExportTarget = text.parse().unwrap();
            assert_eq!((&target, target.to_string().as_str()), (&meant, whole), "{text}");
            assert_eq!(whole.parse::<ExportTarget>().unwrap().to_string(), whole, "{text}");
        }
    }

    #[test]
    fn refuses_with_a_hint() {
        let pinned = format!("docker://ghcr.io/a@sha256:{}", "0".repeat(64));
        for text in [
            "",
            "oci:",
            "oci::1",
            "oci:x:",
            "oci:x:-1",
            "tar:",
            "docker-archive:x:Upper",
            "dir:/x",
            "dir:x",
            "docker-daemon:x:1",
            "ftp://x/y",
            "./image.tar",
            "/image",
            "a b",
            "x\0",
            &pinned,
        ] {
            let error = text.parse::<ExportTarget>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{text:?}: {error}");
            assert!(error.hint().is_some(), "{text:?}: {error}");
        }
        assert!("./a.tar".parse::<ExportTarget>().unwrap_err().hint().unwrap().contains("`tar:./a.tar`"));
    }
}
