//! One registry, spoken to through `oci-client`: the only module that knows of it and of asynchronous calls.

use super::config::Endpoint;
use super::credentials::{self, Secret};
use super::failure;
use super::token::IdentityToken;
use crate::source::download::{Incoming, Remote, Wanted, broken};
use crate::source::http;
use crate::{Digest, Error, ErrorKind, ImageRef, Login, Result};
use futures_util::StreamExt;
use oci_client::client::{
    BlobResponse, Certificate, CertificateEncoding, ClientConfig, ClientProtocol, SizedStream,
};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What we take for a manifest. Docker's registry gives schema 1 to those who do not say.
const MANIFESTS: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A repository of a registry, and what is to be done there.
pub(super) struct Repository {
    pub(super) client: Client,
    operation: RegistryOperation,
    endpoint: Endpoint,
    auth: RegistryAuth,
    /// In place of `auth`.
    identity: Option<IdentityToken>,
    /// Where the credentials are from.
    file: Option<PathBuf>,
    /// The image's name and where it is looked for, for errors.
    pub(super) about: String,
}

impl Repository {
    /// `plain`: by http rather than https.
    pub(super) fn new(
        image: &ImageRef,
        endpoint: Endpoint,
        plain: bool,
        operation: RegistryOperation,
        logins: &[Login],
    ) -> Result<Self> {
        http::provide();
        let credentials = credentials::find(&endpoint.host, &endpoint.repository, logins)?;
        let authorities = certificates(&endpoint.host)?;
        let registry = format!("{}://{}", if plain { "http" } else { "https" }, endpoint.host);
        let pushes = operation == RegistryOperation::Push;
        let about = format!("`{image}` {} {registry}", if pushes { "to" } else { "from" });
        let explain = |e| failure::explain(e, verb(operation), &about, credentials.file.as_deref());
        http::check_authorities(&about)?;
        let (auth, identity) = match credentials.secret {
            Secret::None => (RegistryAuth::Anonymous, None),
            Secret::Password(user, password) => (RegistryAuth::Basic(user, password), None),
            Secret::IdentityToken(secret) => {
                let client = plain_client(&endpoint, &authorities);
                let client = client.map_err(|e| explain(e.into()))?;
                let actions = if pushes { "pull,push" } else { "pull" };
                let repository = endpoint.repository.clone();
                let insecure = endpoint.insecure;
                let current = Mutex::default();
                let identity =
                    IdentityToken { client, secret, registry, repository, actions, insecure, current };
                (RegistryAuth::Anonymous, Some(identity))
            }
        };
        let config = ClientConfig {
            protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
            accept_invalid_certificates: endpoint.insecure,
            extra_root_certificates: authorities,
            connect_timeout: Some(http::CONNECT),
            read_timeout: Some(http::READ),
            user_agent: http::USER_AGENT,
            // One request for a blob, as docker has it: each piece would be an answer to wait for.
            use_monolithic_push: true,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(explain)?;
        Ok(Self { client, operation, endpoint, auth, identity, file: credentials.file, about })
    }

    pub(super) fn tagged(&self, tag: &str) -> Reference {
        Reference::with_tag(self.endpoint.host.clone(), self.endpoint.repository.clone(), tag.to_owned())
    }

    pub(super) fn pinned(&self, digest: Digest) -> Reference {
        Reference::with_digest(
            self.endpoint.host.clone(),
            self.endpoint.repository.clone(),
            digest.to_string(),
        )
    }

    pub(super) fn failed(&self, error: OciDistributionError) -> Error {
        failure::explain(error, verb(self.operation), &self.about, self.file.as_deref())
    }

    /// Introduces us, so that a refusal of the credentials is told as such.
    pub(super) async fn log_in(&self) -> Result<()> {
        if self.identity.is_some() {
            return self.renew().await;
        }
        self.show(&self.auth).await
    }

    async fn show(&self, auth: &RegistryAuth) -> Result<()> {
        // Who pushes looks first at what is there.
        let pull = (self.operation != RegistryOperation::Pull).then_some(RegistryOperation::Pull);
        for operation in pull.into_iter().chain([self.operation]) {
            let shown = self.client.auth(&self.tagged("latest"), auth, operation).await;
            shown.map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// What an identity token was exchanged for does not last, and the client would go on with it.
    pub(super) async fn renew(&self) -> Result<()> {
        let Some(identity) = &self.identity else { return Ok(()) };
        match identity.access().await.map_err(|e| self.failed(e))? {
            Some(access) => self.show(&RegistryAuth::Bearer(access)).await,
            None => Ok(()),
        }
    }

    /// The manifest or index that a name leads to. A digest is verified.
    pub(super) async fn manifest(&self, tag: Option<&str>, digest: Option<Digest>) -> Result<Vec<u8>> {
        let reference = match digest {
            Some(digest) => self.pinned(digest),
            None => self.tagged(tag.unwrap_or("latest")),
        };
        self.renew().await?;
        let (bytes, _) = match self.client.pull_manifest_raw(&reference, &self.auth, MANIFESTS).await {
            Ok(found) => found,
            Err(e) => {
                let error = self.failed(e);
                return Err(match (error.kind(), tag) {
                    (ErrorKind::NotFound, Some(tag)) if digest.is_none() => self.without_tag(tag).await,
                    _ => error,
                });
            }
        };
        match digest {
            Some(promised) if Digest::of(&bytes) != promised => Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "failed to pull {}: the digest of the manifest {promised} is {}",
                    self.about,
                    Digest::of(&bytes)
                ),
            )),
            _ => Ok(bytes.to_vec()),
        }
    }

    /// There is no such tag: which ones are there?
    async fn without_tag(&self, tag: &str) -> Error {
        let tags = self.client.list_tags(&self.tagged(tag), &self.auth, Some(100), None).await;
        match tags {
            Ok(tags) if !tags.tags.is_empty() => {
                let some = failure::nearest(tag, tags.tags);
                Error::new(
                    ErrorKind::NotFound,
                    format!("failed to pull {}: the image has no tag `{tag}`", self.about),
                )
                .with_hint(format!("it has {}", some.join(", ")))
            }
            _ => Error::new(
                ErrorKind::NotFound,
                format!("failed to pull {}: there is no such image", self.about),
            )
            .with_hint("look at the spelling; a private image may need `docker login` or `podman login`"),
        }
    }

    /// A small blob, verified.
    pub(super) async fn document(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let mut blob = self.blob(digest, 0).await?;
        let mut bytes = Vec::new();
        while let Some(part) = blob.bytes.next().await {
            bytes.extend_from_slice((*part.map_err(|e| broken(e, &self.about))?).as_ref());
            if bytes.len() as u64 > limit {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("the config {digest} is larger than {limit} bytes"),
                ));
            }
        }
        match Digest::of(&bytes) {
            found if found == digest => Ok(bytes),
            found => Err(Error::new(
                ErrorKind::Corrupt,
                format!("failed to pull {}: the digest of the config {digest} is {found}", self.about),
            )),
        }
    }

    /// A blob from `offset` on. A range is asked for even from the beginning: what comes then is not hashed
    /// on the way, since we do so.
    async fn blob(&self, digest: Digest, offset: u64) -> Result<Incoming> {
        let image = self.pinned(digest);
        let digest = digest.to_string();
        self.renew().await?;
        self.client.store_auth_if_needed(&self.endpoint.host, &self.auth).await;
        match self.client.pull_blob_stream_partial(&image, digest.as_str(), offset, None).await {
            Ok(BlobResponse::Partial(stream)) => Ok(incoming(true, stream)),
            Ok(BlobResponse::Full(stream)) => Ok(incoming(false, stream)),
            Err(e) => Err(self.failed(e)),
        }
    }
}

fn verb(operation: RegistryOperation) -> &'static str {
    match operation {
        RegistryOperation::Pull => "pull",
        RegistryOperation::Push => "push",
    }
}

fn incoming(resumed: bool, stream: SizedStream) -> Incoming {
    let bytes = stream.map(|part| part.map(|part| Box::new(part) as Box<dyn AsRef<[u8]> + Send>)).boxed();
    Incoming { resumed, bytes }
}

impl Remote for Repository {
    /// As docker has it.
    const AT_ONCE: usize = 3;
    const NOUN: &str = "layer";

    fn about(&self) -> &str {
        &self.about
    }

    async fn open(&self, wanted: &Wanted, offset: u64) -> Result<Incoming> {
        self.blob(wanted.digest, offset).await
    }
}

/// A client that knows nothing of registries, and takes a secret nowhere else than where it is sent.
fn plain_client(endpoint: &Endpoint, authorities: &[Certificate]) -> reqwest::Result<reqwest::Client> {
    let authorities = authorities.iter().map(|one| reqwest::Certificate::from_pem(&one.data));
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .danger_accept_invalid_certs(endpoint.insecure)
        .tls_certs_merge(authorities.collect::<reqwest::Result<Vec<_>>>()?)
        .connect_timeout(http::CONNECT)
        .read_timeout(http::READ)
        .user_agent(http::USER_AGENT)
        .build()
}

/// The authorities that docker and podman trust for this registry besides the system's:
/// `certs.d/HOST[:PORT]/*.crt`.
fn certificates(host: &str) -> Result<Vec<Certificate>> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let directories = [
        Some(PathBuf::from("/etc/docker/certs.d")),
        Some(PathBuf::from("/etc/containers/certs.d")),
        home.map(|home| home.join(".config/containers/certs.d")),
    ];
    let mut all = Vec::new();
    for directory in directories.into_iter().flatten() {
        let Ok(entries) = directory.join(host).read_dir() else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "crt") {
                all.extend(read_certificates(&path)?);
            }
        }
    }
    Ok(all)
}

/// A file may hold several, one after the other.
fn read_certificates(path: &Path) -> Result<Vec<Certificate>> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::io(format!("failed to read the certificate {}", path.display()), e))?;
    let blocks = text.split_inclusive(END).filter(|block| block.contains("-----BEGIN CERTIFICATE-----"));
    Ok(blocks
        .map(|block| Certificate { encoding: CertificateEncoding::Pem, data: block.trim().into() })
        .collect())
}
