//! From a name to a base.

use crate::base::{BaseKind, Defaults, Held};
use crate::progress::{Progress, Silent};
use crate::store::{Content, Locked, NameRecord, Stamp, Store, now};
use crate::{Base, BaseName, Digest, Error, ErrorKind, Result, source};
use rootlet_kernel::IdMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How a base is found: which network it may use, which platform is wanted, how large it may be. A base keeps
/// the limits and the progress that it was found with, for its layers are unpacked later.
///
/// ```no_run
/// # fn main() -> rootlet_base::Result<()> {
/// use rootlet_base::{Pull, Resolver, Store};
/// let store = Store::open_default()?;
/// let base = Resolver::new(&store).pull(Pull::Always).resolve("alpine:3.20")?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    pub(crate) store: Store,
    pub(crate) offline: bool,
    pub(crate) pull: Pull,
    pub(crate) platform: Platform,
    pub(crate) limits: Limits,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) unpack_for: Option<IdMap>,
    pub(crate) logins: Vec<Login>,
    #[cfg(feature = "packages")]
    pub(crate) setup: Option<Arc<dyn crate::Setup>>,
}

/// What a name led to at some time, so that it can be had again: what a lock file holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Of an image's manifest, of a tarball, or of the list of packages.
    pub digest: Digest,
    /// The list of packages, as JSON.
    pub manifest: Option<String>,
}

/// The turn to make something: see [`Resolver::turn`].
#[derive(Debug)]
pub struct Turn {
    _lock: Locked,
    path: PathBuf,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Whoever waits for it finds that it is gone, and makes it anew.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Who we are to a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The registry: `ghcr.io`, `localhost:5000`; or a part of it, `ghcr.io/owner`.
    pub address: String,
    /// The user's name.
    pub user: String,
    /// The password, or a token.
    pub password: String,
}

/// Nobody is to see the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("address", &self.address)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// When an image is fetched from its registry: `docker run --pull`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// When it is not in the store.
    #[default]
    Missing,
    /// When the registry's tag leads to something else than the store's.
    Always,
    /// Not at all.
    Never,
}

impl FromStr for Pull {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "missing" => Ok(Self::Missing),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(Error::new(ErrorKind::Configuration, format!("`{text}` is not a way to pull"))
                .with_hint("it is one of `missing`, `always`, `never`")),
        }
    }
}

/// What a layer may hold: a bound on what a hostile image costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one layer, unpacked. 32 GiB. A 32nd of it may be holes of sparse files, a 64th the names
    /// of files.
    pub layer_bytes: u64,
    /// Entries of one layer. 10 million.
    pub layer_entries: u64,
    /// Unpacked bytes for one packed byte, looked at beyond a 32nd of `layer_bytes`: honest layers stay below
    /// 100, gzip can give 1032, zstd much more. 500.
    pub ratio: u64,
    /// Bytes of a manifest, an index or a config. 4 MiB, as registries have it.
    pub document_bytes: u64,
    /// How long one script may take that makes a root complete: a package's, or a recipe's. An hour.
    pub script_time: Duration,
    /// How long a download may bring nothing before it is begun again. A minute.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes: 32 << 30,
            layer_entries: 10_000_000,
            ratio: 500,
            document_bytes: 4 << 20,
            script_time: Duration::from_secs(3600),
            silence: Duration::from_secs(60),
        }
    }
}

/// The operating system and processor an image is for, as `docker --platform` has it: `linux/amd64`,
/// `linux/arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, … as Go names them.
    pub architecture: String,
    /// `v7`, …
    pub variant: Option<String>,
}

impl Default for Platform {
    /// This machine's.
    fn default() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let well = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => ("", "", None),
        };
        if ![Some(os), Some(architecture), variant].iter().flatten().all(well) {
            return Err(Error::new(ErrorKind::Configuration, format!("`{text}` is not a platform"))
                .with_hint("write it as `linux/amd64` or `linux/arm/v7`"));
        }
        Ok(Self { os: os.into(), architecture: architecture.into(), variant: variant.map(str::to_owned) })
    }
}

impl Resolver {
    /// The defaults: the network may be used, what is in the store is taken from there, this machine's
    /// platform.
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            offline: false,
            pull: Pull::Missing,
            platform: Platform::default(),
            limits: Limits::default(),
            progress: Arc::new(Silent),
            unpack_for: None,
            logins: Vec::new(),
            #[cfg(feature = "packages")]
            setup: None,
        }
    }

    /// Whether the network is out of bounds: what is not in the store is an error that says so.
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// When an image is fetched.
    pub fn pull(mut self, pull: Pull) -> Self {
        self.pull = pull;
        self
    }

    /// Which of the platforms of a multi-architecture image is taken.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// How large a layer may be.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Who hears how far it is.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// For which ids the layers of an image are unpacked while others are still on their way. What keeps them
    /// from it is told by [`Base::layer_paths`], which everybody calls afterwards.
    pub fn unpack_for(mut self, map: IdMap) -> Self {
        self.unpack_for = Some(map);
        self
    }

    /// Who we are to registries, before what the files of docker and podman say.
    pub fn logins(mut self, logins: Vec<Login>) -> Self {
        self.logins = logins;
        self
    }

    /// Who runs the scripts of packages.
    #[cfg(feature = "packages")]
    pub fn setup(mut self, setup: Arc<dyn crate::Setup>) -> Self {
        self.setup = Some(setup);
        self
    }

    /// The base of that name: see [`BaseName`].
    ///
    /// Errors: the name cannot be read; there is no such thing; it is not in the store and may not be
    /// fetched; the registry refuses or cannot be reached; what comes is damaged; the build lacks the feature
    /// (`tarball`, `registry`).
    pub fn resolve(&self, name: &str) -> Result<Base> {
        match name.parse::<BaseName>()?.absolute()? {
            BaseName::Host => Ok(self.outside("host".into(), BaseKind::Host)),
            BaseName::Directory(path) => source::directory::resolve(self, path),
            name @ BaseName::Snapshot(_) => self.snapshot(&name.to_string()),
            BaseName::Tar(path) => source::tarball::resolve(self, path),
            BaseName::Oci(path, tag) => source::oci_layout::resolve(self, path, tag),
            BaseName::Archive(path, tag) => source::archive::resolve(self, path, tag),
            BaseName::Apt(packages) => source::apt::resolve(self, packages),
            BaseName::Apk(packages) => source::apk::resolve(self, packages),
            BaseName::Image(image) => source::registry::resolve(self, image),
        }
    }

    /// What the store knows under exactly this name; nothing is fetched or made.
    ///
    /// Errors: the store cannot be read.
    pub fn known(&self, name: &str) -> Result<Option<Base>> {
        Ok(self.stored(name)?.map(|(_, base)| base))
    }

    /// Whether the network is out of bounds.
    pub fn is_offline(&self) -> bool {
        self.offline || self.pull == Pull::Never
    }

    /// What a layer may hold, and a script may take.
    pub fn bounds(&self) -> &Limits {
        &self.limits
    }

    /// The store that bases are kept in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who hears how far it is.
    pub fn hears(&self) -> &dyn Progress {
        &*self.progress
    }

    /// What the name of a base leads to now; `None` for what cannot be had again by it: a directory, a snapshot, this machine.
    ///
    /// Errors: the store cannot be read; the tarball is gone.
    pub fn pin(&self, name: &str) -> Result<Option<Pin>> {
        let name: BaseName = name.parse::<BaseName>()?.absolute()?;
        let Some((record, base)) = self.stored(&self.name_for_platform(name.to_string()))? else {
            return Ok(None);
        };
        Ok(match (&name, record.manifest) {
            (BaseName::Image(_), Some(digest)) => Some(Pin { digest, manifest: None }),
            #[cfg(feature = "packages")]
            (BaseName::Apt(_), Some(digest)) => {
                Some(Pin { digest, manifest: source::apt::pin(self, digest) })
            }
            (BaseName::Tar(_), _) => {
                base.layers().first().map(|layer| Pin { digest: layer.key, manifest: None })
            }
            _ => None,
        })
    }

    /// The base that a name led to when it was pinned.
    ///
    /// Errors: those of [`Resolver::resolve`]; it is something else by now, and what it was cannot be had any more.
    pub fn pinned(&self, name: &str, pin: &Pin) -> Result<Base> {
        match name.parse::<BaseName>()?.absolute()? {
            BaseName::Image(image) => source::registry::resolve(self, image.at(pin.digest)),
            #[cfg(feature = "packages")]
            apt @ BaseName::Apt(_) => source::apt::pinned(self, &apt.to_string(), pin),
            other => {
                let base = self.resolve(&other.to_string())?;
                let is_it = |layer: &crate::store::Layer| layer.key == pin.digest;
                match base.layers().first().is_some_and(is_it) || base.id() == pin.digest.to_string() {
                    true => Ok(base),
                    false => Err(Error::new(
                        ErrorKind::Corrupt,
                        format!("`{other}` is not what it was when it was pinned"),
                    )
                    .with_hint("`rootlet update` takes it as it is now")),
                }
            }
        }
    }

    /// Takes the turn to make what `name` is to stand for: nobody else makes it until the result is dropped.
    ///
    /// Errors: the store cannot be written.
    ///
    /// # Locking
    /// Exclusive on `locks/NAME`.
    pub fn turn(&self, name: &str) -> Result<Turn> {
        let path = self.store.lock_file(name);
        Ok(Turn { _lock: Locked::exclusive(&path)?, path })
    }

    /// A base that the store does not hold: its name says all there is to know.
    pub(crate) fn outside(&self, name: String, bottom: BaseKind) -> Base {
        let content =
            Content { bottom, layers: Vec::new(), defaults: Defaults::default(), documents: Vec::new() };
        Base::new(self, name.clone(), name, content, Held::Outside)
    }

    /// What the store knows under that name, held; with the record that says what it was made from.
    pub(crate) fn stored(&self, name: &str) -> Result<Option<(NameRecord, Base)>> {
        let Some(record) = self.store.name_record(name)? else { return Ok(None) };
        let Some((content, held)) = self.store.hold_content(record.content)? else { return Ok(None) };
        let id = record.content.to_string();
        let base = Base::new(self, record.name.clone(), id, content, Held::Content(held));
        Ok(Some((record, base)))
    }

    /// What the store knows under that name, when the file it was read from is as it was.
    pub(crate) fn stored_file(&self, name: &str, stamp: &Stamp) -> Result<Option<Base>> {
        Ok(self
            .stored(name)?
            .filter(|(record, _)| record.stamp.as_ref() == Some(stamp))
            .map(|(_, base)| base))
    }

    /// What the store knows under that name, when it still leads to the same manifest.
    pub(crate) fn stored_manifest(&self, name: &str, manifest: Digest) -> Result<Option<Base>> {
        Ok(self.stored(name)?.filter(|(record, _)| record.manifest == Some(manifest)).map(|(_, base)| base))
    }

    /// Images of other platforms than this machine's are remembered beside this one's.
    pub(crate) fn name_for_platform(&self, name: String) -> String {
        match self.platform == Platform::default() {
            true => name,
            false => format!("{name} {}", self.platform),
        }
    }

    /// Holds a content and gives it a name.
    pub(crate) fn keep(
        &self,
        name: String,
        content: &Content,
        how: String,
        manifest: Option<Digest>,
        stamp: Option<Stamp>,
    ) -> Result<Base> {
        let held = self.store.hold_new_content(content)?;
        self.name(name, content, held, how, manifest, stamp)
    }

    /// Gives a held content its name.
    pub(crate) fn name(
        &self,
        name: String,
        content: &Content,
        held: Locked,
        how: String,
        manifest: Option<Digest>,
        stamp: Option<Stamp>,
    ) -> Result<Base> {
        let id = content.id();
        self.store.write_name(&NameRecord {
            name: name.clone(),
            content: id,
            how,
            when: now(),
            manifest,
            stamp,
        })?;
        Ok(Base::new(self, name, id.to_string(), content.clone(), Held::Content(held)))
    }

    fn snapshot(&self, name: &str) -> Result<Base> {
        match self.stored(name)? {
            Some((_, base)) => Ok(base),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "failed to find the base `{name}`: the store {} has no such snapshot",
                    self.store.path().display()
                ),
            )
            .with_hint("`rootlet base list` shows what there is")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_platforms() {
        for (text, whole) in
            [("amd64", "linux/amd64"), ("linux/arm64", "linux/arm64"), ("linux/arm/v7", "linux/arm/v7")]
        {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), whole);
        }
        for text in ["", "/", "linux/", "a/b/c/d", "linux/a b"] {
            assert_eq!(text.parse::<Platform>().unwrap_err().kind(), ErrorKind::Configuration, "{text}");
        }
    }
}
