//! From a layer's bytes to a directory that an overlay takes.

#[cfg(feature = "tarball")]
mod entries;
#[cfg(feature = "tarball")]
mod flatten;
#[cfg(feature = "tarball")]
mod layer;
#[cfg(feature = "tarball")]
mod lower;
#[cfg(feature = "tarball")]
mod path;
#[cfg(feature = "tarball")]
mod sparse;
#[cfg(feature = "tarball")]
mod stream;
#[cfg(feature = "tarball")]
mod tar;
#[cfg(all(test, feature = "tarball"))]
mod tests;

#[cfg(feature = "tarball")]
pub(crate) use {
    entries::is_kept,
    flatten::flatten,
    layer::{check_tar, forget, unpack, verify},
    path::{Name, follow, join, normalise, read as read_name, show, split},
    stream::{Digests, LayerStream},
    tar::{Entry as TarEntry, TarReader},
};
#[cfg(feature = "packages")]
pub(crate) use {path::for_layer, stream::decoder};

use crate::store::{About, Layer, LayerDir, MapRecord, Origin, Staging};
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use rootlet_kernel::IdMap;
use std::path::PathBuf;

/// The layers below the one that is looked at.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// Their directories, bottom first.
    pub paths: Vec<PathBuf>,
    /// Stands for all of them; empty for none.
    pub chain: String,
}

impl Below {
    /// Puts a layer on top.
    pub(crate) fn push(&mut self, layer: &Layer, about: &About, tree: PathBuf) {
        if about.hides_lower {
            self.paths.clear();
        }
        // A layer that comes twice (the empty one does) counts where it comes last; overlayfs refuses it
        // twice.
        self.paths.retain(|path| *path != tree);
        self.paths.push(tree);
        self.chain = Digest::of(format!("{} {}", self.chain, layer.key).as_bytes()).hex();
    }
}

/// The directories of the layers of the base `name` on top of `bottom`: see `Base::layer_paths`.
pub(crate) fn layer_paths<'a>(
    name: &str,
    layers: impl IntoIterator<Item = &'a Layer>,
    bottom: Vec<PathBuf>,
    map: &IdMap,
    resolver: &Resolver,
) -> Result<Vec<PathBuf>> {
    let mut below = Below { paths: bottom, chain: String::new() };
    for layer in layers {
        let place = LayerDir::new(&resolver.store, layer.key);
        let (about, tree) = match place.find(map, &below.chain)? {
            Some(ready) => ready,
            None if layer.origin == Origin::Unpacked => return Err(other_map(name)),
            None => unpack(name, layer, &below, map, resolver)?,
        };
        below.push(layer, &about, tree);
    }
    Ok(below.paths)
}

/// Errors when a snapshot without a name was made for another map.
pub(crate) fn check_staged(staging: &Staging, map: &IdMap) -> Result<()> {
    match MapRecord::of(staging.map()) == MapRecord::of(map) {
        true => Ok(()),
        false => Err(other_map("snapshot")),
    }
}

pub(crate) fn other_map(name: &str) -> Error {
    Error::new(
        ErrorKind::OtherIdMap,
        format!("failed to use `{name}`: the snapshot was made with other user and group ids"),
    )
    .with_hint(
        "a snapshot serves the user and id map that it was made with: use the same `--user`, or make \
        it again",
    )
}

#[cfg(not(feature = "tarball"))]
fn unpack(
    name: &str,
    layer: &Layer,
    _below: &Below,
    _map: &IdMap,
    _resolver: &Resolver,
) -> Result<(About, PathBuf)> {
    Err(no_feature(name, layer))
}

#[cfg(not(feature = "tarball"))]
pub(crate) fn flatten(name: &str, layers: &[Layer], _: &Resolver, _: &std::path::Path) -> Result<()> {
    layers.first().map_or(Ok(()), |layer| Err(no_feature(name, layer)))
}

#[cfg(not(feature = "tarball"))]
fn no_feature(name: &str, layer: &Layer) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "failed to unpack the layer {} of `{name}`: this build of rootlet has no feature `tarball`",
            layer.key
        ),
    )
    .with_hint("add the feature in Cargo.toml: `rootlet = { version = \"…\", features = [\"tarball\"] }`")
}
