//! `apk:RELEASE`: Alpine from its packages.
//!
//! ```text
//! mirror, keys ──▶ index ──▶ solve ──▶ fetch ──▶ contents ──▶ tree ──▶ layer ──▶ scripts
//!                  signed    which     verified  of each      of all   written   run in a rootlet, a second layer
//! ```
//!
//! What is trusted is a signature of the index; each package is held against it (see [`package`]). The packages stay among the
//! store's blobs as long as a root that was made of them.

mod checksum;
mod contents;
mod database;
mod dependency;
mod fetch;
mod index;
mod keys;
mod layer;
mod members;
mod package;
mod repository;
mod scripts;
mod solve;
mod tree;
mod version;

use crate::base::{BaseKind, Defaults};
use crate::source::mirror::without_credentials;
use crate::store::{Content, Locked, TmpDir};
use crate::{Base, Error, ErrorKind, PackageSet, Pull, Resolver, Result, pack};
use fetch::Stock;
use index::Package;
use repository::Repositories;
use std::collections::BTreeSet;
use tree::{Part, Tree};

/// What the official root has (its `/etc/apk/world`).
const WORLD: &[&str] = &["alpine-baselayout", "alpine-keys", "apk-tools", "busybox", "libc-utils"];
/// Who says which release it is: a package of its own, since v3.21 in the official root. Of older releases that has the
/// files of the second one, and not the package.
const RELEASE: &str = "alpine-release";
const OLD_RELEASE: &str = "alpine-base";

/// From the store, or made of its packages.
///
/// # Locking
/// Exclusive on `locks/NAME` while it is made: who wants the same meanwhile waits, and then finds it.
pub(crate) fn resolve(resolver: &Resolver, set: PackageSet) -> Result<Base> {
    let name = resolver.name_for_platform(format!("apk:{set}"));
    let stored = || Ok::<_, Error>(resolver.stored(&name)?.map(|(_, base)| base));
    let shown = without_credentials(&name);
    let is_asked = resolver.pull == Pull::Always && !resolver.offline;
    if let Some(base) = stored()?.filter(|_| !is_asked) {
        return Ok(base);
    }
    if resolver.offline || resolver.pull == Pull::Never {
        let what =
            format!("failed to find `{shown}`: it is not in the store {}", resolver.store.path().display());
        return Err(Error::new(ErrorKind::NotInStore, what)
            .with_hint(format!("with a network, make it once: `rootlet base pull '{shown}'`")));
    }
    let _lock = Locked::exclusive(&resolver.store.lock_file(&name))?;
    match stored()? {
        Some(base) if !is_asked => Ok(base),
        known => {
            make(resolver, &set, &name, known).map_err(|e| e.within(format!("failed to make `{shown}`")))
        }
    }
}

/// Makes it, unless it is `known` and would be made of the same packages again.
fn make(resolver: &Resolver, set: &PackageSet, name: &str, known: Option<Base>) -> Result<Base> {
    let repositories = Repositories::read(resolver, set)?;
    let world = world(&repositories.packages, set);
    let mut packages = solve::solve(&repositories.packages, &world)?;
    let installed = packages.len();
    packages.extend(old_release(&repositories.packages, &world));
    if let Some(base) = known
        && is_made_of(resolver, &base, &packages)
    {
        return Ok(base);
    }
    let staging = resolver.store.stage()?;
    let stock = Stock::of(resolver)?;
    let files = fetch::open_all(resolver, &repositories.mirror, &stock, &staging, &packages)?;
    let mut parts = Vec::new();
    for (at, (package, (file, opened))) in packages.into_iter().zip(files).enumerate() {
        let items = contents::read(&file, &opened, resolver, &package.id())?;
        parts.push(Part { package, file, opened, items, is_installed: at < installed });
    }
    let later =
        parts.iter().any(|part| part.opened.scripts.iter().any(|script| script.kind == "pre-install"));
    contents::resolve_names(&mut parts.iter_mut().map(|part| &mut part.items).collect::<Vec<_>>(), later);
    build(resolver, name, &repositories, &world, &parts, &staging)
}

/// From verified packages to a base.
fn build(
    resolver: &Resolver,
    name: &str,
    repositories: &Repositories,
    world: &[String],
    parts: &[Part<'_>],
    staging: &TmpDir,
) -> Result<Base> {
    let mirror = repositories.mirror.shown();
    // A directory has no scheme for apk.
    let mirror = mirror.strip_prefix("file://").or(mirror.strip_prefix("file:")).unwrap_or(mirror);
    let origin = database::Origin {
        world,
        repositories: repositories
            .directories
            .iter()
            .map(|directory| format!("{mirror}/{directory}"))
            .collect(),
        keys: &repositories.keys,
        arch: repositories.arch,
    };
    let epoch = parts.iter().map(|part| part.package.built).max().unwrap_or(0);
    let mut tree = Tree::merge(parts, resolver.limits.layer_bytes)?;
    let written = database::files(parts, &tree, &origin)?;
    let inside = database::DIRECTORIES.iter().map(|directory| format!("{directory}/"));
    for path in inside.chain(written.iter().map(|file| file.path.clone())) {
        tree.make_above(path.as_bytes(), epoch)?;
        if tree.directories.contains_key(path.as_bytes()) {
            return Err(contents::hostile(
                path.as_bytes(),
                "is a directory of a package, and a file of apk's own",
            ));
        }
    }
    let layer = layer::write(resolver, parts, &tree, &written, epoch)?;
    let documents: BTreeSet<_> = parts.iter().map(|part| part.opened.digest).collect();
    let content = Content {
        bottom: BaseKind::Layers,
        layers: Vec::new(),
        defaults: Defaults::default(),
        documents: documents.into_iter().collect(),
    };
    let bare = pack::put_unnamed(resolver, content, vec![layer], name)?;
    fetch::keep(resolver, staging, parts)?;
    let script = scripts::script(parts, &tree, &without_credentials(name), epoch)?;
    let configured = script.map(|script| resolver.set_up(&bare, &script)).transpose()?;
    let how = format!("made of {} packages of {}", parts.len(), repositories.mirror.shown());
    bare.with_layers(configured.into_iter().collect(), Defaults::default(), name, &how, &[])
}

/// The packages that apk is to know as wanted.
fn world(packages: &[Package], set: &PackageSet) -> Vec<String> {
    let has_release = packages.iter().any(|package| package.name == RELEASE);
    let base = WORLD.iter().copied().chain(has_release.then_some(RELEASE));
    base.map(str::to_owned).chain(set.add.iter().cloned()).collect()
}

/// The package whose files say which release it is, where no package of the world does.
fn old_release<'a>(packages: &'a [Package], world: &[String]) -> Option<&'a Package> {
    let named = packages.iter().filter(|package| package.name == OLD_RELEASE);
    let is_needed = !world.iter().any(|name| name == RELEASE || name == OLD_RELEASE);
    named.max_by(|a, b| version::compare(&a.version, &b.version)).filter(|_| is_needed)
}

/// Whether a base consists of just these packages.
fn is_made_of(resolver: &Resolver, base: &Base, packages: &[&Package]) -> bool {
    let has = fetch::packages_of(resolver, base);
    has.len() == packages.len() && packages.iter().all(|package| has.contains_key(&package.checksum))
}
