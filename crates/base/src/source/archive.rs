//! `archive:PATH[:TAG]`: an image of a file that `docker save`, `podman save` or `skopeo copy` wrote, packed
//! or not.
//!
//! An oci-archive is a tar of an OCI layout, and holds `index.json`; a docker-archive holds `manifest.json`;
//! a recent docker's holds both. The blobs are taken into the store in one pass, verified, since they have no
//! place of their own that the store could point at.

use crate::base::BaseKind;
use crate::image::{Descriptor, Image, What, read_config, read_index};
use crate::progress::{Step, Task};
use crate::store::{Content, Layer, Locked, Origin, Stamp};
use crate::unpack::{LayerStream, TarReader};
use crate::{Base, BaseName, Digest, Error, ErrorKind, Resolver, Result};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// `manifest.json` of a docker-archive: one for each image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// A file of the archive, by then a blob in staging.
#[derive(Clone, Copy, Debug)]
struct Member {
    digest: Digest,
    size: u64,
}

/// What an archive holds.
struct Members {
    /// By its name in the archive; a link has its target's.
    files: HashMap<Vec<u8>, Member>,
    staging: PathBuf,
}

/// `path` is absolute and exists.
///
/// # Locking
/// Exclusive on the staging directory while the archive is read.
pub(crate) fn resolve(resolver: &Resolver, path: PathBuf, tag: Option<String>) -> Result<Base> {
    let name = resolver.name_for_platform(BaseName::Archive(path.clone(), tag.clone()).to_string());
    let stamp = Stamp::of(&path)?;
    if let Some(base) = resolver.stored_file(&name, &stamp)? {
        return Ok(base);
    }
    let staging = resolver.store.stage()?;
    let read = || {
        let members = read(resolver, &path, staging.path(), &name)?;
        let content = match members.files.contains_key(b"index.json".as_slice()) {
            true => oci(resolver, &members, tag.as_deref())?,
            false => docker(resolver, &members, tag.as_deref())?,
        };
        let held = resolver.store.hold_new_content(&content)?;
        adopt(resolver, &members, &content)?;
        Ok((content, held))
    };
    let (content, held): (Content, Locked) =
        read().map_err(|e: Error| e.within(format!("failed to use `{name}` as a base")))?;
    resolver.name(name, &content, held, "read from the archive".into(), None, Some(stamp))
}

/// Reads all of it: each file becomes a blob in `staging`.
fn read(resolver: &Resolver, path: &Path, staging: &Path, name: &str) -> Result<Members> {
    let file = super::open_file(path)?;
    let size = file.metadata().map(|m| m.len()).ok();
    let task = Task::begin(&*resolver.progress, name, Step::Unpack, size);
    let stream = LayerStream::new(file, resolver.limits, &task)?;
    let mut tar = TarReader::new(stream);
    let mut members = Members { files: HashMap::new(), staging: staging.to_owned() };
    let mut links = Vec::new();
    while let Some(entry) = tar.next()? {
        let entry_name = entry.name.strip_prefix(b"./").unwrap_or(&entry.name).to_vec();
        if (members.files.len() + links.len()) as u64 > resolver.limits.layer_entries.min(100_000) {
            return Err(Error::new(
                ErrorKind::Limit,
                "it holds more than 100000 files: it is not a saved image",
            ));
        }
        match entry.kind {
            tar::EntryType::Regular => {
                members.files.insert(entry_name, write_blob(&mut tar, staging)?);
            }
            // Old versions of docker link layers that several images share.
            tar::EntryType::Symlink => links.push((entry_name.clone(), relative(&entry_name, &entry.link))),
            tar::EntryType::Link => links.push((entry_name, entry.link)),
            _ => {}
        }
    }
    tar.into_inner().finish()?;
    for (from, to) in links {
        if let Some(member) = members.files.get(&to).copied() {
            members.files.insert(from, member);
        }
    }
    Ok(members)
}

/// A name beside `from`: `../HEX/layer.tar`, seen from `OTHER/layer.tar`.
fn relative(from: &[u8], link: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = from.split(|b| *b == b'/').collect();
    parts.pop();
    for part in link.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

fn write_blob(data: &mut impl Read, staging: &Path) -> Result<Member> {
    let beside = staging.join("blob");
    let failed = |e| Error::io(format!("failed to write {}", beside.display()), e);
    let mut file = File::create(&beside).map_err(failed)?;
    let (mut hasher, mut buffer, mut size) = (Sha256::new(), vec![0; 128 << 10], 0);
    loop {
        match data.read(&mut buffer).map_err(|e| Error::io("failed to read", e))? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                file.write_all(&buffer[..n]).map_err(failed)?;
                size += n as u64;
            }
        }
    }
    let digest = Digest::finish(hasher);
    std::fs::rename(&beside, staging.join(digest.hex())).map_err(failed)?;
    Ok(Member { digest, size })
}

impl Members {
    fn member(&self, name: &str) -> Result<Member> {
        self.files.get(name.as_bytes()).copied().ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("it does not hold `{}`, which it speaks of", name.escape_debug()),
            )
        })
    }

    fn document(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let member = self.member(name)?;
        if member.size > limit {
            return Err(Error::new(ErrorKind::Limit, format!("`{name}` is larger than {limit} bytes")));
        }
        let path = self.staging.join(member.digest.hex());
        std::fs::read(&path).map_err(|e| Error::io(format!("failed to read {}", path.display()), e))
    }
}

fn oci(resolver: &Resolver, members: &Members, tag: Option<&str>) -> Result<Content> {
    let limit = resolver.limits.document_bytes;
    let entries = read_index(&members.document("index.json", limit)?)?;
    let mut fetch = |_: What, blob: &Descriptor| {
        let name = format!("blobs/sha256/{}", blob.digest.hex());
        check(members.member(&name)?, blob.digest)?;
        members.document(&name, limit)
    };
    let top = fetch(What::Manifest, super::oci_layout::choose(&entries, tag, &resolver.platform)?)?;
    let image = Image::read(top, &resolver.platform, &mut fetch)?;
    for (_, blob) in &image.layers {
        check(members.member(&format!("blobs/sha256/{}", blob.digest.hex()))?, blob.digest)?;
    }
    Ok(image.content(|blob| Origin::Blob { digest: blob.digest, size: blob.size }))
}

fn check(member: Member, promised: Digest) -> Result<()> {
    match member.digest == promised {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Corrupt,
            format!("the digest of the blob {promised} is {}", member.digest),
        )),
    }
}

fn docker(resolver: &Resolver, members: &Members, tag: Option<&str>) -> Result<Content> {
    let limit = resolver.limits.document_bytes;
    if !members.files.contains_key(b"manifest.json".as_slice()) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "it holds neither `index.json` nor `manifest.json`, so it is not a saved image",
        )
        .with_hint("for a tarball of a root write `tar:PATH`"));
    }
    let images: Vec<Saved> = serde_json::from_slice(&members.document("manifest.json", limit)?)
        .map_err(|e| Error::new(ErrorKind::Corrupt, "its `manifest.json` cannot be read").caused_by(e))?;
    let image = choose(&images, tag)?;
    let (defaults, diff_ids) = read_config(&members.document(&image.config, limit)?)?;
    if diff_ids.len() != image.layers.len() {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "its config and its manifest have different numbers of layers",
        ));
    }
    let layers = diff_ids.into_iter().zip(&image.layers).map(|(diff_id, file)| {
        let Member { digest, size } = members.member(file)?;
        Ok(Layer { key: diff_id, diff_id: Some(diff_id), origin: Origin::Blob { digest, size } })
    });
    Ok(Content {
        bottom: BaseKind::Layers,
        layers: layers.collect::<Result<_>>()?,
        defaults,
        documents: Vec::new(),
    })
}

/// The image of that tag; without one, the only image there is.
fn choose<'a>(images: &'a [Saved], tag: Option<&str>) -> Result<&'a Saved> {
    let whole =
        |name: &str| name.parse::<crate::ImageRef>().map(|image| image.to_string()).unwrap_or_default();
    let tags = |image: &Saved| image.repo_tags.clone().unwrap_or_default();
    let all = || {
        let all: Vec<String> = images.iter().flat_map(tags).take(10).collect();
        format!("write one of these behind a colon: {}", all.join(", "))
    };
    match (images, tag) {
        ([], _) => Err(Error::new(ErrorKind::NotFound, "it holds no image")),
        ([one], None) => Ok(one),
        (_, None) => Err(Error::new(ErrorKind::NotFound, "it holds several images").with_hint(all())),
        (_, Some(tag)) => images
            .iter()
            .find(|image| {
                let called = |name: &String| {
                    whole(name) == whole(tag) || name.rsplit_once(':').is_some_and(|(_, short)| short == tag)
                };
                tags(image).iter().any(called)
            })
            .ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("it has no image `{tag}`")).with_hint(all())
            }),
    }
}

/// Moves the blobs that the content names to their place.
fn adopt(resolver: &Resolver, members: &Members, content: &Content) -> Result<()> {
    let blobs = content.layers.iter().filter_map(|layer| match layer.origin {
        Origin::Blob { digest, .. } => Some(digest),
        _ => None,
    });
    for digest in blobs.chain(content.documents.iter().copied()) {
        let (from, to) = (members.staging.join(digest.hex()), resolver.store.blob_file(digest));
        match std::fs::rename(&from, &to) {
            // Two layers of an image may be one blob.
            Err(e) if !to.exists() => {
                return Err(Error::io(format!("failed to move a blob to {}", to.display()), e));
            }
            _ => {}
        }
    }
    Ok(())
}
