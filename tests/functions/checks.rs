//! `rootlet check`.

use crate::Place;
use serde_json::Value;

const CODE: &str = r#"
import os, time
from rootlet import check, dag, function, object_type

@object_type
class Test:
    @function
    @check
    def fine(self) -> None:
        """All is well."""
        print("not shown")

    @function
    @check
    async def bad_one(self) -> None:
        print("this was said before")
        raise RuntimeError("the reason")

    @function
    @check
    def false(self) -> bool:
        return False

    @function
    def no_check(self) -> str:
        raise RuntimeError("never called")
"#;

#[test]
fn all_of_them_run_and_one_that_fails_is_told() {
    let place = Place::with(CODE);
    let ran = place.ran(&["check"]);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    let mut lines: Vec<&str> = ran.stdout.lines().map(|line| line.split(" (").next().unwrap()).collect();
    lines.sort();
    assert_eq!(lines, ["failed bad-one", "failed false", "ok     fine"]);
    for text in ["✘ bad-one", "| this was said before", "the reason", "it says false", "1 passed, 2 failed"]
    {
        assert!(ran.stderr.contains(text), "no `{text}` in: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("not shown") && !ran.stderr.contains("never called"), "{}", ran.stderr);
}

#[test]
fn some_of_them() {
    let place = Place::with(CODE);
    let ran = place.ran(&["check", "fi*"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("ok     fine (") && ran.stderr.contains("1 passed"), "{ran:?}");
    assert_eq!(place.does(&["check", "--list", "fine"]), "fine  All is well.\n");
    let ran = place.ran(&["check", "--json", "bad_one", "fine"]);
    let all: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.status, all.len()), (Some(1), 2));
    assert_eq!((&all[0]["name"], &all[0]["passed"]), (&Value::from("bad-one"), &Value::from(false)));
    assert_eq!(all[0]["output"], "this was said before\n");
    place.fails(125, &["check", "none"], &["test has no such check", "it has fine, bad-one, false"]);
    let place = Place::with(
        "from rootlet import function, object_type\n@object_type\nclass Test:\n    @function\n    def f(self) -> int:\n        return 1\n",
    );
    place.fails(125, &["check"], &["test has no checks"]);
}

/// Two that wait for each other end only if both run.
#[test]
fn they_run_at_once() {
    let place = Place::with(&format!(
        "{CODE}\n    @function\n    @check\n    def left(self) -> None:\n        open('a', 'w').close(); open('b').read()\n\n    \
         @function\n    @check\n    def right(self) -> None:\n        open('a').read(); open('b', 'w').close()\n"
    ));
    for name in ["a", "b"] {
        let made = std::process::Command::new("mkfifo").arg(place.at(name)).status().unwrap();
        assert!(made.success());
    }
    assert_eq!(place.does(&["check", "left", "right", "--timeout=1m"]).lines().count(), 2);
}

#[test]
fn one_that_hangs_is_ended() {
    let place = Place::with(&CODE.replace("print(\"not shown\")", "time.sleep(1000)"));
    let ran = place.ran(&["check", "fine", "--timeout=1500ms"]);
    assert_eq!(ran.status, Some(124), "{}", ran.stderr);
    assert!(ran.stderr.contains("took longer than they may"), "{}", ran.stderr);
}
