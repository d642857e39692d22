//! `docker://IMAGE`: an image of a registry.

use super::diff_ids;
use super::document;
use super::layer::{Blob, Bytes};
use super::output::Unnamed;
use crate::source::registry::{Pusher, Upload};
use crate::{Base, Digest, Error, ErrorKind, ImageRef, Login, Result};
use std::io::Write;

/// Pushes the image; the digest of its manifest.
pub(super) fn export(base: &Base, image: &ImageRef, logins: &[Login]) -> Result<Digest> {
    if base.resolver().offline {
        return Err(Error::new(ErrorKind::NotInStore, "the network is not to be used"));
    }
    // On a thread of its own: the caller may be within a runtime of its own, which cannot be waited in.
    std::thread::scope(|scope| {
        let push = scope.spawn(|| push(base, image, logins));
        push.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn push(base: &Base, image: &ImageRef, logins: &[Login]) -> Result<Digest> {
    // A refusal comes before the work.
    let registry = Pusher::log_in(base.resolver(), image, logins)?;
    let scratch = base.store().tmp();
    let blobs = base.blobs(&scratch)?;
    let config = document::config(base, &diff_ids(&blobs));
    let manifest = document::manifest(&config, &blobs);
    let file = Unnamed::within(&scratch)?;
    (&file.file).write_all(&config.bytes).map_err(|e| super::failed_to_write(&scratch, e))?;
    let size = config.bytes.len() as u64;
    let config = Blob { digest: config.digest, size, diff_id: config.digest, bytes: Bytes::Made(file) };
    let uploads = blobs.iter().chain([&config]).map(|blob| Upload {
        digest: blob.digest,
        size: blob.size,
        file: blob.file(),
    });
    registry.push(uploads, manifest.bytes, document::MANIFEST)?;
    Ok(manifest.digest)
}
