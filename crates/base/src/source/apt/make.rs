//! From a manifest to a base: fetched, unpacked, configured.

use super::manifest::Manifest;
use super::{configure, content, hold, root};
use crate::pack::{self, LayerWriter};
use crate::progress::{Step, Task};
use crate::source::download::Wanted;
use crate::source::mirror::Mirror;
use crate::store::write_atomically;
use crate::{Base, Digest, Error, ErrorKind, Resolver, Result};

/// Makes the base, and gives it its name; one of the same manifest is found. `mirrors` are those that are known with the user's
/// credentials.
pub(super) fn make(resolver: &Resolver, name: &str, manifest: &Manifest, mirrors: &[Mirror]) -> Result<Base> {
    let json = manifest.json();
    let key = Digest::of(&json);
    if let Some(base) = resolver.stored_manifest(name, key)? {
        return Ok(base);
    }
    let mut blobs: Vec<Digest> = manifest.packages.iter().map(|package| package.sha256).collect();
    blobs.push(key);
    let _held = hold(resolver, blobs.clone())?;
    let place = resolver.store.blob_file(key);
    write_atomically(&resolver.store.tmp(), &place, &json)
        .map_err(|e| Error::io(format!("failed to write {}", place.display()), e))?;
    fetch(resolver, manifest, mirrors)?;

    let mut layer = LayerWriter::begin(&resolver.store)?;
    let mut debs: Vec<_> = manifest.packages.iter().collect();
    // Its directories are those of the whole system.
    debs.sort_by_key(|package| (package.name != "base-files", &package.name));
    let controls = root::write(&debs, manifest, &mut layer, resolver)?;
    let unpacked = pack::put(resolver, content(resolver), vec![layer.finish()?], None, "", None)?;

    let names: Vec<&str> = manifest.packages.iter().map(|package| package.name.as_str()).collect();
    let script = configure::script(name, &controls, &names, manifest.epoch, resolver.limits.script_time);
    let task = Task::begin(&*resolver.progress, "configure", Step::SetUp, None);
    let configured = resolver.set_up(&unpacked, &script)?;
    drop(task);
    let how = format!("made of {} packages of {}", names.len(), manifest.from);
    let mut content = unpacked.content();
    content.documents.extend(blobs);
    pack::put(resolver, content, vec![configured], Some(name), &how, Some(key))
}

/// Brings the packages into the store.
fn fetch(resolver: &Resolver, manifest: &Manifest, mirrors: &[Mirror]) -> Result<()> {
    let below = |url: &str, mirror: &Mirror| {
        url.strip_prefix(mirror.shown()).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned)
    };
    let mut left: Vec<_> = manifest
        .packages
        .iter()
        .filter(|package| !resolver.store.blob_file(package.sha256).exists())
        .collect();
    let wanted = |package: &super::manifest::Pinned, place| Wanted {
        digest: package.sha256,
        size: package.size,
        name: format!("{} {}", package.name, package.version),
        place,
    };
    for mirror in mirrors {
        let (here, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|package| below(&package.url, mirror).is_some());
        let here = here.into_iter().filter_map(|package| Some(wanted(package, below(&package.url, mirror)?)));
        mirror.download(resolver, here.collect()).map_err(gone)?;
        left = others;
    }
    let files = left.iter().map(|package| crate::PackageFile {
        url: package.url.clone(),
        name: format!("{} {}", package.name, package.version),
        size: package.size,
        digest: package.sha256,
    });
    resolver.packages(&files.collect::<Vec<_>>()).map(drop).map_err(gone)
}

/// A mirror has only what is new.
fn gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_hint(
            "the mirror has moved on: try again; where `rootlet.lock` says what is used, `rootlet update` takes what is there now",
        ),
        _ => error,
    }
}
