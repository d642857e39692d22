//! The three faces of the API have the same names: Python's classes, Rust's types, and the command's table.

use std::collections::{BTreeMap, BTreeSet};

const RUST: [&str; 4] = [
    include_str!("../../crates/rootlet/src/functions/api/container.rs"),
    include_str!("../../crates/rootlet/src/functions/api/files.rs"),
    include_str!("../../crates/rootlet/src/functions/api/service.rs"),
    include_str!("../../crates/rootlet/src/functions/api/dag.rs"),
];
const PYTHON: [&str; 4] = [
    include_str!("../../crates/python/python/rootlet/functions/_container.py"),
    include_str!("../../crates/python/python/rootlet/functions/_files.py"),
    include_str!("../../crates/python/python/rootlet/functions/_service.py"),
    include_str!("../../crates/python/python/rootlet/functions/_client.py"),
];
const COMMAND: &str = include_str!("../../crates/cli/src/functions/core.rs");

/// Names by the type that has them.
type Names = BTreeMap<String, BTreeSet<String>>;

/// A name that a language has for something else ends with a line.
fn add(names: &mut Names, of: &str, name: &str) {
    let name = name.trim_end_matches('_');
    if !name.starts_with('_') {
        names.entry(of.to_owned()).or_default().insert(name.to_owned());
    }
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Public methods of a type's own.
fn rust() -> Names {
    let mut names = Names::default();
    for text in RUST {
        let mut of = "";
        for line in text.lines() {
            if line.starts_with("impl") {
                of = line.strip_prefix("impl ").filter(|rest| !rest.contains(" for ")).map_or("", word);
            }
            let method = line.strip_prefix("    pub fn ").or_else(|| line.strip_prefix("    pub async fn "));
            if let Some(method) = method.filter(|_| !of.is_empty()) {
                add(&mut names, of, word(method));
            }
        }
    }
    names
}

fn python() -> Names {
    let mut names = Names::default();
    for text in PYTHON {
        let mut of = "";
        for line in text.lines() {
            if let Some(class) = line.strip_prefix("class ") {
                of = word(class);
            } else if !line.starts_with([' ', ')', '#']) && !line.is_empty() {
                of = "";
            }
            let method = line.strip_prefix("    def ").or_else(|| line.strip_prefix("    async def "));
            if let Some(method) = method.filter(|_| !of.is_empty()) {
                add(&mut names, of, word(method));
            }
        }
    }
    names
}

fn command() -> Names {
    let table = COMMAND.split("const TABLE").nth(1).and_then(|rest| rest.split("\";").next()).unwrap();
    let mut names = Names::default();
    for line in table
        .lines()
        .filter(|line| line.contains(") step ") || line.contains(") ask ") || line.contains(") part "))
    {
        let (of, rest) = line.split_once(' ').unwrap();
        add(&mut names, of, word(rest));
    }
    names
}

/// What one face has and another has not, and why. Nothing else.
const DIFFERENT: [(&str, &str, &str); 34] = [
    ("Container", "value", "Rust: what it is made of, which Python has within"),
    ("Container", "as_service_of", "Rust: an argument of Python's"),
    ("Container", "with_directory_as", "Rust: likewise"),
    ("Container", "with_env_variable_expanded", "Rust: likewise"),
    ("Container", "with_file_as", "Rust: likewise"),
    ("Container", "with_mounted_cache_as", "Rust: likewise"),
    ("Container", "with_mounted_directory_as", "Rust: likewise"),
    ("Container", "with_mounted_secret_as", "Rust: likewise"),
    ("Container", "with_new_file_as", "Rust: likewise"),
    ("Container", "with", "takes code: nobody can type it"),
    ("Container", "with_files", "takes a list of files: a list of paths is none"),
    ("Container", "with_service_binding", "takes a service: nobody can type it"),
    ("Container", "terminal", "of the command that calls; Python has it for Dagger's sake"),
    ("Container", "up", "Rust: `as_service().up()`"),
    ("Directory", "value", "Rust: as of containers"),
    ("Directory", "with_directory_as", "Rust: an argument of Python's"),
    ("Directory", "with_new_file_as", "Rust: likewise"),
    ("Directory", "with", "takes code"),
    ("Directory", "with_files", "takes a list of files"),
    ("Directory", "changes", "the command has no use for another directory's changes: `diff`"),
    ("File", "value", "Rust: as of containers"),
    ("File", "with", "takes code"),
    ("Service", "value", "Rust: as of containers"),
    ("Service", "with", "takes code"),
    ("Service", "insecure_root_capabilities", "Rust: an argument of Python's `as_service`"),
    ("Service", "use_entrypoint", "Rust: likewise"),
    ("Service", "with_hostname", "tells only other containers, which are put together in code"),
    ("Service", "sync", "`start` of the others; Python has it for Dagger's sake"),
    ("Secret", "value", "Rust: as of containers"),
    ("Secret", "uri", "Python: for Dagger's sake"),
    ("Secret", "name", "Rust: who has it has named it"),
    ("Secret", "plaintext", "nobody sees a secret on a terminal"),
    ("Changeset", "sync", "Python: for Dagger's sake"),
    ("Changeset", "with", "takes code"),
];

#[test]
fn what_one_face_has_all_have() {
    let (mut rust, python, command) = (rust(), python(), command());
    rust.insert("Changeset".into(), rust["Changes"].clone());
    let mut different = BTreeSet::new();
    for of in ["Container", "Directory", "File", "Service", "Secret", "Changeset"] {
        let faces = [&rust[of], &python[of], &command[of]];
        assert!(faces.iter().all(|names| !names.is_empty()), "{of}");
        for name in faces.iter().flat_map(|names| names.iter()) {
            if !faces.iter().all(|names| names.contains(name)) {
                different.insert((of, name.as_str()));
            }
        }
    }
    let known: BTreeSet<_> = DIFFERENT.iter().map(|(of, name, _)| (*of, *name)).collect();
    let unknown: Vec<_> = different.difference(&known).collect();
    assert!(unknown.is_empty(), "not in all of Rust, Python and the command: {unknown:?}");
    let settled: Vec<_> = known.difference(&different).collect();
    assert!(settled.is_empty(), "no longer different: {settled:?}");
}

/// Where everything begins, the command has no table: a module's function is first.
#[test]
fn both_languages_begin_with_the_same() {
    let (rust, python) = (rust(), python());
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> Vec<String> {
        these.difference(those).cloned().collect()
    };
    // Modules are called by their names in Python; in Rust, which knows none of them, by these.
    assert_eq!(only(&rust["Dag"], &python["Client"]), ["lib", "module", "new"]);
    // A word that may name anything, what a module is, and what was told elsewhere, are of Dagger's.
    assert_eq!(
        only(&python["Client"], &rust["Dag"]),
        [
            "address",
            "current_module",
            "load_container_from_id",
            "load_directory_from_id",
            "load_file_from_id"
        ]
    );
    assert_eq!(rust["Host"], python["Host"]);
}
