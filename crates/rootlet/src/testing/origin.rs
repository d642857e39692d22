//! Where the root of a test comes from, found out once in a process.

use crate::{Base, Error, ErrorKind, Result, Store};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// Where a root comes from: at most one of `base`, `recipe` and `preset`; none: the base `host`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// As `rootlet run --base` takes it; a relative path begins in the current directory.
    pub base: Option<String>,
    /// A recipe of the `rootlet.toml` in [`directory`](Self::directory), or the nearest above it.
    pub recipe: Option<String>,
    /// A recipe of rootlet's own.
    pub preset: Option<String>,
    /// Where recipes are looked for.
    pub directory: PathBuf,
}

/// What came of it: the base, or what is said of the failure to those who ask later.
type Found = Arc<OnceLock<std::result::Result<Base, (ErrorKind, String)>>>;

static FOUND: LazyLock<Mutex<HashMap<Origin, Found>>> = LazyLock::new(Mutex::default);

impl Origin {
    /// The base, in the store that [`Store::open_default`] opens. It is looked for once in a process: who asks later, or at the same
    /// time, gets the same, so that hundreds of tests build a recipe once.
    ///
    /// # Errors
    /// More than one origin is said; or those of [`Base::resolve`] and of a recipe. What failed once is not tried again: the first error
    /// tells all, a later one refers to it in a line.
    pub fn base(&self) -> Result<Base> {
        let found =
            FOUND.lock().unwrap_or_else(PoisonError::into_inner).entry(self.clone()).or_default().clone();
        let mut first = None;
        let result = found.get_or_init(|| {
            self.find().map_err(|error| {
                let told = (error.kind(), error.to_string());
                first = Some(error);
                told
            })
        });
        match (result, first) {
            (Ok(base), _) => Ok(base.clone()),
            (Err(_), Some(error)) => Err(error),
            (Err((kind, told)), None) => {
                let line = told.lines().next().unwrap_or_default();
                Err(Error::new(*kind, format!("{} failed before: {line}", self.named())))
            }
        }
    }

    fn named(&self) -> String {
        match (&self.recipe, &self.preset) {
            (Some(name), _) => format!("the recipe {name}"),
            (None, Some(name)) => format!("the preset {name}"),
            (None, None) => format!("the base {}", self.base.as_deref().unwrap_or("host")),
        }
    }

    fn find(&self) -> Result<Base> {
        let store = Store::open_default()?;
        match (&self.base, &self.recipe, &self.preset) {
            (base, None, None) => Ok(crate::resolver(&store).resolve(base.as_deref().unwrap_or("host"))?),
            (None, Some(_), None) | (None, None, Some(_)) => self.built(&store),
            _ => Err(Error::new(ErrorKind::Spec, "a root comes from one of a base, a recipe and a preset")),
        }
    }

    #[cfg(feature = "recipes")]
    fn built(&self, store: &Store) -> Result<Base> {
        use crate::recipe::{Build, Project, expanded};
        use rootlet_spec::recipe::Recipe;
        let resolver = crate::resolver(store);
        if let Some(name) = &self.recipe {
            return Project::find(&self.directory)?.base(name, &resolver);
        }
        let recipe = expanded(Recipe { preset: self.preset.clone(), ..Recipe::default() })?;
        let name = self.preset.as_deref().unwrap_or_default();
        Build::new(&resolver, &self.directory).base(&format!("preset#{name}"), &recipe)
    }

    #[cfg(not(feature = "recipes"))]
    fn built(&self, _: &Store) -> Result<Base> {
        Err(Error::new(
            ErrorKind::Recipe,
            format!("{} cannot be built: the crate rootlet is without recipes", self.named()),
        )
        .with_hint("turn its feature `recipes` on"))
    }
}
