//! The Python package, by pytest's own means: each file of `python/` is a test here.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The machine's own, which every user may run.
const PYTHON: &str = "/usr/bin/python3";

/// Where the packages, the wheel and the other fakechroot are; `None`, said loudly, where nobody put them.
fn data() -> Option<PathBuf> {
    let built = || rootlet_tests::kept("python");
    let directory = std::env::var_os("ROOTLET_PYTHON").map_or_else(built, PathBuf::from);
    match directory.join("packages/rootlet").exists() && Path::new(PYTHON).exists() {
        true => Some(directory),
        false => {
            rootlet_tests::skipped("no Python packages: `cargo xtask test` fetches them and builds ours");
            None
        }
    }
}

fn pytest(data: &Path, file: &str) -> Command {
    let mut pytest = Command::new(PYTHON);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytester", "--tb=short"]).arg(file);
    pytest.current_dir(rootlet_tests::manifest_directory().join("python"));
    pytest.env("PYTHONPATH", data.join("packages")).env("PYTHONDONTWRITEBYTECODE", "1");
    pytest.env("ROOTLET_PYTHON", data).env("ROOTLET_STORE", rootlet_tests::store());
    pytest.envs(rootlet_tests::debian_tar().map(|tarball| ("ROOTLET_DEBIAN_TAR", tarball)));
    pytest.envs(rootlet_tests::alpine_tar().map(|tarball| ("ROOTLET_ALPINE_TAR", tarball)));
    // What the one who runs these tests prefers is none of theirs.
    for name in ["PYTEST_ADDOPTS", "PYTEST_PLUGINS", "ROOTLET_BASE", "ROOTLET_KEEP", "ROOTLET_WHY"] {
        pytest.env_remove(name);
    }
    pytest
}

fn passes(file: &str) {
    passes_with(file, &[]);
}

fn passes_with(file: &str, environment: &[(&str, PathBuf)]) {
    let Some(data) = data() else { return };
    // pytest keeps its directories for who looks at them later.
    let temporary = tempfile::tempdir().unwrap();
    let base = format!("--basetemp={}", temporary.path().join("pytest").display());
    let done = pytest(&data, file).arg(base).envs(environment.iter().cloned()).output().unwrap();
    let said = said(&done);
    assert!(done.status.success(), "{said}");
    if said.contains(" skipped") && std::env::var_os("ROOTLET_MUST_WORK").is_some_and(|value| value == "1") {
        panic!("skipped:\n{said}");
    }
    eprintln!("{said}");
}

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn commands_are_subprocess() {
    passes("test_run.py");
}

#[test]
fn paths_are_pathlib() {
    passes("test_path.py");
}

#[test]
fn rootlets_are_told_of() {
    passes("test_root.py");
}

#[test]
fn asyncio_has_them_too() {
    passes("test_aio.py");
}

#[test]
fn processes_fork_spawn_and_are_interrupted() {
    passes("test_processes.py");
}

#[test]
fn the_plugin_is_pytests() {
    passes("test_plugin.py");
}

#[test]
fn whole_tests_run_inside() {
    passes("test_inside.py");
}

#[test]
fn bad_tests_harm_nobody() {
    passes("test_hostile.py");
}

#[test]
fn fakechroot_is_there_in_full() {
    passes("test_fakechroot.py");
}

#[test]
fn unittest_and_fixtures_have_them() {
    passes("test_cases.py");
}

#[test]
fn a_wheel_is_installed_and_used() {
    passes("test_wheel.py");
}

#[test]
fn the_documents_examples_run() {
    passes("test_docs.py");
}

#[test]
fn functions_say_what_is_to_be_done() {
    passes("test_functions.py");
}

#[test]
fn modules_of_functions_describe_themselves_and_are_called() {
    passes("test_functions_modules.py");
}

#[test]
fn modules_of_functions_say_what_is_wrong() {
    passes("test_functions_failures.py");
}

#[test]
fn modules_written_for_dagger() {
    passes("test_functions_dagger.py");
}

#[test]
fn scripts_have_an_engine_of_their_own() {
    passes("test_functions_session.py");
}

#[test]
fn functions_are_typed() {
    // Types are the same for every user, and the copy that another one tests has no mypy.
    if data().is_some_and(|data| data.join("tools/bin/mypy").exists()) {
        passes("test_functions_types.py");
    }
}

#[test]
fn daggers_own_examples_run() {
    let command = PathBuf::from(rootlet_tests::rootlet_command().get_program());
    for file in ["test_functions_engine.py", "test_functions_scripts.py"] {
        passes_with(file, &[("ROOTLET_BIN", command.clone())]);
    }
}
