//! What every client of ours has in common.

use crate::{Error, ErrorKind, Result};
use std::time::Duration;

/// How long a connection may take to come about.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
pub(crate) const READ: Duration = Duration::from_secs(60);
/// Who asks.
pub(crate) const USER_AGENT: &str = concat!("rootlet/", env!("CARGO_PKG_VERSION"));

/// Gives the process its provider of TLS, unless the program has set one.
pub(crate) fn provide() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Errors where the system trusts nobody: clients panic then, even for plain http.
pub(crate) fn check_authorities(about: &str) -> Result<()> {
    let found = rustls_native_certs::load_native_certs().certs;
    match rustls::RootCertStore::empty().add_parsable_certificates(found) {
        (0, _) => Err(Error::new(
            ErrorKind::Configuration,
            format!("failed to pull {about}: this machine has no certificate authorities"),
        )
        .with_hint("install the package `ca-certificates`, or name a file of authorities in SSL_CERT_FILE")),
        _ => Ok(()),
    }
}

/// Of the chain of causes the last says most: `Connection refused`, a name that does not resolve, a certificate
/// that nobody signed.
pub(crate) fn last_cause(cause: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(cause), |&cause| cause.source());
    chain.last().map(ToString::to_string).unwrap_or_default()
}
