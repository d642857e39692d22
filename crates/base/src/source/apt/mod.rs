//! `apt:SUITE`: Debian or Ubuntu, made of its packages.
//!
//! ```text
//! suites      verified and read:
//!   sources     where packages are from: the name's options, else this machine's own apt
//!   release     InRelease of each suite: its signature, its time, the digests of its indexes
//!   index       Packages: name, version, relations, digest
//!   solve       which packages
//! manifest    exactly these packages, from there: what a lock file pins
//! make        the base:
//!   root        all of them unpacked (ahead) into one layer, with dpkg's database  the first layer
//!   configure   dpkg's own configuration, in a rootlet                             the second layer
//! ```
//!
//! Indexes and packages are blobs of the store, found by their digests: nothing is fetched twice, whichever suite it is of.

mod ahead;
mod configure;
mod database;
mod deb;
mod index;
mod make;
mod manifest;
mod relation;
mod release;
mod root;
mod signature;
mod solve;
mod sources;
mod stanza;
mod suites;
mod version;

use crate::base::{BaseKind, Defaults};
use crate::resolve::{Pin, Pull};
use crate::store::{Content, Locked};
use crate::{Base, Digest, Error, ErrorKind, PackageSet, Resolver, Result};
use manifest::Manifest;
use std::path::Path;
use suites::Suites;

/// From the store, or made of its packages.
///
/// # Locking
/// Exclusive on `locks/NAME` while it is made: a second one waits, and finds it.
pub(crate) fn resolve(resolver: &Resolver, set: PackageSet) -> Result<Base> {
    let name = resolver.name_for_platform(format!("apt:{set}"));
    let ask = |stored: bool| match resolver.pull {
        _ if resolver.offline => false,
        Pull::Missing => !stored,
        Pull::Always => true,
        Pull::Never => false,
    };
    let find = || Ok::<_, Error>(resolver.stored(&name)?.map(|(_, base)| base));
    if let Some(base) = find()?.filter(|_| !ask(true)) {
        return Ok(base);
    }
    if !ask(false) {
        return Err(Error::new(
            ErrorKind::NotInStore,
            format!(
                "failed to find the base `{name}`: it is not in the store, and the network is not to be used"
            ),
        )
        .with_hint(format!("make it where there is a network: `rootlet base pull {name}`")));
    }
    let _turn = resolver.turn(&name)?;
    match find()? {
        Some(base) if resolver.pull == Pull::Missing => Ok(base),
        _ => Suites::fetch(resolver, &set, Path::new("/"))
            .and_then(|suites| make::make(resolver, &name, &suites.manifest()?, &suites.into_mirrors()))
            .map_err(|e| e.within(format!("failed to make the base `{name}`"))),
    }
}

/// What the base of that name is made of; `None` where the store does not know.
pub(crate) fn pin(resolver: &Resolver, manifest: Digest) -> Option<String> {
    String::from_utf8(std::fs::read(resolver.store.blob_file(manifest)).ok()?).ok()
}

/// Made of exactly the packages that `pin` lists.
///
/// # Locking
/// As [`resolve`].
pub(crate) fn pinned(resolver: &Resolver, name: &str, pin: &Pin) -> Result<Base> {
    let name = resolver.name_for_platform(name.to_owned());
    let about = |e: Error| e.within(format!("failed to make the base `{name}` as it was pinned"));
    if let Some(base) = resolver.stored_manifest(&name, pin.digest)? {
        return Ok(base);
    }
    let json = pin.manifest.as_deref().unwrap_or_default();
    let manifest = Manifest::read(json.as_bytes()).map_err(about)?;
    if Digest::of(&manifest.json()) != pin.digest {
        return Err(about(Error::new(ErrorKind::Corrupt, "the list of its packages was changed"))
            .with_hint("`rootlet update` writes a new one"));
    }
    // The name itself leads to what there is now.
    let exact = format!("{name}@{}", pin.digest);
    let _turn = resolver.turn(&exact)?;
    make::make(resolver, &exact, &manifest, &[]).map_err(about)
}

/// Keeps blobs from being collected before the base names them.
///
/// # Locking
/// Shared on a content that is nothing else.
fn hold(resolver: &Resolver, blobs: Vec<Digest>) -> Result<Locked> {
    let mut content = content(resolver);
    let list = serde_json::to_vec(&blobs).expect("plain data has a JSON form");
    content.defaults.labels.insert("rootlet.fetching".into(), Digest::of(&list).to_string());
    content.documents = blobs;
    resolver.store.hold_new_content(&content)
}

fn content(resolver: &Resolver) -> Content {
    let platform = Some(resolver.platform.to_string());
    Content {
        bottom: BaseKind::Layers,
        layers: Vec::new(),
        defaults: Defaults { platform, ..Defaults::default() },
        documents: Vec::new(),
    }
}
