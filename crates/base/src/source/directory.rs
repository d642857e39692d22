//! `dir:PATH`: a directory as it is.

use crate::base::BaseKind;
use crate::{Base, BaseName, Error, ErrorKind, Resolver, Result};
use std::path::PathBuf;

/// `path` is absolute and exists. Errors: it is not a directory.
pub(crate) fn resolve(resolver: &Resolver, path: PathBuf) -> Result<Base> {
    let name = BaseName::Directory(path.clone()).to_string();
    if path.is_dir() {
        return Ok(resolver.outside(name, BaseKind::Directory(path)));
    }
    let error =
        Error::new(ErrorKind::NotFound, format!("failed to use `{name}` as a base: it is not a directory"));
    Err(error.with_hint(format!("for a tarball write `tar:{}`", path.display())))
}
