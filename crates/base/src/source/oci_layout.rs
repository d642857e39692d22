//! `oci:PATH[:TAG]`: an image of an OCI image layout, whose blobs stay where they are.

use crate::image::{Descriptor, Image, What, read_index};
use crate::resolve::Platform;
use crate::store::Origin;
use crate::{Base, BaseName, Digest, Error, ErrorKind, Resolver, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

/// `path` is absolute and exists.
pub(crate) fn resolve(resolver: &Resolver, path: PathBuf, tag: Option<String>) -> Result<Base> {
    let name = BaseName::Oci(path.clone(), tag.clone()).to_string();
    let context = || format!("failed to use `{name}` as a base");
    let limit = resolver.limits.document_bytes;
    let index = read_small(&path.join("index.json"), limit).map_err(|e| {
        let error = e.within(context());
        match error.kind() {
            ErrorKind::NotFound => {
                error.with_hint("an OCI image layout is a directory that holds `index.json` and `blobs/`")
            }
            _ => error,
        }
    })?;
    let entries = read_index(&index).map_err(|e| e.within(context()))?;
    let entry = choose(&entries, tag.as_deref(), &resolver.platform).map_err(|e| e.within(context()))?;
    let name = resolver.name_for_platform(name.clone());
    if let Some(base) = resolver.stored_manifest(&name, entry.digest)? {
        return Ok(base);
    }
    let mut fetch = |_: What, blob: &Descriptor| read_blob(&path, blob, limit);
    let image = fetch(What::Manifest, entry)
        .and_then(|top| Image::read(top, &resolver.platform, &mut fetch))
        .map_err(|e| e.within(context()))?;
    let mut content =
        image.content(|blob| Origin::File { path: blob_file(&path, blob.digest), digest: blob.digest });
    content.documents.clear();
    resolver.keep(name, &content, "read from the OCI layout".into(), Some(entry.digest), None)
}

fn blob_file(layout: &Path, digest: Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

fn read_blob(layout: &Path, blob: &Descriptor, limit: u64) -> Result<Vec<u8>> {
    let bytes = read_small(&blob_file(layout, blob.digest), limit)?;
    match Digest::of(&bytes) {
        found if found == blob.digest && bytes.len() as u64 == blob.size => Ok(bytes),
        found => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the blob {} has {} bytes of digest {found}, and {} were promised",
                blob.digest,
                bytes.len(),
                blob.size
            ),
        )),
    }
}

fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    super::open_file(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(format!("failed to read {}", path.display()), e))?;
    match bytes.len() as u64 > limit {
        true => Err(Error::new(ErrorKind::Limit, format!("{} is larger than {limit} bytes", path.display()))),
        false => Ok(bytes),
    }
}

/// The entry with that tag; without one, the only image there is. Several entries of one tag are one image
/// for several platforms.
pub(crate) fn choose<'a>(
    entries: &'a [Descriptor],
    tag: Option<&str>,
    platform: &Platform,
) -> Result<&'a Descriptor> {
    let tagged = |entry: &&Descriptor| tag.is_none_or(|tag| names(entry).any(|name| name == tag));
    let found: Vec<&Descriptor> = entries.iter().filter(tagged).collect();
    let first = |entry: &&Descriptor| names(entry).next().map(str::to_owned);
    let mut tags: Vec<String> = entries.iter().filter_map(|entry| first(&entry)).collect();
    tags.dedup();
    match (&found[..], tag) {
        ([], Some(tag)) => {
            Err(Error::new(ErrorKind::NotFound, format!("it has no image `{tag}`"))
                .with_hint(there_are(&tags)))
        }
        ([], None) => Err(Error::new(ErrorKind::NotFound, "it holds no image")),
        ([one], _) => Ok(one),
        (several, None) if several.iter().any(|entry| first(entry) != first(&several[0])) => {
            Err(Error::new(ErrorKind::NotFound, "it holds several images").with_hint(there_are(&tags)))
        }
        (several, _) => crate::image::choose(several.iter().copied(), platform),
    }
}

fn there_are(tags: &[String]) -> String {
    match tags {
        [] => "its images have no tag: leave it out".into(),
        tags => format!("write one of these behind a colon: {}", tags[..tags.len().min(10)].join(", ")),
    }
}

/// What an entry is called: its tag, and the whole name where docker or containerd wrote the layout.
fn names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    let annotation = |key: &str| entry.annotations.as_ref()?.get(key).map(String::as_str);
    let whole = annotation("io.containerd.image.name");
    let short = whole.and_then(|name| name.strip_prefix("docker.io/"));
    let shortest = short.and_then(|name| name.strip_prefix("library/"));
    [annotation("org.opencontainers.image.ref.name"), whole, short, shortest].into_iter().flatten()
}
