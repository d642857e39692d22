//! What a `#[rootlet::test]` becomes.

use super::told::Form;
use super::{Origin, told};
use crate::{Builder, Result, Rootlet};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

/// A test, as the macro writes it down.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// With its crate and modules: `crate::module::name`.
    pub name: &'static str,
    /// The package's.
    pub directory: &'static str,
    /// See [`Origin::base`].
    pub base: Option<&'static str>,
    /// See [`Origin::recipe`].
    pub recipe: Option<&'static str>,
    /// See [`Origin::preset`].
    pub preset: Option<&'static str>,
    /// See [`Origin::like`].
    pub like: Option<&'static str>,
    /// What else the rootlet is to be.
    pub configure: fn(Builder) -> Builder,
    /// Where it may leave something, with all below it; `None`: anywhere.
    pub leaves: Option<&'static [&'static str]>,
    /// Whether its commands are traced, and a failure says what they were refused, also where `ROOTLET_WHY` does not ask for it.
    pub why: bool,
}

/// Whether what a test returns is a failure.
pub trait Verdict {
    /// It is.
    fn failed(&self) -> bool;
}

impl Verdict for () {
    fn failed(&self) -> bool {
        false
    }
}

impl<T, E> Verdict for Result<T, E> {
    fn failed(&self) -> bool {
        self.is_err()
    }
}

impl Verdict for std::process::ExitCode {
    fn failed(&self) -> bool {
        *self != Self::SUCCESS
    }
}

impl Test {
    /// A test of nothing, for the fields that are not said.
    pub const NEW: Self = Self {
        name: "",
        directory: "",
        base: None,
        recipe: None,
        preset: None,
        like: None,
        configure: |builder| builder,
        leaves: None,
        why: false,
    };

    /// Runs a body with a fresh rootlet, and gives back what it returns. After a failure `say` is given what there is to know of the
    /// rootlet.
    ///
    /// # Panics
    /// As the body does; where the rootlet cannot be made; where the test left what it may not.
    #[track_caller]
    pub fn run<V: Verdict>(&self, body: impl FnOnce(&Rootlet) -> V, say: impl FnOnce(&str)) -> V {
        let root = match self.spawn() {
            Ok(root) => root,
            Err(error) => panic!("{error:?}"),
        };
        match catch_unwind(AssertUnwindSafe(|| body(&root))) {
            Err(panic) => {
                say(&told::of(&root, self.name));
                resume_unwind(panic)
            }
            Ok(verdict) if verdict.failed() => {
                say(&told::of(&root, self.name));
                verdict
            }
            Ok(verdict) => {
                if let Some(left) = self.left(&root) {
                    say(&told::of(&root, self.name));
                    panic!("{left}");
                }
                verdict
            }
        }
    }

    /// What is there and may not be, for a person.
    fn left(&self, root: &Rootlet) -> Option<String> {
        let leftovers = match root.leftovers(self.leaves?) {
            Ok(leftovers) if leftovers.is_empty() => return None,
            Ok(leftovers) => leftovers,
            Err(error) => return Some(format!("what the test left cannot be told: {error:?}")),
        };
        let lines: Vec<String> = leftovers.iter().map(|left| format!("  {left}")).collect();
        Some(format!("the test left what it may not:\n{}", lines.join("\n")))
    }

    fn spawn(&self) -> Result<Rootlet> {
        self.builder()?.spawn()
    }

    pub(super) fn builder(&self) -> Result<Builder> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let origin = Origin {
            base: owned(self.base),
            recipe: owned(self.recipe),
            preset: owned(self.preset),
            like: owned(self.like),
            directory: package(self.directory),
        };
        let mut builder = (self.configure)(origin.builder()?);
        builder.spec.explain |= self.why || Form::asked().is_some();
        Ok(builder)
    }

    /// As libtest names it: without the crate.
    pub(super) fn path(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, path)| path)
    }
}

/// The package's directory, which cargo names when it runs a test: the sources may have moved since the test was `compiled`.
pub(super) fn package(compiled: &str) -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| compiled.into(), PathBuf::from)
}

/// The text of a panic, where it is one.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}
