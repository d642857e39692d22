//! Who signs a suite: a key of the test's own.

use super::piped;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A moment long ago, as gpg is told it.
const LONG_AGO: &str = "20200101T000000";

/// A key, and gpg with it.
#[derive(Debug)]
pub struct Signer {
    home: TempDir,
    now: Option<&'static str>,
}

impl Signer {
    /// One with a fresh key.
    #[allow(clippy::new_without_default, reason = "a key costs more than a default should")]
    pub fn new() -> Self {
        Self::with_key(None, "never")
    }

    /// One whose key has expired, and who signs as of then.
    pub fn expired() -> Self {
        Self::with_key(Some(LONG_AGO), "1d")
    }

    fn with_key(now: Option<&'static str>, until: &str) -> Self {
        let signer = Self { home: tempfile::tempdir().unwrap(), now };
        signer.gpg(&["--quick-gen-key", "Tests <tests@invalid>", "ed25519", "sign", until], b"");
        let home = signer.home.path();
        fs::write(home.join("keyring.gpg"), signer.gpg(&["--export"], b"")).unwrap();
        fs::write(home.join("keyring.asc"), signer.gpg(&["--armor", "--export"], b"")).unwrap();
        fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        signer
    }

    /// Runs gpg with the key.
    pub fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--no-permission-warning", "--pinentry-mode", "loopback"]);
        gpg.args(["--passphrase", "", "--allow-weak-digest-algos"]);
        gpg.args(self.now.into_iter().flat_map(|now| ["--faked-system-time", now]));
        gpg.args(arguments).env("GNUPGHOME", self.home.path()).env("LC_ALL", "C");
        piped(&mut gpg, input)
    }

    /// Its public key, binary.
    pub fn keyring(&self) -> PathBuf {
        self.home.path().join("keyring.gpg")
    }

    /// Its public key as text.
    pub fn armored(&self) -> PathBuf {
        self.home.path().join("keyring.asc")
    }

    /// A document with its signature around it.
    pub fn clear(&self, text: &str) -> Vec<u8> {
        self.clear_with(&[], text)
    }

    /// Likewise, with options of gpg's.
    pub fn clear_with(&self, options: &[&str], text: &str) -> Vec<u8> {
        self.gpg(&[options, &["--clear-sign"]].concat(), text.as_bytes())
    }

    /// A signature alone.
    pub fn detached(&self, text: &str) -> Vec<u8> {
        self.gpg(&["--armor", "--detach-sign"], text.as_bytes())
    }

    /// Says in its public key that it is not to be trusted any more.
    pub fn revoke(&self) {
        let certificates = self.home.path().join("openpgp-revocs.d");
        let file = fs::read_dir(certificates).unwrap().next().unwrap().unwrap().path();
        // A colon keeps people from importing it by mistake.
        let text = fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
        self.gpg(&["--import"], text.as_bytes());
        fs::write(self.keyring(), self.gpg(&["--export"], b"")).unwrap();
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // The agent that gpg has started would stay.
        let mut end = Command::new("gpgconf");
        end.args(["--kill", "gpg-agent"]).env("GNUPGHOME", self.home.path()).stderr(Stdio::null());
        let _ = end.status();
    }
}
