//! Checksums as apk writes them: `Q1`, and a SHA-1 in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

/// The checksum of some bytes.
pub(super) fn of(bytes: &[u8]) -> String {
    finish(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes))
}

/// Of bytes that come piece by piece; [`finish`] ends it.
pub(super) fn begin() -> digest::Context {
    digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)
}

/// Writes down a hash.
pub(super) fn finish(hash: impl AsRef<[u8]>) -> String {
    format!("Q1{}", STANDARD.encode(hash))
}

/// Reads base64, whatever lines it is in.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_whitespace().collect();
    STANDARD.decode(packed).ok()
}
