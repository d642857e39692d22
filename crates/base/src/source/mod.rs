//! Where bases come from: one module each.

pub(crate) mod directory;

use crate::{Base, BaseName, Error, ErrorKind, Resolver, Result};

/// A source that this build does not have: what the store knows already still works.
fn without(feature: &str, resolver: &Resolver, name: BaseName) -> Result<Base> {
    if let Some((_, base)) = resolver.stored(&name.to_string())? {
        return Ok(base);
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("failed to find the base `{name}`: this build of rootlet has no feature `{feature}`"),
    )
    .with_hint(format!("add the feature in Cargo.toml: `rootlet = {{ version = \"…\", features = [\"{feature}\"] }}`, or pull it with the command `rootlet base pull {name}`")))
}

pub(crate) fn tarball(resolver: &Resolver, name: BaseName) -> Result<Base> {
    without("tarball", resolver, name)
}

pub(crate) fn oci_layout(resolver: &Resolver, name: BaseName) -> Result<Base> {
    without("tarball", resolver, name)
}

pub(crate) fn archive(resolver: &Resolver, name: BaseName) -> Result<Base> {
    without("tarball", resolver, name)
}

pub(crate) fn registry(resolver: &Resolver, name: BaseName) -> Result<Base> {
    without("registry", resolver, name)
}
