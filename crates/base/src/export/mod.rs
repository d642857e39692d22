//! Hands a base to other tools: as an OCI image layout, an archive of an image, a plain tar of the root, or into a registry.
//!
//! ```text
//! base ──▶ sources     each layer as bytes, bottom first; trees are packed first       tree.rs, layer.rs
//!            ├──▶ blobs of gzip, config, manifest ──▶ layout, archive, registry       document.rs, layout.rs, archive.rs
//!            └──▶ one tree of names ──▶ one tar                                       flatten.rs
//! ```
//!
//! - The same base gives the same bytes, at any time.
//! - All bytes are verified as they pass; a file gets its name when it is whole, an index its entry when all that it leads to
//!   is there.
//! - Memory holds names at most, never contents.

mod archive;
mod document;
mod flatten;
mod layer;
mod layout;
mod output;
#[cfg(feature = "registry")]
mod push;
mod target;
mod tree;

pub use target::ExportTarget;

use crate::store::Origin;
use crate::{Base, Digest, Error, ErrorKind, Login, Result};
use layer::{Blob, Source};
use std::io;
use std::path::Path;

/// What an export made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Of the manifest, by which registries and layouts know the image; of the config, which is docker's id of it,
    /// for a docker-archive; of the tar itself for `tar:`.
    pub digest: Digest,
}

impl Base {
    /// Hands it to other tools. Who hears how far it is, and which limits hold, was said when it was resolved.
    ///
    /// Of an image's config goes on what [`Base::defaults`] has. A `dir:` base becomes one layer: what the caller owns is
    /// root's, as in a rootlet.
    ///
    /// Errors: the target holds something else, or cannot be written; a layer is damaged or gone; this machine's own
    /// root and snapshots made for other ids cannot be exported; the registry refuses.
    pub fn export(&self, to: &ExportTarget) -> Result<Exported> {
        self.export_as(to, &[])
    }

    /// The same; to a registry, as one of these, before who the files of docker and podman say that we are.
    ///
    /// Errors: those of [`Base::export`].
    pub fn export_as(&self, to: &ExportTarget, logins: &[Login]) -> Result<Exported> {
        let digest =
            self.try_export(to, logins).map_err(|e| e.within(format!("failed to export to `{to}`")))?;
        Ok(Exported { digest })
    }

    fn try_export(&self, to: &ExportTarget, logins: &[Login]) -> Result<Digest> {
        // What is wrong with the target is told before anything is packed.
        match to {
            ExportTarget::Oci(path, tag) => layout::export(self, path, tag),
            ExportTarget::OciArchive(path, tag) => archive::oci(self, path, tag),
            ExportTarget::DockerArchive(path, name) => archive::docker(self, path, name.as_ref()),
            ExportTarget::Tar(path) => flatten::export(self, path),
            ExportTarget::Image(image) => push::export(self, image, logins),
        }
    }

    /// All its layers as bytes, bottom first.
    fn sources(&self) -> Result<Vec<Source<'_>>> {
        let bottom = tree::bottom(self)?;
        let mut sources: Vec<Source<'_>> =
            bottom.into_iter().map(|packed| Source::packed(self, packed)).collect();
        for layer in self.layers() {
            match layer.origin {
                Origin::Unpacked => {
                    let (packed, whole) = tree::snapshot(self, layer)?;
                    if whole {
                        sources.clear();
                    }
                    sources.push(Source::packed(self, packed));
                }
                _ => sources.push(Source::of(self, layer)),
            }
        }
        Ok(sources)
    }

    /// All its layers packed with gzip. What must be packed for that is written into `scratch`.
    fn blobs(&self, scratch: &Path) -> Result<Vec<Blob>> {
        self.sources()?.iter().map(|source| source.gzip(scratch)).collect()
    }
}

fn diff_ids(blobs: &[Blob]) -> Vec<Digest> {
    blobs.iter().map(|blob| blob.diff_id).collect()
}

#[cfg(not(feature = "registry"))]
mod push {
    use crate::{Base, Digest, Error, ErrorKind, ImageRef, Login, Result};

    pub(super) fn export(_: &Base, _: &ImageRef, _: &[Login]) -> Result<Digest> {
        let what = "this build of rootlet has no feature `registry`";
        Err(Error::new(ErrorKind::Unsupported, what)
            .with_hint("add the feature in Cargo.toml, or export to `oci:PATH` and copy that with skopeo"))
    }
}

/// The target cannot be written.
fn failed_to_write(path: &Path, error: io::Error) -> Error {
    let error = Error::io(format!("failed to write {}", path.display()), error);
    match error.kind() {
        // The store's disk is another one.
        ErrorKind::NoSpace => error.with_hint("free some space there, or export to a larger disk"),
        _ => error,
    }
}
