//! Blobs: several at once, verified, and resumed where an earlier download stopped.

use super::client::Repository;
use super::failure;
use crate::image::Descriptor;
use crate::progress::{Step, Task};
use crate::store::Locked;
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// As docker has it.
const AT_ONCE: usize = 3;
/// How often a broken connection is mended.
const ATTEMPTS: u32 = 4;

/// Downloads the blobs that the store lacks, and tells `landed` of each one that is there.
pub(super) async fn all<'a>(
    resolver: &Resolver,
    from: &Repository,
    blobs: impl Iterator<Item = &'a Descriptor>,
    landed: Sender<Digest>,
) -> Result<()> {
    // The empty layer may come many times.
    let mut seen = HashSet::new();
    let blobs: Vec<&Descriptor> = blobs.filter(|blob| seen.insert(blob.digest)).collect();
    let landing = stream::iter(blobs).map(|blob| one(resolver, from, blob)).buffer_unordered(AT_ONCE);
    landing
        .try_for_each(|blob| {
            // Nobody need listen.
            let _ = landed.send(blob.digest);
            future::ready(Ok(()))
        })
        .await
}

/// # Locking
/// Exclusive on the partial file: another that wants the blob waits, and then finds it.
async fn one<'a>(resolver: &Resolver, from: &Repository, blob: &'a Descriptor) -> Result<&'a Descriptor> {
    let place = resolver.store.blob_file(blob.digest);
    let beside = resolver.store.partial().join(blob.digest.hex());
    let lock = loop {
        if place.exists() {
            return Ok(blob);
        }
        match Locked::try_made(&beside)? {
            Some(lock) => break lock,
            // Not by waiting for the lock: our other downloads go on meanwhile, and another process may wait
            // for one of them.
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    if place.exists() {
        let _ = fs::remove_file(&beside);
        return Ok(blob);
    }
    let id = blob.digest.to_string();
    if blob.size > resolver.limits.layer_bytes {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("failed to pull {}: the layer {id} has {} bytes", from.about, blob.size),
        ));
    }
    let task = Task::begin(&*resolver.progress, &id, Step::Download, Some(blob.size));
    let mut download = Download::resume(resolver, from, blob, &task, &lock)?;
    download.fetch().await?;
    download.verify()?;
    fs::rename(&beside, &place)
        .map_err(|e| Error::io(format!("failed to move a blob to {}", place.display()), e))?;
    Ok(blob)
}

struct Download<'a> {
    resolver: &'a Resolver,
    from: &'a Repository,
    blob: &'a Descriptor,
    task: &'a Task<'a>,
    id: String,
    file: &'a fs::File,
    hasher: Sha256,
    done: u64,
}

impl<'a> Download<'a> {
    /// Hashes what is there.
    fn resume(
        resolver: &'a Resolver,
        from: &'a Repository,
        blob: &'a Descriptor,
        task: &'a Task<'a>,
        lock: &'a Locked,
    ) -> Result<Self> {
        let id = blob.digest.to_string();
        let mut download =
            Self { resolver, from, blob, task, id, file: lock.file(), hasher: Sha256::new(), done: 0 };
        let mut buffer = vec![0; 256 << 10];
        loop {
            match download.file.read(&mut buffer).map_err(|e| download.disk(e))? {
                0 => break,
                n => {
                    download.hasher.update(&buffer[..n]);
                    download.done += n as u64;
                }
            }
        }
        if download.done > blob.size {
            download.restart()?;
        }
        Ok(download)
    }

    fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(|e| self.disk(e))?;
        self.hasher = Sha256::new();
        self.done = 0;
        Ok(())
    }

    /// Fetches what is missing, again and again when the connection breaks.
    async fn fetch(&mut self) -> Result<()> {
        let mut attempt = 0;
        while self.done < self.blob.size {
            let before = self.done;
            match self.attempt().await {
                Ok(()) => {}
                Err(e) if e.kind() != ErrorKind::Network => return Err(e),
                Err(e) => {
                    attempt = if self.done > before { 1 } else { attempt + 1 };
                    if attempt >= ATTEMPTS {
                        return Err(e.within(format!(
                            "only {} of {} bytes of the layer {} came",
                            self.done, self.blob.size, self.id
                        )));
                    }
                    self.resolver.progress.note(&format!("{e}; trying again"));
                    tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                }
            }
        }
        Ok(())
    }

    async fn attempt(&mut self) -> Result<()> {
        let mut response = self.from.blob(self.blob.digest, self.done).await?;
        if !response.resumed && self.done > 0 {
            self.restart()?;
        }
        while let Some(part) = response.next().await {
            let part = part.map_err(|e| failure::broken(e, &self.from.about))?;
            let part = part.as_ref();
            self.done += part.len() as u64;
            if self.done > self.blob.size {
                let _ = self.file.set_len(0);
                return Err(self.corrupt("has more bytes than the manifest says"));
            }
            self.file.write_all(part).map_err(|e| self.disk(e))?;
            self.hasher.update(part);
            self.task.advance(self.done);
        }
        match self.done == self.blob.size {
            true => Ok(()),
            false => Err(failure::broken(std::io::ErrorKind::UnexpectedEof.into(), &self.from.about)),
        }
    }

    /// What is wrong is not kept, so that the next pull begins anew.
    fn verify(&mut self) -> Result<()> {
        match Digest::finish(std::mem::take(&mut self.hasher)) {
            found if found == self.blob.digest => Ok(()),
            found => {
                let _ = self.file.set_len(0);
                Err(self.corrupt(&format!("has the digest {found}")))
            }
        }
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!("failed to pull {}: the layer {} {what}", self.from.about, self.id),
        )
    }

    fn disk(&self, error: std::io::Error) -> Error {
        Error::io(format!("failed to write the layer {}", self.id), error)
    }
}
