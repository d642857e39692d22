//! Where bases come from: one module each. Those that need a feature say so when it is missing.

pub(crate) mod directory;
#[cfg(feature = "network")]
pub(crate) mod download;
#[cfg(feature = "network")]
mod fetch;
#[cfg(feature = "network")]
pub(crate) mod http;
#[cfg(feature = "packages")]
pub(crate) mod mirror;
pub(crate) mod oci_layout;
pub(crate) mod tarball;

use crate::{Error, ErrorKind, Result};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::path::Path;

/// Opens a file to read it.
///
/// Errors: it cannot be opened; it is something else, for a FIFO would be waited for and a device may not end.
pub(crate) fn open_file(path: &Path) -> Result<File> {
    let failed = |e| Error::io(format!("failed to read {}", path.display()), e);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?);
    match file.metadata().map_err(failed)?.is_file() {
        true => Ok(file),
        false => Err(Error::new(ErrorKind::NotFound, format!("{} is not a file", path.display()))),
    }
}

#[cfg(feature = "tarball")]
pub(crate) mod archive;
#[cfg(not(feature = "tarball"))]
pub(crate) mod archive {
    use crate::store::Stamp;
    use crate::{Base, BaseName, Resolver, Result};
    use std::path::PathBuf;

    pub(crate) fn resolve(resolver: &Resolver, path: PathBuf, tag: Option<String>) -> Result<Base> {
        let stamp = Stamp::of(&path)?;
        let name = resolver.name_for_platform(BaseName::Archive(path, tag).to_string());
        resolver.stored_file(&name, &stamp)?.ok_or_else(|| super::missing("tarball", &name))
    }
}

#[cfg(feature = "packages")]
pub(crate) mod apk;
#[cfg(feature = "packages")]
pub(crate) mod apt;

#[cfg(not(feature = "packages"))]
pub(crate) mod apt {
    //! Only what the store has.

    use crate::{Base, PackageSet, Resolver, Result};

    pub(crate) fn resolve(resolver: &Resolver, packages: PackageSet) -> Result<Base> {
        let name = format!("apt:{packages}");
        resolver.stored(&name)?.map(|(_, base)| base).ok_or_else(|| super::missing("packages", &name))
    }
}

#[cfg(not(feature = "packages"))]
pub(crate) mod apk {
    //! Only what the store has.

    use crate::{Base, PackageSet, Resolver, Result};

    pub(crate) fn resolve(resolver: &Resolver, packages: PackageSet) -> Result<Base> {
        let name = format!("apk:{packages}");
        resolver.stored(&name)?.map(|(_, base)| base).ok_or_else(|| super::missing("packages", &name))
    }
}

#[cfg(feature = "registry")]
pub(crate) mod registry;
#[cfg(not(feature = "registry"))]
pub(crate) mod registry {
    use crate::{Base, ImageRef, Resolver, Result};

    pub(crate) fn resolve(resolver: &Resolver, image: ImageRef) -> Result<Base> {
        let name = resolver.name_for_platform(image.to_string());
        resolver.stored(&name)?.map(|(_, base)| base).ok_or_else(|| super::missing("registry", &name))
    }
}

/// This build cannot make the base, and the store does not have it.
#[cfg(not(all(feature = "registry", feature = "packages")))]
fn missing(feature: &str, name: &str) -> crate::Error {
    crate::Error::new(
        crate::ErrorKind::Unsupported,
        format!(
            "failed to find the base `{name}`: it is not in the store, and this build of rootlet has no \
            feature `{feature}`"
        ),
    )
    .with_hint(format!(
        "add the feature in Cargo.toml: `rootlet = {{ version = \"…\", features = \
        [\"{feature}\"] }}`, or fetch it once with the command: `rootlet base pull {name}`"
    ))
}
