"""The process that runs a module's code: what it describes and calls."""

import pytest
from fake_engine import PACKAGE, call, done, run


EVERYTHING = '''
    """What the module is for."""

    import enum
    from dataclasses import InitVar
    from typing import Annotated, Optional

    import dagger
    from dagger import DefaultPath, Doc, Ignore, Name, check, dag, enum_type, field, function, object_type


    @enum_type
    class Color(enum.Enum):
        """Which color."""

        RED = "red"
        """Like fire."""
        BLUE = "blue"


    @object_type
    class Part:
        """A part."""

        size: int = field()

        @function
        def larger(self, by: int = 1) -> "Part":
            return Part(size=self.size + by)


    @object_type
    class Demo:
        """The main object."""

        greeting: Annotated[str, Doc("What is said.")] = "hello"
        color: Color = field(default=Color.RED)
        names: list[str] = field(default=list, name="allNames")
        made: str = field(init=False)
        secret: dagger.Secret | None = None

        def __post_init__(self):
            self.made = self.greeting.upper()
            self.shout = self.greeting + "!"

        @function
        def shouted(self) -> str:
            return self.shout

        @function
        async def whoami_check(self) -> str:
            """Check that the container runs as a regular user.

            At length.
            """
            return await dag.lib().alpine_user().with_exec(["whoami"]).stdout()

        @function(name="otherName", doc="Something else.", cache="session")
        def renamed(self, from_: Annotated[str, Name("from")], import_: str = "x") -> str:
            return from_ + import_

        @function
        @check
        def passes(self) -> None:
            """Passes."""

        @check
        def passes_too(self): ...

        @function
        def build(
            self,
            src: Annotated[dagger.Directory, DefaultPath("."), Ignore(["*.pyc"]), Doc("The sources.")],
            uid: int = 1000,
            ratio: float = 0.5,
            quiet: bool = False,
            color: Color = Color.BLUE,
            tags: tuple[str, ...] = (),
            user: Optional[str] = None,
            base: Annotated[dagger.Container, dagger.DefaultAddress("alpine")] = None,
        ) -> dagger.Container:
            return dag.container().with_directory("/src", src).with_exec([str(uid), str(ratio), str(quiet), color.name, *tags, str(user)])

        @function
        def parts(self, sizes: list[int]) -> list[Part]:
            return [Part(size=size) for size in sizes]

        @function
        def me(self) -> dagger.Container: return dag.container()

        part = function(Part)
'''


def test_everything_is_described(module):
    schema = done(run(module(EVERYTHING), {"job": "describe"}))
    assert (schema["name"], schema["main"], schema["doc"]) == ("demo", "Demo", "What the module is for.")
    assert schema["enums"] == [
        {
            "name": "Color",
            "doc": "Which color.",
            "values": [
                {"name": "RED", "value": "red", "doc": "Like fire."},
                {"name": "BLUE", "value": "blue", "doc": ""},
            ],
        }
    ]
    demo, part = schema["objects"]
    assert demo["doc"] == "The main object."
    assert demo["constructor"] == [
        {"name": "greeting", "type": "String", "doc": "What is said.", "default": "hello"},
        {"name": "color", "type": "Color", "doc": "", "default": "red"},
        {"name": "names", "type": "[String]?", "doc": ""},
        {"name": "secret", "type": "Secret?", "doc": ""},
    ]
    assert demo["fields"] == [
        {"name": "color", "type": "Color", "doc": ""},
        {"name": "all_names", "type": "[String]", "doc": ""},
        {"name": "made", "type": "String", "doc": ""},
    ]
    functions = {function["name"]: function for function in demo["functions"]}
    assert list(functions) == [
        "shouted",
        "whoami_check",
        "other_name",
        "passes",
        "passes_too",
        "build",
        "parts",
        "me",
        "part",
    ]
    assert functions["whoami_check"] == {
        "name": "whoami_check",
        "doc": "Check that the container runs as a regular user.\n\nAt length.",
        "args": [],
        "returns": "String",
        "check": False,
        "cache": None,
    }
    assert (functions["other_name"]["doc"], functions["other_name"]["cache"]) == ("Something else.", "session")
    assert [arg["name"] for arg in functions["other_name"]["args"]] == ["from", "import"]
    assert [name for name, function in functions.items() if function["check"]] == ["passes", "passes_too"]
    assert functions["passes"]["returns"] == functions["passes_too"]["returns"] == "Void"
    assert functions["build"]["args"] == [
        {"name": "src", "type": "Directory", "doc": "The sources.", "default_path": ".", "ignore": ["*.pyc"]},
        {"name": "uid", "type": "Integer", "doc": "", "default": 1000},
        {"name": "ratio", "type": "Float", "doc": "", "default": 0.5},
        {"name": "quiet", "type": "Boolean", "doc": "", "default": False},
        {"name": "color", "type": "Color", "doc": "", "default": "blue"},
        {"name": "tags", "type": "[String]", "doc": "", "default": []},
        {"name": "user", "type": "String?", "doc": ""},
        {
            "name": "base",
            "type": "Container?",
            "doc": "",
            "default": {"$": "Container", "steps": [{"do": "from", "address": "alpine"}]},
        },
    ]
    assert functions["parts"]["returns"] == "[Part]"
    assert functions["part"]["returns"] == "Part" and functions["part"]["args"][0]["name"] == "size"
    assert part["functions"][0]["returns"] == "Part"


def test_annotations_may_be_texts(module):
    code = "    from __future__ import annotations\n" + EVERYTHING.replace('    """What the module is for."""\n', "")
    schema = done(run(module(EVERYTHING), {"job": "describe"}))
    as_texts = done(run(module(code), {"job": "describe"}))
    assert schema["objects"] == as_texts["objects"]


def test_functions_are_called(module):
    demo = module(EVERYTHING)
    said, engine, _ = call(demo, "whoami_check", answers={"stdout": "sam\n"})
    assert said == {"done": "sam\n"}
    assert [one["ask"] for one in engine.asked] == ["stdout"]
    assert done(call(demo, "other_name", {"from": "a"})) == "ax"
    assert done(call(demo, "passes")) is None
    directory = {"$": "Directory", "from": {"host": {"path": "."}}}
    given = {"src": directory, "uid": 5, "ratio": 1, "quiet": True, "color": "RED", "tags": ["a", "b"], "user": "sam"}
    assert done(call(demo, "build", given))["steps"] == [
        {"do": "with_directory", "path": "/src", "source": directory},
        {"do": "with_exec", "args": ["5", "1.0", "True", "RED", "a", "b", "sam"], "expect": "SUCCESS"},
    ]
    assert done(call(demo, "build", {"src": directory}))["steps"][1]["args"] == ["1000", "0.5", "False", "BLUE", "None"]


def test_objects_are_told_with_their_state_and_made_of_it(module):
    demo = module(EVERYTHING)
    given = {"greeting": "hi", "color": "blue", "names": ["a"], "secret": {"$": "Secret", "name": "s"}}
    made = done(call(demo, "", constructor=given))
    assert made == {
        "$": "Object",
        "module": "demo",
        "type": "Demo",
        "state": {
            "greeting": "hi",
            "color": "blue",
            "all_names": ["a"],
            "made": "HI",
            "secret": {"$": "Secret", "name": "s"},
        },
    }
    assert done(call(demo, "made", state=made["state"])) == "HI"
    assert done(call(demo, "shouted", state=made["state"])) == "hi!"
    assert done(call(demo, "all_names", state=made["state"])) == ["a"]
    parts = done(call(demo, "parts", {"sizes": [1, 2]}))
    assert [part["state"] for part in parts] == [{"size": 1}, {"size": 2}]
    larger = done(call(demo, "larger", {"by": 3}, object="Part", state=parts[1]["state"]))
    assert larger["state"] == {"size": 5}
    assert done(call(demo, "part", {"size": 3}))["state"] == {"size": 3}


def test_constructors_of_ones_own(module):
    demo = module(
        """
        import typing
        from dagger import dag, function, object_type

        Self = getattr(typing, "Self", "Demo")  # From Python 3.11 on.

        @object_type
        class Demo:
            version: str
            made: str = ""

            @classmethod
            async def create(cls, tag: str = "latest") -> Self:
                return cls(version=await dag.container().from_(tag).stdout())

            @function
            def told(self) -> str:
                return self.version

            @function
            def again(self) -> Self:
                return self
        """
    )
    said, engine, _ = call(demo, "told", constructor={"tag": "x"}, answers={"stdout": "1.0"})
    assert said == {"done": "1.0"} and engine.asked[0]["on"]["steps"][0]["address"] == "x"
    assert done(call(demo, "again", answers={"stdout": "1.0"}))["state"] == {"version": "1.0", "made": ""}
    demo = module(
        """
        from dagger import function, object_type

        @object_type
        class Demo:
            size: int

            def __init__(self, text: str):
                self.size = len(text)

            @function
            def told(self) -> int:
                return self.size
        """
    )
    made = done(call(demo, "", constructor={"text": "abc"}))
    assert made["state"] == {"size": 3}
    assert done(call(demo, "told", state=made["state"])) == 3


@pytest.mark.parametrize(
    ("file", "about"),
    [
        ("src/demo/__init__.py", '{"name": "demo"}'),
        ("src/demo/main.py", '{"name": "demo"}'),
        ("src/main/__init__.py", '{"name": "demo"}'),
        ("src/main.py", '{"name": "demo"}'),
        ("main.py", '{"name": "demo"}'),
        ("ci/src/my_demo/__init__.py", '{"name": "my-demo", "source": "ci"}'),
    ],
)
def test_code_is_found(module, file, about):
    code = """
        from rootlet import dag, function, object_type

        @object_type
        class Anything:
            @function
            async def where(self) -> str:
                return await dag.current_module().source().name()
    """
    directory = module(code, file, about)
    said, engine, _ = call(directory, "where", answers={"name": "x"})
    assert said == {"done": "x"}
    source = directory / "ci" if file.startswith("ci") else directory
    assert engine.asked[0]["on"]["from"]["host"]["path"].rstrip("/.") == str(source)


def test_a_package_may_have_several_files(module):
    module("from .main import Demo as Demo", "src/demo/__init__.py")
    directory = module(
        """
        from dagger import function, object_type
        from .other import Other

        @object_type
        class Demo:
            @function
            def other(self) -> Other:
                return Other(name="x")
        """,
        "src/demo/main.py",
    )
    module(
        "from dagger import object_type, field\n@object_type\nclass Other:\n    name: str = field()\n",
        "src/demo/other.py",
    )
    assert done(call(directory, "other"))["state"] == {"name": "x"}


def test_the_loop_is_there_for_who_uses_it(module):
    demo = module(
        """
        import sys
        from dagger import dag, function, object_type

        @object_type
        class Demo:
            @function
            async def plainly(self) -> list[str]:
                return [await dag.container().stdout(), str("async" + "io" in sys.modules)]
        """
    )
    assert done(call(demo, "plainly", answers={"stdout": "x"})) == ["x", "False"]
    demo = module(
        """
        from dagger import dag, function, object_type

        def wrapped(function):
            async def wrapper(self) -> list[str]:
                return await function(self)

            return wrapper

        @object_type
        class Demo:
            @function(name="both")
            @wrapped
            async def both(self) -> list[str]:
                import asyncio
                container = dag.container()
                return await asyncio.gather(container.stdout(), container.stderr())
        """
    )
    assert done(call(demo, "both", answers={"stdout": "x", "stderr": "y"})) == ["x", "y"]
    demo = module(
        """
        import asyncio
        from dagger import dag, function, object_type

        @object_type
        class Demo:
            @function
            def inside(self) -> str:
                return asyncio.run(self.ask()) + asyncio.run(self.ask())

            async def ask(self) -> str:
                return await dag.container().stdout()
        """
    )
    assert done(call(demo, "inside", answers={"stdout": "x"})) == "xx"


def test_it_runs_by_its_path_too(module):
    said, _, _ = run(module(EVERYTHING), {"job": "describe"}, how=[str(PACKAGE / "__main__.py")])
    assert said["done"]["main"] == "Demo"


def test_objects_of_other_modules_are_types(module):
    demo = module(
        """
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class Demo:
            @function
            async def takes(self, lib: dagger.Lib) -> str:
                return await lib.alpine_user().stdout()

            @function
            def gives(self) -> dagger.Lib:
                return dag.lib()
        """
    )
    lib = {"$": "Object", "module": "lib", "type": "Lib", "state": {"timezone": "x"}}
    said, engine, _ = call(demo, "takes", {"lib": lib}, answers={"stdout": "x"})
    assert said == {"done": "x"} and engine.asked[0]["on"]["steps"][0]["call"]["on"] == lib
    assert done(call(demo, "gives")) == {"$": "Call", "module": "lib", "calls": []}


def test_children_do_not_have_the_conversation(module):
    demo = module(
        """
        import os, subprocess, sys
        from dagger import function, object_type

        @object_type
        class Demo:
            @function
            def inherited(self) -> str:
                listing = subprocess.run(["ls", "/proc/self/fd"], stdout=subprocess.PIPE, text=True, close_fds=False)
                return listing.stdout + str(os.environ.get("ROOTLET_SESSION"))
        """
    )
    # 3 is the directory that ls reads.
    assert done(call(demo, "inherited")) == "0\n1\n2\n3\nNone"
