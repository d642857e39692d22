"""What a module's process says where something is wrong: in the code, in a call, in what a function gives."""

import asyncio
import re

import pytest
from fake_engine import PACKAGE, call, done, failed, run

BROKEN = {
    "import nothing_of_this_name": (
        "raised",
        "ModuleNotFoundError: No module named 'nothing_of_this_name'",
        "pip install",
    ),
    "def x(:": ("raised", "SyntaxError", None),
    "1/0": ("raised", "ZeroDivisionError: division by zero", None),
    "x = 1": ("usage", "no class has the decorator @object_type", None),
    "import sys; sys.exit(3)": ("raised", r"sys.exit\(3\)", None),
    "from dagger import interface\n@interface\nclass A: ...": (
        "usage",
        "@interface is for subclasses of typing.Protocol",
        None,
    ),
    "import dagger.nothing": ("raised", "No module named 'dagger.nothing'", "Dagger's own package"),
    "import httpx": ("raised", "No module named 'httpx'", "comes with Dagger's SDK, and not with rootlet"),
    "from dagger import function\n@function\ndef f() -> str: ...": (
        "usage",
        "no class has the decorator @object_type",
        "put those that stand alone into a class",
    ),
    "import dagger\ndagger.contaner": ("raised", "did you mean", None),
    "from dagger import object_type\n@object_type\nclass A: ...\n@object_type\nclass B: ...": (
        "usage",
        "A, B",
        "call it Demo",
    ),
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_module_that_is_not_imported_says_why(module, code):
    kind, message, hint = BROKEN[code]
    for job in [{"job": "describe"}, {"job": "call", "object": "Demo", "function": "x", "state": None, "modules": {}}]:
        said = failed(run(module(code), job))
        assert said["kind"] == kind and re.search(message, said["message"]), said
        assert hint is None or hint in said["hint"]
        assert str(PACKAGE) not in said["traceback"]
    if kind == "raised":
        assert "src/demo/__init__.py" in said["traceback"]


SIGNATURES = {
    "def f(self, a) -> str: ...": "argument a has no type",
    "def f(self, a: dict[str, str]) -> str: ...": r"the type dict\[str, str\], which cannot be told",
    "def f(self, a: list) -> str: ...": "the type list",
    "def f(self, a: Unknown) -> str: ...": "the type Unknown",
    "def f(self, a: 'NoSuchName') -> str: ...": "name 'NoSuchName' is not defined",
    "def f(self, *a: str) -> str: ...": "cannot be given by a name",
    "def f(self, a: str, /) -> str: ...": "cannot be given by a name",
    "def f(self, a: str | int) -> str: ...": r"the type str \| int",
    "def f(self) -> bytes: ...": "the result has the type bytes",
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_that_cannot_be_told_says_why(module, signature):
    code = f"""
        from dagger import function, object_type

        class Unknown: ...

        @object_type
        class Demo:
            @function
            {signature}
    """
    said = failed(run(module(code), {"job": "describe"}))
    assert (
        said["kind"] == "usage" and "Demo.f" in said["message"] and re.search(SIGNATURES[signature], said["message"])
    ), said


CALLS = """
    import asyncio
    import enum
    import dagger
    from dagger import dag, function, object_type

    class Color(enum.Enum):
        RED = "red"

    class Mine(Exception): ...

    @object_type
    class Demo:
        @function
        def raises(self) -> str:
            raise Mine("of mine")

        @function
        def chained(self) -> str:
            try:
                self.raises()
            except Mine as error:
                raise ValueError("later") from error

        @function
        async def execs(self) -> str:
            return await dag.container().stdout()

        @function
        async def grouped(self) -> str:
            async with asyncio.TaskGroup() as group:
                group.create_task(dag.container().stdout())

        @function
        def of_bytes(self) -> str:
            return b"x"

        @function
        def of_objects(self) -> list[str]:
            return ["x", object()]

        @function
        async def unawaited(self) -> str:
            return dag.container().stdout()

        @function
        def nan(self) -> float:
            return float("nan")

        @function
        def no_unicode(self) -> str:
            return "\\ud800"

        @function
        def takes(self, number: int, color: Color, names: list[str], where: dagger.Directory) -> str:
            return ""

        @function
        def prints(self) -> int:
            print("x" * (4 << 20))
            return 1

        @function
        def exits(self) -> str:
            raise SystemExit("for good")
"""


def test_an_exception_shows_the_authors_lines(module):
    demo = module(CALLS)
    said = failed(call(demo, "raises"))
    assert (said["kind"], said["message"]) == ("raised", "Mine: of mine")
    assert 'raise Mine("of mine")' in said["traceback"]
    assert str(PACKAGE) not in said["traceback"] and "asyncio" not in said["traceback"]
    said = failed(call(demo, "chained"))
    assert said["message"] == "ValueError: later"
    assert "The above exception was the direct cause" in said["traceback"] and "of mine" in said["traceback"]
    assert "for good" in failed(call(demo, "exits"))["message"]


@pytest.mark.parametrize("function", ["execs", "grouped"])
def test_a_failing_command_is_told_with_what_it_said(module, function):
    if function == "grouped" and not hasattr(asyncio, "TaskGroup"):
        return
    failure = {"kind": "exec", "message": "ended with 7", "hint": "rootlet enter 1", "command": ["a"], "exit_code": 7}
    said = failed(
        call(module(CALLS), function, answers={"stdout": {"error": {**failure, "stdout": "o", "stderr": "e"}}})
    )
    traceback = said.pop("traceback")
    assert said == {**failure, "stdout": "o", "stderr": "e"}
    assert str(PACKAGE) not in traceback
    said = failed(
        call(module(CALLS), "execs", answers={"stdout": {"error": {"kind": "query", "message": "m", "hint": "h"}}})
    )
    assert (said["kind"], said["message"], said["hint"]) == ("query", "m", "h")


UNSERIALISABLE = {
    "of_bytes": "Demo.of_bytes gave bytes b'x', and says that it gives String",
    "of_objects": "Demo.of_objects[1] gave object",
    "unawaited": "gave a coroutine",
    "nan": "gave nan",
    "no_unicode": "no Unicode",
}


@pytest.mark.parametrize("function", UNSERIALISABLE)
def test_what_cannot_be_told_says_where_it_is(module, function):
    said = failed(call(module(CALLS), function))
    assert said["kind"] == "unserialisable" and UNSERIALISABLE[function] in said["message"], said


def test_calls_that_are_wrong_say_why(module):
    demo = module(CALLS)
    fits = {"number": 1, "color": "red", "names": ["a"], "where": {"$": "Directory"}}
    assert done(call(demo, "takes", fits)) == ""
    for wrong, message in [
        ({"number": "1"}, "Demo.takes: number has to be Integer, not str '1'"),
        ({"number": True}, "number has to be Integer"),
        ({"number": None}, "number has to be Integer"),
        ({"color": "rde"}, "'rde' is no Color"),
        ({"names": "a"}, "names has to be [String]"),
        ({"names": [1]}, "names[0] has to be String"),
        ({"where": {"$": "File"}}, "where has to be Directory, not File"),
        ({"nmber": 1}, "no argument 'nmber'"),
    ]:
        said = failed(call(demo, "takes", {**fits, **wrong}))
        assert said["kind"] == "usage" and message in said["message"], said
    said = failed(call(demo, "takes"))
    assert "the argument number is missing" in said["message"]
    said = failed(call(demo, "raise"))
    assert said["kind"] == "usage" and said["hint"] == "did you mean 'raises'?"
    assert "no object 'Dmo'" in failed(call(demo, "raises", object="Dmo"))["message"]


def test_what_is_printed_is_no_part_of_the_conversation(module):
    said, _, output = call(module(CALLS), "prints")
    assert said == {"done": 1} and len(output) == (4 << 20) + 1


def test_names_of_python_are_said(module):
    said = failed(run(module("", "src/json/__init__.py", '{"name": "json"}'), {"job": "describe"}))
    assert "'json'" in said["message"] and "src/main" in said["hint"]


def test_modules_that_are_not_there_are_said(tmp_path):
    assert "no code" in failed(run(tmp_path, {"job": "describe"}))["message"]
    (tmp_path / "rootlet.json").write_text("{")
    assert "no JSON" in failed(run(tmp_path, {"job": "describe"}))["message"]


def test_the_sdks_lines_are_nobodys_wherever_it_lies():
    from rootlet.functions import _failure

    try:
        _failure._hint(type("Odd", (Exception,), {"hint": property(lambda self: 1 / 0)})())
    except ZeroDivisionError as error:
        told = _failure.traceback(error, "/")
    assert "test_functions_failures.py" in told and "_failure.py" not in told.replace("test_functions_failures.py", "")
