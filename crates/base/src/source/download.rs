//! Downloads into the store's blobs: several at once, verified, and resumed where an earlier one stopped.

use crate::progress::{Step, Task};
use crate::store::Locked;
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

/// How often a broken connection is mended.
pub(crate) const ATTEMPTS: u32 = 4;

/// A blob that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub digest: Digest,
    /// Its bytes, exactly.
    pub size: u64,
    /// What a person calls it.
    pub name: String,
    /// Where the remote has it, in the remote's own terms.
    #[cfg_attr(not(feature = "packages"), allow(dead_code, reason = "registries know by the digest"))]
    pub place: String,
}

/// Who has the blobs.
pub(crate) trait Remote {
    /// How many are fetched at once.
    const AT_ONCE: usize;
    /// What they are: `layer`, `package`.
    const NOUN: &str;

    /// What is fetched from where, for errors: `failed to pull {about}`.
    fn about(&self) -> &str;

    /// The bytes of a blob from `offset` on.
    fn open(&self, wanted: &Wanted, offset: u64) -> impl Future<Output = Result<Incoming>>;
}

/// Bytes of a blob, as they come.
pub(crate) struct Incoming {
    /// Whether they begin where they were asked to, rather than at the beginning.
    pub resumed: bool,
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

pub(crate) type Bytes = Box<dyn AsRef<[u8]> + Send>;

/// Downloads the blobs that the store lacks, and tells `landed` of each one that is there.
pub(crate) async fn all<R: Remote>(
    resolver: &Resolver,
    from: &R,
    blobs: impl IntoIterator<Item = Wanted>,
    landed: &dyn Fn(Digest),
) -> Result<()> {
    // The empty layer may come many times.
    let mut seen = HashSet::new();
    let blobs: Vec<Wanted> = blobs.into_iter().filter(|blob| seen.insert(blob.digest)).collect();
    let landing = stream::iter(blobs).map(|blob| one(resolver, from, blob)).buffer_unordered(R::AT_ONCE);
    landing
        .try_for_each(|digest| {
            landed(digest);
            future::ready(Ok(()))
        })
        .await
}

/// # Locking
/// Exclusive on the partial file: another that wants the blob waits, and then finds it.
async fn one<R: Remote>(resolver: &Resolver, from: &R, blob: Wanted) -> Result<Digest> {
    let place = resolver.store.blob_file(blob.digest);
    let beside = resolver.store.partial().join(blob.digest.hex());
    let lock = loop {
        if place.exists() {
            return Ok(blob.digest);
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
        return Ok(blob.digest);
    }
    if blob.size > resolver.limits.layer_bytes {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("failed to pull {}: the {} {} has {} bytes", from.about(), R::NOUN, blob.name, blob.size),
        ));
    }
    let task = Task::begin(&*resolver.progress, &blob.name, Step::Download, Some(blob.size));
    let mut download = Download::resume(resolver, from, &blob, &task, &lock)?;
    download.fetch().await?;
    download.verify()?;
    fs::rename(&beside, &place)
        .map_err(|e| Error::io(format!("failed to move a blob to {}", place.display()), e))?;
    Ok(blob.digest)
}

struct Download<'a, R> {
    resolver: &'a Resolver,
    from: &'a R,
    blob: &'a Wanted,
    task: &'a Task<'a>,
    file: &'a fs::File,
    hasher: Sha256,
    done: u64,
}

impl<'a, R: Remote> Download<'a, R> {
    /// Hashes what is there.
    fn resume(
        resolver: &'a Resolver,
        from: &'a R,
        blob: &'a Wanted,
        task: &'a Task<'a>,
        lock: &'a Locked,
    ) -> Result<Self> {
        let mut download =
            Self { resolver, from, blob, task, file: lock.file(), hasher: Sha256::new(), done: 0 };
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
                Err(e) if e.kind() != ErrorKind::Network => {
                    // What is wrong is not kept, so that the next pull begins anew.
                    if e.kind() == ErrorKind::Corrupt {
                        let _ = self.file.set_len(0);
                    }
                    return Err(e);
                }
                Err(e) => {
                    attempt = if self.done > before { 1 } else { attempt + 1 };
                    if attempt >= ATTEMPTS {
                        return Err(e.within(format!(
                            "only {} of {} bytes of the {} {} came",
                            self.done,
                            self.blob.size,
                            R::NOUN,
                            self.blob.name
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
        let before = self.done;
        let mut incoming = self.from.open(self.blob, self.done).await?;
        if !incoming.resumed && self.done > 0 {
            self.restart()?;
        }
        while let Some(part) = self.next(&mut incoming).await {
            let part = part.map_err(|e| broken(e, self.from.about()))?;
            let part = (*part).as_ref();
            self.done += part.len() as u64;
            if self.done > self.blob.size {
                let _ = self.file.set_len(0);
                return Err(self.corrupt("has more bytes than was promised"));
            }
            self.file.write_all(part).map_err(|e| self.disk(e))?;
            self.hasher.update(part);
            self.task.advance(self.done);
        }
        match self.done == self.blob.size {
            true => Ok(()),
            // It came to its end, and again.
            false if self.done == before => {
                Err(self.corrupt(&format!("has {} bytes, and {} were promised", self.done, self.blob.size)))
            }
            false => Err(broken(io::ErrorKind::UnexpectedEof.into(), self.from.about())),
        }
    }

    /// One that says nothing for too long has gone away.
    async fn next(&self, incoming: &mut Incoming) -> Option<io::Result<Bytes>> {
        let part = tokio::time::timeout(self.resolver.limits.silence, incoming.bytes.next()).await;
        part.unwrap_or_else(|_| Some(Err(io::ErrorKind::TimedOut.into())))
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
            format!("failed to pull {}: the {} {} {what}", self.from.about(), R::NOUN, self.blob.name),
        )
    }

    fn disk(&self, error: io::Error) -> Error {
        Error::io(format!("failed to write the {} {}", R::NOUN, self.blob.name), error)
    }
}

/// The connection broke while bytes came.
pub(crate) fn broken(cause: io::Error, about: &str) -> Error {
    Error::new(ErrorKind::Network, format!("failed to pull {about}: the connection broke"))
        .caused_by(cause)
        .with_hint("pull again: it goes on where it stopped")
}
