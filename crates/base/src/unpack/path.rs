//! Names of a tar's entries, made harmless.

use crate::{Error, ErrorKind, Result};

/// The kernel's limit on a path, with its NUL: `PATH_MAX`.
const PATH_BYTES: usize = 4096;

/// How many directories deep a name may lead. Who removes or copies a tree holds a descriptor for each level of it,
/// of which there are 1024 unless somebody asks for more.
const DEPTH: usize = 500;

/// What a name stands for in a layer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// An entry; empty for the root itself.
    Path(Vec<u8>),
    /// `.wh.NAME`: the layers below lose this path.
    Whiteout(Vec<u8>),
    /// `.wh..wh..opq`: the layers below lose all that is in this directory.
    Opaque(Vec<u8>),
    /// `.wh..wh.…`: bookkeeping of AUFS, which docker skips as well.
    Bookkeeping,
}

/// Components joined by `/`, without empty ones and `.`. An absolute name begins at the layer's root, as
/// docker has it.
///
/// Errors: `..`, NUL, too long, too deep.
pub(crate) fn normalise(name: &[u8]) -> Result<Vec<u8>> {
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return Err(hostile(name, "holds `..`")),
            part if part.contains(&0) => return Err(hostile(name, "holds NUL")),
            _ => {}
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    if path.len() >= PATH_BYTES {
        return Err(hostile(name, "is longer than 4095 bytes"));
    }
    match path.split(|byte| *byte == b'/').count() <= DEPTH {
        true => Ok(path),
        false => Err(hostile(name, "is more than 500 directories deep")),
    }
}

/// Errors: those of [`normalise`], and a whiteout of nothing, of `.` or of `..`.
pub(crate) fn read(name: &[u8]) -> Result<Name> {
    let path = normalise(name)?;
    let (parent, last) = split(&path);
    let Some(hidden) = last.strip_prefix(b".wh.") else { return Ok(Name::Path(path)) };
    match hidden {
        b".wh..opq" => Ok(Name::Opaque(parent.to_vec())),
        b"" | b"." | b".." => Err(hostile(name, "is a whiteout of nothing")),
        _ if hidden.starts_with(b".wh.") => Ok(Name::Bookkeeping),
        _ => Ok(Name::Whiteout(join(parent, hidden))),
    }
}

/// The path of an entry that is to be part of a layer: nothing in it may be taken for a whiteout.
///
/// Errors: those of [`normalise`]; a part of it begins with `.wh.`.
#[cfg_attr(not(feature = "packages"), allow(dead_code, reason = "layers are made of packages"))]
pub(crate) fn for_layer(name: &[u8]) -> Result<Vec<u8>> {
    let path = normalise(name)?;
    match path.split(|byte| *byte == b'/').any(|part| part.starts_with(b".wh.")) {
        true => Err(hostile(name, "means in a layer that files are gone")),
        false => Ok(path),
    }
}

/// Parent and last component; the root's parent is the root.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Back from parent and last component.
pub(crate) fn join(parent: &[u8], last: &[u8]) -> Vec<u8> {
    match parent {
        b"" => last.to_vec(),
        _ => [parent, b"/", last].concat(),
    }
}

/// Where a directory is, through the symlinks that `target` knows, as seen from the root; `None` where they lead round in a circle.
pub(crate) fn follow<'a>(path: &[u8], target: impl Fn(&[u8]) -> Option<&'a [u8]>) -> Option<Vec<u8>> {
    // As the kernel has it.
    const LINKS: usize = 40;
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        let parts = path.rsplit(|byte| *byte == b'/').filter(|part| !matches!(part, [] | [b'.']));
        parts.map(<[u8]>::to_vec).collect()
    };
    let (mut found, mut left, mut links) = (Vec::new(), parts(path), 0);
    while let Some(part) = left.pop() {
        if part == b".." {
            found = split(&found).0.to_vec();
            continue;
        }
        let next = join(&found, &part);
        match target(&next) {
            Some(_) if links == LINKS => return None,
            Some(target) => {
                links += 1;
                if target.starts_with(b"/") {
                    found.clear();
                }
                left.extend(parts(target));
            }
            None => found = next,
        }
    }
    Some(found)
}

/// For a person: a name as it is where it is text, with `\xNN` where it is not, and not longer than a line.
pub(crate) fn show(name: &[u8]) -> String {
    let mut text: String = name.escape_ascii().to_string();
    if let Ok(plain) = std::str::from_utf8(name)
        && !plain.contains(char::is_control)
    {
        text = plain.to_owned();
    }
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn hostile(name: &[u8], why: &str) -> Error {
    Error::new(ErrorKind::Hostile, format!("the name `{}` {why}", show(name)))
        .with_hint("no honest tool writes such a layer: find out where the image comes from")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_names_relative() {
        for (name, path) in [
            ("a", "a"),
            ("./a/b/", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("//a//./b", "a/b"),
            ("./", ""),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(normalise(name.as_bytes()).unwrap(), path.as_bytes(), "{name}");
        }
        let long = "some-name/".repeat(409) + "12345";
        assert_eq!(normalise(long.as_bytes()).unwrap().len(), 4095);
        assert!(normalise("x/".repeat(500).as_bytes()).is_ok());
    }

    #[test]
    fn refuses_hostile_names() {
        let (long, deep) = ("some-name/".repeat(409) + "123456", "x/".repeat(501));
        for name in
            ["..", "a/../b", "../etc", "/..", "a\0b", &long, &deep, ".wh.", "a/.wh..", ".wh...", "a/.wh.../"]
        {
            assert_eq!(read(name.as_bytes()).unwrap_err().kind(), ErrorKind::Hostile, "{name:?}");
        }
    }

    #[test]
    fn reads_whiteouts() {
        assert_eq!(read(b"a/.wh.b").unwrap(), Name::Whiteout(b"a/b".into()));
        assert_eq!(read(b".wh.b").unwrap(), Name::Whiteout(b"b".into()));
        assert_eq!(read(b"a/.wh..wh..opq").unwrap(), Name::Opaque(b"a".into()));
        assert_eq!(read(b".wh..wh..opq").unwrap(), Name::Opaque(b"".into()));
        assert_eq!(read(b".wh..wh.plnk").unwrap(), Name::Bookkeeping);
        assert_eq!(read(b"a/x.wh.b").unwrap(), Name::Path(b"a/x.wh.b".into()));
    }
}
