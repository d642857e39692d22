//! What an image says about how to run it, and how that fills what a Spec leaves open.

use crate::{Mount, ParseError, Spec, UserSpec, mount};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The `config` of an OCI image configuration: the part that says how to run it. Fields have the names and the
/// meaning of the OCI image specification, so that one reads the image's own JSON; what is null there is empty here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageDefaults {
    /// `USER`, `USER:GROUP`, by name or number; empty: none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `NAME=VALUE`, in order.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Put before the command.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The command when none is given.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Work directory; empty: `/`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Places that each run has a fresh volume at.
    #[serde(with = "set_as_map", skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
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
        if self.user.is_none() && !image.user.is_empty() {
            self.user = Some(image_user(&image.user)?);
        }
        if self.workdir.is_none() && !image.working_dir.is_empty() {
            self.workdir = Some(mount::lexical(&image.working_dir));
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
        Ok(self)
    }

    /// What is executed: the entrypoint, then the command. Empty when nobody said any.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint.iter().flatten().chain(&self.command).cloned().collect()
    }

    /// The image's variables that are not said here, then those that are.
    fn merged_env(&mut self, image: &[String]) -> Vec<(String, String)> {
        let own = std::mem::take(&mut self.env);
        let said =
            |name: &str| own.iter().any(|(n, _)| n == name) || self.env_remove.iter().any(|n| n == name);
        // An entry without `=` sets nothing, as in docker.
        let pairs = image.iter().filter_map(|entry| entry.split_once('='));
        let mut merged: Vec<_> = pairs
            .filter(|(name, _)| !name.is_empty() && !said(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
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

/// Tools write null for "none".
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The specification writes a set of strings as a map to empty objects, as Go has it.
mod set_as_map {
    use super::*;
    use serde::de::IgnoredAny;

    pub fn serialize<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(set.iter().map(|name| (name, BTreeMap::<(), ()>::new())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, IgnoredAny>>::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn image() -> ImageDefaults {
        let json = r#"{
            "User": "nginx:101", "Env": ["PATH=/bin", "A=image", "ODD"], "WorkingDir": "/srv",
            "Entrypoint": ["/entry"], "Cmd": ["nginx", "-g"], "Volumes": {"/data": {}, "cache/../log": {}},
            "Labels": {"x": "y"}, "StopSignal": "SIGQUIT"
        }"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn reads_what_tools_write() {
        let nulls = r#"{"User":"","Env":null,"Entrypoint":null,"Cmd":null,"Volumes":null,"OnBuild":null}"#;
        assert_eq!(serde_json::from_str::<ImageDefaults>(nulls).unwrap(), ImageDefaults::default());
        let text = serde_json::to_string(&image()).unwrap();
        assert!(text.contains(r#""Volumes":{"/data":{},"cache/../log":{}}"#), "{text}");
        assert_eq!(serde_json::from_str::<ImageDefaults>(&text).unwrap(), image());
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
            let image = ImageDefaults { user: user.into(), ..ImageDefaults::default() };
            assert!(Spec::default().with_defaults(&image).unwrap_err().hint().is_some(), "{user}");
        }
    }
}
