//! What makes a root of packages complete: their own scripts, which run in it.
//!
//! Running them takes a rootlet, and rootlets are made by a crate above this one. So a [`Resolver`](crate::Resolver) is
//! handed somebody who can; `rootlet::resolver` does so.

use crate::{Base, Error, ErrorKind, LayerWriter, PackedLayer, Resolver, Result};
use std::fmt;
use std::time::Duration;

/// Runs commands in a rootlet and writes down what they changed.
pub trait Setup: Send + Sync {
    /// Runs a script in a fresh rootlet of `base`, as root, and writes what it changed as a layer.
    ///
    /// Errors: no rootlet can be made; the script failed (its last words are part of the error); the store cannot be written.
    fn run(&self, base: &Base, script: &Script, layer: LayerWriter) -> Result<PackedLayer>;
}

/// A script for `/bin/sh`.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// What it does, for progress and errors: `configure the packages of apt:trixie`.
    pub what: String,
    /// Its lines.
    pub text: String,
    /// Its variables, besides PATH, HOME and the like.
    pub env: Vec<(String, String)>,
    /// Whether it may use the host's network.
    pub network: bool,
    /// How long it may take.
    pub time: Duration,
    /// No file of the layer is younger, in seconds since 1970: two builds give the same bytes.
    pub epoch: u64,
    /// What is no part of the layer, absolute: of a path, all that is below it.
    pub leave_out: Vec<String>,
}

impl fmt::Debug for dyn Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup")
    }
}

impl Resolver {
    /// Runs a script by whoever can.
    pub(crate) fn set_up(&self, base: &Base, script: &Script) -> Result<PackedLayer> {
        let Some(setup) = &self.setup else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("failed to {}: nobody is there to run it", script.what),
            )
            .with_hint("resolve it with `rootlet::resolver(&store)`"));
        };
        setup.run(base, script, LayerWriter::begin(&self.store)?)
    }
}
