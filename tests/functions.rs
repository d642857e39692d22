//! Modules of functions on the command line, with modules in Python: what is typed, what is printed, and how it ends.

use rootlet_tests::{alpine_tar, rootlet_command, skipped};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "functions/arguments.rs"]
mod arguments;
#[path = "functions/bad.rs"]
mod bad;
#[path = "functions/cancel.rs"]
mod cancel;
#[path = "functions/checks.rs"]
mod checks;
#[path = "functions/dagger.rs"]
mod dagger;
#[path = "functions/dependencies.rs"]
mod dependencies;
#[path = "functions/kept.rs"]
mod kept;
#[path = "functions/publish.rs"]
mod publish;
#[path = "functions/repositories.rs"]
mod repositories;
#[path = "functions/results.rs"]
mod results;
#[path = "functions/tables.rs"]
mod tables;
#[path = "functions/web.rs"]
mod web;

/// What came of a line.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A directory with modules.
struct Place {
    directory: tempfile::TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Some tests have stores in there.
        rootlet_tests::remove_store(self.path());
    }
}

impl Place {
    /// With a module in it, of this code.
    fn with(code: &str) -> Self {
        let place = Self::default();
        place.module(".", "test", code);
        place
    }

    /// Another module below.
    fn module(&self, path: &str, name: &str, code: &str) {
        self.write(&format!("{path}/rootlet.json"), &json!({"name": name, "sdk": "python"}).to_string());
        self.write(&format!("{path}/src/main.py"), code);
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = rootlet_command();
        command.args(words).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn ran(&self, words: &[&str]) -> Ran {
        finish(&mut self.command(words))
    }

    /// It ends well; gives what it printed.
    #[track_caller]
    fn does(&self, words: &[&str]) -> String {
        let ran = self.ran(words);
        assert_eq!(ran.status, Some(0), "{words:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// It ends with a status of its own, prints nothing, and says why.
    #[track_caller]
    fn fails(&self, status: i32, words: &[&str], said: &[&str]) {
        let ran = self.ran(words);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(status), ""), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        for text in said {
            assert!(ran.stderr.contains(text), "no `{text}` in: {}", ran.stderr);
        }
    }
}

fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Alpine's address; `None`, said loudly, where it is not at hand.
fn alpine() -> Option<String> {
    let tar = alpine_tar();
    if tar.is_none() {
        skipped("no tarball of alpine");
    }
    tar.map(|tar| format!("tar:{}", tar.canonicalize().unwrap().display()))
}

#[test]
fn a_new_module_is_called() {
    let Some(alpine) = alpine() else { return };
    let place = Place::default();
    fs::create_dir(place.at("MyChecks")).unwrap();
    let within = |words: &[&str]| finish(place.command(words).current_dir(place.at("MyChecks")));
    let made = within(&["init", "--sdk=python"]);
    assert!(made.stdout.ends_with("MyChecks/rootlet.json: the module my-checks\n"), "{made:?}");
    let again = within(&["init", "--sdk=python"]);
    assert_eq!(again.status, Some(125));
    assert!(again.stderr.contains("is the module my-checks already"), "{}", again.stderr);
    assert_eq!(within(&["functions"]).stdout, "NAME    DESCRIPTION\nwhoami  Who a command runs as.\n");
    let called = within(&["call", "whoami", "--base", &alpine, "--user=4321"]);
    assert_eq!(called.stdout, "uid=4321 gid=0(root)\n", "{}", called.stderr);
    // From below it as well, and by its path.
    let below = finish(place.command(&["functions"]).current_dir(place.at("MyChecks/src/my_checks")));
    assert!(below.stdout.contains("whoami"), "{}", below.stderr);
    assert!(place.does(&["functions", "-m", "MyChecks"]).contains("whoami"));
    place.fails(125, &["functions"], &["is no module: there is neither rootlet.json nor dagger.json"]);
    place.fails(125, &["init", "--sdk=cobol"], &["there is no SDK `cobol`"]);
    place.fails(125, &["init", "-x"], &["unexpected argument"]);
    place.fails(125, &["init", "a", "--name=b"], &["the name is said twice"]);
    place.fails(125, &["init", "--name=a b"], &["`a b` cannot be the name of a module"]);
}

#[test]
fn a_warm_call_starts_one_interpreter() {
    let place = Place::with(
        "from rootlet import function, object_type\n\n@object_type\nclass Test:\n    @function\n    def one(self) -> int:\n        return 1\n",
    );
    let python = "#!/bin/sh\necho started >> \"$STARTED\"\nexec python3 \"$@\"\n";
    place.write(".venv/bin/python3", python);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.at(".venv/bin/python3"), executable).unwrap();
    let started = || {
        let file = place.at("started");
        let _ = fs::remove_file(&file);
        let ran = finish(place.command(&["call", "one"]).env("STARTED", &file));
        assert_eq!(ran.stdout, "1\n", "{}", ran.stderr);
        fs::read_to_string(file).unwrap().lines().count()
    };
    assert_eq!((started(), started(), started()), (2, 1, 1));
    // A change is seen, also one that leaves the size as it was.
    let code = fs::read_to_string(place.at("src/main.py")).unwrap();
    place.write("src/main.py", &code);
    assert_eq!((started(), started()), (2, 1));
}

#[test]
fn called_dagger_it_answers_to_what_modules_need() {
    let place = Place::default();
    let program = rootlet_command().get_program().to_owned();
    std::os::unix::fs::symlink(program, place.at("dagger")).unwrap();
    let dagger = |words: &[&str]| {
        let mut command = Command::new(place.at("dagger"));
        finish(command.args(words).current_dir(place.path()).env("ROOTLET_STORE", rootlet_tests::store()))
    };
    let made = dagger(&["init", "--sdk=python", "--name=named", "below/here"]);
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    let file = fs::read_to_string(place.at("below/here/dagger.json")).unwrap();
    assert_eq!(
        file,
        "{\n  \"name\": \"named\",\n  \"sdk\": {\n    \"source\": \"python\"\n  },\n  \"source\": \".dagger\"\n}\n"
    );
    assert!(
        fs::read_to_string(place.at("below/here/.dagger/src/named/main.py"))
            .unwrap()
            .contains("from dagger import")
    );
    assert!(dagger(&["functions", "-m", "below/here"]).stdout.contains("whoami"));
    assert!(dagger(&["version"]).stdout.starts_with("rootlet "));
    assert_eq!(dagger(&["run", "true"]).status, Some(125));
    let Value::Object(all) =
        json!({"init": 0, "install": 0, "uninstall": 0, "call": 0, "functions": 0, "check": 0})
    else {
        unreachable!()
    };
    let help = dagger(&["--help"]).stdout;
    assert!(all.keys().all(|name| help.contains(&format!("\n  {name} "))), "{help}");
}
