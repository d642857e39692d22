//! A new module: its file, and code with one function to begin with.

use super::project::{Form, Project, Sdk, check_name};
use crate::{Error, ErrorKind, Result};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Makes a module in a directory, which is made where it is missing; nothing that is there is changed. Not said: the
/// directory's name, and that form's own place for the code.
///
/// # Errors
/// The directory is one already; the name cannot be one; it cannot be written.
pub fn init(
    directory: &Path,
    form: Form,
    sdk: &Sdk,
    name: Option<&str>,
    source: Option<&str>,
) -> Result<Project> {
    let failed = |e| Error::io(format!("failed to make a module in {}", directory.display()), e);
    fs::create_dir_all(directory).map_err(failed)?;
    let directory = fs::canonicalize(directory).map_err(failed)?;
    if let Some(there) = Project::at(&directory)? {
        let what = format!("{} is the module {} already", directory.display(), there.name());
        return Err(Error::new(ErrorKind::Module, what).with_hint("remove its file to begin anew"));
    }
    let of_directory = || kebab(&directory.file_name().unwrap_or_default().to_string_lossy());
    let name = name.map_or_else(of_directory, str::to_owned);
    check_name(&name)?;
    let project = Project::new(&directory, form, sdk, &name, source.unwrap_or(form.source()));
    let files = match sdk {
        Sdk::Python => python(&name, form),
        Sdk::Rust => rust(&name),
        Sdk::Other(other) => {
            let error = Error::new(ErrorKind::Module, format!("there is no SDK `{other}`"));
            return Err(error.with_hint("python or rust"));
        }
    };
    for (path, text) in files {
        write_new(&project.source().join(path), &text)?;
    }
    // Last: what stopped halfway is done by the next one.
    project.save()?;
    Ok(project)
}

fn write_new(file: &Path, text: &str) -> Result<()> {
    let failed = |e| Error::io(format!("failed to write {}", file.display()), e);
    fs::create_dir_all(file.parent().unwrap_or(file)).map_err(failed)?;
    match fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut new) => new.write_all(text.as_bytes()).map_err(failed),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed(e)),
    }
}

/// `CiLikeProduction` and `ci_like production` are `ci-like-production`.
fn kebab(text: &str) -> String {
    let mut name = String::new();
    let mut before = ' ';
    for c in text.chars() {
        let begins = c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        if (begins || !c.is_ascii_alphanumeric()) && !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    name.trim_end_matches('-').to_owned()
}

/// `CiLikeProduction`.
fn pascal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

fn python(name: &str, form: Form) -> Vec<(String, String)> {
    let library = if form == Form::Dagger { "dagger" } else { "rootlet" };
    let (package, class) = (name.replace(['-', '.'], "_"), pascal(name));
    let project = format!(
        "[project]\nname = \"{name}\"\nversion = \"0.1.0\"\nrequires-python = \">=3.10\"\ndependencies = []\n\n\
         [tool.setuptools.packages.find]\nwhere = [\"src\"]\n"
    );
    let begin = format!("\"\"\"Functions of {name}.\"\"\"\n\nfrom .main import {class} as {class}\n");
    let main = format!(
        "from {library} import dag, function, object_type\n\n\n\
         @object_type\n\
         class {class}:\n    \
             @function\n    \
             async def whoami(self, base: str = \"alpine:3.20\", user: str = \"1000\") -> str:\n        \
                 \"\"\"Who a command runs as.\"\"\"\n        \
                 return await dag.container().from_(base).with_user(user).with_exec([\"id\"]).stdout()\n"
    );
    vec![
        (".gitignore".into(), "/.venv\n__pycache__/\n".into()),
        ("pyproject.toml".into(), project),
        (format!("src/{package}/__init__.py"), begin),
        (format!("src/{package}/main.py"), main),
    ]
}

fn rust(name: &str) -> Vec<(String, String)> {
    let class = pascal(name);
    let (version, package) = (env!("CARGO_PKG_VERSION"), name.replace('.', "-"));
    let cargo = format!(
        "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\nrootlet = {{ version = \"{version}\", features = [\"module\"] }}\n\n\
         # It is no part of a workspace around it.\n[workspace]\n"
    );
    let main = format!(
        "//! Functions of {name}.\n\n\
         use rootlet::functions::prelude::*;\n\n\
         #[derive(Default)]\nstruct {class};\n\n\
         #[rootlet::module]\nimpl {class} {{\n    \
             /// Who a command runs as.\n    \
             #[function]\n    \
             async fn whoami(\n        &self,\n        #[default(\"alpine:3.20\")] base: String,\n        \
             #[default(\"1000\")] user: String,\n    ) -> Result<String> {{\n        \
                 dag().container().from_(base).with_user(user).with_exec([\"id\"]).stdout().await\n    \
             }}\n}}\n\n\
         fn main() -> Result<()> {{\n    serve::<{class}>()\n}}\n"
    );
    vec![
        (".gitignore".into(), "/target\n".into()),
        ("Cargo.toml".into(), cargo),
        ("src/main.rs".into(), main),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (directory, name, class) in [
            ("ci_like_production", "ci-like-production", "CiLikeProduction"),
            ("CiLike2Production", "ci-like2-production", "CiLike2Production"),
            ("my app.v2", "my-app-v2", "MyAppV2"),
            ("_x_", "x", "X"),
        ] {
            assert_eq!(kebab(directory), name);
            assert_eq!(pascal(name), class);
        }
    }
}
