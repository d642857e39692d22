//! An image of a registry, by its usual name.
//!
//! The content is written into the store before its blobs are fetched, which keeps them from being collected;
//! the name is written last. So a pull that is killed leaves blobs that the next one goes on with, and no
//! name that leads to half an image.

mod client;
mod config;
mod credentials;
mod failure;
mod push;
mod token;

pub(crate) use push::{Pusher, Upload};

use crate::image::{Descriptor, Image, What};
use crate::resolve::Pull;
use crate::source::download::{self, Wanted};
use crate::store::{Content, Layer, Locked, Origin, write_atomically};
use crate::{Base, Digest, Error, ErrorKind, ImageRef, Login, Resolver, Result, unpack};
use client::Repository;
use config::{Endpoint, Registries};
use oci_client::RegistryOperation;
use std::collections::HashSet;
use std::sync::mpsc::{self, Receiver};
use tokio::runtime::Runtime;

/// The image from the store, or from its registry when that is to be asked.
pub(crate) fn resolve(resolver: &Resolver, image: ImageRef) -> Result<Base> {
    let name = resolver.name_for_platform(image.to_string());
    let stored = resolver.stored(&name)?;
    let ask = match (&stored, resolver.pull) {
        // Something was damaged, and removed when that was noticed.
        (Some((_, base)), pull) if !is_complete(resolver, base) => pull != Pull::Never,
        // A digest leads to the same image for ever.
        (Some(_), Pull::Always) => image.digest().is_none(),
        (Some(_), _) => false,
        (None, pull) => pull != Pull::Never,
    };
    match stored {
        Some((_, base)) if !ask || resolver.offline => Ok(base),
        None if !ask || resolver.offline => Err(Error::new(
            ErrorKind::NotInStore,
            format!(
                "failed to find the base `{name}`: it is not in the store, and the network is not to be used"
            ),
        )
        .with_hint(format!("fetch it where there is a network: `rootlet base pull {image}`"))),
        stored => {
            let known = stored.and_then(|(record, base)| Some((record.manifest?, base)));
            // On a thread of its own: the caller may be within a runtime of its own, which cannot be waited
            // in.
            std::thread::scope(|scope| {
                let pull = scope.spawn(|| Fetching { resolver, image, name, known }.search());
                pull.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        }
    }
}

/// Whether every layer is there, packed or for some id map.
fn is_complete(resolver: &Resolver, base: &Base) -> bool {
    let unpacked = |layer: &Layer| resolver.store.layer_dir(layer.key).join("about.json").exists();
    base.layers().iter().all(|layer| has_blob(resolver, layer) || unpacked(layer))
}

fn has_blobs(resolver: &Resolver, base: &Base) -> bool {
    base.layers().iter().all(|layer| has_blob(resolver, layer))
}

fn has_blob(resolver: &Resolver, layer: &Layer) -> bool {
    match layer.origin {
        Origin::Blob { digest, .. } => resolver.store.blob_file(digest).exists(),
        _ => true,
    }
}

impl Resolver {
    /// The digest of what an image's name is now: of its manifest, or of the list of those of all platforms. The store is not asked.
    ///
    /// # Errors
    /// The name is none of an image; there is no network, or it is not to be used; the registry has no such image.
    pub fn image_digest(&self, name: &str) -> Result<Digest> {
        let image: ImageRef = name.parse()?;
        if self.offline {
            let text = format!("failed to ask the registry of `{image}`: the network is not to be used");
            return Err(Error::new(ErrorKind::Network, text));
        }
        let ask = |runtime: &Runtime, image: &ImageRef, from: &Repository| {
            let top = runtime.block_on(from.manifest(image.tag(), image.digest()))?;
            Ok(Digest::of(&top))
        };
        // On a thread of its own: the caller may be within a runtime of its own, which cannot be waited in.
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| search(self, &image, &ask));
            asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Asks each registry that the name may mean, and each mirror of it. The first error is told: it is of what is tried first.
fn search<T>(
    resolver: &Resolver,
    wanted: &ImageRef,
    ask: &dyn Fn(&Runtime, &ImageRef, &Repository) -> Result<T>,
) -> Result<T> {
    let runtime = runtime()?;
    let registries = Registries::load()?;
    let mut first: Option<Error> = None;
    for image in registries.candidates(wanted)? {
        if image.registry() != wanted.registry() {
            resolver.progress.note(&format!("`{wanted}` is `{image}`, says registries.conf"));
        }
        for endpoint in registries.endpoints(&image)? {
            let logged_in = log_in(&runtime, &image, endpoint, RegistryOperation::Pull, &resolver.logins);
            match logged_in.and_then(|from| ask(&runtime, &image, &from)) {
                Ok(answer) => return Ok(answer),
                // Elsewhere it will be the same.
                Err(e) if matches!(e.kind(), ErrorKind::NoSpace | ErrorKind::Configuration) => {
                    return Err(e);
                }
                Err(e) => {
                    if first.is_some() {
                        resolver.progress.note(&e.to_string());
                    }
                    first.get_or_insert(e);
                }
            }
        }
    }
    Err(first.expect("there is at least one registry to try"))
}

struct Fetching<'a> {
    resolver: &'a Resolver,
    image: ImageRef,
    name: String,
    /// What the store has, and the manifest that it was made from.
    known: Option<(Digest, Base)>,
}

impl Fetching<'_> {
    fn search(&self) -> Result<Base> {
        search(self.resolver, &self.image, &|runtime, image, from| self.pull(runtime, image, from))
    }

    fn pull(&self, runtime: &Runtime, image: &ImageRef, from: &Repository) -> Result<Base> {
        let top = runtime.block_on(from.manifest(image.tag(), image.digest()))?;
        let digest = Digest::of(&top);
        if let Some((known, base)) = &self.known
            && *known == digest
            && has_blobs(self.resolver, base)
        {
            return Ok(base.clone());
        }
        let (size, media_type) = (top.len(), media_type(&top));
        let limit = self.resolver.limits.document_bytes;
        let mut fetch = |what: What, document: &Descriptor| match what {
            What::Manifest => runtime.block_on(from.manifest(None, Some(document.digest))),
            What::Config => runtime.block_on(from.document(document.digest, limit)),
        };
        let image = Image::read(top, &self.resolver.platform, &mut fetch)
            .map_err(|e| e.within(format!("failed to pull {}", from.about)))?;
        let content = image.content(|blob| Origin::Blob { digest: blob.digest, size: blob.size });
        let held = self.land(runtime, from, &image, &content)?;
        self.resolver.store.index_image(&self.name, &media_type, digest, size)?;
        let how = format!("pulled {}", from.about);
        self.resolver.name(self.name.clone(), &content, held, how, Some(digest), None)
    }

    /// Brings all blobs of the image into the store, and unpacks those that are there meanwhile.
    ///
    /// # Locking
    /// Shared on the content; exclusive on each blob while it comes, and on each layer while it is unpacked.
    fn land(&self, runtime: &Runtime, from: &Repository, image: &Image, content: &Content) -> Result<Locked> {
        let store = &self.resolver.store;
        let held = store.hold_new_content(content)?;
        for (digest, bytes) in &image.documents {
            let path = store.blob_file(*digest);
            write_atomically(&store.tmp(), &path, bytes)
                .map_err(|e| Error::io(format!("failed to write {}", path.display()), e))?;
        }
        let blobs = image.layers.iter().map(|(_, blob)| Wanted {
            digest: blob.digest,
            size: blob.size,
            name: blob.digest.to_string(),
            place: String::new(),
        });
        let (landed, landings) = mpsc::channel();
        std::thread::scope(|scope| {
            let unpacking = scope.spawn(move || self.unpack(content, &landings));
            // Nobody need listen.
            let land = move |digest| landed.send(digest).unwrap_or_default();
            let came = runtime.block_on(download::all(self.resolver, from, blobs, &land));
            // Whoever waits for more learns that there is none.
            drop(land);
            came?;
            unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        Ok(held)
    }

    /// Unpacks each layer as soon as it and those below it are there. What fails is done again, and told, by
    /// whoever needs the layers; but an image that is damaged is none.
    ///
    /// # Locking
    /// Exclusive on each layer while it is unpacked.
    fn unpack(&self, content: &Content, landings: &Receiver<Digest>) -> Result<()> {
        let Some(map) = &self.resolver.unpack_for else { return Ok(()) };
        let mut there = HashSet::new();
        let mut lands = |digest| {
            while !there.contains(&digest) {
                // The download has failed.
                let Ok(landed) = landings.recv() else { return false };
                there.insert(landed);
            }
            true
        };
        let landed = content.layers.iter().take_while(|layer| match layer.origin {
            Origin::Blob { digest, .. } => lands(digest),
            _ => true,
        });
        match unpack::layer_paths(&self.name, landed, Vec::new(), map, self.resolver) {
            Err(e) if e.kind() == ErrorKind::Corrupt => Err(e),
            _ => Ok(()),
        }
    }
}

/// By https; at one that may be insecure also by http, when there is no https.
fn log_in(
    runtime: &Runtime,
    image: &ImageRef,
    endpoint: Endpoint,
    operation: RegistryOperation,
    logins: &[Login],
) -> Result<Repository> {
    let insecure = endpoint.insecure;
    let open = |plain| Repository::new(image, endpoint.clone(), plain, operation, logins);
    let mut repository = open(false)?;
    match runtime.block_on(repository.log_in()) {
        Err(e) if insecure && e.kind() == ErrorKind::Network => {
            repository = open(true)?;
            runtime.block_on(repository.log_in())?;
        }
        logged_in => logged_in?,
    }
    Ok(repository)
}

fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Error::io("failed to prepare for the network", e))
}

/// What a document calls itself; docker's older ones always do, OCI's may leave it out.
fn media_type(document: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        media_type: Option<String>,
        manifests: Option<serde_json::Value>,
    }
    let unnamed = |index: bool| match index {
        true => "application/vnd.oci.image.index.v1+json".to_owned(),
        false => "application/vnd.oci.image.manifest.v1+json".to_owned(),
    };
    match serde_json::from_slice::<Named>(document) {
        Ok(named) => named.media_type.unwrap_or_else(|| unnamed(named.manifests.is_some())),
        Err(_) => unnamed(false),
    }
}
