//! Modules that use others: from paths, from git repositories, and rootlet's own.

use crate::{Place, alpine, finish};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

pub const LIBRARY: &str = r#"
import rootlet
from rootlet import dag, field, function, object_type

@object_type
class Thing:
    size: int = field(default=0)

    @function
    def doubled(self) -> "Thing":
        return Thing(size=self.size * 2)

@object_type
class Library:
    greeting: str = "hello"

    @function
    def greet(self, name: str = "you") -> str:
        """Greets."""
        return f"{self.greeting} {name}"

    @function
    def tree(self, source: rootlet.Directory) -> rootlet.Directory:
        return source.with_new_file("more", self.greeting)

    @function
    def thing(self, size: int) -> Thing:
        return Thing(size=size)

    @function
    def size_of(self, thing: Thing) -> int:
        return thing.size
"#;

pub const USER: &str = r#"
import rootlet
from rootlet import dag, function, object_type

@object_type
class Test:
    @function
    async def greet(self) -> str:
        return await dag.library(greeting="good day").greet(name="sam")

    @function
    async def tree(self) -> list[str]:
        return await dag.library().tree(dag.directory().with_new_file("own", "1")).entries()

    @function
    async def thing(self) -> int:
        made = await dag.library().thing(size=3)
        return await dag.library().size_of(made.doubled())
"#;

pub fn git(place: &Place, repository: &str, words: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@y", "-C"]).arg(place.at(repository)).args(words);
    let ran = finish(&mut git);
    assert_eq!(ran.status, Some(0), "{words:?}: {}", ran.stderr);
    ran.stdout.trim().to_owned()
}

pub fn manifest(place: &Place) -> Value {
    serde_json::from_slice(&fs::read(place.at("rootlet.json")).unwrap()).unwrap()
}

#[test]
fn a_module_in_a_directory() {
    let place = Place::with(USER);
    place.module("libs/one", "library", LIBRARY);
    assert_eq!(place.does(&["install", "libs/one"]), "library installed: ./libs/one\n");
    assert_eq!(place.does(&["install", "libs/one"]), "library is installed already: ./libs/one\n");
    assert_eq!(manifest(&place)["dependencies"], json!([{"name": "library", "source": "./libs/one"}]));
    assert_eq!(place.does(&["call", "greet"]), "good day sam\n");
    assert_eq!(place.does(&["call", "tree"]), "more\nown\n");
    assert_eq!(place.does(&["call", "thing"]), "6\n");
    assert_eq!(place.does(&["uninstall", "library"]), "library uninstalled\n");
    assert_eq!(manifest(&place).get("dependencies"), None);
    place.fails(125, &["uninstall", "library"], &["uses no module `library`"]);
    place.fails(1, &["call", "greet"], &["library", "install"]);
}

/// `a` uses `b`, which uses its own `library`, and hands on what came from there.
#[test]
fn a_module_that_uses_another_one() {
    let place = Place::with(
        "import rootlet\nfrom rootlet import dag, function, object_type\n\n@object_type\nclass Test:\n    @function\n    \
         async def names(self) -> list[str]:\n        return await dag.between().tree().entries()\n",
    );
    place.module("between", "between",
        "import rootlet\nfrom rootlet import dag, function, object_type\n\n@object_type\nclass Between:\n    @function\n    \
         def tree(self) -> rootlet.Directory:\n        return dag.library().tree(dag.directory().with_new_file('own', '1'))\n");
    place.module("library", "library", LIBRARY);
    place.does(
        &["install", "../library", "-m", "between"]
            .map(|word| if word == "../library" { "library" } else { word }),
    );
    place.does(&["install", "./between"]);
    assert_eq!(place.does(&["call", "names"]), "more\nown\n");
}

#[test]
fn a_module_in_a_repository() {
    let place = Place::with(USER);
    place.module("repository.git/sub", "library", LIBRARY);
    let (in_repository, url) =
        ("repository.git", format!("file://{}/repository.git", place.path().display()));
    git(&place, in_repository, &["init", "-q", "-b", "main"]);
    git(&place, in_repository, &["add", "-A"]);
    git(&place, in_repository, &["commit", "-qm", "one"]);
    git(&place, in_repository, &["tag", "v1"]);
    let first = git(&place, in_repository, &["rev-parse", "HEAD"]);
    let source = format!("{url}/sub");
    let installed = place.does(&["install", &source]);
    assert_eq!(installed, format!("library installed: {source}@main ({})\n", &first[..12]));
    assert_eq!(
        manifest(&place)["dependencies"],
        json!([{"name": "library", "source": format!("{source}@main"), "pin": first}])
    );
    assert_eq!(place.does(&["call", "greet"]), "good day sam\n");
    // The pin holds until it is updated.
    place.write(
        "repository.git/sub/src/main.py",
        &LIBRARY.replace("{self.greeting} {name}", "{self.greeting}, {name}"),
    );
    git(&place, in_repository, &["commit", "-qam", "two"]);
    let second = git(&place, in_repository, &["rev-parse", "HEAD"]);
    assert_eq!(place.does(&["call", "greet"]), "good day sam\n");
    assert_eq!(place.does(&["update"]), format!("library updated: {source}@main ({})\n", &second[..12]));
    assert_eq!(place.does(&["call", "greet"]), "good day, sam\n");
    assert!(place.does(&["update"]).ends_with("rootlet.json unchanged\n"));
    place.does(&["install", &format!("{source}@v1")]);
    assert_eq!(manifest(&place)["dependencies"][0]["pin"], json!(first));
    assert_eq!(place.does(&["call", "greet"]), "good day sam\n");
    // A module may also be called without installing it.
    assert_eq!(place.does(&["call", "-m", &format!("{source}@v1"), "greet"]), "hello you\n");

    place.fails(125, &["install", &format!("{source}@v2")], &["has no `v2`", "did you mean `v1`?"]);
    place.fails(125, &["install", &format!("{url}/nowhere")], &["has no directory nowhere at main"]);
    place.fails(125, &["install", &format!("{url}@main")], &["is no module"]);
    place.fails(
        125,
        &["install", &format!("file://{}/none.git", place.path().display())],
        &["failed to get the repository"],
    );
    // A lock that somebody damaged.
    let text = fs::read_to_string(place.at("rootlet.json")).unwrap();
    place.write("rootlet.json", &text.replace(&first, "0123"));
    place.fails(125, &["call", "greet"], &["the pin of `library` is no commit: `0123`"]);
    place.write("rootlet.json", &text.replace(&first, &"0".repeat(40)));
    place.fails(125, &["call", "greet"], &["no longer has the commit 000"]);
}

#[test]
fn what_cannot_be_installed() {
    let place = Place::with(USER);
    place.write("empty/x", "");
    place.module("one", "library", LIBRARY);
    place.module("two", "library", LIBRARY);
    place.module("container", "container", LIBRARY);
    place.does(&["install", "one"]);
    let before = manifest(&place);
    for (words, said) in [
        (&["nowhere"][..], &["`nowhere` is neither a directory nor a repository"][..]),
        (&["empty"], &["is no module"]),
        (&["two"], &["`library` is ./one already", "--name"]),
        (&["container"], &["`container` is a name of the API"]),
        (&["."], &["in a circle"]),
        (&["one", "--name=-x"], &["`-x` cannot be the name of a module"]),
        (&["one", "--name=a b"], &["`a b` cannot be the name of a module"]),
        (&["ext::sh -c id"], &["is neither a directory nor a repository"]),
    ] {
        place.fails(125, &[&["install"], words].concat(), said);
    }
    assert_eq!(manifest(&place), before);
    place.does(&["install", "two", "-n", "other"]);
    // Back to where it began, over another one.
    let mut one: Value = json!({"name": "library", "sdk": "python"});
    one["dependencies"] = json!([{"name": "test", "source": ".."}]);
    place.write("one/rootlet.json", &one.to_string());
    place.fails(125, &["install", "./one"], &["modules use each other in a circle: ", "→"]);
    place.fails(1, &["call", "greet"], &["in a circle"]);
}

#[test]
fn rootlets_own_presets() {
    let place = Place::with(
        "from rootlet import dag, function, object_type\n\n@object_type\nclass Test:\n    @function\n    \
         async def odd(self) -> str:\n        return await dag.lib().alpine_usr().stdout()\n",
    );
    assert_eq!(place.does(&["install", "lib"]), "lib installed: rootlet:lib\n");
    place.fails(1, &["call", "odd"], &["alpine_usr", "alpine_user"]);
    let listed = place.does(&["functions", "-m", "rootlet:lib"]);
    assert!(listed.contains("\nalpine-user ") && listed.contains("\npip-tools "), "{listed}");
    let Some(alpine) = alpine() else { return };
    // Any container gets an account, by what every shell has.
    let lib = |words: &[&str]| place.does(&[&["call", "-q", "-m", "rootlet:lib"], words].concat());
    let base = format!("--ctr={alpine}");
    assert_eq!(
        lib(&[
            "use-user",
            &base,
            "--uid=2000",
            "--groups=dialout,made",
            "with-exec",
            "--args=sh,-c,id; pwd; echo $HOME; touch ~/x",
            "stdout"
        ]),
        "uid=2000(sam) gid=2000(sam) groups=20(dialout),900(made)\n/home/sam\n/home/sam\n"
    );
    assert_eq!(
        lib(&["setup-user", &base, "--username=bob", "with-exec", "--args=sh,-c,id -u; id -u bob", "stdout"]),
        "0\n1000\n"
    );
}
