//! Who we are to a registry: from the files that docker and podman keep.

use crate::{Error, ErrorKind, Login, Result};
use docker_credential::{CredentialRetrievalError as Cause, DockerCredential};
use std::env;
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

/// What we have to show.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub secret: Secret,
    /// Where it is from.
    pub file: Option<PathBuf>,
}

#[derive(Default)]
pub(super) enum Secret {
    /// Nothing: anonymous.
    #[default]
    None,
    Password(String, String),
    IdentityToken(String),
}

/// The credentials for a repository: those of a login, else of a file; anonymous when there are none.
///
/// The first file that has some wins, in podman's order (containers-auth.json(5)), then docker's. Within it
/// the longest name wins: `host/a/b`, `host/a`, `host`. Helpers (`credHelpers`, `credsStore`) are run.
///
/// Errors: a file that is there cannot be read, or a helper fails.
pub(super) fn find(host: &str, repository: &str, logins: &[Login]) -> Result<Credentials> {
    for key in keys(host, repository) {
        if let Some(login) = logins.iter().rev().find(|login| login.address == key) {
            let secret = Secret::Password(login.user.clone(), login.password.clone());
            return Ok(Credentials { secret, file: None });
        }
    }
    for file in files() {
        if !file.is_file() {
            continue;
        }
        for key in keys(host, repository) {
            let secret = match read(&file, &key) {
                Ok(DockerCredential::UsernamePassword(user, password)) => Secret::Password(user, password),
                Ok(DockerCredential::IdentityToken(token)) => Secret::IdentityToken(token),
                Err(Cause::NoCredentialConfigured) => continue,
                // How helpers say that they have none.
                Err(Cause::HelperFailure { stdout, stderr, .. })
                    if stdout.contains("not found") || stderr.contains("not found") =>
                {
                    continue;
                }
                Err(cause) => {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        format!("failed to read the credentials for {key} from {}", file.display()),
                    )
                    .caused_by(cause));
                }
            };
            return Ok(Credentials { secret, file: Some(file) });
        }
    }
    Ok(Credentials::default())
}

/// Nobody is to see it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn read(file: &PathBuf, key: &str) -> Result<DockerCredential, Cause> {
    let file = File::open(file).map_err(|_| Cause::ConfigReadError)?;
    docker_credential::get_credential_from_reader(BufReader::new(file), key)
}

fn files() -> Vec<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |path: &str| variable("HOME").map(|home| home.join(path));
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    [
        variable("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json")),
        variable("XDG_CONFIG_HOME")
            .or_else(|| home(".config"))
            .map(|directory| directory.join("containers/auth.json")),
        variable("DOCKER_CONFIG").or_else(|| home(".docker")).map(|directory| directory.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a registry may be called in these files, most specific first.
fn keys(host: &str, repository: &str) -> Vec<String> {
    let is_hub = host == "registry-1.docker.io";
    let host = if is_hub { crate::reference::DEFAULT_REGISTRY } else { host };
    let mut keys = Vec::new();
    let mut name = format!("{host}/{repository}");
    while let Some((parent, _)) = name.rsplit_once('/') {
        let parent = parent.to_owned();
        keys.push(std::mem::replace(&mut name, parent));
    }
    keys.push(host.to_owned());
    if is_hub {
        keys.push("https://index.docker.io/v1/".to_owned());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_goes_before_all_files() {
        let login = |address: &str, user: &str| Login {
            address: address.into(),
            user: user.into(),
            password: "p".into(),
        };
        let logins = [login("r:5000", "host"), login("r:5000/a", "part"), login("docker.io", "hub")];
        let user = |host: &str, repository: &str| match find(host, repository, &logins).unwrap().secret {
            Secret::Password(user, _) => user,
            other => panic!("{other:?}"),
        };
        assert_eq!(user("r:5000", "a/b"), "part");
        assert_eq!(user("r:5000", "b"), "host");
        assert_eq!(user("registry-1.docker.io", "library/x"), "hub");
        assert!(!format!("{logins:?}").contains("\"p\""));
    }

    #[test]
    fn the_longest_name_comes_first() {
        assert_eq!(keys("r:5000", "a/b"), ["r:5000/a/b", "r:5000/a", "r:5000"]);
        assert_eq!(keys("registry-1.docker.io", "x")[1..], ["docker.io", "https://index.docker.io/v1/"]);
    }
}
