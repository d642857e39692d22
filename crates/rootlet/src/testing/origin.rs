//! Where the root of a test comes from, found out once in a process.

use crate::{Base, Builder, Error, ErrorKind, Result, Rootlet, Store};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// Where a root comes from: at most one of `base`, `recipe` and `preset`; none: the image of `like`, else the base `host`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// As `rootlet run --base` takes it; a relative path begins in the current directory.
    pub base: Option<String>,
    /// A recipe of the `rootlet.toml` in [`directory`](Self::directory), or the nearest above it.
    pub recipe: Option<String>,
    /// A recipe of rootlet's own.
    pub preset: Option<String>,
    /// A file of production, `FILE` or `FILE#NAME`; a relative path begins in [`directory`](Self::directory).
    pub like: Option<String>,
    /// Where recipes are looked for.
    pub directory: PathBuf,
}

/// A base, and what production says of it.
#[derive(Clone, Debug)]
struct Root {
    base: Base,
    #[cfg(feature = "like")]
    like: Option<crate::like::Like>,
}

/// What came of it: the root, or what is said of the failure to those who ask later.
type Found = Arc<OnceLock<std::result::Result<Root, (ErrorKind, String)>>>;

static FOUND: LazyLock<Mutex<HashMap<Origin, Found>>> = LazyLock::new(Mutex::default);

impl Origin {
    /// The way to a rootlet of it: on the base, in the store that [`Store::open_default`] opens, as production has it. It is looked for once in a process: who asks later, or at the same
    /// time, gets the same, so that hundreds of tests build a recipe once.
    ///
    /// # Errors
    /// More than one origin is said; or those of [`Base::resolve`], of a recipe and of a file of production. What failed once is not tried again: the first error
    /// tells all, a later one refers to it in a line.
    pub fn builder(&self) -> Result<Builder> {
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
            (Ok(root), _) => Ok(root.builder()),
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
            (None, None) => match (&self.base, &self.like) {
                (None, Some(file)) => format!("the root of {file}"),
                (base, _) => format!("the base {}", base.as_deref().unwrap_or("host")),
            },
        }
    }

    #[cfg(feature = "like")]
    fn find(&self) -> Result<Root> {
        // `openshift` is no file.
        let name = |like: &String| match like.as_str() {
            "openshift" => like.clone(),
            file => self.directory.join(file).to_string_lossy().into_owned(),
        };
        let like = self.like.as_ref().map(|like| crate::like::read(&[name(like)])).transpose()?;
        let image = like.as_ref().and_then(|like| like.image.clone());
        Ok(Root { base: self.base(image.as_deref())?, like })
    }

    #[cfg(not(feature = "like"))]
    fn find(&self) -> Result<Root> {
        match &self.like {
            None => Ok(Root { base: self.base(None)? }),
            Some(file) => {
                let what = format!("{file} cannot be read: the crate rootlet is built without that");
                Err(Error::new(ErrorKind::Spec, what).with_hint("turn its feature `like` on"))
            }
        }
    }

    /// `image`: what is taken where nothing is said.
    fn base(&self, image: Option<&str>) -> Result<Base> {
        let store = Store::open_default()?;
        match (&self.base, &self.recipe, &self.preset) {
            (base, None, None) => {
                Ok(crate::resolver(&store).resolve(base.as_deref().or(image).unwrap_or("host"))?)
            }
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

impl Root {
    fn builder(&self) -> Builder {
        let builder = Rootlet::builder(&self.base);
        #[cfg(feature = "like")]
        if let Some(like) = &self.like {
            return builder.like(like);
        }
        builder
    }
}
