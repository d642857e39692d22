//! Recipes on the command line: `build`, `recipe list | show`, `run -r`, `run --preset`; what they print, and how they end.

mod support;

use support::{Ran, finish};
use tempfile::TempDir;

const RECIPES: &str = "[root.api]\nfrom = \"./alpine.tar.gz\"\nuser = \"sam\"\nrun = [\"echo built > /srv/built\"]\n\n\
    [root.worker]\nfrom = \"api\"\ncommand = [\"cat\", \"/srv/built\"]\n";

/// A project beside Alpine's smallest root, and a store.
struct Project {
    directory: TempDir,
    store: TempDir,
}

impl Project {
    fn new(recipes: &str) -> Option<Self> {
        let tarball = rootlet_tests::alpine_tar()?.canonicalize().unwrap();
        let project = Self { directory: tempfile::tempdir().unwrap(), store: tempfile::tempdir().unwrap() };
        std::os::unix::fs::symlink(tarball, project.directory.path().join("alpine.tar.gz")).unwrap();
        project.write(recipes);
        Some(project)
    }

    fn write(&self, recipes: &str) {
        std::fs::write(self.directory.path().join("rootlet.toml"), recipes).unwrap();
    }

    fn rootlet(&self, args: &[&str]) -> Ran {
        let mut command = support::rootlet(args);
        finish(command.current_dir(self.directory.path()).env("ROOTLET_STORE", self.store.path()), "")
    }

    /// It ends well; gives what it printed.
    #[track_caller]
    fn does(&self, args: &[&str]) -> String {
        let ran = self.rootlet(args);
        assert_eq!(ran.status, Some(0), "{args:?}: {}", ran.stderr);
        ran.stdout
    }

    /// It is refused with rootlet's own status, and prints nothing but why.
    #[track_caller]
    fn refused(&self, args: &[&str]) -> String {
        let ran = self.rootlet(args);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(125), ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        ran.stderr
    }
}

/// So that the store goes with the test: some of its files belong to other users' numbers.
impl Drop for Project {
    fn drop(&mut self) {
        self.write("");
        self.rootlet(&["gc", "--keep", "0"]);
    }
}

macro_rules! project {
    ($recipes:expr) => {
        match Project::new($recipes) {
            Some(project) => project,
            None => rootlet_tests::skip!("Alpine's root is not there"),
        }
    };
}

#[test]
fn a_build_prints_what_it_made_and_does_it_once() {
    let project = project!(RECIPES);
    let both = project.does(&["build", "--quiet"]);
    let lines: Vec<&str> = both.lines().collect();
    assert!(lines[0].starts_with("sha256:") && lines[0].ends_with("  api"), "{both}");
    assert!(lines[1].ends_with("  worker") && lines.len() == 2, "{both}");
    assert_eq!(project.does(&["build", "api"]), format!("{}\n", lines[0]));
    assert_eq!(project.does(&["build", "--file", "rootlet.toml", "worker"]), format!("{}\n", lines[1]));
}

#[test]
fn a_recipe_is_shown_with_what_is_to_be_done() {
    let project = project!(RECIPES);
    assert_eq!(
        project.does(&["recipe", "list"]),
        "NAME    FROM             USER\napi     ./alpine.tar.gz  sam\nworker  api              -\n"
    );
    let states = |told: &str| -> Vec<String> {
        told.lines().skip(1).map(|line| line.rsplit("  ").next().unwrap().to_owned()).collect()
    };
    let told = project.does(&["recipe", "show", "api"]);
    assert!(
        told.starts_with("STEP ") && told.contains("user sam 1000:1000") && told.contains("run echo built")
    );
    assert_eq!(
        states(&told),
        ["cached", "to be done: it is new", "to be done: it follows one that is to be done"]
    );
    project.does(&["build", "api"]);
    assert_eq!(states(&project.does(&["recipe", "show", "api"])), ["cached"; 3]);
    project.write(&RECIPES.replace("echo built", "echo rebuilt"));
    assert_eq!(
        states(&project.does(&["recipe", "show", "api"]))[1..],
        ["cached", "to be done: it says something else than when it was built last"]
    );
    let steps: serde_json::Value =
        serde_json::from_str(&project.does(&["recipe", "show", "--json", "api"])).unwrap();
    assert_eq!(steps[1]["is_cached"], true);
    assert_eq!(steps[2]["is_cached"], false);
    assert!(steps[2]["why"].as_str().unwrap().contains("something else"), "{steps}");
    assert!(steps[2]["key"].as_str().unwrap().starts_with("step:"), "{steps}");
}

#[test]
fn a_run_builds_what_is_missing_and_ends_as_its_command() {
    let project = project!(RECIPES);
    assert_eq!(project.does(&["run", "-r", "worker"]), "built\n");
    assert_eq!(project.does(&["run", "--recipe", "api", "--", "id", "-u"]), "1000\n");
    assert_eq!(project.does(&["run", "-r", "api", "--user", "root", "--", "id", "-u"]), "0\n");
    for (script, status) in [("exit 7", 7), ("kill -9 $$", 137)] {
        assert_eq!(project.rootlet(&["run", "-r", "api", "--", "sh", "-c", script]).status, Some(status));
    }
    assert_eq!(project.rootlet(&["run", "-r", "api", "--", "nosuch"]).status, Some(127));
    assert_eq!(project.rootlet(&["run", "-r", "api", "--", "/etc/motd"]).status, Some(126));
}

#[test]
fn what_is_wrong_is_a_sentence() {
    let project = project!(RECIPES);
    assert!(project.refused(&["run", "-r", "apo", "true"]).contains("hint: did you mean `api`?"));
    assert!(project.refused(&["build", "wrker"]).contains("hint: did you mean `worker`?"));
    assert!(
        project.refused(&["run", "--preset", "debian_usr", "true"]).contains("did you mean `debian_user`?")
    );
    assert!(
        project.refused(&["run", "-r", "api", "--preset", "alpine", "true"]).contains("cannot be used with")
    );
    assert!(project.refused(&["recipe", "show", "nothing-like-it"]).contains("hint: it has api, worker"));
    assert!(project.refused(&["build", "--file", "nowhere.toml"]).contains("nowhere.toml: ENOENT"));
    project.write("[root.api]\npakcages = []\n");
    let told = project.refused(&["run", "-r", "api", "true"]);
    assert!(told.contains("rootlet.toml: line 2, column 1: unknown field `pakcages`"), "{told}");
    assert!(told.contains("hint: did you mean `packages`?"), "{told}");
    // Nor does a recipe steer the terminal.
    project.write("[root.api]\nfrom = \"./alpine.tar.gz\"\nrun = [\"echo '\\u001b[2J'; false\"]\n");
    let told = project.refused(&["build", "api"]);
    assert!(
        !told.contains('\x1b') && told.contains("\\x1b[2J") && told.contains("rootlet enter"),
        "{told:?}"
    );
    std::fs::remove_file(project.directory.path().join("rootlet.toml")).unwrap();
    let told = project.refused(&["build"]);
    assert!(told.contains("there is no rootlet.toml in") && told.contains("hint: write one"), "{told}");
}

#[test]
fn offline_says_what_is_missing() {
    let project = project!("[root.a]\nfrom = \"apt:nosuite?mirror=http://mirror.invalid\"\n");
    let told = project.refused(&["run", "--offline", "-r", "a", "true"]);
    assert!(told.contains("it is not in the store, and the network is not to be used"), "{told}");
    // To look at it fetches nothing.
    assert!(project.does(&["recipe", "show", "a"]).contains("to be done"));
}
