//! Presets: recipes of rootlet's own, with the names of the tutorial's library.
//!
//! | preset | what it is |
//! |---|---|
//! | `alpine`, `debian` | the distribution, without what it recommends |
//! | `alpine_user`, `debian_user` | and the user `sam`, 1000, with a home, who runs what comes |
//! | `alpine_python`, `debian_python` | and Python with pip |
//! | `alpine_python_user_venv`, `debian_python_user_venv` | and a virtual environment of the user's own in `/app/venv` |
//! | `flask_venv` | and flask in it |
//! | `pip_tools` | and pip-tools in it |
//! | `distroless_debian`, `distroless_python3_debian` | Google's images without a shell, as their user 65532 |
//!
//! The Debian ones stand on `apt:trixie`, so that they need no registry.

use crate::recipe::{Python, Recipe, RecipeUser};

const ALPINE: &str = "alpine:3.23";
const DEBIAN: &str = "apt:trixie";
const VENV: &str = "/app/venv";

/// The names of all presets.
pub const NAMES: [&str; 12] = [
    "alpine",
    "alpine_user",
    "alpine_python",
    "alpine_python_user_venv",
    "debian",
    "debian_user",
    "debian_python",
    "debian_python_user_venv",
    "distroless_debian",
    "distroless_python3_debian",
    "flask_venv",
    "pip_tools",
];

/// A preset by its name, with `_` or `-`.
///
/// ```
/// assert_eq!(rootlet_spec::preset::by_name("alpine-user"), Some(rootlet_spec::preset::alpine_user()));
/// assert_eq!(rootlet_spec::preset::by_name("windows"), None);
/// ```
pub fn by_name(name: &str) -> Option<Recipe> {
    Some(match name.replace('-', "_").as_str() {
        "alpine" => alpine(),
        "alpine_user" => alpine_user(),
        "alpine_python" => alpine_python(),
        "alpine_python_user_venv" => alpine_python_user_venv(),
        "debian" => debian(),
        "debian_user" => debian_user(),
        "debian_python" => debian_python(),
        "debian_python_user_venv" => debian_python_user_venv(),
        "distroless_debian" => distroless_debian(),
        "distroless_python3_debian" => distroless_python3_debian(),
        "flask_venv" => flask_venv(),
        "pip_tools" => pip_tools(),
        _ => return None,
    })
}

/// Alpine, by its image.
pub fn alpine() -> Recipe {
    Recipe::from(ALPINE)
}

/// Alpine with the user `sam`.
pub fn alpine_user() -> Recipe {
    use_user(alpine(), RecipeUser::new("sam"))
}

/// Alpine with Python and pip.
pub fn alpine_python() -> Recipe {
    alpine().packages(["python3", "py3-pip"])
}

/// Alpine with Python, the user `sam` and a virtual environment of his in `/app/venv`.
pub fn alpine_python_user_venv() -> Recipe {
    user_venv(alpine_python(), &[])
}

/// Debian, from its packages.
pub fn debian() -> Recipe {
    Recipe::from(DEBIAN)
}

/// Debian with the user `sam`.
pub fn debian_user() -> Recipe {
    use_user(debian(), RecipeUser::new("sam"))
}

/// Debian with Python and pip.
pub fn debian_python() -> Recipe {
    debian().packages(["python3", "python3-pip", "python3-venv"])
}

/// Debian with Python, the user `sam` and a virtual environment of his in `/app/venv`.
pub fn debian_python_user_venv() -> Recipe {
    user_venv(debian().packages(["python3", "python3-venv"]), &[])
}

/// Debian with flask in a virtual environment of the user's.
pub fn flask_venv() -> Recipe {
    user_venv(debian().packages(["python3", "python3-venv"]), &["flask"])
}

/// Debian with pip-tools in a virtual environment of the user's.
pub fn pip_tools() -> Recipe {
    user_venv(debian().packages(["python3", "python3-venv"]), &["pip-tools"])
}

/// Google's static image: no shell, no package manager. Production does not run as root, and neither does this: its tag
/// `nonroot`.
pub fn distroless_debian() -> Recipe {
    Recipe::from("gcr.io/distroless/static-debian13:nonroot")
}

/// Google's image of Python: no shell, no package manager, and not root.
pub fn distroless_python3_debian() -> Recipe {
    Recipe::from("gcr.io/distroless/python3-debian13:nonroot")
}

/// An account is made, and commands run as it in its home.
pub fn use_user(recipe: Recipe, user: RecipeUser) -> Recipe {
    as_user(setup_user(recipe, user))
}

/// The account that was set up runs what comes later, in its home.
pub fn as_user(mut recipe: Recipe) -> Recipe {
    recipe.run_as = None;
    recipe
}

/// An account is made; commands still run as root.
///
/// ```
/// use rootlet_spec::{preset, recipe::RecipeUser};
/// let recipe = preset::setup_user(preset::debian(), RecipeUser::new("sam"));
/// assert_eq!(recipe.run_as.as_deref(), Some("root"));
/// assert_eq!(preset::as_user(recipe), preset::debian_user());
/// ```
pub fn setup_user(recipe: Recipe, user: RecipeUser) -> Recipe {
    let bin = format!("{}/.local/bin", user.home());
    let mut recipe = recipe
        .user(user)
        .env("PATH", format!("{bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    recipe.run_as = Some("root".into());
    recipe
}

fn user_venv(recipe: Recipe, packages: &[&str]) -> Recipe {
    let mut recipe = use_user(recipe, RecipeUser::new("sam"));
    let path = recipe.env.remove("PATH").unwrap_or_default();
    recipe.python = Some(Python {
        venv: VENV.into(),
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        requirements: None,
    });
    recipe.workdir = Some("/app".into());
    recipe.env("PATH", format!("{VENV}/bin:{path}")).env("VIRTUAL_ENV", VENV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_and_no_preset_runs_as_root_where_it_has_a_user() {
        for name in NAMES {
            let recipe = by_name(name).unwrap_or_else(|| panic!("{name}"));
            assert!(recipe.from.is_some(), "{name}");
            assert_eq!(
                recipe.user.is_some(),
                name.contains("user") || name.contains("flask") || name.contains("tools"),
                "{name}"
            );
        }
    }
}
