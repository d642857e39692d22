//! Where a root comes from: sources, layers and the store.
//!
//! ```no_run
//! # fn main() -> rootlet_base::Result<()> {
//! # let map = rootlet_kernel::IdMap::new(vec![], vec![]);
//! use rootlet_base::{Base, Store};
//! let store = Store::open_default()?;
//! let base = Base::resolve("alpine:3.20", &store)?;   // held: nobody collects it
//! let lower = base.layer_paths(&map)?;                // for overlayfs, bottom first
//! # Ok(()) }
//! ```
//!
//! Everything blocks. Cargo features: `tarball` reads tarballs, OCI layouts and archives, and exports bases; `registry` pulls
//! and pushes images. Without them `host`, `dir:PATH` and what is in the store already work, and asking for more is an
//! error that names the feature.

mod base;
mod digest;
#[cfg(feature = "tarball")]
mod entry;
mod error;
#[cfg(feature = "tarball")]
mod export;
pub mod flat;
mod image;
mod name;
#[cfg(feature = "tarball")]
mod pack;
mod packages;
mod progress;
mod reference;
mod resolve;
#[cfg(feature = "packages")]
mod setup;
mod source;
pub mod store;
mod unpack;

pub use base::{Base, BaseKind, Defaults, Healthcheck};
pub use digest::Digest;
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "tarball")]
pub use export::{ExportTarget, Exported};
pub use name::BaseName;
#[cfg(feature = "tarball")]
pub use pack::{LayerWriter, PackEntry, PackKind, PackedLayer};
pub use packages::PackageSet;
pub use progress::{Progress, Step};
pub use reference::ImageRef;
pub use resolve::{Limits, Login, Pin, Platform, Pull, Resolver, Turn};
#[cfg(feature = "packages")]
pub use setup::{Script, Setup};
#[cfg(feature = "packages")]
pub use source::mirror::PackageFile;
pub use store::{
    BaseInfo, CacheDirectory, CacheUse, GcOptions, LayerInfo, PackageCache, Removed, Staging, Store,
};
