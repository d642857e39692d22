//! What is mounted into a root: `--volume` and `--tmpfs`.

use crate::{ParseError, mode, size};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Something mounted at a place of the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Mount {
    /// A directory or file of the host (`--volume HOST:TARGET[:ro]`).
    Bind {
        /// Absolute path on the host; it must exist.
        source: PathBuf,
        /// Absolute path inside.
        target: String,
        /// Refuse writes.
        read_only: bool,
    },
    /// A copy-on-write view of a directory of the host: what is written there is gone with the root
    /// (`--volume HOST:TARGET:O`, as podman has it).
    Overlay {
        /// Absolute path on the host; it must exist.
        source: PathBuf,
        /// Absolute path inside.
        target: String,
        /// What the caller owns there is the user's inside. (What an ordinary caller owns always is, with the default user.)
        as_user: bool,
    },
    /// An empty file system in memory (`--tmpfs TARGET[:size=64m,mode=1777]`).
    Tmpfs {
        /// Absolute path inside.
        target: String,
        /// Bytes; not said: half of the memory.
        size: Option<u64>,
        /// Permission bits; docker's default is 1777.
        mode: u32,
    },
    /// An anonymous volume: a fresh directory that holds a copy of what the base has at the target
    /// (`--volume TARGET`, an image's `VOLUME`).
    Volume {
        /// Absolute path inside.
        target: String,
    },
    /// A fresh directory, as volumes of a deployment are: an emptyDir, a claim, a state directory.
    Directory {
        /// Absolute path inside.
        target: String,
        /// Mounts of one volume show the same directory; the first one says its rights.
        volume: String,
        /// A directory below the volume's own, with the same rights; empty: the volume itself.
        sub_path: String,
        /// Whose it is.
        rights: Rights,
        /// Bytes, where it is a file system in memory of its own.
        size: Option<u64>,
        /// Refuse writes.
        read_only: bool,
    },
    /// Files with these contents, read-only: a configuration, a secret.
    Files {
        /// Absolute path inside.
        target: String,
        /// What is there: parents first, the empty path is the directory itself.
        entries: Vec<Entry>,
        /// The entry that is mounted in place of the whole; empty: the whole.
        sub_path: String,
    },
    /// What lies there already, mounted once more on itself.
    Itself {
        /// Absolute path inside.
        target: String,
        /// What becomes of it.
        access: Access,
        /// Nothing is done where nothing lies.
        optional: bool,
    },
}

/// Owner, group and mode of something that is made. `None`: those of who runs the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// User number.
    pub uid: Option<u32>,
    /// Group number.
    pub gid: Option<u32>,
    /// Permission bits, 07777.
    pub mode: u32,
}

impl Rights {
    /// Root's, with this mode.
    pub fn root(mode: u32) -> Self {
        Self { uid: Some(0), gid: Some(0), mode }
    }
}

/// Something in a [`Mount::Files`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative, without `..`.
    pub path: String,
    /// What it is.
    pub content: Content,
    /// Whose it is; symlinks are root's.
    pub rights: Rights,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A directory.
    Directory,
    /// A file of these bytes.
    File(Vec<u8>),
    /// A symlink to this.
    Symlink(String),
}

/// What becomes of something that lies in the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Stays writable under a read-only root.
    Writable,
    /// Refuses writes.
    ReadOnly,
    /// Is covered by something empty of mode 000.
    Hidden,
}

impl Mount {
    /// Where inside the root it lies.
    pub fn target(&self) -> &str {
        match self {
            Self::Bind { target, .. }
            | Self::Overlay { target, .. }
            | Self::Tmpfs { target, .. }
            | Self::Volume { target }
            | Self::Directory { target, .. }
            | Self::Files { target, .. }
            | Self::Itself { target, .. } => target,
        }
    }

    /// How deep it lies: what is mounted below something else has to come after it.
    pub fn depth(&self) -> usize {
        self.target().split('/').filter(|part| !matches!(*part, "" | ".")).count()
    }
}

/// A `--volume` as written: the path of the host may still be relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Path on the host; `None` is an anonymous volume.
    pub source: Option<PathBuf>,
    /// Absolute path inside.
    pub target: String,
    /// What becomes of a write there.
    pub writes: Writes,
}

/// What becomes of a write in a directory of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writes {
    /// It is done there (`rw`).
    #[default]
    Real,
    /// It is refused (`ro`).
    Refused,
    /// It is done in the root's writable layer (`O`).
    Copied,
}

impl Volume {
    /// The mount, with a relative path of the host taken from `cwd`.
    pub fn into_mount(self, cwd: &Path) -> Mount {
        let Self { source, target, writes } = self;
        match source.map(|source| cwd.join(source)) {
            None => Mount::Volume { target },
            Some(source) if writes == Writes::Copied => Mount::Overlay { source, target, as_user: false },
            Some(source) => Mount::Bind { source, target, read_only: writes == Writes::Refused },
        }
    }
}

/// Reads `TARGET`, `HOST:TARGET` or `HOST:TARGET:OPTIONS`. The options that say nothing here (`z` and `Z`, since no
/// label is asked of the host; `cached`, `delegated`, `consistent`, `rprivate`) are accepted, as people have them.
impl FromStr for Volume {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |reason: String| ParseError::new("volume", text, reason);
        let parts: Vec<&str> = text.split(':').collect();
        let (source, at, options) = match parts[..] {
            [at] => (None, at, ""),
            [source, at] => (Some(source), at, ""),
            [source, at, options] => (Some(source), at, options),
            _ => return Err(wrong("expected HOST:TARGET[:ro|:O] or TARGET".into())),
        };
        if let Some(source) = source {
            host_path(source).map_err(|(reason, hint)| wrong(reason).with_hint(hint))?;
        }
        let target = mount_point(at).map_err(wrong)?.into();
        let mut writes = Writes::Real;
        for option in options.split(',').filter(|o| !o.is_empty()) {
            match option {
                "ro" => writes = Writes::Refused,
                "rw" => writes = Writes::Real,
                "O" => writes = Writes::Copied,
                "z" | "Z" | "cached" | "delegated" | "consistent" | "private" | "rprivate" => {}
                _ => return Err(wrong(format!("unknown option `{option}`; expected ro, rw, O, z or Z"))),
            }
        }
        Ok(Self { source: source.map(PathBuf::from), target, writes })
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{}:", source.display())?;
        }
        let option = match self.writes {
            Writes::Real => "",
            Writes::Refused => ":ro",
            Writes::Copied => ":O",
        };
        write!(f, "{}{option}", self.target)
    }
}

/// Reads a `--tmpfs`: `TARGET` or `TARGET:size=64m,mode=1777`.
pub fn parse_tmpfs(text: &str) -> Result<Mount, ParseError> {
    let wrong = |reason: String| ParseError::new("tmpfs", text, reason);
    let (at, options) = text.split_once(':').unwrap_or((text, ""));
    let target = mount_point(at).map_err(wrong)?.into();
    let (mut size, mut mode) = (None, 0o1777);
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => {
                size =
                    Some(size::parse(value).map_err(|e| wrong(format!("size `{value}`: {}", e.reason())))?);
            }
            Some(("mode", value)) => {
                mode = mode::parse(value).map_err(|e| wrong(format!("mode `{value}`: {}", e.reason())))?;
            }
            // What docker mounts anyway.
            None if matches!(option, "rw" | "nosuid" | "nodev") => {}
            _ => return Err(wrong(format!("unknown option `{option}`; expected size=BYTES or mode=OCTAL"))),
        }
    }
    Ok(Mount::Tmpfs { target, size: size.filter(|&s| s > 0), mode })
}

/// Checks a work directory: absolute, as docker asks it.
pub fn parse_workdir(text: &str) -> Result<String, ParseError> {
    match target(text) {
        Ok(path) => Ok(path.into()),
        Err(reason) => Err(ParseError::new("work directory", text, reason)),
    }
}

/// A path of an image, as docker takes it: absolute from the root's top, with `.`, `..` and double slashes resolved by
/// name alone, and never above the root. An image's author may write what a caller may not.
pub fn lexical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A place inside the root must not depend on where one stands.
pub(crate) fn target(path: &str) -> Result<&str, String> {
    if path.contains('\0') {
        Err("a path cannot hold a NUL byte".into())
    } else if !path.starts_with('/') {
        Err(format!("the path inside, `{path}`, is not absolute"))
    } else if path.split('/').any(|part| part == "..") {
        Err(format!("the path inside, `{path}`, has a `..`"))
    } else {
        Ok(path)
    }
}

/// Nothing is mounted on the root itself, as docker has it.
fn mount_point(path: &str) -> Result<&str, String> {
    match target(path)? {
        path if path.split('/').all(|part| matches!(part, "" | ".")) => {
            Err(format!("`{path}` is the root itself; a base is what stands there"))
        }
        path => Ok(path),
    }
}

/// A bare word is a named volume for docker, which lives on between runs. Nothing does here, and taking it for a
/// directory beside the caller would be a surprise.
fn host_path(path: &str) -> Result<(), (String, String)> {
    if path.is_empty() {
        return Err(("the path of the host is empty".into(), "write TARGET alone for a fresh volume".into()));
    }
    if path.contains('\0') {
        return Err(("a path cannot hold a NUL byte".into(), "give a path of this host".into()));
    }
    if path.contains('/') || path == "." || path == ".." {
        return Ok(());
    }
    Err((
        format!("`{path}` names a volume that outlives the run, which rootlet does not have"),
        format!("write ./{path} for a directory of the host, or only the target for a fresh volume"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn volume(text: &str) -> Volume {
        text.parse().unwrap()
    }

    #[test]
    fn reads_volumes() {
        let bind = |source: &str, writes| Volume { source: Some(source.into()), target: "/t".into(), writes };
        assert_eq!(volume("/s:/t"), bind("/s", Writes::Real));
        assert_eq!(volume("./s:/t:ro"), bind("./s", Writes::Refused));
        assert_eq!(volume(".:/t:z,ro"), bind(".", Writes::Refused));
        assert_eq!(volume("/s:/t:Z"), bind("/s", Writes::Real));
        assert_eq!(volume("/s:/t:O"), bind("/s", Writes::Copied));
        assert_eq!(volume("/data"), Volume { source: None, target: "/data".into(), writes: Writes::Real });
    }

    #[test]
    fn takes_relative_paths_from_the_caller() {
        let source = |text: &str| match volume(text).into_mount(Path::new("/here")) {
            Mount::Bind { source, .. } => source,
            other => panic!("{other:?}"),
        };
        assert_eq!(source("./s:/t"), Path::new("/here/./s"));
        assert_eq!(source("/s:/t"), Path::new("/s"));
        assert_eq!(volume("/t").into_mount(Path::new("/here")), Mount::Volume { target: "/t".into() });
    }

    #[test]
    fn refuses_volumes() {
        for text in ["", ":", "/s:", ":/t", "/s:t", "/s:/t/../u", "/s:/t:rw:ro", "/s:/t:exec", "t", "/s\0:/t"]
        {
            assert!(text.parse::<Volume>().is_err(), "{text:?}");
        }
        let named = "data:/t".parse::<Volume>().unwrap_err();
        assert!(named.hint().unwrap().contains("./data"), "{named:?}");
    }

    #[test]
    fn reads_tmpfs() {
        let tmpfs = |size, mode| Mount::Tmpfs { target: "/run".into(), size, mode };
        assert_eq!(parse_tmpfs("/run").unwrap(), tmpfs(None, 0o1777));
        assert_eq!(parse_tmpfs("/run:size=64m,mode=755").unwrap(), tmpfs(Some(64 << 20), 0o755));
        assert_eq!(parse_tmpfs("/run:rw,mode=1777").unwrap(), tmpfs(None, 0o1777));
        for text in ["", "run", "/run:size", "/run:size=x", "/run:mode=9", "/run:noexec"] {
            assert!(parse_tmpfs(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<Volume>();
            let _ = parse_tmpfs(&text);
            let _ = parse_workdir(&text);
        }

        #[test]
        fn comes_back_as_written(text in "(\\.?/[a-z]{0,3}:)?/[a-z./]{0,5}(:(ro|rw|O|z))?") {
            if let Ok(volume) = text.parse::<Volume>() {
                prop_assert_eq!(volume.to_string().parse::<Volume>(), Ok(volume));
            }
        }
    }
}
