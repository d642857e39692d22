//! `docker-archive:FILE` and `oci-archive:FILE`: an image in one tar.

use super::diff_ids;
use super::document::{self, Document};
use super::layer::{Blob, Source};
use super::output::Output;
use crate::progress::Step;
use crate::{Base, Digest, Error, ErrorKind, ImageRef, Result};
use serde_json::json;
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;

/// Writes an oci-archive; the digest of its manifest.
pub(super) fn oci(base: &Base, path: &Path, tag: &str) -> Result<Digest> {
    let mut archive = Archive::begin(path)?;
    let mut blobs = base.blobs(&base.store().tmp())?;
    let config = document::config(base, &diff_ids(&blobs));
    let manifest = document::manifest(&config, &blobs);
    let mut index = document::empty_index();
    document::enter(&mut index, base, &manifest, tag);
    archive.bytes("oci-layout", document::LAYOUT)?;
    archive.bytes("index.json", index.to_string().as_bytes())?;
    // Without an entry, skopeo would make them root's, which an ordinary user cannot.
    archive.directory("blobs/")?;
    archive.directory("blobs/sha256/")?;
    for Document { digest, bytes } in [&manifest, &config] {
        archive.bytes(&blob_name(*digest), bytes)?;
    }
    // The empty layer may come many times.
    let mut written = HashSet::new();
    for blob in blobs.iter_mut().filter(|blob| written.insert(blob.digest)) {
        archive.blob(blob)?;
    }
    archive.finish()?;
    Ok(manifest.digest)
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Writes a docker-archive; the digest of its config. Its layers are plain tars, whose sizes stand before them: so each is
/// read twice, and none is written anywhere else.
pub(super) fn docker(base: &Base, path: &Path, name: Option<&ImageRef>) -> Result<Digest> {
    let mut archive = Archive::begin(path)?;
    let sources = base.sources()?;
    let mut layers = Vec::new();
    for source in &sources {
        let (size, digests) = source.read(Step::Read, |tar| drain(tar))?;
        layers.push((digests.unpacked, size));
    }
    let config = document::config(base, &layers.iter().map(|(diff_id, _)| *diff_id).collect::<Vec<_>>());
    let config_name = format!("{}.json", config.digest.hex());
    let layer_name = |diff_id: Digest| format!("{}.tar", diff_id.hex());
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": name.iter().map(|name| name.to_string()).collect::<Vec<_>>(),
        "Layers": layers.iter().map(|(diff_id, _)| layer_name(*diff_id)).collect::<Vec<_>>(),
    }]);
    archive.bytes("manifest.json", manifest.to_string().as_bytes())?;
    archive.bytes(&config_name, &config.bytes)?;
    let mut written = HashSet::new();
    for (source, (diff_id, size)) in sources.iter().zip(layers).filter(|(_, layer)| written.insert(layer.0)) {
        archive.layer(&layer_name(diff_id), source, diff_id, size)?;
    }
    archive.finish()?;
    Ok(config.digest)
}

fn drain(tar: &mut impl Read) -> Result<u64> {
    io::copy(tar, &mut io::sink()).map_err(|e| Error::io("failed to read", e))
}

/// A tar of a few files, all of the same owner and time.
struct Archive {
    tar: tar::Builder<Output>,
}

impl Archive {
    fn begin(path: &Path) -> Result<Self> {
        Ok(Self { tar: tar::Builder::new(Output::begin(path)?) })
    }

    fn bytes(&mut self, name: &str, mut bytes: &[u8]) -> Result<()> {
        self.file(name, bytes.len() as u64, &mut bytes)
    }

    fn directory(&mut self, name: &str) -> Result<()> {
        let mut header = self.header(name, 0).map_err(failed)?;
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_cksum();
        self.tar.append(&header, io::empty()).map_err(failed)
    }

    fn file(&mut self, name: &str, size: u64, data: &mut dyn Read) -> Result<()> {
        self.header(name, size).and_then(|header| self.tar.append(&header, data)).map_err(failed)
    }

    fn header(&self, name: &str, size: u64) -> io::Result<tar::Header> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        Ok(header)
    }

    fn blob(&mut self, blob: &mut Blob) -> Result<()> {
        let header = self.header(&blob_name(blob.digest), blob.size).map_err(failed)?;
        self.tar.append(&header, io::empty()).map_err(failed)?;
        blob.copy(self.tar.get_mut())?;
        self.pad(blob.size)
    }

    /// The plain tar of a layer, which by now is known to have this digest and size.
    fn layer(&mut self, name: &str, source: &Source<'_>, diff_id: Digest, size: u64) -> Result<()> {
        let header = self.header(name, size).map_err(failed)?;
        self.tar.append(&header, io::empty()).map_err(failed)?;
        let (copied, digests) =
            source.read(Step::Pack, |tar| io::copy(tar, self.tar.get_mut()).map_err(failed))?;
        match (digests.unpacked, copied) == (diff_id, size) {
            true => self.pad(size),
            false => Err(Error::new(
                ErrorKind::Corrupt,
                format!("the layer {diff_id} has changed while it was read"),
            )),
        }
    }

    /// Fills the last block of a file.
    fn pad(&mut self, size: u64) -> Result<()> {
        let fill = [0u8; 512];
        let missing = (size.wrapping_neg() % 512) as usize;
        io::Write::write_all(self.tar.get_mut(), &fill[..missing]).map_err(failed)
    }

    fn finish(self) -> Result<()> {
        self.tar.into_inner().map_err(failed)?.finish()
    }
}

/// What cannot be written says itself where.
fn failed(error: io::Error) -> Error {
    Error::io("failed to write an archive", error)
}
