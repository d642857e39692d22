//! `registries.conf`, version 2: what containers-registries.conf(5) says of mirrors, of plain http, and of
//! names without a registry.
//!
//! Read are `$CONTAINERS_REGISTRIES_CONF` alone, or else `~/.config/containers/registries.conf` or
//! `/etc/containers/registries.conf`, and the drop-ins in `registries.conf.d/` of both.

use crate::reference::DEFAULT_REGISTRY;
use crate::{Error, ErrorKind, ImageRef, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file, as far as it is understood.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Registries {
    unqualified_search_registries: Option<Vec<String>>,
    registry: Vec<Registry>,
    /// Short names, and what they are short for. An empty one takes an earlier one away.
    aliases: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Registry {
    prefix: Option<String>,
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Option<String>,
}

/// A place to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Host, and port where one is said.
    pub host: String,
    pub repository: String,
    /// Its certificate need not be valid, and plain http will do.
    pub insecure: bool,
}

impl Registries {
    /// Reads the files of this machine and user. Errors: one cannot be read, or is not in order.
    pub(super) fn load() -> Result<Self> {
        if let Some(file) = env::var_os("CONTAINERS_REGISTRIES_CONF").filter(|file| !file.is_empty()) {
            return read(Path::new(&file))?.ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "failed to read {}, which CONTAINERS_REGISTRIES_CONF names: there is no such file",
                        file.display()
                    ),
                )
            });
        }
        let system = PathBuf::from("/etc/containers");
        let user = env::var_os("XDG_CONFIG_HOME")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
            .map(|config| config.join("containers"));
        let own = user.as_ref().map(|user| read(&user.join("registries.conf"))).transpose()?.flatten();
        let mut all = match own {
            Some(own) => own,
            None => read(&system.join("registries.conf"))?.unwrap_or_default(),
        };
        for directory in [Some(system), user].into_iter().flatten() {
            for file in drop_ins(&directory.join("registries.conf.d")) {
                all.merge(read(&file)?.unwrap_or_default());
            }
        }
        Ok(all)
    }

    /// What a later file says wins.
    fn merge(&mut self, later: Self) {
        if later.unqualified_search_registries.is_some() {
            self.unqualified_search_registries = later.unqualified_search_registries;
        }
        for registry in later.registry {
            self.registry.retain(|known| known.prefix() != registry.prefix());
            self.registry.push(registry);
        }
        self.aliases.extend(later.aliases);
    }

    /// The names that a name stands for: itself; its alias; or with each registry that is searched.
    ///
    /// Errors: the alias is none.
    pub(super) fn candidates(&self, image: &ImageRef) -> Result<Vec<ImageRef>> {
        if let Some(alias) = image.short().and_then(|short| self.aliases.get(short)).filter(|a| !a.is_empty())
        {
            return Ok(vec![image.with_name(alias).ok_or_else(|| {
                let short = image.short().unwrap_or_default();
                Error::new(
                    ErrorKind::Configuration,
                    format!("registries.conf has `{alias}` as an alias of `{short}`"),
                )
                .with_hint("an alias is a name with its registry, without a tag and a digest")
            })?]);
        }
        Ok(match &self.unqualified_search_registries {
            Some(registries) if image.short().is_some() && !registries.is_empty() => {
                registries.iter().map(|registry| image.on_registry(registry)).collect()
            }
            _ => vec![image.clone()],
        })
    }

    /// Where an image is: its mirrors, then the registry itself. Errors: the registry is blocked.
    pub(super) fn endpoints(&self, image: &ImageRef) -> Result<Vec<Endpoint>> {
        let name = format!("{}/{}", image.registry(), image.repository());
        let matching = self.registry.iter().filter_map(|registry| {
            registry.prefix().and_then(|prefix| matches(prefix, &name)).map(|rest| (registry, rest))
        });
        // The longest prefix is the one that leaves the least.
        let Some((registry, rest)) = matching.min_by_key(|(_, rest)| rest.len()) else {
            return Ok(vec![endpoint(&name, false)]);
        };
        if registry.blocked {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("registries.conf blocks `{}`", image.registry()),
            ));
        }
        let pinned = image.digest().is_some();
        let used = |mirror: &&Mirror| match mirror.pull_from_mirror.as_deref() {
            Some("digest-only") => pinned,
            Some("tag-only") => !pinned,
            _ => pinned || !registry.mirror_by_digest_only,
        };
        let mirrors = registry.mirror.iter().filter(used);
        let mirrors = mirrors.map(|mirror| endpoint(&format!("{}{rest}", mirror.location), mirror.insecure));
        let own = match &registry.location {
            Some(location) => endpoint(&format!("{location}{rest}"), registry.insecure),
            None => endpoint(&name, registry.insecure),
        };
        Ok(mirrors.chain([own]).collect())
    }
}

impl Registry {
    fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref().filter(|prefix| !prefix.is_empty()).or(self.location.as_deref())
    }
}

/// What is left of a name behind the prefix, which ends where a part of the name does; `*.example.com` stands
/// for a whole host.
fn matches<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let (host, _) = name.split_once('/')?;
        let bare = host.split_once(':').map_or(host, |(bare, _)| bare);
        return bare.ends_with(domain).then(|| &name[host.len()..]);
    }
    let rest = name.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with(['/', ':'])).then_some(rest)
}

fn endpoint(name: &str, insecure: bool) -> Endpoint {
    let (host, repository) = name.split_once('/').unwrap_or((name, ""));
    let host = match host {
        // As docker does it: the name's host is not the registry's.
        DEFAULT_REGISTRY => "registry-1.docker.io",
        host => host,
    };
    Endpoint {
        host: host.to_owned(),
        repository: repository.to_owned(),
        insecure: insecure || is_local(host),
    }
}

/// Docker takes plain http from the machine itself.
fn is_local(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(bare, _)| bare),
    };
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read(file: &Path) -> Result<Option<Registries>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => {
            return Err(
                Error::io(format!("failed to read {}", file.display()), e).of_kind(ErrorKind::Configuration)
            );
        }
    };
    toml::from_str(&text).map(Some).map_err(|e| {
        Error::new(ErrorKind::Configuration, format!("failed to read {}", file.display()))
            .caused_by(e)
            .with_hint("it must be in version 2 of the format: see containers-registries.conf(5)")
    })
}

fn drop_ins(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "conf")).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Registries {
        toml::from_str(text).unwrap()
    }

    fn places(text: &str, image: &str) -> Vec<String> {
        let endpoints = config(text).endpoints(&image.parse().unwrap()).unwrap();
        let show = |e: &Endpoint| {
            format!("{}/{}{}", e.host, e.repository, if e.insecure { " insecure" } else { "" })
        };
        endpoints.iter().map(show).collect()
    }

    #[test]
    fn without_a_file_a_name_is_its_own_place() {
        assert_eq!(places("", "alpine"), ["registry-1.docker.io/library/alpine"]);
        assert_eq!(places("", "ghcr.io/a/b:1"), ["ghcr.io/a/b"]);
        assert_eq!(places("", "localhost:5000/x"), ["localhost:5000/x insecure"]);
        assert_eq!(places("", "127.0.0.1:5000/x"), ["127.0.0.1:5000/x insecure"]);
        assert_eq!(places("", "[::1]:5000/x"), ["[::1]:5000/x insecure"]);
    }

    #[test]
    fn mirrors_come_first() {
        let text = r#"
            [[registry]]
            prefix = "docker.io"
            location = "docker.io"
            [[registry.mirror]]
            location = "mirror.example.com/hub"
            insecure = true
            [[registry.mirror]]
            location = "pinned.example.com"
            pull-from-mirror = "digest-only"
            [[registry]]
            prefix = "docker.io/library/debian"
            location = "debian.example.com/os"
            [[registry]]
            prefix = "*.corp"
            insecure = true
            [[registry]]
            location = "evil.example.com"
            blocked = true
        "#;
        assert_eq!(
            places(text, "alpine"),
            ["mirror.example.com/hub/library/alpine insecure", "registry-1.docker.io/library/alpine"]
        );
        let pinned = format!("alpine@sha256:{}", "0".repeat(64));
        assert_eq!(places(text, &pinned)[1], "pinned.example.com/library/alpine");
        assert_eq!(places(text, "debian:13"), ["debian.example.com/os"]);
        assert_eq!(places(text, "debian-x"), places(text, "debian-x").to_vec());
        assert_eq!(places(text, "r.corp:5000/x"), ["r.corp:5000/x insecure"]);
        let error = config(text).endpoints(&"evil.example.com/x".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }

    #[test]
    fn short_names_are_searched_where_the_file_says() {
        let search = config(r#"unqualified-search-registries = ["quay.io", "docker.io"]"#);
        let names = |image: &str| -> Vec<String> {
            let found = search.candidates(&image.parse().unwrap()).unwrap();
            found.iter().map(|image| image.to_string()).collect()
        };
        assert_eq!(names("alpine:3"), ["quay.io/alpine:3", "docker.io/library/alpine:3"]);
        assert_eq!(names("ghcr.io/a/b"), ["ghcr.io/a/b:latest"]);
    }

    #[test]
    fn aliases_come_before_the_search() {
        let mut all = config(
            r#"unqualified-search-registries = ["quay.io"]
            [aliases]
            "fedora" = "registry.fedoraproject.org/fedora"
            "me/tool" = "docker.io/me/other-tool"
            "gone" = "docker.io/me/gone"
            "tagged" = "docker.io/me/x:1"
            "short" = "x""#,
        );
        all.merge(config("[aliases]\ngone = \"\"\nlate = \"docker.io/late\"\n"));
        let named = |image: &str| all.candidates(&image.parse().unwrap());
        let name = |image: &str| named(image).unwrap()[0].to_string();
        assert_eq!(name("fedora"), "registry.fedoraproject.org/fedora:latest");
        assert_eq!(name("fedora:41"), "registry.fedoraproject.org/fedora:41");
        let pinned = format!("fedora@sha256:{}", "0".repeat(64));
        assert_eq!(name(&pinned), format!("registry.fedoraproject.org/{pinned}"));
        assert_eq!(name("me/tool"), "docker.io/me/other-tool:latest");
        assert_eq!(name("late"), "docker.io/library/late:latest");
        assert_eq!(name("gone"), "quay.io/gone:latest");
        assert_eq!(name("library/fedora"), "quay.io/library/fedora:latest", "another short name");
        assert_eq!(name("docker.io/fedora"), "docker.io/library/fedora:latest", "not a short one");
        for image in ["tagged", "short"] {
            let error = named(image).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        }
    }
}
