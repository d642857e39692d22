//! Gets the files of packages: from the store, where another root has them, else from the mirror.
//!
//! An index knows a package by the SHA-1 of its control part, the store by the SHA-256 of the file. Which is which is told by the
//! files themselves: those of all roots of this kind are looked at, which costs a few kilobytes each.

use super::index::Package;
use super::package::{self, Opened};
use super::tree::Part;
use crate::source::mirror::{Mirror, Save};
use crate::store::TmpDir;
use crate::{Base, Digest, Error, ErrorKind, Resolver, Result};
use std::collections::HashMap;
use std::fs::{self, File};

/// Packages of the store, and the roots that hold them.
pub(super) struct Stock {
    by_checksum: HashMap<String, Digest>,
    _held: Vec<Base>,
}

impl Stock {
    /// What the roots of this kind have, held so that nobody collects it meanwhile.
    pub fn of(resolver: &Resolver) -> Result<Self> {
        let mut stock = Self { by_checksum: HashMap::new(), _held: Vec::new() };
        let names = resolver.store.names()?.into_iter().map(|record| record.name);
        for name in names.filter(|name| name.starts_with("apk:")) {
            if let Some((_, base)) = resolver.stored(&name)? {
                stock.by_checksum.extend(packages_of(resolver, &base));
                stock._held.push(base);
            }
        }
        Ok(stock)
    }

    fn open(&self, resolver: &Resolver, wanted: &Package) -> Option<(File, Opened)> {
        let digest = self.by_checksum.get(&wanted.checksum)?;
        let file = File::open(resolver.store.blob_file(*digest)).ok()?;
        // Damaged or gone, it is fetched again.
        let opened = package::open(&file, wanted).ok()?;
        Some((file, opened))
    }
}

/// The packages that a root was made of, by their checksums.
fn packages_of(resolver: &Resolver, base: &Base) -> HashMap<String, Digest> {
    let of_blob = |digest: Digest| {
        let file = File::open(resolver.store.blob_file(digest)).ok()?;
        Some((package::control_checksum(&file)?, digest))
    };
    base.content().documents.into_iter().filter_map(of_blob).collect()
}

/// Opens the files of these packages, verified; what the store lacks is in `staging` from then on, under its digest.
///
/// Errors: the mirror lacks one, or cannot be reached; one is not what the index has.
pub(super) fn open_all(
    resolver: &Resolver,
    mirror: &Mirror,
    stock: &Stock,
    staging: &TmpDir,
    packages: &[&Package],
) -> Result<Vec<(File, Opened)>> {
    let known: Vec<_> = packages.iter().map(|package| stock.open(resolver, package)).collect();
    let missing = packages.iter().zip(&known).filter(|(_, known)| known.is_none());
    let wanted = missing.map(|(package, _)| Save {
        path: package.path(),
        size: package.size,
        name: package.id(),
        to: staging.path().join(package.id()),
    });
    mirror.save(resolver, wanted.collect()).map_err(|e| match e.kind() {
        // Between the index and the package, the mirror has moved on.
        ErrorKind::NotFound => e.with_hint("the mirror was just updated: try again"),
        _ => e,
    })?;
    let each = packages.iter().zip(known).map(|(wanted, known)| match known {
        Some(known) => Ok(known),
        None => {
            let path = staging.path().join(wanted.id());
            let failed = |e| Error::io(format!("failed to read {}", path.display()), e);
            let file = File::open(&path).map_err(failed)?;
            let opened = package::open(&file, wanted)?;
            fs::rename(&path, staging.path().join(opened.digest.hex())).map_err(failed)?;
            Ok((file, opened))
        }
    });
    each.collect()
}

/// Moves what was fetched to its place among the blobs. A content that names it is there already, so it is not collected.
///
/// Errors: the disk is full.
pub(super) fn keep(resolver: &Resolver, staging: &TmpDir, parts: &[Part<'_>]) -> Result<()> {
    for digest in parts.iter().map(|part| part.opened.digest) {
        let (from, to) = (staging.path().join(digest.hex()), resolver.store.blob_file(digest));
        if from.exists() {
            let moved = fs::rename(&from, &to);
            moved.map_err(|e| Error::io(format!("failed to move a package to {}", to.display()), e))?;
        }
    }
    Ok(())
}
