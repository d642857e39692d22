//! What a call gives: printed, written, and called on further.

use crate::{Place, alpine};
use std::fs;

const CODE: &str = r#"
import rootlet
from rootlet import dag, field, function, object_type

@object_type
class Counter:
    count: int = field(default=0)
    name: str = field(default="")

    @function
    def plus(self, by: int = 1) -> "Counter":
        return Counter(count=self.count + by, name=self.name)

    @function
    def numbers(self) -> list[int]:
        return list(range(self.count))

@object_type
class Test:
    version: str = field(default="1.0")

    @function
    def counter(self, name: str = "c") -> Counter:
        """Counts."""
        return Counter(count=0, name=name)

    @function
    def nothing(self) -> None:
        print("on standard output")

    @function
    def truth(self) -> bool:
        return True

    @function
    def build(self, base: rootlet.Container) -> rootlet.Container:
        return base.with_new_file("/out/a", "built\n").with_user("1000")

    @function
    def tree(self) -> rootlet.Directory:
        return dag.directory().with_new_file("x/y", "text")

    @function
    def text(self) -> rootlet.File:
        return self.tree().file("x/y")
"#;

#[test]
fn plain_values_and_objects() {
    let place = Place::with(CODE);
    for (words, expected) in [
        (&["truth"][..], "true\n"),
        (&["nothing"], ""),
        (&["version"], "1.0\n"),
        (&["--version=2", "version"], "2\n"),
        (&["counter", "plus", "--by=2", "plus", "count"], "3\n"),
        (&["counter", "--name=n", "plus"], "count: 1\nname: n\n"),
        (&["counter", "plus", "plus", "numbers"], "0\n1\n"),
        (&["--json", "counter", "plus", "plus", "numbers"], "[\n  0,\n  1\n]\n"),
        (&["counter", "plus", "numbers", "--json"], "[\n  0\n]\n"),
        (&["text", "contents"], "text\n"),
        (&["tree", "entries"], "x/\n"),
        (&["tree", "with-new-file", "--path=z", "--contents=1", "file", "--path=z", "size"], "1\n"),
    ] {
        assert_eq!(place.does(&[&["call"], words].concat()), expected, "{words:?}");
    }
    assert!(place.ran(&["call", "nothing"]).stderr.contains("on standard output"));
    let listed = place.does(&["functions"]);
    assert!(
        listed.contains("\ncounter          Counts.\n") && listed.contains("\ncounter numbers\n"),
        "{listed}"
    );
    assert!(place.does(&["functions", "counter"]).starts_with("NAME     DESCRIPTION\nplus"));
    place.does(&["call", "counter", "count", "-o", "written"]);
    assert_eq!(fs::read_to_string(place.at("written")).unwrap(), "0\n");
}

#[test]
fn what_is_made_is_exported() {
    let place = Place::with(CODE);
    place.does(&["call", "tree", "export", "--path=./out"]);
    assert_eq!(fs::read_to_string(place.at("out/x/y")).unwrap(), "text");
    place.does(&["call", "tree", "-o", "other"]);
    assert_eq!(fs::read_to_string(place.at("other/x/y")).unwrap(), "text");
    place.does(&["call", "text", "--output=one"]);
    assert_eq!(fs::read_to_string(place.at("one")).unwrap(), "text");
    let id = place.does(&["call", "tree"]);
    assert!(id.starts_with("Directory@") && id.lines().count() == 1, "{id}");
}

#[test]
fn a_container_goes_on() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    let build = |words: &[&str]| place.does(&[&["call", "-q", "build", "--base", &alpine], words].concat());
    assert_eq!(build(&["file", "--path=/out/a", "contents"]), "built\n");
    build(&["file", "--path=/out/a", "export", "--path=./a"]);
    assert_eq!(fs::read_to_string(place.at("a")).unwrap(), "built\n");
    assert_eq!(build(&["with-exec", "--args=id,-u", "stdout"]), "1000\n");
    assert_eq!(
        build(&["with-env-variable", "--name=A", "--value=b c", "with-exec", "--args=printenv,A", "stdout"]),
        "b c\n"
    );
    assert_eq!(build(&["directory", "--path=/out", "entries"]), "a\n");
    assert!(build(&[]).starts_with("Container@sha256:"));
    place.fails(
        125,
        &["call", "build", "--base", &alpine, "with-exek"],
        &["a Container has no function `with-exek`", "did you mean `with-exec`?"],
    );
    // A command that fails tells what it said, and how its root is entered.
    let words = [
        "call",
        "-q",
        "build",
        "--base",
        &alpine,
        "with-exec",
        "--args=sh,-c,echo one; echo two >&2; exit 3",
        "stdout",
    ];
    place.fails(1, &words, &["one", "two", "3", "rootlet enter"]);
    let words = ["call", "build", "--base", &alpine, "with-exec", "--args=id", "stdout", "--progress=plain"];
    let ran = place.ran(&words);
    assert!(ran.stdout.starts_with("uid=1000") && ran.stderr.contains(": id\n"), "{ran:?}");
}

#[test]
fn a_container_is_entered() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(CODE);
    let entered = |words: &[&str]| place.ran(&[&["call", "-q", "build", "--base", &alpine], words].concat());
    let ran = entered(&["terminal", "--cmd=sh,-c,cat /out/a; id -u; exit 3"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(3), "built\n1000\n"), "{}", ran.stderr);
    // A shell, which ends with what it reads.
    let ran = entered(&["terminal"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
}

#[test]
fn what_needs_what_was_made_before() {
    let Some(alpine) = alpine() else { return };
    let place = Place::with(
        "from rootlet import dag, function, object_type\n\n@object_type\nclass Test:\n    @function\n    \
         async def nested(self, base: str, deep: int) -> str:\n        \
         made = dag.container().from_(base).with_new_file('/0', 'text')\n        \
         for n in range(1, deep):\n            \
         made = dag.container().from_(base).with_file(f'/{n}', made.file(f'/{n - 1}'))\n        \
         return await made.file(f'/{deep - 1}').contents()\n",
    );
    let nested = |deep: &str| ["call", "-q", "nested", "--base", &alpine, "--deep", deep].map(str::to_owned);
    assert_eq!(place.does(&nested("60").each_ref().map(String::as_str)), "text\n");
    place.fails(1, &nested("190").each_ref().map(String::as_str), &["values in values"]);
}

const LISTS: &str = r#"
import rootlet
from rootlet import dag, field, function, object_type

@object_type
class Part:
    name: str = field()
    sizes: list[int] = field(default=list)

    @function
    def named(self, prefix: str = "") -> str:
        return prefix + self.name

    @function
    def file(self) -> rootlet.File:
        return dag.file(self.name, f"of {self.name}\n")

    @function
    def parts(self) -> list["Part"]:
        return [Part(name=f"{self.name}{number}") for number in range(2)]

@object_type
class Test:
    @function
    def parts(self, names: list[str]) -> list[Part]:
        return [Part(name=name, sizes=[1, 2]) for name in names]

    @function
    def files(self) -> list[rootlet.File]:
        return [dag.file(name, name + "\n") for name in "ab"]

    @function
    def none(self) -> list[Part]:
        return []
"#;

#[test]
fn what_is_called_on_a_list_is_called_on_each() {
    let place = Place::with(LISTS);
    let parts = ["call", "parts", "--names=a,b"];
    let on = |words: &[&str]| place.does(&[&parts[..], words].concat());
    assert_eq!(on(&["name"]), "a\nb\n");
    assert_eq!(on(&["named", "--prefix=x-"]), "x-a\nx-b\n");
    assert_eq!(on(&["sizes"]), "1\n2\n1\n2\n");
    assert_eq!(on(&["sizes", "--json"]).split_whitespace().collect::<String>(), "[[1,2],[1,2]]");
    assert_eq!(on(&["parts", "name"]), "a0\na1\nb0\nb1\n");
    assert_eq!(
        on(&["parts", "name", "--json"]).split_whitespace().collect::<String>(),
        r#"[["a0","a1"],["b0","b1"]]"#
    );
    assert_eq!(on(&["file", "contents"]), "of a\nof b\n");
    assert_eq!(on(&["--json", "name"]).split_whitespace().collect::<String>(), r#"["a","b"]"#);
    assert_eq!(place.does(&["call", "files", "size"]), "2\n2\n");
    let made = place.does(&["call", "files"]);
    let lines: Vec<&str> = made.lines().collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("File@sha256:")), "{made}");
    assert_eq!(place.does(&["call", "none", "name"]), "");
    assert_eq!(place.does(&["call", "none", "name", "--json"]), "[]\n");
    let help = on(&["--help"]);
    assert!(help.contains("named") && help.contains("sizes"), "{help}");
    place.fails(125, &["call", "files", "export", "--path=out"], &["`export` is for one"]);
    place.fails(125, &["call", "files", "--output=out"], &["`--output` is for one"]);
    assert!(!place.at("out").exists());
    place.fails(125, &[&parts[..], &["nam"]].concat(), &["did you mean `name`?"]);
}
