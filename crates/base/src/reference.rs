//! The name of an image, read as docker reads it.
//!
//! The rules are those of `distribution/reference` (the grammar in its `reference.go`): the part before the
//! first `/` is a host when it holds a `.` or a `:`, or is `localhost`, or has a capital letter; a name
//! without host is docker.io's, and there a name of one part is `library/`'s; a name without tag and digest
//! has the tag `latest`.

use crate::{Digest, Error, ErrorKind, Result};
use std::fmt;
use std::str::FromStr;

/// The host of names that do not say one.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";

/// The name of an image in a registry: `alpine`, `debian:13-slim`, `ghcr.io/a/b@sha256:…`,
/// `localhost:5000/x:1`.
///
/// `Display` gives the whole name: `docker.io/library/alpine:latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    registry: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Host, and port where one is said; `docker.io` when the name says none.
    pub fn registry(&self) -> &str {
        self.registry.as_deref().unwrap_or(DEFAULT_REGISTRY)
    }

    /// The name without tag and digest, where it says no registry: what `registries.conf` may have an alias of.
    pub fn short(&self) -> Option<&str> {
        self.registry.is_none().then_some(&self.path)
    }

    /// Path within the registry, with docker.io's `library/`.
    pub fn repository(&self) -> String {
        repository(self.registry(), &self.path)
    }

    /// The same image of another registry, for a short name.
    #[cfg(feature = "registry")]
    pub(crate) fn on_registry(&self, registry: &str) -> Self {
        Self { registry: Some(registry.to_owned()), ..self.clone() }
    }

    /// The same tag and digest of another image; `None` when `name` says more than a registry and a path, or less.
    #[cfg(feature = "registry")]
    pub(crate) fn with_name(&self, name: &str) -> Option<Self> {
        let named: Self = name.parse().ok()?;
        let whole = named.registry.is_some() && named.tag.is_none() && named.digest.is_none();
        whole.then(|| Self { tag: self.tag.clone(), digest: self.digest, ..named })
    }

    /// The tag; `latest` when the name says neither tag nor digest, `None` when it says only a digest.
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// The same image, exactly as it was with this manifest or index.
    pub(crate) fn at(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// The digest of the manifest or index; it wins over the tag.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

fn repository(registry: &str, path: &str) -> String {
    match registry == DEFAULT_REGISTRY && !path.contains('/') {
        true => format!("library/{path}"),
        false => path.to_owned(),
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry(), self.repository())?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::new(ErrorKind::InvalidName, format!("`{text}` is not the name of an image: {why}"))
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            // A `:` before the last `/` belongs to the port.
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(bad("a tag is 1 to 128 of A-Z a-z 0-9 _ . - and does not start with . or -"));
        }
        let (registry, path) = match rest.split_once('/') {
            Some((host, path)) if is_host(host) => (Some(host), path),
            _ => (None, rest),
        };
        if registry.is_some_and(|host| !is_valid_host(host)) {
            return Err(bad("the part before the first `/` is not a host, with or without a port"));
        }
        if path.is_empty() {
            return Err(bad("nothing is left after the host, the tag and the digest"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(bad("it must be in lower case")
                .with_hint(format!("try `{}`", text.replace(path, &path.to_ascii_lowercase()))));
        }
        if !path.split('/').all(is_path_component) {
            return Err(bad("each part between `/` is of a-z 0-9, with single . or _, __ or - between them"));
        }
        if registry.is_none() && path.len() == 64 && path.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad("64 hexadecimal digits alone are an id, not a name"));
        }
        if path.len() > 255 {
            return Err(bad("it is longer than 255 bytes"));
        }
        let registry = registry.map(|host| match host {
            "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY.to_owned(),
            host => host.to_owned(),
        });
        Ok(Self { registry, path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

/// What docker takes for a host rather than for the first part of a path.
fn is_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':']) || text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_valid_host(text: &str) -> bool {
    // An IPv6 address stands in brackets.
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            match port.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None => return port.is_empty(),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.is_none_or(|host| host.split('.').all(label)) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separators =
        text.split(|c: char| c.is_ascii() && alphanumeric(c as u8)).filter(|s| !s.is_empty());
    text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().last().is_some_and(alphanumeric)
        && separators.all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_names_as_docker_does() {
        let by_digest = format!("ghcr.io/a/b@sha256:{HEX}");
        let by_both = format!("alpine:3.20@sha256:{HEX}");
        let whole = format!("docker.io/library/alpine:3.20@sha256:{HEX}");
        for (text, whole) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/library/alpine", "docker.io/library/alpine:latest"),
            ("me/tool", "docker.io/me/tool:latest"),
            ("localhost/tool", "localhost/tool:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("registry.example.com/a/b/c:v1.0-rc.1", "registry.example.com/a/b/c:v1.0-rc.1"),
            ("Host/x", "Host/x:latest"),
            ("[::1]:5000/x", "[::1]:5000/x:latest"),
            ("a__b/c-d--e.f", "docker.io/a__b/c-d--e.f:latest"),
            (&by_digest, &by_digest),
            (&by_both, &whole),
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), whole, "{text}");
        }
    }

    #[test]
    fn says_whether_a_registry_was_named() {
        assert_eq!("me/alpine:3".parse::<ImageRef>().unwrap().short(), Some("me/alpine"));
        assert_eq!("docker.io/alpine".parse::<ImageRef>().unwrap().short(), None);
    }

    #[test]
    fn refuses_what_docker_refuses() {
        for text in [
            "",
            ":",
            "/",
            "a//b",
            "a/",
            "/a",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "Alpine",
            "alpine:",
            "alpine:.x",
            "a b",
            "alpine@sha256:12",
            "localhost:port/x",
            "localhost:99999/x",
            "exa_mple.com:1/x",
            "[::g]:5000/x",
            "a/../b",
            "ä",
            HEX,
            "x:\0",
            "host.com/",
        ] {
            let error = text.parse::<ImageRef>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{text}: {error}");
        }
    }

    #[test]
    fn offers_the_name_in_lower_case() {
        let error = "ghcr.io/Me/Tool:V1".parse::<ImageRef>().unwrap_err();
        assert_eq!(error.hint(), Some("try `ghcr.io/me/tool:V1`"));
    }
}
