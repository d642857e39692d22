//! From a layer's bytes to a directory that an overlay takes.

use crate::store::{About, Layer, LayerDir, MapRecord, Origin, Staging};
use crate::{Base, Digest, Error, ErrorKind, Resolver, Result};
use rootlet_kernel::IdMap;
use std::path::PathBuf;

/// The directories of a base's layers on top of `paths`: see [`Base::layer_paths`].
pub(crate) fn layer_paths(
    base: &Base,
    mut paths: Vec<PathBuf>,
    map: &IdMap,
    resolver: &Resolver,
) -> Result<Vec<PathBuf>> {
    let mut lower = String::new();
    for layer in base.layers() {
        let place = LayerDir::new(base.store(), layer.key);
        let ready = match place.about()? {
            Some(about) => {
                let tree = place.serving(&about, map, &lower)?.join("root");
                tree.is_dir().then_some((about, tree))
            }
            None => None,
        };
        let (about, tree) = match ready {
            Some(ready) => ready,
            None if layer.origin == Origin::Unpacked => return Err(other_map(base.name())),
            None => unpack(base, layer, &paths, &lower, map, resolver)?,
        };
        if about.hides_lower {
            paths.clear();
        }
        paths.push(tree);
        lower = Digest::of(format!("{lower}{}", layer.key).as_bytes()).hex();
    }
    Ok(paths)
}

/// Errors when a snapshot without a name was made for another map.
pub(crate) fn check_staged(staging: &Staging, map: &IdMap) -> Result<()> {
    match MapRecord::of(staging.map()) == MapRecord::of(map) {
        true => Ok(()),
        false => Err(other_map("snapshot")),
    }
}

fn other_map(name: &str) -> Error {
    Error::new(ErrorKind::OtherIdMap, format!("failed to use `{name}`: the snapshot was made with other user and group ids"))
        .with_hint("a snapshot serves the user and id map that it was made with: use the same `--user`, or make it again")
}

#[cfg(not(feature = "tarball"))]
fn unpack(
    base: &Base,
    layer: &Layer,
    _lower_paths: &[PathBuf],
    _lower: &str,
    _map: &IdMap,
    _resolver: &Resolver,
) -> Result<(About, PathBuf)> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "failed to unpack the layer {} of `{}`: this build of rootlet has no feature `tarball`",
            layer.key,
            base.name()
        ),
    )
    .with_hint("add the feature in Cargo.toml: `rootlet = { version = \"…\", features = [\"tarball\"] }`"))
}
