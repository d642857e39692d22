//! What the tests share: where their data is, how they skip, and how they see that nothing is left behind.

mod alone;
mod data;
mod leftovers;
mod skip;

pub use alone::alone;
pub use data::{alpine_tar, debian_tar, hostile, manifest_directory, probe, rootlet_command, store};
pub use leftovers::Leftovers;
pub use rootlet_probe as facts;
pub use skip::skipped;
