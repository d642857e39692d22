//! Rootlets that outlive their process: `rootlet run --keep`, `rootlet enter`.

use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_base::{Base, Store};
use rootlet_spec::Spec;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// How a kept rootlet is started again.
#[derive(Serialize, Deserialize)]
struct Record {
    base: String,
    spec: Spec,
}

impl Rootlet {
    /// Keeps what this rootlet is now in the store, and gives the id under which [`Rootlet::enter`] finds it, in this or
    /// any other process. Files are kept, processes are not: see [`Rootlet::snapshot`].
    pub fn keep(&self) -> Result<String> {
        self.keep_spec(self.spec().clone())
    }

    /// As [`Rootlet::keep`], without mounts that hold what is not to be written down.
    #[cfg(feature = "functions")]
    pub(crate) fn keep_without(&self, secret: &dyn Fn(&rootlet_spec::Mount) -> bool) -> Result<String> {
        let mut spec = self.spec().clone();
        spec.mounts.retain(|mount| !secret(mount));
        self.keep_spec(spec)
    }

    fn keep_spec(&self, spec: Spec) -> Result<String> {
        let id = fresh_id();
        let name = format!("kept-{id}");
        let base = self.snapshot_as(&name)?;
        // Who looks around in it asks for no reasons.
        let spec = Spec { explain: false, ..spec };
        let record = Record { base: base.name().to_owned(), spec };
        let json = serde_json::to_vec_pretty(&record)
            .map_err(|e| Error::new(ErrorKind::Io, "failed to write down the rootlet's Spec").caused_by(e))?;
        base.store().write_kept(&id, &json)?;
        Ok(id)
    }

    /// A fresh rootlet that begins where a kept one ended, with the same Spec. What is done in it is not kept.
    ///
    /// # Errors
    /// No rootlet was kept under this id, or its record is damaged.
    pub fn enter(id: &str, store: &Store) -> Result<Rootlet> {
        let json = store.read_kept(id)?;
        let record: Record = serde_json::from_slice(&json).map_err(|e| {
            Error::new(ErrorKind::Base, format!("the record of the kept rootlet `{id}` is damaged"))
                .caused_by(e)
        })?;
        let base = Base::resolve(&record.base, store)?;
        Rootlet::builder(&base).spec(record.spec).spawn()
    }
}

/// Twelve digits, as docker's short ids: the time and the process make them unlike any other's.
fn fresh_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mixed = (now.as_nanos() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id());
    format!("{:012x}", mixed >> 16)
}
