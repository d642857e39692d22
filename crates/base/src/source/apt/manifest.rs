//! What a root is made of, to the last byte: it can be made again from this alone, as long as somebody has the packages.

use crate::{Digest, Error, ErrorKind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A root that is to be made, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// The form of what is made of it; another one makes other bytes.
    version: u32,
    /// No file is younger, in seconds since 1970.
    pub epoch: u64,
    /// Whether /bin and its like are links into /usr.
    pub merged: bool,
    /// Where they are from, for a person.
    pub from: String,
    /// Each after those that it depends on.
    pub packages: Vec<Pinned>,
    /// What is written besides.
    pub extra: Vec<Extra>,
}

/// A package, exactly this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pinned {
    pub name: String,
    pub version: String,
    /// Without anybody's credentials.
    pub url: String,
    pub size: u64,
    pub sha256: Digest,
}

/// A file that is no package's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extra {
    /// Relative to the root.
    pub path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    /// What is no text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    base64: String,
}

const VERSION: u32 = 1;

impl Manifest {
    pub(super) fn new(
        epoch: u64,
        merged: bool,
        from: String,
        packages: Vec<Pinned>,
        extra: Vec<Extra>,
    ) -> Self {
        Self { version: VERSION, epoch, merged, from, packages, extra }
    }

    /// Errors: it is none, or of another form.
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        let manifest: Self = serde_json::from_slice(json).map_err(|e| {
            Error::new(ErrorKind::Corrupt, "the list of its packages cannot be read").caused_by(e)
        })?;
        match manifest.version {
            VERSION => Ok(manifest),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the list of its packages is of the form {other}"),
            )
            .with_hint("make it again: `rootlet update`")),
        }
    }

    pub(super) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data has a JSON form")
    }
}

impl Extra {
    pub(super) fn new(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        let path = path.into();
        match String::from_utf8(bytes) {
            Ok(text) => Self { path, text, base64: String::new() },
            Err(e) => Self { path, text: String::new(), base64: STANDARD.encode(e.as_bytes()) },
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self.base64.is_empty() {
            true => self.text.clone().into_bytes(),
            false => STANDARD.decode(&self.base64).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        let sha256 = Digest::of(b"x");
        let package =
            Pinned { name: "a".into(), version: "1".into(), url: "http://h/a".into(), size: 1, sha256 };
        let extra = vec![Extra::new("etc/x", b"text".to_vec()), Extra::new("etc/k", vec![0x99, 0xff])];
        let manifest = Manifest::new(7, true, "h".into(), vec![package], extra);
        let again = Manifest::read(&manifest.json()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!(again.extra[1].bytes(), [0x99, 0xff]);
        assert_eq!(Manifest::read(b"{}").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
