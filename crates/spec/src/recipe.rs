//! Recipes: what a production machine looks like, written down once. Pure data, and how `rootlet.toml` says it.
//!
//! ```
//! let text = r#"
//!     [root.api]
//!     from     = "apt:trixie"
//!     packages = ["ca-certificates"]
//!     user     = { name = "sam", uid = 1000, groups = ["dialout"] }
//!     copy     = [{ from = "target/release/api", to = "/usr/local/bin/api", mode = "0755" }]
//!     run      = ["install -d -o sam /var/lib/api"]
//!     env      = { LANG = "C.UTF-8" }
//! "#;
//! let recipes = rootlet_spec::recipe::parse(text)?;
//! assert_eq!(recipes["api"].user.as_ref().unwrap().home(), "/home/sam");
//! # Ok::<(), rootlet_spec::recipe::TomlError>(())
//! ```

use crate::similar;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// One environment. Its steps are done in this order: packages, time zone, user, copies, Python, commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Where it begins: a base as `run --base` takes it, a path (`./rootfs`, a directory or a tarball), or another recipe's name.
    pub from: Option<String>,
    /// A recipe of rootlet's own that this one adds to: see [`crate::preset`].
    pub preset: Option<String>,
    /// Packages, by the base's own package manager, without what they recommend.
    pub packages: Vec<String>,
    /// `Europe/Paris`.
    pub timezone: Option<String>,
    /// The production user: made where the base has none of that name, and who commands run as.
    #[serde(deserialize_with = "optional_text_or_table")]
    pub user: Option<RecipeUser>,
    /// Files of the project.
    pub copy: Vec<CopyIn>,
    /// A virtual environment.
    pub python: Option<Python>,
    /// Commands, each of `/bin/sh -ec`, as root.
    #[serde(deserialize_with = "texts_or_tables")]
    pub run: Vec<RunIn>,
    /// Variables, of the commands above and of what is run later.
    pub env: BTreeMap<String, String>,
    /// Who runs what is run later. Not said: the user, if there is one, else whom the base says.
    pub run_as: Option<String>,
    /// Where what is run later begins. Not said: that user's home.
    pub workdir: Option<String>,
    /// As an image's: put before the command.
    pub entrypoint: Option<Vec<String>>,
    /// As an image's: what runs where nothing is said.
    pub command: Option<Vec<String>>,
    /// The network of its steps.
    pub network: StepNetwork,
    /// What steps may read, and no layer holds.
    pub secrets: Vec<Secret>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeUser {
    /// Its name.
    pub name: String,
    /// 1000.
    #[serde(default = "thousand")]
    pub uid: u32,
    /// The uid.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Groups besides, by name; a missing one is made.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Not said: the name below `/home`.
    #[serde(default)]
    pub home: Option<String>,
    /// `/bin/sh`.
    #[serde(default)]
    pub shell: Option<String>,
    /// Whether it may become root by sudo(8), without a password. sudo is installed then.
    #[serde(default)]
    pub sudo: bool,
}

/// A file or directory of the project that is copied in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyIn {
    /// Relative to the recipe's file.
    pub from: String,
    /// Absolute. Ends in `/`: a directory to put it in.
    pub to: String,
    /// Permission bits of files, in octal. Not said: as they are, less what others could write.
    #[serde(default)]
    pub mode: Option<String>,
    /// `root`, `sam`, `1000:1000`.
    #[serde(default)]
    pub owner: Option<String>,
}

/// A virtual environment of Python.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Python {
    /// Where it is made, absolute; the user's own, if there is a user.
    pub venv: String,
    /// What pip installs in it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// A file of requirements, relative to the recipe's.
    #[serde(default)]
    pub requirements: Option<String>,
}

/// A command that is part of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIn {
    /// For `/bin/sh -ec`.
    pub command: String,
    /// Who runs it. Not said: root.
    #[serde(default)]
    pub user: Option<String>,
    /// Its network. Not said: the recipe's.
    #[serde(default)]
    pub network: Option<StepNetwork>,
}

/// Which network a step sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepNetwork {
    /// The host's.
    #[default]
    Host,
    /// None.
    None,
}

/// Something that a step may read and nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The file `/run/secrets/NAME`, or the variable `NAME`.
    pub name: String,
    /// A file, relative to the recipe's.
    #[serde(default)]
    pub file: Option<String>,
    /// A variable of the caller.
    #[serde(default)]
    pub env: Option<String>,
}

fn thousand() -> u32 {
    1000
}

impl Recipe {
    /// One that begins with a base.
    pub fn from(base: impl Into<String>) -> Self {
        Self { from: Some(base.into()), ..Self::default() }
    }

    /// Adds packages.
    pub fn packages(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.packages.extend(names.into_iter().map(Into::into));
        self
    }

    /// Makes an account, who runs what comes later.
    pub fn user(mut self, user: RecipeUser) -> Self {
        self.user = Some(user);
        self
    }

    /// Sets the time zone.
    pub fn timezone(mut self, zone: impl Into<String>) -> Self {
        self.timezone = Some(zone.into());
        self
    }

    /// Copies a file or directory in, root's.
    pub fn copy(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.copy.push(CopyIn { from: from.into(), to: to.into(), mode: None, owner: None });
        self
    }

    /// Runs a command of `/bin/sh -ec` as root.
    pub fn run(mut self, command: impl Into<String>) -> Self {
        self.run.push(RunIn { command: command.into(), ..RunIn::default() });
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Makes a virtual environment of Python with packages in it.
    pub fn python(
        mut self,
        venv: impl Into<String>,
        packages: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let packages = packages.into_iter().map(Into::into).collect();
        self.python = Some(Python { venv: venv.into(), packages, requirements: None });
        self
    }

    /// What this recipe says on top of another: lists are appended, everything else replaces what was said.
    pub fn over(self, below: Recipe) -> Recipe {
        let joined = |below: Vec<String>, own: Vec<String>| -> Vec<String> {
            let more: Vec<String> = own.into_iter().filter(|name| !below.contains(name)).collect();
            below.into_iter().chain(more).collect()
        };
        Recipe {
            from: self.from.or(below.from),
            preset: None,
            packages: joined(below.packages, self.packages),
            timezone: self.timezone.or(below.timezone),
            user: self.user.or(below.user),
            copy: below.copy.into_iter().chain(self.copy).collect(),
            python: self.python.or(below.python),
            run: below.run.into_iter().chain(self.run).collect(),
            env: below.env.into_iter().chain(self.env).collect(),
            run_as: self.run_as.or(below.run_as),
            workdir: self.workdir.or(below.workdir),
            entrypoint: self.entrypoint.or(below.entrypoint),
            command: self.command.or(below.command),
            network: self.network,
            secrets: below.secrets.into_iter().chain(self.secrets).collect(),
        }
    }
}

impl RecipeUser {
    /// `NAME` with the uid and gid 1000.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            uid: 1000,
            gid: None,
            groups: Vec::new(),
            home: None,
            shell: None,
            sudo: false,
        }
    }

    /// Its group: that of its number, where none is said.
    pub fn gid(&self) -> u32 {
        self.gid.unwrap_or(self.uid)
    }

    /// Its home: the name below `/home`, where none is said.
    pub fn home(&self) -> String {
        self.home.clone().unwrap_or_else(|| format!("/home/{}", self.name))
    }
}

/// A file of recipes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    root: BTreeMap<String, Recipe>,
}

/// What is wrong in a `rootlet.toml`, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TomlError {
    /// Line and column, from 1.
    pub place: Option<(usize, usize)>,
    /// What was expected.
    pub reason: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&crate::printable(&self.reason))
    }
}

impl std::error::Error for TomlError {}

/// Reads the recipes of a `rootlet.toml`, by name.
///
/// Errors: it is not TOML; a key is not known, a value is of another type. The error says where, and what was expected.
pub fn parse(text: &str) -> Result<BTreeMap<String, Recipe>, TomlError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| {
            let before = &text[..span.start.min(text.len())];
            let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        });
        let reason = error.message().to_owned();
        TomlError { place, hint: did_you_mean(&reason), reason }
    })?;
    let odd =
        |name: &&String| !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    match file.root.keys().find(odd) {
        Some(name) => Err(TomlError {
            place: None,
            reason: format!("`{name}` is not the name of a recipe: letters, digits, `-`, `_` and `.`"),
            hint: None,
        }),
        None => Ok(file.root),
    }
}

/// ``unknown field `pakcages`, expected one of `from`, …``.
fn did_you_mean(reason: &str) -> Option<String> {
    let mut names = reason.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let written = names.next()?;
    similar::nearest(written, names).map(|name| format!("did you mean `{name}`?"))
}

/// A table, or the one text that says the most of it.
trait FromText {
    const EXPECTED: &str;
    fn from_text(text: &str) -> Self;
}

impl FromText for RecipeUser {
    const EXPECTED: &str = "a user's name, or a table with `name`";
    fn from_text(text: &str) -> Self {
        Self::new(text)
    }
}

impl FromText for RunIn {
    const EXPECTED: &str = "a command, or a table with `command`";
    fn from_text(text: &str) -> Self {
        Self { command: text.to_owned(), ..Self::default() }
    }
}

struct TextOrTable<T>(T);

impl<'de, T: FromText + Deserialize<'de>> Deserialize<'de> for TextOrTable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: FromText + Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                Ok(T::from_text(text))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Either(PhantomData)).map(Self)
    }
}

fn optional_text_or_table<'de, D: Deserializer<'de>, T: FromText + Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<TextOrTable<T>>::deserialize(deserializer)?.map(|either| either.0))
}

fn texts_or_tables<'de, D: Deserializer<'de>, T: FromText + Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<TextOrTable<T>>::deserialize(deserializer)?.into_iter().map(|either| either.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_short_and_long_forms() {
        let text = r#"
            [root.api]
            from = "debian:13"
            user = "sam"
            run = ["true", { command = "id", user = "sam", network = "none" }]
            python = { venv = "/app/venv", packages = ["flask"] }
            secrets = [{ name = "token", env = "TOKEN" }]

            [root.worker]
            from = "api"
            user = { name = "w", uid = 2000, gid = 5, home = "/srv/w", sudo = true }
        "#;
        let recipes = parse(text).unwrap();
        assert_eq!(recipes["api"].user, Some(RecipeUser::new("sam")));
        assert_eq!(recipes["api"].run[1].network, Some(StepNetwork::None));
        let worker = recipes["worker"].user.as_ref().unwrap();
        assert_eq!((worker.gid(), worker.home().as_str(), worker.sudo), (5, "/srv/w", true));
    }

    #[test]
    fn says_where_and_what_was_expected() {
        for (text, place, reason, hint) in [
            (
                "[root.api]\npakcages = []\n",
                Some((2, 1)),
                "unknown field `pakcages`",
                Some("did you mean `packages`?"),
            ),
            ("[root.api]\nfrom = 3\n", Some((2, 8)), "invalid type: integer `3`, expected a string", None),
            ("[root.api\n", Some((1, 10)), "", None),
            ("[rot.api]\n", Some((1, 2)), "unknown field `rot`", Some("did you mean `root`?")),
            (
                "[root.api]\nuser = { nam = \"x\" }\n",
                Some((2, 10)),
                "unknown field `nam`",
                Some("did you mean `name`?"),
            ),
            ("[root.api]\nuser = 5\n", Some((2, 8)), "a user's name, or a table with `name`", None),
            ("[root.api]\nnetwork = \"hots\"\n", Some((2, 11)), "unknown variant `hots`", None),
            ("[root.\"a/b\"]\n", None, "`a/b` is not the name of a recipe", None),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.place, place, "{text}: {error}");
            assert!(error.reason.contains(reason), "{text}: {error}");
            assert_eq!(error.hint.as_deref(), hint, "{text}: {error}");
        }
    }

    #[test]
    fn one_recipe_on_top_of_another() {
        let below = Recipe::from("a").packages(["x"]).env("A", "1").env("B", "1").run("one");
        let above = Recipe::default().packages(["x", "y"]).env("B", "2").run("two").over(below);
        assert_eq!(above.from.as_deref(), Some("a"));
        assert_eq!(above.packages, ["x", "y"]);
        assert_eq!(above.env, BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]));
        assert_eq!(above.run.len(), 2);
    }
}
