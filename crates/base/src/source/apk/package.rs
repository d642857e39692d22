//! A package's file: a signature, its control part and its data, each a member of gzip.
//!
//! The index, which is signed, has the SHA-1 of the control part; this has the SHA-256 of the data. So the signature, the same
//! key's as a rule, need not be looked at.

use super::index::Package;
use super::{checksum, members};
use crate::progress::Task;
use crate::unpack::{LayerStream, TarReader};
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Signature and control part, packed and unpacked: scripts and a few lines. Most need far less.
const HEAD_BYTES: u64 = 2 << 20;
const MOST_HEADS_BYTES: u64 = 32 << 10;
const CONTROL_BYTES: u64 = 16 << 20;

/// Scripts that apk keeps of a package.
const SCRIPTS: &[&str] = &[
    "pre-install",
    "post-install",
    "pre-deinstall",
    "post-deinstall",
    "pre-upgrade",
    "post-upgrade",
    "trigger",
];

/// A package's file, verified.
#[derive(Debug)]
pub(super) struct Opened {
    /// Of the whole file.
    pub digest: Digest,
    /// Where its data begins.
    data: u64,
    /// Whose files it may overwrite, as written.
    pub replaces: Vec<String>,
    /// Of two that replace each other the higher one wins.
    pub replaces_priority: Option<u32>,
    /// Directories whose changes its trigger is told, as patterns.
    pub triggers: Vec<String>,
    pub scripts: Vec<Script>,
}

/// A script of a package.
#[derive(Debug)]
pub(super) struct Script {
    /// `post-install`
    pub kind: &'static str,
    pub text: Vec<u8>,
    pub mtime: u64,
}

/// The checksum of a file's control part, if it is a package.
pub(super) fn control_checksum(file: &File) -> Option<String> {
    [MOST_HEADS_BYTES, HEAD_BYTES].into_iter().find_map(|bytes| {
        let head = head(file, bytes).ok()?;
        let (_, control, _) = control(&head).ok()?;
        Some(checksum::of(control))
    })
}

/// Reads a package's control part and verifies all of it.
///
/// Errors: it is not what the index has; its data is not what its control part has; it is damaged.
pub(super) fn open(file: &File, package: &Package) -> Result<Opened> {
    try_open(file, package).map_err(|e| e.within(format!("the package `{}` cannot be used", package.id())))
}

fn try_open(file: &File, package: &Package) -> Result<Opened> {
    let corrupt = |what: &str| Error::new(ErrorKind::Corrupt, what);
    let size = file.metadata().map_err(failed)?.len();
    if size != package.size {
        return Err(corrupt(&format!("it has {size} bytes, and the index says {}", package.size)));
    }
    let head = head(file, HEAD_BYTES)?;
    let (before, packed, content) = control(&head)?;
    if checksum::of(packed) != package.checksum {
        return Err(corrupt("the checksum of its control part is not the index's"));
    }
    let files = members::files(&content)?;
    let info = files.iter().find(|file| file.name == ".PKGINFO");
    let info = info.ok_or_else(|| corrupt("it has no .PKGINFO"))?;
    let info = String::from_utf8_lossy(&info.content);
    let values = |key: &str| {
        let lines = info.lines().filter_map(|line| line.split_once('='));
        let key = key.to_owned();
        lines.filter(move |(found, _)| found.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    let data = before + packed.len() as u64;
    let (digest, data_digest) = digests(file, data)?;
    if values("datahash").next() != Some(data_digest.hex()) {
        return Err(corrupt("its data is not what its control part says"));
    }
    let words = |key: &str| values(key).flat_map(|line| words(&line)).collect();
    let script = |file: members::Member| {
        let kind = SCRIPTS.iter().find(|kind| file.name.strip_prefix('.') == Some(kind))?;
        Some(Script { kind, text: file.content, mtime: file.mtime })
    };
    Ok(Opened {
        digest,
        data,
        replaces: words("replaces"),
        replaces_priority: values("replaces_priority").next().and_then(|value| value.parse().ok()),
        triggers: words("triggers"),
        scripts: files.into_iter().filter_map(script).collect(),
    })
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The files of a verified package, to be read one after the other.
///
/// Errors: those of the reader, as it goes on.
pub(super) fn data<'a>(
    mut file: File,
    opened: &Opened,
    resolver: &Resolver,
    task: &'a Task<'a>,
) -> Result<TarReader<LayerStream<'a>>> {
    file.seek(SeekFrom::Start(opened.data)).map_err(failed)?;
    Ok(TarReader::new(LayerStream::new(file, resolver.limits, task)?))
}

/// The beginning of the file, with what stands before the data.
fn head(mut file: &File, bytes: u64) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.take(bytes).read_to_end(&mut head).map_err(failed)?;
    Ok(head)
}

/// The control part: how many bytes stand before it, it as it is, and what is in it.
fn control(head: &[u8]) -> Result<(u64, &[u8], Vec<u8>)> {
    let (content, length) = members::first(head, CONTROL_BYTES)?;
    if !content.starts_with(b".SIGN.") {
        return Ok((0, &head[..length], content));
    }
    let rest = &head[length..];
    let (content, of_control) = members::first(rest, CONTROL_BYTES)?;
    Ok((length as u64, &rest[..of_control], content))
}

/// Digests of the whole file and of what stands behind `offset`.
fn digests(mut file: &File, offset: u64) -> Result<(Digest, Digest)> {
    let (mut whole, mut behind) = (Sha256::new(), Sha256::new());
    let mut buffer = vec![0; 256 << 10];
    let mut at = 0;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((Digest::finish(whole), Digest::finish(behind)));
        }
        whole.update(&buffer[..read]);
        let skip = offset.saturating_sub(at).min(read as u64) as usize;
        behind.update(&buffer[skip..read]);
        at += read as u64;
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("failed to read it", error)
}
