//! `oci:PATH[:TAG]`: an OCI image layout, made or added to.
//!
//! A new one is put together beside its place and gets its name last. Into one that is there come first the blobs, each whole,
//! then the entry in its index: whoever reads it meanwhile sees what was there before, or all.

use super::document::{self, Document};
use super::layer::{Blob, Bytes};
use super::output::{Unnamed, hidden, parent};
use super::{diff_ids, failed_to_write};
use crate::{Base, Digest, Error, ErrorKind, Result};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const BLOBS: &str = "blobs/sha256";

/// Writes the image; the digest of its manifest.
pub(super) fn export(base: &Base, path: &Path, tag: &str) -> Result<Digest> {
    let is_there = check(path)?;
    // On the file system of the target: what is packed only needs a name there.
    let scratch = if is_there { path } else { parent(path) };
    let blobs = base.blobs(scratch)?;
    let config = document::config(base, &diff_ids(&blobs));
    let manifest = document::manifest(&config, &blobs);
    let files = blobs.into_iter().map(|blob| settled(blob, scratch)).collect::<Result<_>>()?;
    let mut image = Image { base, tag, manifest, config, files };
    match is_there {
        true => image.add_to(path)?,
        false => {
            let beside = scratch.join(hidden());
            let made = image
                .add_to(&beside)
                .and_then(|()| fs::rename(&beside, path).map_err(|e| failed_to_write(path, e)));
            made.inspect_err(|_| drop(fs::remove_dir_all(&beside)))?;
        }
    }
    Ok(image.manifest.digest)
}

/// Whether there is a layout, or an empty directory, that the image can be added to. Errors: there is something else.
fn check(path: &Path) -> Result<bool> {
    let other = |what: &str| {
        Error::new(ErrorKind::Io, format!("{} is {what}", path.display()))
            .with_hint("name a directory that is not there yet, is empty, or is an OCI image layout")
    };
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(other("no directory")),
        Err(e) => return Err(Error::io(format!("failed to read {}", path.display()), e)),
    };
    match fs::read(path.join("oci-layout")) {
        Ok(text) => {
            let layout: Value = serde_json::from_slice(&text).unwrap_or_default();
            let known =
                layout["imageLayoutVersion"].as_str().is_some_and(|version| version.starts_with("1."));
            if known { Ok(true) } else { Err(other("an OCI image layout of an unknown version")) }
        }
        Err(_) if entries.next().is_none() => Ok(true),
        Err(_) => Err(other("a directory of something else")),
    }
}

/// The blob in a file of its own that only lacks a name.
fn settled(mut blob: Blob, scratch: &Path) -> Result<(Digest, Unnamed)> {
    let digest = blob.digest;
    if let Bytes::Made(made) = blob.bytes {
        return Ok((digest, made));
    }
    let unnamed = Unnamed::within(scratch)?;
    blob.copy(&mut super::layer::Failing { to: &unnamed.file, at: scratch })?;
    Ok((digest, unnamed))
}

struct Image<'a> {
    base: &'a Base,
    tag: &'a str,
    manifest: Document,
    config: Document,
    files: Vec<(Digest, Unnamed)>,
}

impl Image<'_> {
    /// # Locking
    /// Exclusive on the directory, so that of two that add to it none loses its entry.
    fn add_to(&mut self, path: &Path) -> Result<()> {
        let blobs = path.join(BLOBS);
        fs::create_dir_all(&blobs).map_err(|e| failed_to_write(&blobs, e))?;
        let directory = File::open(path).map_err(|e| failed_to_write(path, e))?;
        // Not every file system has locks; there, nobody else had better write.
        let _ = directory.lock();
        for (digest, file) in &mut self.files {
            file.link(&blobs.join(digest.hex()))?;
        }
        for document in [&self.config, &self.manifest] {
            write(&blobs, &document.digest.hex(), &document.bytes)?;
        }
        if !path.join("oci-layout").exists() {
            write(path, "oci-layout", document::LAYOUT)?;
        }
        let index = path.join("index.json");
        let mut entries = match fs::read(&index) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => document::empty_index(),
            Err(e) => return Err(Error::io(format!("failed to read {}", index.display()), e)),
        };
        match document::enter(&mut entries, self.base, &self.manifest, self.tag) {
            true => write(path, "index.json", entries.to_string().as_bytes()),
            false => Err(Error::new(ErrorKind::Corrupt, format!("{} is no index", index.display()))),
        }
    }
}

/// Writes a small file, whole.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = directory.join(name);
    let mut unnamed = Unnamed::within(directory)?;
    (&unnamed.file).write_all(bytes).map_err(|e| failed_to_write(&path, e))?;
    unnamed.link(&path)
}
