//! Git repositories: which commit a version is, and its files. Modules are in them, and `dag.git` gives them.

use crate::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::project::is_commit;
use rootlet_base::Store;

/// A module in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::functions) struct Place {
    /// The repository, as the name of a module says it: `github.com/owner/repo`.
    pub named: String,
    /// The repository, for git.
    pub url: String,
    /// The module's directory in it; empty: its top.
    pub sub: String,
    /// A tag, a branch or a commit; `None`: where its HEAD is.
    pub version: Option<String>,
}

/// How repositories are reached.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

/// A version that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::functions) struct Version {
    /// Its name, as one installs it.
    pub name: String,
    pub commit: String,
}

impl Place {
    /// Reads `github.com/owner/repo/sub@version`, `https://host/repo.git/sub@version`, `git@host:owner/repo`, `file:///path/repo.git`.
    /// `None` when this is no repository's name.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, version) = split_version(text);
        let (named, url, sub) = if let Some((scheme, rest)) = text.split_once("://") {
            let (repository, sub) = match rest.split_once(".git/") {
                Some((repository, sub)) => (format!("{repository}.git"), sub),
                None if scheme != "file" && !rest.ends_with(".git") => split_repository(rest)?,
                None => (rest.to_owned(), ""),
            };
            SCHEMES
                .contains(&scheme)
                .then(|| (format!("{scheme}://{repository}"), format!("{scheme}://{repository}"), sub))?
        } else if let Some((user, rest)) = text.split_once('@').filter(|(user, _)| is_plain(user)) {
            let (repository, sub) = rest.split_once(".git/").unwrap_or((rest, ""));
            let suffix = if sub.is_empty() { "" } else { ".git" };
            let url = format!("{user}@{repository}{suffix}");
            repository.contains(':').then(|| (url.clone(), url, sub))?
        } else {
            let host = text.split('/').next()?;
            let is_host = host.contains('.') && !host.starts_with('.') && host.split('.').all(is_plain);
            let (repository, sub) = is_host.then(|| split_repository(text))??;
            (repository.clone(), format!("https://{repository}"), sub)
        };
        let sub = sub.trim_matches('/').to_owned();
        let safe = !sub.split('/').any(|part| part == "..") && !url.contains(char::is_whitespace);
        safe.then_some(Self { named, url, sub, version })
    }

    /// Reads what names a repository and nothing in it; `version` is what else was said.
    ///
    /// # Errors
    /// It names none, or git would not take the version for one.
    pub fn whole(text: &str, version: Option<&str>) -> Result<Self> {
        let place = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest))
                if rest.split('/').next().is_some_and(|host| host.contains('@')) =>
            {
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                let what = format!(
                    "the address of {scheme}://{} holds credentials, which everybody could read in the list of processes",
                    rootlet_spec::printable(host)
                );
                return Err(Error::new(ErrorKind::Module, what).with_hint(
                    "git finds them by itself: in ~/.netrc, or by `git config credential.helper`",
                ));
            }
            Some((scheme, rest)) => {
                let plain = !rest.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
                let (named, url) = (text.to_owned(), text.to_owned());
                (plain && SCHEMES.contains(&scheme)).then(|| Self {
                    named,
                    url,
                    sub: String::new(),
                    version: None,
                })
            }
            None => Self::parse(text).filter(|place| place.sub.is_empty() && place.version.is_none()),
        };
        let place = place.ok_or_else(|| {
            let text = rootlet_spec::printable(text);
            Error::new(ErrorKind::Module, format!("`{text}` is not the name of a git repository"))
                .with_hint("as in `https://host/owner/repo`, `git@host:owner/repo` or `file:///path/repo`")
        })?;
        match version {
            Some(version) if !is_version(version) => {
                let version = rootlet_spec::printable(version);
                let what = format!("the repository {} cannot have a version `{version}`", place.url);
                Err(Error::new(ErrorKind::Module, what)
                    .with_hint("a tag, a branch, or the whole name of a commit"))
            }
            version => Ok(Self { version: version.map(Into::into), ..place }),
        }
    }

    /// As one installs it, at a version.
    pub fn source(&self, version: &str) -> String {
        let below = if self.sub.is_empty() { String::new() } else { format!("/{}", self.sub) };
        format!("{}{below}@{version}", self.named)
    }

    /// The last part of the repository's name.
    pub fn repository(&self) -> &str {
        self.named
            .trim_end_matches('/')
            .rsplit(['/', ':'])
            .next()
            .unwrap_or_default()
            .trim_end_matches(".git")
    }

    /// Asks the repository which commit the version is.
    ///
    /// # Errors
    /// git is not there, the repository cannot be reached, or it has no such version.
    pub fn look_up(&self) -> Result<Version> {
        let listed = self.list()?;
        let lines: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
        let commit_of = |reference: &str| {
            let found = lines.iter().find(|(commit, name)| *name == reference && is_commit(commit));
            found.map(|(commit, _)| (*commit).to_owned())
        };
        let Some(version) = &self.version else {
            let head = lines.iter().find(|(target, name)| *name == "HEAD" && target.starts_with("ref: "));
            let branch = head.map_or("HEAD", |(target, _)| target.trim_start_matches("ref: refs/heads/"));
            let commit = commit_of("HEAD").ok_or_else(|| {
                Error::new(ErrorKind::Module, format!("the repository {} is empty", self.url))
            })?;
            return Ok(Version { name: branch.to_owned(), commit });
        };
        // A repository of several modules has tags for each: `sub/v1.0`.
        let names = [format!("{}/{version}", self.sub), version.clone()];
        let tags = names.iter().flat_map(|name| {
            [format!("refs/tags/{name}^{{}}"), format!("refs/tags/{name}"), format!("refs/heads/{name}")]
        });
        let tags = tags.chain(
            version
                .starts_with("refs/")
                .then(|| [format!("{version}^{{}}"), version.clone()])
                .into_iter()
                .flatten(),
        );
        if let Some(commit) = tags.filter_map(|name| commit_of(&name)).next() {
            return Ok(Version { name: version.clone(), commit });
        }
        if is_commit(version) {
            return Ok(Version { name: version.clone(), commit: version.clone() });
        }
        let error = Error::new(ErrorKind::Module, format!("the repository {} has no `{version}`", self.url));
        let known = lines.iter().filter_map(|(_, name)| {
            name.strip_prefix("refs/tags/").or_else(|| name.strip_prefix("refs/heads/"))
        });
        Err(match rootlet_spec::similar::nearest(version, known) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint("a tag, a branch, or the whole name of a commit"),
        })
    }

    /// What the repository has below `refs/tags/` or `refs/heads/`, say: the names that come after it.
    ///
    /// # Errors
    /// git is not there, or the repository cannot be reached.
    pub fn names(&self, below: &str) -> Result<Vec<String>> {
        let listed = self.list()?;
        let names = listed.lines().filter_map(|line| line.split_once('\t')?.1.strip_prefix(below));
        Ok(names.filter(|name| !name.ends_with("^{}")).map(Into::into).collect())
    }

    fn list(&self) -> Result<String> {
        git(&["ls-remote", "--symref", "--", &self.url], None, &self.url)
    }

    /// All files at a commit, in the store; with the directory `.git` of that one commit, if it is wanted.
    ///
    /// # Errors
    /// The repository cannot be reached, or has no such commit.
    pub fn tree(&self, version: &Version, with_git: bool, store: &Store) -> Result<PathBuf> {
        let key = format!("{}@{}", self.url, version.commit);
        let kind = if with_git { "repositories" } else { "modules" };
        store.made::<Error>(kind, &key, |directory| {
            self.fetch(version, directory)?;
            let inner = directory.join(".git");
            match with_git {
                true => git(&["remote", "add", "origin", &self.url], Some(directory), &self.url).map(drop),
                false => std::fs::remove_dir_all(&inner)
                    .map_err(|e| Error::io(format!("failed to remove {}", inner.display()), e)),
            }
        })
    }

    /// The directory of the module at a commit, in the store.
    ///
    /// # Errors
    /// The repository cannot be reached, has no such commit, or no such directory in it.
    pub fn files(&self, version: &Version, store: &Store) -> Result<PathBuf> {
        let place = self.tree(version, false, store)?.join(&self.sub);
        match place.is_dir() {
            true => Ok(place),
            false => Err(Error::new(
                ErrorKind::Module,
                format!("the repository {} has no directory {} at {}", self.url, self.sub, version.name),
            )),
        }
    }

    fn fetch(&self, version: &Version, directory: &Path) -> Result<()> {
        let here = Some(directory);
        git(&["init", "--quiet"], here, &self.url)?;
        let fetch = |what: &str| {
            git(&["fetch", "--quiet", "--depth=1", "--no-tags", "--", &self.url, what], here, &self.url)
        };
        // Not every server hands out a commit by its name: then by the version's, which may have moved on.
        if fetch(&version.commit).is_err() {
            fetch(&version.name)?;
        }
        let gone = |_| {
            let what = format!("the repository {} no longer has the commit {}", self.url, version.commit);
            Error::new(ErrorKind::Module, what).with_hint("`update` takes the one that is there now")
        };
        git(&["checkout", "--quiet", "--detach", &version.commit], here, &self.url).map_err(gone).map(drop)
    }
}

/// `@VERSION` behind the host, which may have an `@` of its own, as `git@host:…`.
fn split_version(text: &str) -> (&str, Option<String>) {
    let scheme = text.find("://").map_or(0, |at| at + 3);
    let host = text[scheme..].find(['/', ':']).map_or(text.len(), |at| scheme + at);
    match text[host..].split_once('@') {
        Some((path, version)) if is_version(version) => (&text[..host + path.len()], Some(version.into())),
        _ => (text, None),
    }
}

/// What git takes for a name, and nobody for an option.
fn is_version(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
    !text.is_empty() && !text.starts_with(['-', '/']) && text.chars().all(plain) && !text.contains("..")
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(plain)
}

/// `host/owner/repo`, and what comes after it.
fn split_repository(text: &str) -> Option<(String, &str)> {
    if let Some((repository, sub)) = text.split_once(".git/") {
        return Some((format!("{repository}.git"), sub));
    }
    let third = text.match_indices('/').nth(2).map_or(text.len(), |(at, _)| at);
    let (repository, sub) = text.split_at(third);
    let parts: Vec<&str> = repository.split('/').collect();
    (parts.len() == 3 && parts.iter().all(|part| !part.is_empty())).then(|| (repository.to_owned(), sub))
}

/// Runs git, without asking anybody anything; gives what it printed.
fn git(args: &[&str], directory: Option<&Path>, url: &str) -> Result<String> {
    let mut command = Command::new("git");
    // No hook, filter or transport helper of a stranger's: `ext::` would run a command.
    command.args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "protocol.ext.allow=never",
        "-c",
        "init.defaultBranch=main",
    ]);
    command.args(args).stdin(Stdio::null());
    for (name, value) in [
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
        ("GIT_HTTP_LOW_SPEED_LIMIT", "1000"),
        ("GIT_HTTP_LOW_SPEED_TIME", "30"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    if std::env::var_os("GIT_SSH_COMMAND").is_none() {
        command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=15");
    }
    // What a hook or an alias that called us is about is not ours.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let failed = || Error::new(ErrorKind::Module, format!("failed to get the repository {url}"));
    let Output { status, stdout, stderr } = command.output().map_err(|e| {
        failed().caused_by(e).with_hint("modules of repositories are got by git, which is to be installed")
    })?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(failed()
            .caused_by(String::from_utf8_lossy(&stderr).trim().to_owned())
            .with_hint("is its name right, and may you read it? `git ls-remote` says the same")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories() {
        for (text, url, sub, version) in [
            ("github.com/owner/repo", "https://github.com/owner/repo", "", None),
            ("github.com/owner/repo@main", "https://github.com/owner/repo", "", Some("main")),
            ("github.com/owner/repo/a/b@v1.0", "https://github.com/owner/repo", "a/b", Some("v1.0")),
            ("github.com/owner/repo@feature/x", "https://github.com/owner/repo", "", Some("feature/x")),
            ("github.com/owner/repo.git/a@v1", "https://github.com/owner/repo.git", "a", Some("v1")),
            ("https://host.org/owner/repo.git", "https://host.org/owner/repo.git", "", None),
            ("https://github.com/owner/repo/sub@v1", "https://github.com/owner/repo", "sub", Some("v1")),
            ("git@github.com:owner/repo", "git@github.com:owner/repo", "", None),
            ("git@github.com:owner/repo.git/sub@v2", "git@github.com:owner/repo.git", "sub", Some("v2")),
            ("ssh://git@host/owner/repo.git@v2", "ssh://git@host/owner/repo.git", "", Some("v2")),
            ("file:///tmp/repo", "file:///tmp/repo", "", None),
            ("file:///tmp/repo.git/sub@v1", "file:///tmp/repo.git", "sub", Some("v1")),
        ] {
            let place = Place::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((place.url.as_str(), place.sub.as_str()), (url, sub), "{text}");
            assert_eq!(place.version.as_deref(), version, "{text}");
            assert_eq!(
                place.source(version.unwrap_or("x")),
                format!(
                    "{}@{}",
                    text.trim_end_matches(&version.map(|v| format!("@{v}")).unwrap_or_default()),
                    version.unwrap_or("x")
                )
            );
        }
        for text in [
            "",
            "lib",
            "../..",
            "./a.b/c/d",
            "ext::sh -c id",
            "github.com",
            "github.com/owner",
            "-u/x/y",
            "github.com/o/r/../x",
            "a b.c/d/e",
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
