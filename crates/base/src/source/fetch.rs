//! Plain files of the web.

use super::http;
use crate::{Digest, Error, ErrorKind, Resolver, Result};
use reqwest::{Url, redirect};
use sha2::{Digest as _, Sha256};
use std::io::Write;

/// How often a server may send us elsewhere.
const REDIRECTS: usize = 10;

impl Resolver {
    /// Fetches what is at an `http` or `https` URL, following redirects, and writes it; gives the digest of it.
    ///
    /// # Errors
    /// It is no such URL; the network is not to be used; the server cannot be reached, refuses, or has nothing there; there are more bytes
    /// than [`Limits::layer_bytes`](crate::Limits::layer_bytes), or fewer than were promised; it cannot be written.
    pub fn fetch(&self, url: &str, to: &mut (dyn Write + Send)) -> Result<Digest> {
        let wrong = |why: &str| {
            let text = format!("`{}` is no URL of a file: {why}", rootlet_spec::printable(url));
            Error::new(ErrorKind::Configuration, text).with_hint("it begins with `http://` or `https://`")
        };
        let url = Url::parse(url).map_err(|e| wrong(&e.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(wrong(&format!("nobody fetches `{}`", url.scheme())));
        }
        let about = shown(&url);
        if self.offline {
            let text = format!("failed to fetch {about}: the network is not to be used");
            return Err(Error::new(ErrorKind::NotInStore, text));
        }
        http::check_authorities(&about)?;
        http::provide();
        let limit = self.limits.layer_bytes;
        // On a thread of its own: the caller may be within a runtime of its own, which cannot be waited in.
        std::thread::scope(|scope| {
            let fetch = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|e| Error::io("failed to prepare for the network", e))?;
                runtime.block_on(get(url, &about, limit, to))
            });
            fetch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Without credentials, and safe to print: what a URL carries besides may be a secret as well.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = (url.set_username(""), url.set_password(None));
    url.set_fragment(None);
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    rootlet_spec::printable(url.as_str()).replace("%E2%80%A6", "…")
}

fn failed(kind: ErrorKind, about: &str, why: impl std::fmt::Display) -> Error {
    Error::new(kind, format!("failed to fetch {about}: {why}"))
}

fn broken(error: &reqwest::Error, about: &str) -> Error {
    failed(ErrorKind::Network, about, http::last_cause(error)).with_hint(
        "is the name right, and does the server's certificate hold? A proxy is taken from http_proxy and HTTPS_PROXY",
    )
}

async fn get(url: Url, about: &str, limit: u64, to: &mut (dyn Write + Send)) -> Result<Digest> {
    let client = reqwest::Client::builder()
        .connect_timeout(http::CONNECT)
        .read_timeout(http::READ)
        .user_agent(http::USER_AGENT)
        .redirect(redirect::Policy::custom(redirected))
        .build()
        .map_err(|e| broken(&e, about))?;
    let mut response = client.get(url).send().await.map_err(|e| broken(&e, about))?;
    let status = response.status();
    if !status.is_success() {
        let failed = |kind| failed(kind, about, format!("the server answers {status}"));
        return Err(match status.as_u16() {
            401 | 403 => failed(ErrorKind::Unauthorized).with_hint(
                "what wants a password is fetched by a command, which gets it by `with_secret_variable`",
            ),
            404 | 410 => failed(ErrorKind::NotFound).with_hint("is the path right?"),
            _ => failed(ErrorKind::Network).with_hint("the server may have more to say in its log"),
        });
    }
    let too_long = || {
        failed(ErrorKind::Limit, about, format!("it has more than {limit} bytes"))
            .with_hint("a command fetches what is larger, and may keep it in a cache")
    };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let (mut hasher, mut done) = (Sha256::new(), 0);
    while let Some(part) = response.chunk().await.map_err(|e| broken(&e, about))? {
        done += part.len() as u64;
        if done > limit {
            return Err(too_long());
        }
        hasher.update(&part);
        to.write_all(&part).map_err(|e| Error::io("failed to write what was fetched", e))?;
    }
    Ok(Digest::finish(hasher))
}

/// Elsewhere, but not from https to what anybody may read and change.
fn redirected(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let is_plain = |url: &Url| url.scheme() != "https";
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("it leads from one place to the next, without end");
    }
    match is_plain(attempt.url()) && attempt.previous().last().is_some_and(|before| !is_plain(before)) {
        true => attempt.error("it leads from https to http"),
        false => attempt.follow(),
    }
}
