//! What went wrong with a registry, for a person.

use crate::{Error, ErrorKind};
use oci_client::errors::{OciDistributionError as Failure, OciErrorCode as Code};
use std::path::Path;

/// `about` is the image and where it was looked for, or put to; `file` is where the credentials were from.
pub(super) fn explain(failure: Failure, verb: &str, about: &str, file: Option<&Path>) -> Error {
    let error = |kind, why: &str| Error::new(kind, format!("failed to {verb} {about}: {why}"));
    let refused = || {
        let error = error(ErrorKind::Unauthorized, "the registry refuses it");
        match file {
            Some(file) => error.with_hint(format!(
                "the credentials in {} may be wrong or lack the right to {verb}: log in again with `docker \
                    login` or `podman login`",
                file.display()
            )),
            None => error.with_hint("if the image exists, log in with `docker login` or `podman login`"),
        }
    };
    let absent = || {
        error(ErrorKind::NotFound, "there is no such image")
            .with_hint("look at the spelling; a private image may need `docker login` or `podman login`")
    };
    let busy = || {
        error(ErrorKind::Network, "the registry has had too many requests")
            .with_hint("log in, wait, or use a mirror")
    };
    match failure {
        Failure::UnauthorizedError { .. } | Failure::AuthenticationFailure(_) => refused(),
        Failure::ImageManifestNotFoundError(_) => absent(),
        Failure::RegistryError { envelope, .. } => match envelope.errors.first().map(|first| &first.code) {
            Some(Code::ManifestUnknown | Code::NameUnknown | Code::NotFound | Code::ManifestBlobUnknown) => {
                absent()
            }
            Some(Code::BlobUnknown) => error(ErrorKind::NotFound, "the registry has lost one of its blobs"),
            Some(Code::Unauthorized | Code::Denied) => refused(),
            Some(Code::Toomanyrequests) => busy(),
            _ => error(ErrorKind::Network, &format!("the registry says {envelope}")),
        },
        Failure::ServerError { code, message, .. } => match code {
            401 | 403 => refused(),
            404 => absent(),
            416 => {
                error(ErrorKind::Corrupt, "the registry has fewer bytes of a layer than the manifest says")
            }
            429 => busy(),
            _ => error(ErrorKind::Network, &format!("the registry answers {code}: {}", first_line(&message))),
        },
        // The answer to a question has no body that could say more.
        Failure::RequestError(cause)
            if cause.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403)) =>
        {
            refused()
        }
        Failure::RequestError(cause) => request(cause, verb, about),
        Failure::IoError(cause) if verb == "pull" => crate::source::download::broken(cause, about),
        Failure::IoError(cause) => Error::io(format!("failed to {verb} {about}"), cause),
        Failure::GenericError(Some(why)) => error(ErrorKind::Network, &why),
        Failure::DigestError(cause) => error(ErrorKind::Corrupt, "a digest is wrong").caused_by(cause),
        other => error(ErrorKind::Network, "the registry's answer is not understood").caused_by(other),
    }
}

/// The request did not come through.
fn request(cause: impl std::error::Error, verb: &str, about: &str) -> Error {
    let last = crate::source::http::last_cause(&cause);
    let error = Error::new(ErrorKind::Network, format!("failed to {verb} {about}: {last}"));
    let lower = last.to_ascii_lowercase();
    if lower.contains("certificate") || lower.contains("unknownissuer") {
        return error.with_hint(
            "put the registry's authority into /etc/containers/certs.d/HOST/ca.crt, name it in \
                SSL_CERT_FILE, or set `insecure = true` in registries.conf",
        );
    }
    if verb != "pull" {
        return error.with_hint("is it the right host and port? a proxy is taken from HTTPS_PROXY");
    }
    error.with_hint(
        "without a network, `--offline` uses what the store has; a proxy is taken from HTTPS_PROXY",
    )
}

/// A few tags out of many: those that begin as the missing one does, first.
pub(super) fn nearest(tag: &str, mut tags: Vec<String>) -> Vec<String> {
    let alike = |other: &str| tag.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    tags.sort_by_key(|other| std::cmp::Reverse(alike(other)));
    tags.truncate(8);
    tags.into_iter().map(|tag| format!("`{tag}`")).collect()
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(200).collect()
}
