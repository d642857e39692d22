//! Rootlets that were kept: a snapshot, and how to start another one from it.

use super::record::read_json;
use super::{Store, write_atomically};
use crate::{Error, ErrorKind, Result};
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

impl Store {
    /// Writes down how a kept rootlet is to be started again: `record` is the library's own, a JSON object whose
    /// `base` names the snapshot. `id` is of letters and digits.
    pub fn write_kept(&self, id: &str, record: &[u8]) -> Result<()> {
        let path = self.kept_file(id)?;
        let directory = self.path().join("kept");
        super::make_directories(&directory)
            .and_then(|()| write_atomically(&self.tmp(), &path, record))
            .map_err(|e| Error::io(format!("failed to write {}", path.display()), e))
    }

    /// What [`Store::write_kept`] wrote.
    ///
    /// Errors: no rootlet was kept under this id.
    pub fn read_kept(&self, id: &str) -> Result<Vec<u8>> {
        let path = self.kept_file(id)?;
        fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("no rootlet was kept as `{id}`"))
                    .with_hint("`rootlet run --keep` says the id at its end")
            }
            _ => Error::io(format!("failed to read {}", path.display()), e),
        })
    }

    /// Forgets a kept rootlet; its snapshot is a base of its own.
    pub fn remove_kept(&self, id: &str) -> Result<()> {
        let path = self.kept_file(id)?;
        fs::remove_file(&path).map_err(|e| Error::io(format!("failed to remove {}", path.display()), e))
    }

    /// The ids of the rootlets that were kept, the newest first.
    pub fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path().join("kept")) else { return Vec::new() };
        let mut all: Vec<(SystemTime, String)> = entries
            .flatten()
            .filter_map(|e| {
                let id = e.file_name().into_string().ok()?.strip_suffix(".json")?.to_owned();
                Some((e.metadata().ok()?.modified().ok()?, id))
            })
            .collect();
        all.sort_by(|a, b| b.cmp(a));
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Forgets the kept rootlets whose snapshot is gone.
    pub(super) fn sweep_kept(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Record {
            base: String,
        }
        for id in self.kept() {
            let record: Option<Record> = read_json(&self.kept_file(&id)?)?;
            if record.is_none_or(|record| !self.base_file(&record.base).exists()) {
                self.remove_kept(&id)?;
            }
        }
        Ok(())
    }

    fn kept_file(&self, id: &str) -> Result<PathBuf> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::new(
                ErrorKind::InvalidName,
                "the id of a kept rootlet is of letters and digits",
            ));
        }
        Ok(self.path().join("kept").join(format!("{id}.json")))
    }
}
