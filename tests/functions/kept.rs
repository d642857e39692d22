//! Answers that are given again, since the author says so. Runs are counted in a file beside the code.

use crate::{Place, alpine, finish};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const CODE: &str = r#"
import pathlib

import rootlet
from rootlet import dag, field, function, object_type

RUNS = pathlib.Path(__file__).parent.parent / "runs"

def run() -> str:
    with RUNS.open("a") as runs:
        runs.write(".")
    return str(len(RUNS.read_text()))

@object_type
class Thing:
    number: int = field(default=0)

    @function
    def twice(self) -> int:
        return self.number * 2

    @function(cache="5m")
    def numbered(self) -> str:
        return f"{self.number}: {run()}"

@object_type
class Test:
    greeting: str = "hello"

    @function(cache="5m")
    def greet(self, name: str = "you") -> str:
        return f"{self.greeting} {name} {run()}"

    @function(cache="never")
    def never(self) -> str:
        return run()

    @function(cache="session")
    def session(self) -> Thing:
        return Thing(number=int(run()))

    @function
    def thing(self, number: int) -> Thing:
        return Thing(number=number)

    @function(cache="5m")
    async def entries(self, source: rootlet.Directory) -> list[str]:
        return [*await source.entries(), run()]

    @function(cache="5m")
    async def contents(self, file: rootlet.File) -> str:
        return f"{await file.contents()} {run()}"

    @function(cache="5m")
    async def on(self, base: rootlet.Container) -> str:
        return f"{await base.user()} {run()}"

    @function(cache="5m")
    def tree(self, source: rootlet.Directory) -> rootlet.Directory:
        return source.with_new_file("runs", run())

    @function(cache="5m")
    async def token(self, token: rootlet.Secret, tell: bool = False) -> str:
        return f"{await token.plaintext() if tell else 'quiet'} {run()}"

    @function(cache="5m")
    def told(self) -> rootlet.Secret:
        return dag.set_secret("told", run())

    @function(cache="5m")
    def fails(self) -> str:
        raise RuntimeError(f"run {run()}")
"#;

impl Place {
    fn store(&self) -> PathBuf {
        self.at("store")
    }

    /// In a store of its own.
    #[track_caller]
    fn gives(&self, words: &[&str]) -> String {
        let line: Vec<&str> = std::iter::once("call").chain(words.iter().copied()).collect();
        let ran = finish(self.command(&line).env("ROOTLET_STORE", self.store()).env("TOKEN", "hunter2"));
        assert_eq!(ran.status, Some(0), "{words:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    fn runs(&self) -> usize {
        fs::read(self.at("runs")).map_or(0, |runs| runs.len())
    }

    /// The files of kept answers.
    fn answers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.store().join("made/answers")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().join("answer.json")).collect()
    }
}

#[test]
fn an_answer_is_given_again_where_the_author_says_so() {
    let place = Place::with(CODE);
    for _ in 0..2 {
        assert_eq!(place.gives(&["greet"]), "hello you 1\n");
    }
    assert_eq!(place.gives(&["greet", "--name=sam"]), "hello sam 2\n");
    assert_eq!(place.gives(&["--greeting=hi", "greet"]), "hi you 3\n");
    assert_eq!(place.gives(&["greet"]), "hello you 1\n");
    // On an object: what that holds counts.
    assert_eq!(place.gives(&["thing", "--number=7", "numbered"]), "7: 4\n");
    assert_eq!(place.gives(&["thing", "--number=7", "numbered"]), "7: 4\n");
    assert_eq!(place.gives(&["thing", "--number=8", "numbered"]), "8: 5\n");
    // Another source, also where it does the same.
    place.write("src/main.py", &format!("{CODE}\n"));
    assert_eq!(place.gives(&["greet"]), "hello you 6\n");
    place.write("src/main.py", CODE);
    assert_eq!(place.gives(&["greet"]), "hello you 1\n");
}

#[test]
fn without_a_word_of_its_author_a_function_runs() {
    let place = Place::with(CODE);
    for runs in ["1\n", "2\n"] {
        assert_eq!(place.gives(&["never"]), runs);
    }
    for runs in ["number: 3\n", "number: 4\n"] {
        assert_eq!(place.gives(&["session"]), runs);
    }
}

#[test]
fn an_answer_that_is_too_old_is_none() {
    let place = Place::with(CODE);
    assert_eq!(place.gives(&["greet"]), "hello you 1\n");
    let [answer] = &place.answers()[..] else { panic!("{:?}", place.answers()) };
    let dated =
        |time: SystemTime| File::options().write(true).open(answer).unwrap().set_modified(time).unwrap();
    let (minute, now) = (Duration::from_secs(60), SystemTime::now());
    dated(now - 4 * minute);
    assert_eq!(place.gives(&["greet"]), "hello you 1\n");
    dated(now - 5 * minute);
    assert_eq!(place.gives(&["greet"]), "hello you 2\n");
    assert_eq!(place.gives(&["greet"]), "hello you 2\n");
    // Of one that says to be of the future nobody knows how old it is.
    dated(now + 60 * minute);
    assert_eq!(place.gives(&["greet"]), "hello you 3\n");
    // What is damaged is none, either.
    fs::write(answer, "{").unwrap();
    assert_eq!(place.gives(&["greet"]), "hello you 4\n");
    finish(place.command(&["gc", "--keep=0"]).env("ROOTLET_STORE", place.store()));
    assert_eq!(place.answers(), [""; 0].map(PathBuf::from));
    assert_eq!(place.gives(&["greet"]), "hello you 5\n");
}

#[test]
fn what_files_hold_is_part_of_the_question() {
    let place = Place::with(CODE);
    place.write("tree/a", "1");
    let entries = &["entries", "--source=tree"][..];
    assert_eq!(place.gives(entries), "a\n1\n");
    assert_eq!(place.gives(entries), "a\n1\n");
    place.write("tree/a", "2");
    assert_eq!(place.gives(entries), "a\n2\n");
    assert_eq!(place.gives(&["contents", "--file=tree/a"]), "2 3\n");
    assert_eq!(place.gives(&["contents", "--file=tree/a"]), "2 3\n");
    place.write("tree/a", "3");
    assert_eq!(place.gives(&["contents", "--file=tree/a"]), "3 4\n");
    // What is given leads to the very directory that was said.
    assert_eq!(place.gives(&["tree", "--source=tree", "file", "--path=runs", "contents"]), "5\n");
    assert_eq!(place.gives(&["tree", "--source=tree", "file", "--path=runs", "contents"]), "5\n");
    place.write("tree/a", "4");
    assert_eq!(place.gives(&["tree", "--source=tree", "file", "--path=a", "contents"]), "4\n");
    assert_eq!(place.runs(), 6);
}

#[test]
fn containers_are_known_by_what_they_are() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    assert_eq!(place.gives(&["on", "--base", &alpine]), " 1\n");
    assert_eq!(place.gives(&["on", "--base", &alpine]), " 1\n");
    // This machine's own root changes all the time.
    for runs in [" 2\n", " 3\n"] {
        assert_eq!(place.gives(&["on", "--base=host"]), runs);
    }
}

#[test]
fn no_secret_is_kept() {
    let place = Place::with(CODE);
    assert_eq!(place.gives(&["token", "--token=env:TOKEN"]), "quiet 1\n");
    assert_eq!(place.gives(&["token", "--token=env:TOKEN"]), "quiet 1\n");
    for runs in ["hunter2 2\n", "hunter2 3\n"] {
        assert_eq!(place.gives(&["token", "--token=env:TOKEN", "--tell"]), runs);
    }
    place.gives(&["told"]);
    place.gives(&["told"]);
    assert_eq!(place.runs(), 5);
    for answer in place.answers() {
        let text = fs::read_to_string(answer).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("told"), "{text}");
    }
}

#[test]
fn no_failure_is_kept() {
    let place = Place::with(CODE);
    for run in ["run 1", "run 2"] {
        let ran = finish(place.command(&["call", "fails"]).env("ROOTLET_STORE", place.store()));
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(run), "{}", ran.stderr);
    }
    assert_eq!(place.answers(), [""; 0].map(PathBuf::from));
}

const USER: &str = r#"
from rootlet import dag, function, object_type

@object_type
class User:
    @function
    async def session(self) -> list[int]:
        return [await dag.test().session().number(), await dag.test().session().twice()]

    @function(cache="1h30m")
    async def greet(self) -> str:
        return await dag.test().greet()
"#;

#[test]
fn modules_that_use_others_stand_on_their_source() {
    let place = Place::default();
    place.module("used", "test", CODE);
    place.module("user", "user", USER);
    place.write(
        "user/rootlet.json",
        r#"{"name": "user", "sdk": "python", "dependencies": [{"name": "test", "source": "../used"}]}"#,
    );
    // Once in a session, also where something else is asked of what it gave.
    assert_eq!(place.gives(&["-m", "user", "session"]), "1\n2\n");
    assert_eq!(place.gives(&["-m", "user", "session"]), "2\n4\n");
    assert_eq!(place.gives(&["-m", "user", "greet"]), "hello you 3\n");
    assert_eq!(place.gives(&["-m", "user", "greet"]), "hello you 3\n");
    place.write("used/src/main.py", &CODE.replace("\"hello\"", "\"hi\""));
    assert_eq!(place.gives(&["-m", "user", "greet"]), "hi you 4\n");
}

#[test]
fn a_time_that_is_none_is_told() {
    let place = Place::with(&CODE.replace("cache=\"never\"", "cache=\"forever\""));
    place.fails(
        125,
        &["functions"],
        &["invalid time to keep an answer `forever`: expected never, session, or a length of time"],
    );
}

#[test]
fn a_call_keeps_what_it_uses() {
    let place = Place::with(
        "import socket\nfrom rootlet import function, object_type\n\n@object_type\nclass Test:\n    @function\n    \
         def late(self, port: int) -> str:\n        with socket.create_connection(('127.0.0.1', port)) as test:\n            \
         test.recv(1)\n        raise RuntimeError('as it was to be')\n",
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut call = place.command(&["call", "late", "--port", &port]);
    let call = call.env("ROOTLET_STORE", place.store()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let gc = || finish(place.command(&["gc", "--keep=0"]).env("ROOTLET_STORE", place.store()));
    assert_eq!(gc().status, Some(0));
    drop(stream);
    // What tells of the failure is read from there only now.
    let said = String::from_utf8(call.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("as it was to be"), "{said}");
    assert!(place.store().join("made/sdk").read_dir().unwrap().next().is_some());
    gc();
    assert!(place.store().join("made/sdk").read_dir().unwrap().next().is_none());
}
