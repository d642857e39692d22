//! One layer: from its bytes, wherever they are, to its place in the store.

use super::Below;
use super::entries;
use super::lower::Lower;
use super::stream::{Digests, LayerStream};
use super::tar::TarReader;
use crate::progress::{Silent, Step, Task};
use crate::resolve::Limits;
use crate::source::open_file;
use crate::store::{About, Layer, LayerDir, Locked, Origin, Store};
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use rootlet_kernel::{IdMap, Worker};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Unpacks a layer of the base `name`, unless another process has done so by the time it is our turn. Its
/// digests are verified on the way; what fails them is not kept.
///
/// # Locking
/// Exclusive on the layer's directory.
pub(crate) fn unpack(
    name: &str,
    layer: &Layer,
    below: &Below,
    map: &IdMap,
    resolver: &Resolver,
) -> Result<(About, PathBuf)> {
    let place = LayerDir::new(&resolver.store, layer.key);
    let _turn = loop {
        place.create()?;
        if let Some(turn) = Locked::directory(place.path())? {
            break turn;
        }
    };
    if let Some(ready) = place.find(map, &below.chain)? {
        return Ok(ready);
    }
    let id = layer.key.to_string();
    let context = || format!("failed to unpack the layer {id} of `{name}`");
    let (file, size) = open(&resolver.store, layer).map_err(|e| e.within(context()))?;
    let task = Task::begin(&*resolver.progress, &id, Step::Unpack, Some(size));
    let staging = resolver.store.stage_layer(map)?;
    let mut worker = Worker::start(map).map_err(|e| Error::no_worker(e).within(context()))?;
    let about = write(file, layer, staging.path(), &mut worker, below, map, &resolver.limits, &task)
        .map_err(|e| forget(&resolver.store, layer, e).within(context()))?;
    if about.devices > 0 {
        resolver.progress.note(&format!("{name}: {} device nodes were left out", about.devices));
    }
    place.write_about(&resolver.store, &about)?;
    let tree = place.serving(&about, map, &below.chain)?;
    staging.settle(&tree)?;
    Ok((about, tree.join("root")))
}

#[expect(clippy::too_many_arguments, reason = "one step of `unpack`, not called elsewhere")]
fn write(
    file: File,
    layer: &Layer,
    tree: &Path,
    worker: &mut Worker,
    below: &Below,
    map: &IdMap,
    limits: &Limits,
    task: &Task<'_>,
) -> Result<About> {
    let stream = LayerStream::new(file, *limits, task)?;
    let mut tar = TarReader::new(stream);
    let mut writer =
        worker.writer(tree).map_err(|e| Error::io(format!("failed to write into {}", tree.display()), e))?;
    let lower = Lower { paths: &below.paths, map };
    let about = entries::unpack(&mut tar, &mut writer, layer.key, map, &lower, limits)?;
    writer.finish().map_err(entries::failed)?;
    verify(layer, &tar.into_inner().finish()?)?;
    Ok(about)
}

pub(crate) fn verify(layer: &Layer, found: &Digests) -> Result<()> {
    let wrong = |what: &str, found: Digest, promised: Digest| {
        Error::new(ErrorKind::Corrupt, format!("its {what} is {found}, and {promised} was promised"))
    };
    match &layer.origin {
        Origin::Blob { digest, .. } if *digest != found.packed => Err(wrong("digest", found.packed, *digest)),
        Origin::File { path, digest } if *digest != found.packed => {
            Err(wrong("digest", found.packed, *digest)
                .with_hint(format!("{} has changed: try again", path.display())))
        }
        _ => match layer.diff_id {
            Some(promised) if promised != found.unpacked => Err(wrong("diff id", found.unpacked, promised)),
            _ => Ok(()),
        },
    }
}

/// The layer's bytes, packed, and how many they are.
pub(super) fn open(store: &Store, layer: &Layer) -> Result<(File, u64)> {
    let (path, hint) = match &layer.origin {
        Origin::Blob { digest, .. } => (
            store.blob_file(*digest),
            "it is not in the store: fetch it again with `rootlet base pull --pull always`".to_owned(),
        ),
        Origin::File { path, .. } => (
            path.clone(),
            "the base is unpacked for other user ids only, and for these the file is needed again".to_owned(),
        ),
        Origin::Unpacked => return Err(Error::new(ErrorKind::OtherIdMap, "it was made for other user ids")),
    };
    let opened = open_file(&path).and_then(|file| match file.metadata() {
        Ok(m) => Ok((file, m.len())),
        Err(e) => Err(Error::io(format!("failed to read {}", path.display()), e)),
    });
    opened.map_err(|e| if e.kind() == ErrorKind::NotFound { e.with_hint(hint) } else { e })
}

/// A blob of the store that is damaged is removed, so that the next pull fetches it anew.
pub(crate) fn forget(store: &Store, layer: &Layer, error: Error) -> Error {
    match &layer.origin {
        Origin::Blob { digest, .. } if error.kind() == ErrorKind::Corrupt => {
            let _ = std::fs::remove_file(store.blob_file(*digest));
            error.with_hint("the blob was removed from the store: the next pull fetches it again")
        }
        _ => error,
    }
}

/// Whether the file begins as a tar does, packed or not. Errors: it cannot be read, it is empty, it is
/// something else.
pub(crate) fn check_tar(path: &Path) -> Result<()> {
    let file = open_file(path)?;
    let task = Task::begin(&Silent, "", Step::Read, None);
    let mut tar = TarReader::new(LayerStream::new(file, Limits::default(), &task)?);
    tar.next()?;
    match tar.headers() {
        0 => Err(Error::new(ErrorKind::Corrupt, "it is an empty tar")),
        _ => Ok(()),
    }
}
