//! Secrets: found when they are wanted, and taken out of all that commands say.

use super::Result;
use crate::Error;
use crate::functions::Failed;
use rootlet_spec::pipeline::Secret;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The secrets of a session.
#[derive(Default)]
pub(super) struct Secrets {
    /// Those that were told, by name.
    told: Mutex<BTreeMap<String, String>>,
    /// All that were used, to be taken out of what commands say.
    used: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Secrets {
    /// Remembers a secret under a name.
    pub fn set(&self, name: &str, plaintext: &str) {
        lock(&self.told).insert(name.to_owned(), plaintext.to_owned());
        self.uses(plaintext);
    }

    fn uses(&self, plaintext: &str) {
        let mut used = lock(&self.used);
        // Of a file, the line end is not part of what would be told.
        for text in [plaintext, plaintext.trim_end_matches('\n')] {
            if !text.is_empty() && !used.iter().any(|known| known == text) {
                used.push(text.to_owned());
            }
        }
    }

    /// The text of a secret. Paths are relative to `directory`.
    pub fn plaintext(&self, secret: &Secret, directory: &Path) -> Result<String> {
        let plaintext = match (&secret.uri, &secret.name) {
            (Some(uri), _) => from_uri(uri, directory)?,
            (None, Some(name)) => lock(&self.told).get(name).cloned().ok_or_else(|| {
                Failed::query(format!("nobody has told the secret `{name}`"))
                    .with_hint("`dag.set_secret(name, plaintext)` tells it")
            })?,
            (None, None) => return Err(Failed::query("a secret has neither a name nor a place")),
        };
        self.uses(&plaintext);
        Ok(plaintext)
    }

    /// Takes out the secrets that were used so far.
    pub fn scrubber(&self) -> Scrubber {
        let mut secrets: Vec<Vec<u8>> =
            lock(&self.used).iter().map(|text| text.clone().into_bytes()).collect();
        // One that holds another one first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Scrubber { secrets }
    }

    pub fn forget(&self) {
        lock(&self.told).clear();
    }
}

fn from_uri(uri: &str, directory: &Path) -> Result<String> {
    let unknown = || {
        Failed::query(format!("`{uri}` does not say where a secret is"))
            .with_hint("write `env://NAME`, `file://PATH` or `cmd://COMMAND`")
    };
    let (scheme, rest) = uri.split_once("://").or_else(|| uri.split_once(':')).ok_or_else(unknown)?;
    match scheme {
        "env" => std::env::var(rest).map_err(|_| {
            Failed::query(format!("the secret is to be in the variable {rest}, which is not set"))
        }),
        "file" => {
            let path = directory.join(rest);
            let read = std::fs::read_to_string(&path);
            Ok(read.map_err(|e| Error::io(format!("failed to read the secret {}", path.display()), e))?)
        }
        "cmd" => {
            let out = Command::new("sh").arg("-c").arg(rest).current_dir(directory).output();
            let out = out.map_err(|e| Error::io(format!("failed to run `{rest}` for a secret"), e))?;
            match out.status.success() {
                true => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
                false => Err(Failed::query(format!(
                    "the command `{rest}`, which is to tell a secret, ended with {}",
                    out.status
                ))),
            }
        }
        _ => Err(unknown()),
    }
}

/// Replaces secrets by asterisks.
#[derive(Clone, Default)]
pub(super) struct Scrubber {
    /// The longest first.
    secrets: Vec<Vec<u8>>,
}

impl Scrubber {
    /// How much of the end of something unfinished may be the beginning of a secret.
    pub fn longest(&self) -> usize {
        self.secrets.first().map_or(0, Vec::len).saturating_sub(1)
    }

    /// The bytes without secrets, and how many of them were looked at: the others may be the beginning of one, unless it is `whole`.
    pub fn scrub(&self, bytes: &[u8], whole: bool) -> (Vec<u8>, usize) {
        let end = if whole { bytes.len() } else { bytes.len().saturating_sub(self.longest()) };
        let (mut out, mut at) = (Vec::with_capacity(end), 0);
        while at < end {
            match self.secrets.iter().find(|secret| bytes[at..].starts_with(secret)) {
                Some(secret) => {
                    out.extend_from_slice(b"***");
                    at += secret.len();
                }
                None => {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
        (out, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_two_pieces_is_taken_out() {
        let secrets = Secrets::default();
        secrets.set("token", "hunter2");
        let scrubber = secrets.scrubber();
        let (mut text, mut held) = (Vec::new(), Vec::new());
        for piece in ["my hunt", "er2 is hun", "ter", "2"] {
            held.extend_from_slice(piece.as_bytes());
            let (out, looked_at) = scrubber.scrub(&held, false);
            text.extend(out);
            held.drain(..looked_at);
        }
        text.extend(scrubber.scrub(&held, true).0);
        assert_eq!(String::from_utf8(text).unwrap(), "my *** is ***");
    }
}
