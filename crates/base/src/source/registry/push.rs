//! Pushing: the blobs that the registry lacks, then the manifest that leads to them.

use super::client::Repository;
use super::config::Registries;
use crate::progress::{Progress, Step, Task};
use crate::source::download::ATTEMPTS;
use crate::{Digest, Error, ErrorKind, ImageRef, Login, Resolver, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;
use reqwest::header::HeaderValue;
use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How many blobs are on their way at once.
const AT_ONCE: usize = 3;
/// Bytes that are read at once.
const PIECE: u64 = 256 << 10;

/// A blob that the registry is to have.
#[derive(Clone, Copy)]
pub(crate) struct Upload<'a> {
    pub digest: Digest,
    pub size: u64,
    pub file: &'a File,
}

/// Somebody who may push an image.
pub(crate) struct Pusher {
    runtime: Runtime,
    repository: Repository,
    progress: Arc<dyn Progress>,
    tag: String,
}

impl Pusher {
    /// Introduces us to the registry itself, whatever mirrors it has, and asks it for something, so that a refusal is told
    /// before there is work.
    pub(crate) fn log_in(resolver: &Resolver, image: &ImageRef, logins: &[Login]) -> Result<Self> {
        let runtime = super::runtime()?;
        let endpoint =
            Registries::load()?.endpoints(image)?.pop().expect("a registry stands behind its mirrors");
        let repository = super::log_in(&runtime, image, endpoint, RegistryOperation::Push, logins)?;
        let anything = Digest::of(b"");
        let (reference, digest) = (repository.pinned(anything), anything.to_string());
        let asked = runtime.block_on(repository.client.blob_exists(&reference, &digest));
        asked.map_err(|e| repository.failed(e))?;
        let tag = image.tag().unwrap_or("latest").to_owned();
        Ok(Self { runtime, repository, progress: resolver.progress.clone(), tag })
    }

    /// Uploads what is not there yet, and gives the manifest its tag last: an image that has one is whole.
    pub(crate) fn push<'a>(
        &self,
        uploads: impl Iterator<Item = Upload<'a>>,
        manifest: Vec<u8>,
        media_type: &'static str,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let uploads: Vec<_> = uploads.filter(|upload| seen.insert(upload.digest)).collect();
        self.runtime.block_on(async {
            let pushing = stream::iter(uploads)
                .map(|upload| self.again(move || self.blob(upload)))
                .buffer_unordered(AT_ONCE);
            pushing.try_collect::<()>().await?;
            self.again(|| self.manifest(manifest.clone(), media_type)).await
        })
    }

    /// Does something once more when the connection broke, as often as a download does.
    async fn again<F: Future<Output = Result<()>>>(&self, attempt: impl Fn() -> F) -> Result<()> {
        let mut failures = 0;
        while let Err(error) = attempt().await {
            failures += 1;
            if error.kind() != ErrorKind::Network || failures == ATTEMPTS {
                return Err(error);
            }
            self.progress.note(&format!("{error}; trying again"));
            tokio::time::sleep(Duration::from_millis(250 << failures)).await;
        }
        Ok(())
    }

    async fn manifest(&self, bytes: Vec<u8>, media_type: &'static str) -> Result<()> {
        self.repository.renew().await?;
        let (reference, media_type) =
            (self.repository.tagged(&self.tag), HeaderValue::from_static(media_type));
        let pushed = self.repository.client.push_manifest_raw(&reference, bytes, media_type).await;
        pushed.map(drop).map_err(|e| self.repository.failed(e))
    }

    /// From its beginning: what came of an upload that broke nobody can rely on, registries forget it.
    async fn blob(&self, upload: Upload<'_>) -> Result<()> {
        let Repository { client, .. } = &self.repository;
        let (reference, digest) = (self.repository.pinned(upload.digest), upload.digest.to_string());
        let failed = |e| self.repository.failed(e);
        self.repository.renew().await?;
        if client.blob_exists(&reference, &digest).await.map_err(failed)? {
            return Ok(());
        }
        let file = upload.file.try_clone().map_err(|e| Error::io("failed to read a layer", e))?;
        let _task = Task::begin(&*self.progress, &digest, Step::Upload, Some(upload.size));
        let pieces = Pieces {
            file,
            at: 0,
            size: upload.size,
            progress: self.progress.clone(),
            digest: digest.clone(),
        };
        let pieces =
            stream::iter(pieces).map(|piece| piece.map(Into::into).map_err(OciDistributionError::IoError));
        let pushed = client.push_blob_stream(&reference, pieces, &digest, Some(upload.size)).await;
        pushed.map(drop).map_err(failed)
    }
}

/// A file in pieces, each told of when it is asked for.
struct Pieces {
    file: File,
    at: u64,
    size: u64,
    progress: Arc<dyn Progress>,
    digest: String,
}

impl Iterator for Pieces {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = vec![0; PIECE.min(self.size - self.at) as usize];
        if piece.is_empty() {
            return None;
        }
        let read = self.file.read_exact_at(&mut piece, self.at);
        self.at += piece.len() as u64;
        self.progress.advance(&self.digest, Step::Upload, self.at);
        Some(read.map(|()| piece))
    }
}
