//! What modules that were written for Dagger take for granted, and what they are told of that which rootlet has not.

use crate::dependencies::git;
use crate::{Place, alpine, finish};
use serde_json::json;

/// A module with a `dagger.json`.
fn module(place: &Place, path: &str, name: &str, uses: &[&str], code: &str) {
    let uses: Vec<_> =
        uses.iter().map(|name| json!({"name": name, "source": format!("../{name}")})).collect();
    let manifest = json!({
        "name": name, "engineVersion": "v0.99.0", "sdk": {"source": "python"}, "dependencies": uses, "toolchains": [],
        "include": ["../x"], "unheard-of": {"of": 1},
    });
    place.write(&format!("{path}/dagger.json"), &manifest.to_string());
    place.write(&format!("{path}/src/{}/__init__.py", name.replace('-', "_")), code);
}

#[test]
fn an_interface_takes_objects_of_other_modules() {
    let place = Place::default();
    module(
        &place,
        "zoo",
        "zoo",
        &[],
        r#"
import typing
import dagger

@dagger.interface
class Other(typing.Protocol):
    @dagger.function
    async def name(self) -> str: ...

@dagger.interface
class Duck(typing.Protocol):
    @dagger.function
    async def quack(self, times: int = 1) -> str: ...
    @dagger.function
    def louder(self) -> typing.Self: ...
    @dagger.function
    def friend(self) -> Other: ...
    @dagger.function
    async def friends(self) -> list[Other]: ...

@dagger.object_type
class Zoo:
    duck: Duck | None = None

    @dagger.function
    async def hear(self, duck: Duck) -> str:
        friends = [await one.name() for one in await duck.friends()]
        return f"{await duck.quack()} {await duck.louder().quack(times=2)} {await duck.friend().name()} {friends}"

    @dagger.function
    async def hear_all(self, ducks: list[Duck]) -> list[str]:
        return [await one.quack() for one in ducks]

    @dagger.function
    def with_duck(self, duck: Duck) -> typing.Self:
        self.duck = duck
        return self

    @dagger.function
    async def again(self) -> str:
        return await self.duck.quack(3)

    @dagger.function
    def same(self, duck: Duck) -> Duck:
        return duck.louder()
"#,
    );
    module(
        &place,
        "pond",
        "pond",
        &[],
        r#"
import typing
from dagger import field, function, object_type

@object_type
class Frog:
    called: str = field()

    @function
    def name(self) -> str:
        return self.called

@object_type
class Pond:
    sound: str = "quack"

    @function
    def quack(self, times: int = 1) -> str:
        return self.sound * times

    @function
    def louder(self) -> typing.Self:
        return Pond(sound=self.sound.upper())

    @function
    def friend(self) -> Frog:
        return Frog(called="fritz")

    @function
    def friends(self) -> list[Frog]:
        return [Frog(called="a"), Frog(called="b")]
"#,
    );
    module(
        &place,
        "usage",
        "usage",
        &["zoo", "pond"],
        r#"
from dagger import dag, function, object_type

@object_type
class Usage:
    @function
    async def hear(self) -> str:
        return await dag.zoo().hear(dag.pond(sound="kwak"))

    @function
    async def hear_all(self) -> list[str]:
        return await dag.zoo().hear_all([dag.pond(), dag.pond(sound="x")])

    @function
    async def again(self) -> str:
        return await dag.zoo().with_duck(dag.pond(sound="y")).again()

    @function
    async def same(self) -> str:
        return await (await dag.zoo().same(dag.pond())).quack()

    @function
    async def wrong(self) -> str:
        return await dag.zoo().hear("a duck")
"#,
    );
    let says = |function: &str| place.does(&["call", "-q", "-m", "usage", function]);
    assert_eq!(says("hear"), "kwak KWAKKWAK fritz ['a', 'b']\n");
    assert_eq!(says("hear-all"), "quack\nx\n");
    assert_eq!(says("again"), "yyy\n");
    assert_eq!(says("same"), "QUACK\n");
    place.fails(1, &["call", "-m", "usage", "wrong"], &["duck has to be Duck, not str"]);
    place.fails(125, &["call", "-m", "zoo", "hear", "--duck=x"], &["a Duck cannot be typed"]);
}

const VERSIONS: &str = r#"
from typing import Annotated
import dagger
from dagger import DefaultPath, dag, function, object_type

@object_type
class Versions:
    @function
    async def tree(self, url: str, branch: str = "", tag: str = "", commit: str = "") -> list[str]:
        of = dag.git(url)
        at = of.branch(branch) if branch else of.tag(tag) if tag else of.commit(commit) if commit else of.head()
        return await at.tree(discard_git_dir=True).entries()

    @function
    async def told(self, repository: dagger.GitRepository) -> str:
        head = repository.head()
        return f"{await head.ref()} {await head.commit()} {await repository.tags()} {await repository.branches(patterns=['m*'])}"

    @function
    async def of(self, at: dagger.GitRef) -> str:
        return await at.tree().file("file").contents()

    @function
    async def own(self, at: Annotated[dagger.GitRef, DefaultPath(".")]) -> str:
        return await at.tree().file("file").contents()

    @function
    async def with_git(self, url: str, base: dagger.Container) -> str:
        return await base.with_directory("/r", dag.git(url).head().tree()).with_exec(["cat", "/r/.git/HEAD"]).stdout()

    @function
    async def deep(self, url: str) -> list[str]:
        return await dag.git(url).head().tree(depth=0).entries()
"#;

#[test]
fn repositories_are_looked_into() {
    let place = Place::default();
    module(&place, "repo", "versions", &[], VERSIONS);
    let commits = |text: &str| {
        place.write("repo/file", text);
        git(&place, "repo", &["add", "-A"]);
        git(&place, "repo", &["commit", "-qm", "more"]);
        git(&place, "repo", &["rev-parse", "HEAD"])
    };
    git(&place, "repo", &["init", "-q", "-b", "main"]);
    let first = commits("one\n");
    git(&place, "repo", &["tag", "-a", "-m", "first", "v1"]);
    git(&place, "repo", &["branch", "other"]);
    place.write("repo/more", "");
    let second = commits("two\n");
    let url = format!("file://{}", place.at("repo").display());
    let ran = |words: &[&str]| {
        let mut command = place.command(&[&["call", "-q", "-m", "repo"], words].concat());
        finish(command.env("ROOTLET_STORE", place.at("store")))
    };
    let does = |words: &[&str]| {
        let ran = ran(words);
        assert_eq!(ran.status, Some(0), "{words:?}: {}", ran.stderr);
        ran.stdout
    };
    assert_eq!(does(&["tree", "--url", &url]), "dagger.json\nfile\nmore\nsrc/\n");
    assert_eq!(does(&["tree", "--url", &url, "--branch=main"]), "dagger.json\nfile\nmore\nsrc/\n");
    for older in ["--tag=v1", "--branch=other", &format!("--commit={first}")] {
        assert_eq!(does(&["tree", "--url", &url, older]), "dagger.json\nfile\nsrc/\n", "{older}");
    }
    let told = format!("refs/heads/main {second} ['v1'] ['main']\n");
    assert_eq!(does(&["told", "--repository", &url]), told);
    assert_eq!(does(&["of", "--at", &format!("{url}#v1")]), "one\n");
    assert_eq!(does(&["of", "--at", &url]), "two\n");
    assert_eq!(does(&["own"]), "two\n");
    if let Some(alpine) = alpine() {
        assert_eq!(does(&["with-git", "--url", &url, "--base", &alpine]), format!("{second}\n"));
    }
    // What is at a commit is not asked for twice.
    std::fs::rename(place.at("repo/.git"), place.at("moved")).unwrap();
    let gone = ran(&["tree", "--url", &url]);
    assert_eq!(gone.status, Some(1), "{}", gone.stdout);
    assert!(gone.stderr.contains("failed to get the repository file://"), "{}", gone.stderr);
    for (words, said) in [
        (&["tree", "--url=-x"][..], "is not the name of a git repository"),
        (
            &["tree", "--url=https://sam:hunter2@localhost/x"],
            "the address of https://localhost/x holds credentials",
        ),
        (&["tree", "--url=ext::sh -c id"], "is not the name of a git repository"),
        (&["tree", "--url", &url, "--tag=a b"], "cannot have a version `refs/tags/a b`"),
        (&["deep", "--url", &url], "is nothing that rootlet does"),
    ] {
        let ran = ran(words);
        assert_eq!(ran.status, Some(1), "{words:?}");
        assert!(ran.stderr.contains(said), "no `{said}` in: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

#[test]
fn what_rootlet_has_not_is_said_where_it_is_used() {
    let place = Place::default();
    module(
        &place,
        ".",
        "absent",
        &[],
        r#"
import dagger
from dagger import BuildArg, LLM, Socket, dag, function, object_type
from dagger.client.gen import ModuleSource
from dagger.log import configure_logging

configure_logging("WARNING")

@object_type
class Absent:
    socket: Socket | None = None

    @function
    def fine(self, model: LLM | None = None, source: ModuleSource | None = None) -> str:
        return f"{self.socket} {model} {source}"

    @function
    def built(self, src: dagger.Directory) -> dagger.Container:
        return src.docker_build(build_args=[BuildArg("A", "b")])

    @function
    def arg(self) -> str:
        return str(BuildArg("A", "b"))

    @function
    def model(self) -> str:
        return dag.llm().with_prompt("x")
"#,
    );
    assert_eq!(place.does(&["call", "-q", "fine"]), "None None None\n");
    let help = place.does(&["call", "fine", "--help"]);
    assert!(help.contains("--model <LLM>"), "{help}");
    place.fails(125, &["call", "fine", "--model=x"], &["a LLM cannot be typed"]);
    place.fails(
        1,
        &["call", "built", "--src=."],
        &["Directory has no 'docker_build'", "hint: write its lines as steps"],
    );
    place.fails(1, &["call", "arg"], &["BuildArg is nothing that rootlet has"]);
    place.fails(1, &["call", "model"], &["dag has no 'llm'", "one of Dagger's that rootlet has not"]);
}

#[test]
fn what_a_generator_changes_is_done_here() {
    let place = Place::default();
    module(
        &place,
        ".",
        "gen",
        &[],
        r#"
import dagger
from dagger import dag, function, generate, object_type

@object_type
class Gen:
    @function
    @generate
    def make(self, source: dagger.Directory) -> dagger.Changeset:
        made = source.with_new_file("new/file", "new\n").with_new_file("kept", "other\n")
        return made.without_directory("gone").without_file("link/x").changes(source)
"#,
    );
    let source = || {
        place.write("in/kept", "kept\n");
        place.write("in/gone/a", "");
        place.write("in/gone/b/c", "");
        place.write("in/link/x", "");
    };
    source();
    let make = ["call", "-q", "make", "--source=in"];
    let does = |words: &[&str]| place.does(&[&make, words].concat());
    assert_eq!(does(&[]), "+ new\n+ new/file\n~ kept\n- gone\n- gone/a\n- gone/b\n- gone/b/c\n- link/x\n");
    assert_eq!(does(&["layer", "entries"]), "kept\nnew/\n");
    assert_eq!(does(&["before", "file", "--path=kept", "contents"]), "kept\n");
    assert_eq!(does(&["after", "file", "--path=kept", "contents"]), "other\n");
    place.fails(125, &[&make[..], &["layr"]].concat(), &["a Changeset has no function `layr`", "`layer`"]);
    // Elsewhere: what somebody else has put into what is to be gone stays, and no link leads out.
    place.write("out/gone/b/own", "");
    place.write("out/gone/a", "");
    place.write("elsewhere/x", "");
    std::os::unix::fs::symlink(place.at("elsewhere"), place.at("out/link")).unwrap();
    does(&["export", "--path=out"]);
    let exists = |path: &str| place.at(path).symlink_metadata().is_ok();
    assert!(exists("out/gone/b/own") && !exists("out/gone/a") && exists("elsewhere/x") && exists("out/link"));
    assert_eq!(std::fs::read_to_string(place.at("out/kept")).unwrap(), "other\n");
    assert_eq!(std::fs::read_to_string(place.at("out/new/file")).unwrap(), "new\n");
    // In place.
    does(&["--output=in"]);
    assert!(exists("in/new/file") && !exists("in/gone") && !exists("in/link/x") && exists("in/link"));
    assert_eq!(does(&[]), "");
}
