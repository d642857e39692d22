//! What is typed, as it arrives in the function.

use crate::{Place, alpine, finish};
use serde_json::Value;

const CODE: &str = r#"
"""Functions that say what they are told."""
import json
import enum
from typing import Annotated
import rootlet
from rootlet import Doc, DefaultPath, Ignore, dag, function, object_type, enum_type

@enum_type
class Color(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark-blue"

@object_type
class Test:
    prefix: str = ">"

    @function
    def scalars(self, text: str, number: int, ratio: float = 0.5, is_it: bool = False, not_it: bool = True,
                maybe: str | None = None) -> str:
        """Says its arguments.

        And more of it."""
        return json.dumps([self.prefix, text, number, ratio, is_it, not_it, maybe])

    @function
    def lists(self, names: list[str], numbers: list[int] | None = None) -> str:
        return json.dumps([names, numbers])

    @function
    def color(self, of: Annotated[Color, Doc("What it is painted")] = Color.RED) -> str:
        return f"{of.name} {of.value}"

    @function
    async def directory(self, source: Annotated[rootlet.Directory, DefaultPath("."), Ignore(["*.log"])]) -> list[str]:
        return await source.entries()

    @function
    async def file(self, source: rootlet.File) -> str:
        return await source.contents()

    @function
    async def secret(self, token: rootlet.Secret) -> int:
        return len(await token.plaintext())

    @function
    async def container(self, base: rootlet.Container) -> str:
        return await base.with_exec(["cat", "/etc/alpine-release"]).stdout()

    @function
    def output(self, timeout: str, output: str) -> str:
        return timeout + output
"#;

#[track_caller]
fn json(place: &Place, words: &[&str]) -> String {
    let text = place.does(words);
    serde_json::from_str::<Value>(&text).unwrap().to_string()
}

#[test]
fn every_type_arrives() {
    let place = Place::with(CODE);
    for (words, expected) in [
        (&["scalars", "--text", "a b", "--number=-3"][..], r#"[">","a b",-3,0.5,false,true,null]"#),
        (
            &[
                "--prefix=x",
                "scalars",
                "--text=",
                "--number",
                "7",
                "--ratio=1e3",
                "--is-it",
                "--not-it=false",
                "--maybe=é",
            ],
            r#"["x","",7,1000.0,true,false,"é"]"#,
        ),
        (&["lists", "--names=a,b", "--names", "c", "--numbers=1,-2"], r#"[["a","b","c"],[1,-2]]"#),
        (&["lists", "--names=\"a,b\",c"], r#"[["a,b","c"],null]"#),
        (&["lists", "--names="], r#"[[],null]"#),
    ] {
        assert_eq!(json(&place, &[&["call"], words].concat()), expected, "{words:?}");
    }
    for (word, expected) in
        [("dark-blue", "DARK_BLUE dark-blue\n"), ("DARK_BLUE", "DARK_BLUE dark-blue\n"), ("red", "RED red\n")]
    {
        assert_eq!(place.does(&["call", "color", "--of", word]), expected);
    }
    assert_eq!(place.does(&["call", "color"]), "RED red\n");
    // A function's own names go before the command's.
    assert_eq!(place.does(&["call", "output", "--timeout=1", "--output=2"]), "12\n");
    assert!(!place.at("2").exists());
}

#[test]
fn files_and_secrets_are_of_this_machine() {
    let place = Place::with(CODE);
    place.write("some/a", "text");
    place.write("some/x.log", "");
    place.write("token", "hunter2");
    assert_eq!(place.does(&["call", "directory", "--source=some"]), "a\n");
    let whole = place.does(&["call", "directory"]);
    assert!(whole.contains("some") && whole.contains("rootlet.json"), "{whole}");
    assert_eq!(place.does(&["call", "file", "--source", "some/a"]), "text\n");
    let ran = finish(place.command(&["call", "secret", "--token=env:TOKEN"]).env("TOKEN", "12345"));
    assert_eq!(ran.stdout, "5\n", "{}", ran.stderr);
    assert_eq!(place.does(&["call", "secret", "--token=file:token"]), "7\n");
    assert_eq!(place.does(&["call", "secret", "--token", "cmd://printf abc"]), "3\n");
    if let Some(alpine) = alpine() {
        assert_eq!(place.does(&["call", "container", "--base", &alpine]), "3.20.3\n");
    }
}

#[test]
fn what_is_wrong_is_told() {
    let place = Place::with(CODE);
    place.write("some/a", "text");
    for (words, said) in [
        (&["scalrs"][..], &["test has no function `scalrs`", "did you mean `scalars`?"][..]),
        (&["scalars", "--text=a"], &["required arguments were not provided", "--number <Integer>"]),
        (
            &["scalars", "--text=a", "--number=x"],
            &["invalid value 'x' for '--number <Integer>'", "no whole number"],
        ),
        (&["scalars", "--text=a", "--number=1", "--ratio=NaN"], &["it is no number"]),
        (&["scalars", "--text=a", "--number=1", "--is-it=maybe"], &["neither true nor false"]),
        (&["scalars", "--tex=a", "--number=1"], &["unexpected argument '--tex'", "'--text'"]),
        (&["lists", "--names=\"a"], &["a quote is not closed"]),
        (&["color", "--of=rd"], &["did you mean `red`?"]),
        (&["directory", "--source=nowhere"], &["does not exist"]),
        (&["directory", "--source=some/a"], &["is no directory"]),
        (&["file", "--source=some"], &["is a directory"]),
        (&["secret", "--token=hunter2"], &["never the secret itself"]),
        (&["secret", "--token=env:NOT_SET_ANYWHERE"], &["the variable NOT_SET_ANYWHERE is not set"]),
        (&["scalars", "--text=a", "--number=1", "stdout"], &["nothing can be called on what gives String"]),
        (&["--prefx=a", "color"], &["unexpected argument '--prefx'"]),
    ] {
        place.fails(125, &[&["call"], words].concat(), said);
    }
}

#[test]
fn help_is_what_the_author_wrote() {
    let place = Place::with(CODE);
    let help = place.does(&["call", "--help"]);
    for text in [
        "Functions that say what they are told.",
        "--prefix <String>",
        "[default: >]",
        "scalars",
        "Says its arguments.",
    ] {
        assert!(help.contains(text), "no `{text}` in: {help}");
    }
    assert_eq!(place.does(&["call"]), help);
    let help = place.does(&["call", "scalars", "--help"]);
    for text in
        ["Says its arguments.", "Usage: rootlet call scalars", "--is-it", "[default: 0.5]", "--output <PATH>"]
    {
        assert!(help.contains(text), "no `{text}` in: {help}");
    }
    let help = place.does(&["call", "color", "-h"]);
    assert!(help.contains("What it is painted: one of red, dark-blue [default: red]"), "{help}");
    assert!(place.does(&["call", "container", "--base=x", "--help"]).contains("--base <Container>"));
    // Also where what goes before it is missing.
    let strict = Place::with(
        "from rootlet import function, object_type\n\n@object_type\nclass Test:\n    name: str\n\n    @function\n    \
         def f(self, n: int) -> str:\n        \"\"\"Does it.\"\"\"\n        return self.name * n\n",
    );
    assert!(strict.does(&["call", "f", "--help"]).starts_with("Does it.\n"));
    assert_eq!(strict.does(&["call", "--name=a", "f", "--n=3"]), "aaa\n");
    strict.fails(125, &["call", "f", "--n=3"], &["--name <String>"]);
    strict.fails(125, &["call", "--name=-h", "f", "--n=-h"], &["invalid value '-h'"]);
    // Where there is no module, in general.
    assert!(Place::default().does(&["call", "--help"]).contains("rootlet call whoami-check"));
}
