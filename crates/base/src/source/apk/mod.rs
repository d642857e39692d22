//! `apk:RELEASE`: Alpine from its packages.

mod dependency;
mod index;
mod solve;
mod version;

use crate::{Base, Error, ErrorKind, PackageSet, Resolver, Result};

/// From the store, or made of its packages.
pub(crate) fn resolve(resolver: &Resolver, packages: PackageSet) -> Result<Base> {
    let name = format!("apk:{packages}");
    let _ = solve::solve;
    match resolver.stored(&name)? {
        Some((_, base)) => Ok(base),
        None => Err(Error::new(ErrorKind::Unsupported, format!("failed to make `{name}`: not yet"))),
    }
}
