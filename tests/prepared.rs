//! Recipes: what each step makes, what is made again and when, who runs in the end, and what no layer holds.
//!
//! On Alpine's tarball, where nothing is asked of the network; on Debian what only Debian has.

#[path = "prepared/cache.rs"]
mod cache;
#[path = "prepared/debian.rs"]
mod debian;
#[path = "prepared/distroless.rs"]
mod distroless;
#[path = "prepared/errors.rs"]
mod errors;
#[path = "prepared/managers.rs"]
mod managers;
#[path = "prepared/secrets.rs"]
mod secrets;
#[path = "prepared/steps.rs"]
mod steps;
#[path = "prepared/users.rs"]
mod users;

use rootlet::base::Resolver;
use rootlet::recipe::Project;
use rootlet::{Base, Error, ErrorKind, Rootlet, Store};
use rootlet_tests::facts::Facts;
use rootlet_tests::{OwnStore, alpine_tar, probe, skipped};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A project with recipes, and a store.
struct Scene {
    project: TempDir,
    store: OwnStore,
}

/// With this `rootlet.toml`, where `ALPINE` stands for the tarball. `None` where this machine has none.
fn scene(recipes: &str) -> Option<Scene> {
    let Some(alpine) = alpine_tar() else {
        skipped("no tarball of alpine");
        return None;
    };
    let project = tempfile::tempdir().unwrap();
    let scene = Scene { project, store: OwnStore::default() };
    // Beside the project, so that its paths may be relative.
    std::os::unix::fs::symlink(alpine.canonicalize().unwrap(), scene.path().join("alpine.tar.gz")).unwrap();
    scene.write("rootlet.toml", &recipes.replace("ALPINE", "./alpine.tar.gz"));
    Some(scene)
}

impl Scene {
    fn path(&self) -> &Path {
        self.project.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Has the file of recipes say something else.
    fn say(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path().join("rootlet.toml")).unwrap();
        assert!(text.contains(old), "{text}");
        self.write("rootlet.toml", &text.replace(old, new));
    }

    fn resolver(&self) -> Resolver {
        rootlet::resolver(&Store::open(self.store.path()).unwrap())
    }

    fn project(&self) -> Result<Project, Error> {
        Project::load(&self.path().join("rootlet.toml"))
    }

    fn build(&self, name: &str) -> Result<Base, Error> {
        self.project()?.base(name, &self.resolver())
    }

    fn base(&self) -> Base {
        self.build("a").unwrap()
    }

    /// Which steps of `a` are there, one letter each: `c`ached or `d`ue.
    fn steps(&self) -> String {
        let steps = self.project().unwrap().explain("a", &self.resolver()).unwrap();
        steps.iter().map(|step| if step.is_cached { 'c' } else { 'd' }).collect()
    }

    /// It is refused for this reason; gives the whole sentence.
    #[track_caller]
    fn refused(&self, why: &str) -> String {
        let error = self.build("a").unwrap_err();
        let told = format!("{error:?}");
        assert!(error.kind() == ErrorKind::Recipe && told.contains(why), "{:?}: {told}", error.kind());
        told
    }

    /// The `rootlet` command in the project.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rootlet_tests::rootlet_command();
        command.args(arguments).current_dir(self.path()).env("ROOTLET_STORE", self.store.path());
        command
    }
}

/// What a command in a fresh rootlet of a base says, run as the base has it.
#[track_caller]
fn says(base: &Base, script: &str) -> String {
    text(&Rootlet::builder(base).spawn().unwrap().command("/bin/sh").args(["-ec", script]).output().unwrap())
}

#[track_caller]
fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    out.into_owned()
}

/// What the process itself is, whatever its account files say.
#[track_caller]
fn facts(base: &Base) -> Facts {
    let root = Rootlet::builder(base).bind_read_only(probe(), "/probe").spawn().unwrap();
    serde_json::from_str(&text(&root.command("/probe").arg("facts").output().unwrap())).unwrap()
}
