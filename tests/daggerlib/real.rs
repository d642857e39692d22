//! The library itself, where its source is at hand: `ROOTLET_DAGGERLIB` says in which directory. Nothing of it is in this tree.

use super::call;
use rootlet_tests::OwnStore;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Its directory, where there is one.
fn source() -> Option<PathBuf> {
    let source = std::env::var_os("ROOTLET_DAGGERLIB").map(PathBuf::from);
    if source.is_none() {
        eprintln!("the library's source is not at hand");
    }
    source
}

/// What a module's main object is made with, and its functions with their arguments and what they give.
fn offered(module: &str, store: &Path) -> (Value, BTreeMap<String, Value>) {
    let mut command: Command = rootlet_tests::rootlet_command();
    command.args(["functions", "--quiet", "--json", "--mod", module]).env("ROOTLET_STORE", store);
    let output = command.current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let objects = schema["objects"].as_array().unwrap();
    let main = objects.iter().find(|object| object["name"] == schema["main"]).unwrap();
    let bare = |args: &Value| -> Value {
        let args = args.as_array().into_iter().flatten();
        args.map(|arg| serde_json::json!([arg["name"], arg["type"], arg["default"]])).collect()
    };
    let functions = main["functions"].as_array().unwrap().iter();
    let functions = functions.map(|one| {
        let told = serde_json::json!([bare(&one["args"]), one["returns"]]);
        (one["name"].as_str().unwrap().to_owned(), told)
    });
    (bare(&main["constructor"]), functions.collect())
}

/// Those that work on its own repository, and so make sense nowhere else, the presets have not.
const OF_ITS_REPOSITORY: [&str; 8] = [
    "dind_emacs_container",
    "dind_init_examples",
    "dind_run_org",
    "dind_run_tests",
    "dind_tangle",
    "emacs_container",
    "export_html",
    "ralph",
];

#[test]
fn the_presets_take_and_give_the_same() {
    let Some(source) = source() else { return };
    let store = OwnStore::default();
    let (constructor, mut functions) = offered(&source.display().to_string(), store.path());
    functions.retain(|name, _| !OF_ITS_REPOSITORY.contains(&name.as_str()));
    assert_eq!(offered("rootlet:lib", store.path()), (constructor, functions));
}

/// Debian's image is played by Debian's packages; the digests of the real ones are left out.
#[test]
fn it_runs_and_says_what_it_recorded() {
    let Some(source) = source() else { return };
    let Some(_) = rootlet_tests::packages_base("apt:trixie") else { return };
    let directory = tempfile::tempdir().unwrap();
    for path in ["src", "dagger.json", "examples"] {
        let copied = Command::new("cp").arg("-R").arg(source.join(path)).arg(directory.path()).status();
        assert!(copied.unwrap().success());
    }
    let store = OwnStore::default();
    let opened = rootlet::Store::open(store.path()).unwrap();
    drop(rootlet::resolver(&opened).resolve("apt:trixie").unwrap());
    let bases = store.path().join("bases");
    let record = fs::read_to_string(bases.join("apt%3Atrixie.json")).unwrap();
    let mut record: Value = serde_json::from_str(&record).unwrap();
    record["name"] = "docker.io/library/debian:13.2-slim".into();
    fs::write(bases.join("docker.io%2Flibrary%2Fdebian%3A13.2-slim.json"), record.to_string()).unwrap();
    let module = format!("--mod={}", directory.path().display());
    let says = |function: &[&str], script: &str| {
        let script = format!("--args=sh,-c,{script}");
        call(&store, &[&[module.as_str()], function, &["with-exec", &script, "stdout"]].concat())
    };
    let sam = "uid=1000(sam) gid=1000(sam) groups=1000(sam),100(users)\n";
    assert_eq!(says(&["debian-user"], "id; pwd"), format!("{sam}/home/sam\n"));
    assert_eq!(
        says(&["debian"], "apt-config dump | grep -- Install-Recommends"),
        "APT::Install-Recommends \"0\";\n"
    );
    assert_eq!(says(&["--default-username=bob", "debian-user"], "whoami"), "bob\n");
    let example = format!("--mod={}", directory.path().join("examples/ci_like_production").display());
    assert_eq!(call(&store, &[&example, "debian-uid-check"]), sam);
}
