//! What an image says about how to run it, and how that fills what a Spec leaves open.

use crate::{Mount, ParseError, Spec, UserSpec, mount};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an image's config says about running it: the `config` of the OCI image specification. All empty for a base
/// that is no image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageDefaults {
    /// `USER`: a name or number, with or without `:GROUP`, as the image says it.
    pub user: Option<String>,
    /// `ENV`, in order.
    pub env: Vec<(String, String)>,
    /// `WORKDIR`.
    pub workdir: Option<String>,
    /// `ENTRYPOINT`, put before the command; empty when not said.
    pub entrypoint: Vec<String>,
    /// `CMD`, the command when none is given; empty when not said.
    pub cmd: Vec<String>,
    /// `VOLUME`: places that each run has a fresh volume at.
    pub volumes: Vec<String>,
    /// `EXPOSE`: `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// `LABEL`.
    pub labels: BTreeMap<String, String>,
    /// `STOPSIGNAL`: a name or number, as the image says it.
    pub stop_signal: Option<String>,
    /// `HEALTHCHECK`, which a run takes no notice of; it is handed on to other tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// `SHELL`: what builds of other tools run commands by; likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// `ONBUILD`: what builds of other tools do on top of it; likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// `os/architecture` or `os/architecture/variant` that the image is for.
    pub platform: Option<String>,
}

/// How docker finds out whether a container is well, as its image says: the `Healthcheck` of docker's image specification. Durations
/// are in nanoseconds; 0 is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and its words, or `CMD-SHELL` and a line for a shell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// How long the container may take to become well.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks in that time.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many in a row must fail.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Spec {
    /// This Spec, with what it leaves open filled from the image, as docker does it:
    ///
    /// - the user and the work directory, where none is given;
    /// - the variables that have no value here (nor are [removed](Spec::env_remove));
    /// - the command, where neither a command nor an entrypoint is given: an entrypoint of one's own also sets
    ///   the image's command aside;
    /// - the entrypoint, where none is given;
    /// - the volumes, except where something else is mounted at the same place.
    pub fn with_defaults(mut self, image: &ImageDefaults) -> Result<Self, ParseError> {
        // Tools write an empty string for "not said".
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let (None, Some(user)) = (&self.user, said(&image.user)) {
            self.user = Some(image_user(&user)?);
        }
        if let (None, Some(dir)) = (&self.workdir, said(&image.workdir)) {
            self.workdir = Some(mount::lexical(&dir));
        }
        self.env = self.merged_env(&image.env);
        if self.entrypoint.is_none() {
            if self.command.is_empty() {
                self.command.clone_from(&image.cmd);
            }
            self.entrypoint = Some(image.entrypoint.clone());
        }
        for volume in &image.volumes {
            let target = mount::lexical(volume);
            if !self.mounts.iter().any(|mount| mount::lexical(mount.target()) == target) {
                self.mounts.push(Mount::Volume { target });
            }
        }
        self.be_lenient();
        Ok(self)
    }

    /// What is executed: the entrypoint, then the command. Empty when nobody said any.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint.iter().flatten().chain(&self.command).cloned().collect()
    }

    /// The image's variables that are not said here, then those that are.
    fn merged_env(&mut self, image: &[(String, String)]) -> Vec<(String, String)> {
        let own = std::mem::take(&mut self.env);
        let said =
            |name: &str| own.iter().any(|(n, _)| n == name) || self.env_remove.iter().any(|n| n == name);
        let mut merged: Vec<_> = image.iter().filter(|(name, _)| !said(name)).cloned().collect();
        merged.extend(own);
        merged
    }
}

/// An image names a user and a group; that it could order an account made is nobody's wish.
fn image_user(text: &str) -> Result<UserSpec, ParseError> {
    let hint = "the image asks for this user; give one with --user";
    match text.parse() {
        Ok(UserSpec::Account(_)) => {
            Err(ParseError::new("user", text, "expected USER or USER:GROUP").with_hint(hint))
        }
        Ok(user) => Ok(user),
        Err(error) => Err(ParseError::with_hint(error, hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn image() -> ImageDefaults {
        ImageDefaults {
            user: Some("nginx:101".into()),
            env: vec![("PATH".into(), "/bin".into()), ("A".into(), "image".into())],
            workdir: Some("/srv".into()),
            entrypoint: strings(&["/entry"]),
            cmd: strings(&["nginx", "-g"]),
            volumes: strings(&["/data", "cache/../log"]),
            ..ImageDefaults::default()
        }
    }

    #[test]
    fn fills_what_is_open() {
        let spec = Spec::default().with_defaults(&image()).unwrap();
        assert_eq!(spec.user, Some("nginx:101".parse().unwrap()));
        assert_eq!(spec.workdir.as_deref(), Some("/srv"));
        assert_eq!(spec.env, [("PATH".into(), "/bin".into()), ("A".into(), "image".into())]);
        assert_eq!(spec.argv(), ["/entry", "nginx", "-g"]);
        let targets: Vec<_> = spec.mounts.iter().map(Mount::target).collect();
        assert_eq!(targets, ["/data", "/log"]);
    }

    #[test]
    fn empty_is_not_said() {
        let image = ImageDefaults {
            user: Some(String::new()),
            workdir: Some(String::new()),
            ..ImageDefaults::default()
        };
        let spec = Spec::default().with_defaults(&image).unwrap();
        assert_eq!((spec.user, spec.workdir), (None, None));
    }

    #[test]
    fn leaves_what_is_said() {
        let said = Spec {
            user: Some(UserSpec::Id(0, None)),
            workdir: Some("/".into()),
            env: vec![("A".into(), "own".into())],
            env_remove: vec!["PATH".into()],
            mounts: vec![Mount::Volume { target: "/data/".into() }],
            command: strings(&["sh"]),
            ..Spec::default()
        };
        let spec = said.clone().with_defaults(&image()).unwrap();
        assert_eq!(spec.user, said.user);
        assert_eq!(spec.workdir, said.workdir);
        assert_eq!(spec.env, said.env);
        assert_eq!(spec.mounts.len(), 2);
        assert_eq!(spec.argv(), ["/entry", "sh"]);
    }

    #[test]
    fn an_own_entrypoint_sets_the_images_command_aside() {
        let with = |entrypoint: &[&str], command: &[&str]| {
            let spec =
                Spec { entrypoint: Some(strings(entrypoint)), command: strings(command), ..Spec::default() };
            spec.with_defaults(&image()).unwrap().argv()
        };
        assert_eq!(with(&["/own"], &[]), ["/own"]);
        assert_eq!(with(&["/own"], &["x"]), ["/own", "x"]);
        assert_eq!(with(&[], &["x"]), ["x"]);
        assert!(with(&[], &[]).is_empty());
    }

    #[test]
    fn an_image_cannot_order_accounts() {
        for user in ["evil:0:0", "a b:", "-x"] {
            let image = ImageDefaults { user: Some(user.into()), ..ImageDefaults::default() };
            assert!(Spec::default().with_defaults(&image).unwrap_err().hint().is_some(), "{user}");
        }
    }
}
