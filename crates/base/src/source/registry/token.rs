//! Identity tokens: what `docker login` keeps in place of a password where the registry gives one. Such a token
//! is exchanged for one that opens a repository for a while (distribution's "Oauth2 Token Authentication").

use http_auth::{ChallengeRef, parse_challenges};
use oci_client::errors::OciDistributionError as Failure;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is exchanged, and for what.
pub(super) struct IdentityToken {
    pub client: Client,
    pub secret: String,
    /// Scheme and host of the registry.
    pub registry: String,
    pub repository: String,
    /// What is to be done there: `pull`, or `pull,push`.
    pub actions: &'static str,
    /// Whether the token may be sent as it is, not encrypted.
    pub insecure: bool,
    pub current: Mutex<Option<Access>>,
}

/// What opens the repository.
pub(super) struct Access {
    token: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token: Option<String>,
    expires_in: Option<u64>,
}

impl IdentityToken {
    /// What opens the repository now; `None` where nothing is closed.
    pub(super) async fn access(&self) -> Result<Option<String>, Failure> {
        if let Some(access) = &*self.current.lock().unwrap_or_else(PoisonError::into_inner)
            && access.until > Instant::now()
        {
            return Ok(Some(access.token.clone()));
        }
        let Some(access) = self.exchange().await? else { return Ok(None) };
        let token = access.token.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(access);
        Ok(Some(token))
    }

    async fn exchange(&self) -> Result<Option<Access>, Failure> {
        let unasked = self.client.get(format!("{}/v2/", self.registry)).send().await?;
        let asked = unasked.headers().get_all(WWW_AUTHENTICATE);
        let texts: Vec<&str> = asked.iter().filter_map(|value| value.to_str().ok()).collect();
        let challenges = texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten();
        let Some(challenge) =
            challenges.into_iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
        else {
            return Ok(None);
        };
        let realm = parameter(&challenge, "realm").unwrap_or_default();
        if !realm.starts_with("https://") && !self.insecure {
            let why = format!("it wants the identity token sent to `{realm}`, where anybody could read it");
            return Err(Failure::GenericError(Some(why)));
        }
        let service = parameter(&challenge, "service").unwrap_or_default();
        let scope = format!("repository:{}:{}", self.repository, self.actions);
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "rootlet"),
            ("service", &service),
            ("scope", &scope),
            ("refresh_token", &self.secret),
        ];
        let begun = Instant::now();
        let answer = self.client.post(&realm).form(&form).send().await?;
        let answer = read(answer, realm).await?;
        let token = answer.access_token.or(answer.token).filter(|token| !token.is_empty());
        let token =
            token.ok_or_else(|| Failure::RegistryTokenDecodeError("it holds no access token".into()))?;
        // A minute is what the specification says of a server that does not say. No request begins with a token
        // that ends while it is on its way.
        const SPARE: u64 = 10;
        let lasts = answer.expires_in.unwrap_or(60).min(24 * 3600).saturating_sub(SPARE);
        Ok(Some(Access { token, until: begun + Duration::from_secs(lasts) }))
    }
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(found.1.to_unescaped())
}

/// What the server said is not repeated: it may repeat the token itself.
async fn read(mut response: Response, url: String) -> Result<Answer, Failure> {
    const LIMIT: usize = 1 << 20;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Failure::AuthenticationFailure("the identity token is refused".into()));
        }
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(Failure::ServerError { code: 429, url, message: String::new() });
        }
        status => {
            let why = format!("{url}, which is to exchange the identity token, answers {status}");
            return Err(Failure::GenericError(Some(why)));
        }
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LIMIT {
            return Err(Failure::RegistryTokenDecodeError("it is too long".into()));
        }
    }
    // Where in it something is wrong, not what: that could be the token.
    serde_json::from_slice(&bytes)
        .map_err(|e| Failure::RegistryTokenDecodeError(format!("it is no JSON at column {}", e.column())))
}
