"""What modules that were written for Dagger say besides what they need: names of other releases, and of what is not here."""

import re

import pytest
from fake_engine import call, done, failed, run

NAMES = """
    import dagger
    from dagger import GitRef, Socket, TypeDef, dag, function, object_type
    from dagger.client.gen import BuildArg, Container
    from dagger.mod import Annotated, Arg, Doc

    @object_type
    class Demo:
        socket: dagger.Socket | None = None

        @function
        def fine(self, source: dagger.ModuleSource | None = None, def_: Annotated[str, Arg("from"), Doc("Where.")] = "x") -> str:
            return f"{self.socket} {source} {def_}"

        @function
        def arg(self) -> str:
            return str(BuildArg("A", value="b"))

        @function
        def takes(self, socket: Socket) -> str:
            return "never"

        @function
        def makes(self) -> TypeDef:
            return dag.type_def()

        @function
        def has(self) -> bool:
            return hasattr(dag.directory(), "docker_build") or hasattr(dag, "llm")
"""


def test_names_that_rootlet_has_not_are_there(module):
    where = module(NAMES)
    (demo,) = done(run(where, {"job": "describe"}))["objects"]
    kinds = {one["name"]: ([arg["type"] for arg in one["args"]], one["returns"]) for one in demo["functions"]}
    assert demo["constructor"][0]["type"] == "Socket?"
    assert kinds["fine"] == (["ModuleSource?", "String"], "String")
    assert kinds["takes"] == (["Socket"], "String") and kinds["makes"] == ([], "TypeDef")
    assert demo["functions"][0]["args"][1] == {"name": "from", "type": "String", "doc": "Where.", "default": "x"}
    # Also where it is known what other modules have.
    assert done(call(where, "fine", {"from": "y"})) == "None None y"
    assert done(call(where, "has")) is False


@pytest.mark.parametrize(
    "function, args, message",
    [
        ("arg", {}, "BuildArg is nothing that rootlet has"),
        ("takes", {"socket": {"$": "Socket"}}, "Demo.takes: socket has to be Socket, which rootlet has not"),
        ("makes", {}, "dag has no 'type_def': it is one of Dagger's that rootlet has not"),
    ],
)
def test_what_rootlet_has_not_is_said_where_it_is_used(module, function, args, message):
    said = failed(call(module(NAMES), function, args))
    assert message in said["message"], said


REFUSED = {
    "dag.directory().docker_build()": "write its lines as steps",
    "dag.container().build(dag.directory())": "write its lines as steps",
    "dag.container().with_unix_socket('/x', None)": "over its network",
    "dag.container().experimental_with_gpu(['0'])": "no devices",
    "dag.llm()": "no language model",
    "dag.directory().find_up('x')": None,
    "dag.container().with_exek([])": None,
}


@pytest.mark.parametrize("expression", REFUSED)
def test_what_to_do_instead(module, expression):
    code = f"""
        from dagger import dag, function, object_type

        @object_type
        class Demo:
            @function
            def f(self) -> str:
                return str({expression})
    """
    said = failed(call(module(code), "f"))
    assert said["message"].startswith("AttributeError: "), said
    assert said["hint"] == REFUSED[expression] or REFUSED[expression] in said["hint"], said


INTERFACE = """
    import typing
    import dagger
    from dagger import function, interface, object_type

    @interface
    class Named(typing.Protocol):
        @function
        def name(self) -> str: ...

    @object_type
    class Own:
        called: str = ""

        @function
        def name(self) -> str:
            return self.called

    @object_type
    class Demo:
        named: Named | None = dagger.field(default=None)
        many: list[Named] = dagger.field(default=list)

        @function
        def own(self) -> Named:
            return Own(called="own")

        @function
        async def of(self, named: Named) -> str:
            asked = named.name()
            return asked if isinstance(asked, str) else await asked

        @function
        def wrong(self, named: Named) -> Named:
            return "no object"
"""
ELSEWHERE = {"$": "Object", "module": "/other", "type": "Whoever", "state": {}}


def test_an_interface_stands_for_objects_of_any_module(module):
    where = module(INTERFACE)
    described = done(run(where, {"job": "describe"}))
    assert [one["name"] for one in described["objects"]] == ["Demo", "Own"]
    assert [one["type"] for one in described["objects"][0]["fields"]] == ["Named?", "[Named]"]
    own = done(call(where, "own"))
    assert own["type"] == "Own"
    assert done(call(where, "of", {"named": own})) == "own"
    said = call(where, "of", {"named": ELSEWHERE}, answers={"call": "whoever"})
    assert done(said) == "whoever"
    (asked,) = said[1].asked
    assert asked["on"]["on"] == ELSEWHERE and asked["on"]["calls"] == [{"function": "name", "args": {}}]
    assert "says that it gives Named" in failed(call(where, "wrong", {"named": ELSEWHERE}))["message"]
    assert "named has to be Named" in failed(call(where, "of", {"named": "text"}))["message"]


def test_an_object_that_is_made_within_is_made_of_anything(module):
    code = """
        from pathlib import Path
        from dagger import function, object_type

        @object_type
        class Config:
            where: Path
            sizes: dict[str, int]

        @object_type
        class Demo:
            @function
            def show(self) -> str:
                config = Config(where=Path("/x"), sizes={"a": 1})
                return f"{config.where} {config.sizes}"
    """
    assert done(call(module(code), "show")) == "/x {'a': 1}"


def test_what_nobody_waited_for_is_no_success(module):
    code = """
        from dagger import dag, function, object_type

        @object_type
        class Demo:
            @function
            async def publish(self):
                return dag.container().publish("localhost:1/x")
    """
    said = failed(call(module(code), "publish"))
    assert "Demo.publish gave a coroutine" in said["message"] and "await" in said["hint"], said


@pytest.mark.parametrize(
    "returns, expression, message",
    [
        ("int", "2**63", "a number of 64 bits: it has to be one of 64, with its sign"),
        ("list[int]", "[-(2**70)]", r"Demo.f\[0\] gave a number of 71 bits"),
        ("Node", "Node.circle()", "Demo.f gave what holds itself"),
    ],
)
def test_what_cannot_be_told_says_why(module, returns, expression, message):
    code = f"""
        from __future__ import annotations
        from dagger import function, object_type

        @object_type
        class Node:
            other: Node | None = None

            @classmethod
            def circle(cls):
                made = cls()
                made.other = made
                return made

        @object_type
        class Demo:
            @function
            def f(self) -> {returns}:
                return {expression}
    """
    said = failed(call(module(code), "f"))
    assert said["kind"] == "unserialisable" and re.search(message, said["message"]), said
    assert len(said["message"]) < 200


def test_what_an_object_holds_for_itself_may_be_more(module):
    code = """
        import dataclasses
        from pathlib import Path
        from typing import Any
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class Part:
            name: str = "part"

        @object_type
        class Demo:
            sizes: dict[str, int] = dataclasses.field(default_factory=dict, init=False)
            where: Path | None = dataclasses.field(default=None, init=False)
            parts: dict[str, Part] = dataclasses.field(default_factory=dict, init=False)
            trees: dict[str, list[dagger.Directory]] = dataclasses.field(default_factory=dict, init=False)
            any: Any = dataclasses.field(default=None, init=False)

            @function
            def fill(self) -> "Demo":
                self.sizes["a"] = 1
                self.where = Path("/x") / "y"
                self.parts["p"] = Part(name="q")
                self.trees["t"] = [dag.directory().with_new_file("f", "")]
                self.any = [1, {"b": None}]
                return self

            @function
            def show(self) -> str:
                tree = self.trees["t"][0]
                return f"{self.sizes} {self.where!r} {self.parts['p'].name} {type(tree).__name__} {self.any}"

            @function
            def wrong(self) -> "Demo":
                self.any = object()
                return self
    """
    where = module(code)
    filled = done(call(where, "fill"))
    assert done(call(where, "show", state=filled["state"])) == (
        "{'a': 1} PosixPath('/x/y') q Directory [1, {'b': None}]"
    )
    said = failed(call(where, "wrong"))
    assert said["kind"] == "unserialisable" and "its field any gave object" in said["message"], said


def test_functions_of_the_class_and_of_nobody(module):
    code = """
        from dagger import check, function, object_type

        @object_type
        class Demo:
            size: int = 1

            @staticmethod
            @function
            def alone(of: str, times: int = 2) -> str:
                '''Without an object.'''
                return of * times

            @classmethod
            @function(name="klass")
            async def of_class(cls, of: str = "x") -> str:
                return cls.__name__ + of

            @staticmethod
            @check
            def passes() -> None: ...

            @staticmethod
            def hidden() -> str: ...
    """
    where = module(code)
    (demo,) = done(run(where, {"job": "describe"}))["objects"]
    assert [(one["name"], one["doc"], one["check"]) for one in demo["functions"]] == [
        ("alone", "Without an object.", False),
        ("klass", "", False),
        ("passes", "", True),
    ]
    assert [arg["name"] for arg in demo["functions"][0]["args"]] == ["of", "times"]
    assert done(call(where, "alone", {"of": "a"})) == "aa"
    assert done(call(where, "klass")) == "Demox"
    assert done(call(where, "passes")) is None
