//! Who is trusted: public keys of a directory, `NAME.rsa.pub` in PEM.

use super::checksum;
use crate::{Error, ErrorKind, Result};
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use std::fs;
use std::path::{Path, PathBuf};

/// A key is small; a directory may hold anything.
const KEY_BYTES: u64 = 64 << 10;

/// A directory of keys.
#[derive(Debug)]
pub(super) struct Keys {
    directory: PathBuf,
}

/// A key that was used, as its file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// `NAME.rsa.pub`
    pub name: String,
    pub pem: Vec<u8>,
}

impl Keys {
    /// The keys of `directory`.
    ///
    /// Errors: it is no directory.
    pub fn open(directory: &Path) -> Result<Self> {
        match fs::metadata(directory) {
            Ok(found) if found.is_dir() => Ok(Self { directory: directory.to_owned() }),
            Ok(_) => Err(Error::new(
                ErrorKind::NotFound,
                format!("{} is not a directory of keys", directory.display()),
            )),
            Err(e) => Err(Error::io(format!("failed to read the keys of {}", directory.display()), e)),
        }
    }

    /// Checks a signature; `entry` is its name in the archive: `.SIGN.RSA.NAME.rsa.pub`.
    ///
    /// Errors: nobody of that name is trusted; the signature is not of these bytes.
    pub fn verify(&self, entry: &str, signature: &[u8], message: &[u8]) -> Result<Key> {
        let (algorithm, name): (&'static RsaParameters, _) = match entry.split_at_checked(10) {
            Some((".SIGN.RSA.", name)) => (&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, name),
            _ => match entry.strip_prefix(".SIGN.RSA256.") {
                Some(name) => (&RSA_PKCS1_2048_8192_SHA256, name),
                None => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("it is signed in a way that is not known: `{}`", entry.escape_debug()),
                    ));
                }
            },
        };
        let key = self.find(name)?;
        let bytes = public_key(&key.pem).ok_or_else(|| {
            let path = self.directory.join(name);
            Error::new(ErrorKind::Corrupt, format!("{} is not an RSA key in PEM", path.display()))
        })?;
        UnparsedPublicKey::new(algorithm, bytes).verify(message, signature).map_err(|_| {
            Error::new(ErrorKind::Untrusted, format!("its signature by `{name}` is wrong"))
                .with_hint("it was changed on its way, or the key of that name is another one")
        })?;
        Ok(key)
    }

    fn find(&self, name: &str) -> Result<Key> {
        let unknown = |why: &str| {
            let directory = self.directory.display();
            Error::new(ErrorKind::Untrusted, format!("it is signed by `{}`, {why}", name.escape_debug()))
                .with_hint(format!(
                    "if you trust that key, put it into {directory}, or name its directory: `?keys=DIR`"
                ))
        };
        let byte = |b: u8| b.is_ascii_alphanumeric() || b"._+@-".contains(&b);
        if name.starts_with('.') || !name.ends_with(".rsa.pub") || !name.bytes().all(byte) {
            return Err(unknown("which is not the name of a key"));
        }
        let path = self.directory.join(name);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() && found.len() <= KEY_BYTES => {
                let pem = fs::read(&path);
                let pem = pem.map_err(|e| Error::io(format!("failed to read {}", path.display()), e))?;
                Ok(Key { name: name.to_owned(), pem })
            }
            _ => Err(unknown(&format!("and {} has no such key", self.directory.display()))),
        }
    }
}

/// The RSAPublicKey (RFC 8017, A.1.1) within a SubjectPublicKeyInfo (RFC 5280, 4.1) in PEM.
fn public_key(pem: &[u8]) -> Option<Vec<u8>> {
    const INTEGER_PAIR: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    let der = checksum::decode(body)?;
    let (INTEGER_PAIR, info, _) = element(&der)? else { return None };
    let (_, _algorithm, rest) = element(info)?;
    let (BIT_STRING, key, _) = element(rest)? else { return None };
    // How many bits of the last byte are not used: none.
    key.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

/// The first element of DER: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_none() {
        for pem in
            ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----"]
        {
            assert_eq!(public_key(pem.as_bytes()), None);
        }
        assert_eq!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(element(&[0x30, 0x80]), None);
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("keys")).unwrap();
        fs::write(directory.path().join("x.rsa.pub"), "").unwrap();
        let keys = Keys::open(&directory.path().join("keys")).unwrap();
        for name in ["../x.rsa.pub", "/etc/passwd", "", "x", "..rsa.pub", "a\u{1b}.rsa.pub"] {
            let error = keys.verify(&format!(".SIGN.RSA.{name}"), b"", b"").unwrap_err();
            assert!(error.to_string().contains("not the name of a key"), "{error}");
        }
        let error = keys.verify(".SIGN.DSA.x.rsa.pub", b"", b"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
