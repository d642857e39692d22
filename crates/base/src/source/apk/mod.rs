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
use crate::packages::without_credentials;
use crate::progress::{Step, Task};
use crate::store::{Content, Locked};
use crate::{Base, Digest, Error, ErrorKind, PackageSet, PackedLayer, Pull, Resolver, Result, pack};
use database::Origin;
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
/// Exclusive on `locks/NAME` while it is made: a second one waits, and finds it.
pub(crate) fn resolve(resolver: &Resolver, set: PackageSet) -> Result<Base> {
    let name = resolver.name_for_platform(format!("apk:{set}"));
    let shown = without_credentials(&name);
    let stored = || Ok::<_, Error>(resolver.stored(&name)?.map(|(_, base)| base));
    let is_asked = resolver.pull == Pull::Always && !resolver.offline;
    if let Some(base) = stored()?.filter(|_| !is_asked) {
        return Ok(base);
    }
    if resolver.offline || resolver.pull == Pull::Never {
        return Err(Error::new(
            ErrorKind::NotInStore,
            format!(
                "failed to find the base `{shown}`: it is not in the store, and the network is not to be used"
            ),
        )
        .with_hint(format!("make it where there is a network: `rootlet base pull '{shown}'`")));
    }
    let _turn = Locked::exclusive(&resolver.store.lock_file(&name))?;
    match stored()? {
        Some(base) if !is_asked => Ok(base),
        _ => make(resolver, &set, &name).map_err(|e| e.within(format!("failed to make the base `{shown}`"))),
    }
}

/// Makes it, unless the store has one that was made of the same.
fn make(resolver: &Resolver, set: &PackageSet, name: &str) -> Result<Base> {
    let repositories = Repositories::read(resolver, set)?;
    let world = world(&repositories.packages, set);
    let mut packages = solve::solve(&repositories.packages, &world)?;
    let installed = packages.len();
    packages.extend(old_release(&repositories.packages, &packages));
    let origin = origin(&repositories, &world);
    let key = key(&packages, &origin);
    if let Some(base) = resolver.stored_manifest(name, key)? {
        return Ok(base);
    }
    let (staging, stock) = (resolver.store.stage()?, Stock::of(resolver)?);
    let files = fetch::open_all(resolver, &repositories.mirror, &stock, &staging, &packages)?;
    let mut parts = Vec::new();
    for (at, (package, (file, opened))) in packages.into_iter().zip(files).enumerate() {
        let items = contents::read(&file, &opened, resolver, &package.id())?;
        parts.push(Part { package, file, opened, items, is_installed: at < installed });
    }
    let later =
        parts.iter().any(|part| part.opened.scripts.iter().any(|script| script.kind == "pre-install"));
    contents::resolve_names(&mut parts.iter_mut().map(|part| &mut part.items).collect::<Vec<_>>(), later);
    let epoch = parts.iter().map(|part| part.package.built).max().unwrap_or(0);
    let (tree, layer) = lay_out(resolver, &parts, &origin, epoch)?;
    // Named only when it is whole.
    let bare = pack::put(resolver, content(resolver, &parts), vec![layer], None, "", None)?;
    fetch::keep(resolver, &staging, &parts)?;
    let script =
        scripts::script(&parts, &tree, &without_credentials(name), epoch, resolver.limits.script_time)?;
    let task = Task::begin(&*resolver.progress, "configure", Step::SetUp, None);
    let configured = script.map(|script| resolver.set_up(&bare, &script)).transpose()?;
    drop(task);
    let how = format!("made of {} packages of {}", parts.len(), repositories.mirror.shown());
    pack::put(resolver, bare.content(), configured.into_iter().collect(), Some(name), &how, Some(key))
}

/// Lays the files of all packages and apk's database into a layer.
fn lay_out(
    resolver: &Resolver,
    parts: &[Part<'_>],
    origin: &Origin<'_>,
    epoch: u64,
) -> Result<(Tree, PackedLayer)> {
    let mut tree = Tree::merge(parts, resolver.limits.layer_bytes)?;
    let written = database::files(parts, &tree, origin)?;
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
    Ok((tree, layer))
}

/// What apk is told of where the packages are from.
fn origin<'a>(repositories: &'a Repositories, world: &'a [String]) -> Origin<'a> {
    let mirror = repositories.mirror.shown();
    // A directory has no scheme for apk.
    let mirror = mirror.strip_prefix("file://").or(mirror.strip_prefix("file:")).unwrap_or(mirror);
    let lines = repositories.directories.iter().map(|directory| format!("{mirror}/{directory}"));
    Origin { world, repositories: lines.collect(), keys: &repositories.keys, arch: repositories.arch }
}

/// What the root depends on: the packages, in their order, and what is written besides.
fn key(packages: &[&Package], origin: &Origin<'_>) -> Digest {
    let checksums: Vec<_> = packages.iter().map(|package| (&package.name, &package.checksum)).collect();
    let keys: Vec<_> = origin.keys.iter().map(|key| (&key.name, Digest::of(&key.pem))).collect();
    let text =
        serde_json::to_vec(&("apk 1", checksums, origin.world, &origin.repositories, keys, origin.arch));
    Digest::of(&text.expect("plain data has a JSON form"))
}

/// A content without layers, which has the packages among its blobs.
fn content(resolver: &Resolver, parts: &[Part<'_>]) -> Content {
    let documents: BTreeSet<_> = parts.iter().map(|part| part.opened.digest).collect();
    let platform = Some(resolver.platform.to_string());
    Content {
        bottom: BaseKind::Layers,
        layers: Vec::new(),
        defaults: Defaults { platform, ..Defaults::default() },
        documents: documents.into_iter().collect(),
    }
}

/// The packages that apk is to know as wanted.
fn world(packages: &[Package], set: &PackageSet) -> Vec<String> {
    let has_release = packages.iter().any(|package| package.name == RELEASE);
    let base = WORLD.iter().copied().chain(has_release.then_some(RELEASE));
    base.map(str::to_owned).chain(set.add.iter().cloned()).collect()
}

/// The package whose files say which release it is, where no package that is installed does.
fn old_release<'a>(packages: &'a [Package], installed: &[&Package]) -> Option<&'a Package> {
    let named = packages.iter().filter(|package| package.name == OLD_RELEASE);
    let says_so = installed.iter().any(|package| package.name == RELEASE || package.name == OLD_RELEASE);
    named.max_by(|a, b| version::compare(&a.version, &b.version)).filter(|_| !says_so)
}
