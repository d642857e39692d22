//! A mirror of packages: a directory behind http, https or `file:`.

use super::download::{self, Incoming, Remote, Wanted, broken};
use super::{http, open_file};
use crate::packages::without_credentials;
use crate::progress::{Step, Task};
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A package that a package manager asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is: http, https or `file:`.
    pub url: String,
    /// What a person calls it.
    pub name: String,
    /// Its bytes, exactly.
    pub size: u64,
    /// Of all of them.
    pub digest: Digest,
}

impl Resolver {
    /// Brings packages into the store, where they are not, and tells where they lie there.
    ///
    /// Errors: the network is not to be used; a mirror cannot be reached, or has not got one; what comes is not what was
    /// promised; the disk is full.
    ///
    /// # Locking
    /// Exclusive on each package while it comes.
    pub fn packages(&self, files: &[PackageFile]) -> Result<Vec<PathBuf>> {
        let places: Vec<PathBuf> = files.iter().map(|file| self.store.blob_file(file.digest)).collect();
        let mut by_mirror: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
        for (file, _) in files.iter().zip(&places).filter(|(_, place)| !place.exists()) {
            // Each with its directory: mirrors are many, hosts few.
            let root = file.url.match_indices('/').nth(2).map_or(0, |(at, _)| at);
            let (mirror, place) = if file.url.starts_with("file:") {
                ("file:/", &file.url[5..])
            } else {
                file.url.split_at(root)
            };
            let place = place.trim_start_matches('/').to_owned();
            by_mirror.entry(mirror).or_default().push(Wanted {
                digest: file.digest,
                size: file.size,
                name: file.name.clone(),
                place,
            });
        }
        if self.is_offline() && !by_mirror.is_empty() {
            let names: Vec<String> = by_mirror.into_values().flatten().map(|wanted| wanted.name).collect();
            return Err(Error::new(
                ErrorKind::NotInStore,
                format!(
                    "the packages {} are not in the store, and the network is not to be used",
                    names.join(", ")
                ),
            ));
        }
        by_mirror.into_iter().try_for_each(|(mirror, wanted)| Mirror::new(mirror)?.download(self, wanted))?;
        Ok(places)
    }
}

/// A mirror, spoken to by one client.
#[derive(Debug)]
pub(crate) struct Mirror {
    /// Without a slash at the end, and with the user's credentials where it has some.
    url: String,
    client: reqwest::Client,
    /// `packages of http://…`, without credentials.
    about: String,
    runtime: Runtime,
}

/// A file that is fetched though nobody told its SHA-256: whoever asks verifies it.
#[derive(Clone, Debug)]
pub(crate) struct Save {
    /// At the mirror.
    pub path: String,
    /// No more bytes are taken.
    pub size: u64,
    /// What a person calls it.
    pub name: String,
    /// Where it is put.
    pub to: PathBuf,
}

impl Mirror {
    /// The mirror at a URL. Nothing is asked of it yet.
    ///
    /// Errors: the URL is of another scheme; the machine trusts no certificate authority, and https wants one.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let about = without_credentials(&url);
        match url.split_once(':') {
            Some(("https", _)) => http::check_authorities(&about)?,
            Some(("http" | "file", _)) => {}
            _ => {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("`{about}` is not the URL of a mirror"),
                )
                .with_hint("it begins with `http://`, `https://` or `file:/`"));
            }
        }
        http::provide();
        let client = reqwest::Client::builder()
            .connect_timeout(http::CONNECT)
            .read_timeout(http::READ)
            .user_agent(http::USER_AGENT)
            .build()
            .map_err(|e| unreachable(&e, &about))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::io("failed to prepare for the network", e))?;
        Ok(Self { url, client, about, runtime })
    }

    /// The URL as it may be shown and kept: without credentials.
    pub(crate) fn shown(&self) -> &str {
        &self.about
    }

    /// A document by its path, which nobody promised anything about; `None` when the mirror has none.
    ///
    /// Errors: the mirror cannot be reached; the document has more than `limit` bytes.
    pub(crate) fn document(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        on_a_thread(|| {
            self.runtime.block_on(async {
                let mut incoming = match self.fetch(path, 0).await {
                    Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                    fetched => fetched?,
                };
                let mut bytes = Vec::new();
                while let Some(part) = incoming.bytes.next().await {
                    bytes.extend_from_slice((*part.map_err(|e| broken(e, &self.about))?).as_ref());
                    if bytes.len() as u64 > limit {
                        let what = format!("{}/{path} is larger than {limit} bytes", self.about);
                        return Err(Error::new(ErrorKind::Limit, what));
                    }
                }
                Ok(Some(bytes))
            })
        })
    }

    /// Downloads what the store's blobs lack; `place` of each is its path at the mirror.
    ///
    /// Errors: the mirror has not got one of them; it cannot be reached, or stalls again and again; what comes is not what was
    /// promised; the disk is full.
    ///
    /// # Locking
    /// Exclusive on each blob while it comes.
    pub(crate) fn download(&self, resolver: &Resolver, wanted: Vec<Wanted>) -> Result<()> {
        on_a_thread(|| self.runtime.block_on(download::all(resolver, self, wanted, &|_: Digest| ())))
    }

    /// Fetches files to where they are wanted.
    ///
    /// Errors: the mirror has not got one of them, or one that is longer; it cannot be reached, or stalls again and again; the
    /// disk is full.
    pub(crate) fn save(&self, resolver: &Resolver, files: Vec<Save>) -> Result<()> {
        let each = stream::iter(files).map(|file| async move { self.save_one(resolver, &file).await });
        let all = each.buffer_unordered(Self::AT_ONCE).try_collect::<()>();
        on_a_thread(|| self.runtime.block_on(all))
    }

    async fn save_one(&self, resolver: &Resolver, wanted: &Save) -> Result<()> {
        let task = Task::begin(&*resolver.progress, &wanted.name, Step::Download, Some(wanted.size));
        let full = |e| Error::io(format!("failed to write {}", wanted.to.display()), e);
        let mut file = File::create(&wanted.to).map_err(full)?;
        let (mut done, mut failures) = (0, 0);
        while let Err(error) = self.go_on(wanted, &mut file, &mut done, &task).await {
            failures += 1;
            if error.kind() != ErrorKind::Network || failures == download::ATTEMPTS {
                return Err(error);
            }
            resolver.progress.note(&format!("{error}; trying again"));
            tokio::time::sleep(Duration::from_millis(250 << failures)).await;
        }
        Ok(())
    }

    /// Fetches what is missing behind the first `done` bytes.
    async fn go_on(&self, wanted: &Save, file: &mut File, done: &mut u64, task: &Task<'_>) -> Result<()> {
        let full = |e| Error::io(format!("failed to write {}", wanted.to.display()), e);
        let about = format!("{}/{}", self.about, wanted.path);
        let mut incoming = self.fetch(&wanted.path, *done).await?;
        if !incoming.resumed {
            *done = 0;
        }
        file.set_len(*done).and_then(|()| file.seek(SeekFrom::Start(*done))).map_err(full)?;
        while let Some(part) = incoming.bytes.next().await {
            let part = part.map_err(|e| broken(e, &about))?;
            let part = (*part).as_ref();
            *done += part.len() as u64;
            if *done > wanted.size {
                let what =
                    format!("failed to pull {about}: it has more than the promised {} bytes", wanted.size);
                return Err(Error::new(ErrorKind::Corrupt, what));
            }
            file.write_all(part).map_err(full)?;
            task.advance(*done);
        }
        Ok(())
    }

    async fn fetch(&self, path: &str, offset: u64) -> Result<Incoming> {
        match self.url.strip_prefix("file:") {
            Some(root) => {
                self.read(PathBuf::from(format!("/{}", root.trim_start_matches('/'))).join(path), offset)
            }
            None => self.get(path, offset).await,
        }
    }

    /// From a directory of this machine.
    fn read(&self, path: PathBuf, offset: u64) -> Result<Incoming> {
        const PART: usize = 256 << 10;
        let mut file = open_file(&path)?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| broken(e, &self.about))?;
        let parts = std::iter::from_fn(move || {
            let mut part = Vec::with_capacity(PART);
            match (&mut file).take(PART as u64).read_to_end(&mut part) {
                Ok(0) => None,
                Ok(_) => Some(Ok(Box::new(part) as Box<dyn AsRef<[u8]> + Send>)),
                Err(e) => Some(Err(e)),
            }
        });
        Ok(Incoming { resumed: true, bytes: stream::iter(parts).boxed() })
    }

    async fn get(&self, path: &str, offset: u64) -> Result<Incoming> {
        let mut request = self.client.get(format!("{}/{path}", self.url));
        if offset > 0 {
            request = request.header(reqwest::header::RANGE, format!("bytes={offset}-"));
        }
        let response = request.send().await.map_err(|e| unreachable(&e, &self.about))?;
        let about = format!("{}/{path}", self.about);
        let resumed = match response.status().as_u16() {
            200 => offset == 0,
            206 => true,
            416 => {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("failed to pull {about}: the mirror has fewer bytes of it than were promised"),
                )
                .with_hint(
                    "the mirror is being updated, or was left half updated: try again, or another one",
                ));
            }
            401 | 403 => {
                return Err(Error::new(
                    ErrorKind::Unauthorized,
                    format!("failed to pull {about}: the mirror refuses it"),
                )
                .with_hint("a mirror that wants a password is written as `https://USER:PASSWORD@HOST/…`"));
            }
            404 | 410 => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("failed to pull {about}: the mirror does not have it"),
                ));
            }
            code => {
                return Err(Error::new(
                    ErrorKind::Network,
                    format!("failed to pull {about}: the mirror answers {code}"),
                ));
            }
        };
        let bytes = response.bytes_stream().map(|part| match part {
            Ok(part) => Ok(Box::new(part) as Box<dyn AsRef<[u8]> + Send>),
            Err(e) => Err(io::Error::other(http::last_cause(&e))),
        });
        Ok(Incoming { resumed, bytes: bytes.boxed() })
    }
}

impl Remote for Mirror {
    /// Packages are small: what takes time is the way there and back.
    const AT_ONCE: usize = 8;
    const NOUN: &str = "package";

    fn about(&self) -> &str {
        &self.about
    }

    async fn open(&self, wanted: &Wanted, offset: u64) -> Result<Incoming> {
        self.fetch(&wanted.place, offset).await
    }
}

/// On a thread of its own: the caller may be within a runtime of its own, which cannot be waited in.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn unreachable(error: &reqwest::Error, about: &str) -> Error {
    Error::new(ErrorKind::Network, format!("failed to pull {about}: {}", http::last_cause(error))).with_hint(
        "without a network, `--offline` uses what the store has; a proxy is taken from http_proxy and HTTPS_PROXY",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_schemes_are_refused() {
        assert_eq!(Mirror::new("ftp://host/").unwrap_err().kind(), ErrorKind::Configuration);
    }

    #[test]
    fn a_directory_is_a_mirror() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("x"), "hello").unwrap();
        let mirror = Mirror::new(&format!("file:{}", directory.path().display())).unwrap();
        assert_eq!(mirror.document("x", 5).unwrap().unwrap(), b"hello");
        assert_eq!(mirror.document("x", 4).unwrap_err().kind(), ErrorKind::Limit);
        assert!(mirror.document("y", 9).unwrap().is_none());
        let store = crate::Store::open(directory.path().join("store")).unwrap();
        let wanted = Wanted { digest: Digest::of(b"hello"), size: 5, name: "x".into(), place: "x".into() };
        mirror.download(&Resolver::new(&store), vec![wanted.clone()]).unwrap();
        assert_eq!(std::fs::read(store.blob_file(wanted.digest)).unwrap(), b"hello");
    }
}
