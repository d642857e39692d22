"""Other modules: ``dag.NAME(…).FUNCTION(…)``, as their schemas describe them."""

from __future__ import annotations

from . import _session
from ._container import Container
from ._errors import nearest
from ._files import Changeset, Directory, File
from ._git import GitRef, GitRepository
from ._service import CacheVolume, Secret, Service
from ._values import Type, plain, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

CORE: dict[str, type[Type]] = {
    "Container": Container,
    "Directory": Directory,
    "File": File,
    "Service": Service,
    "Secret": Secret,
    "CacheVolume": CacheVolume,
    "Changeset": Changeset,
    "GitRef": GitRef,
    "GitRepository": GitRepository,
}
"""The types that values say they are of."""

_SCALARS: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
    "Void": (type(None),),
}


class Dependency(Type):
    """An object of another module. What it offers is called like a method; so is a field."""

    __slots__ = ("_schema", "_type")

    def __init__(
        self,
        value: Mapping[str, Any],
        session: _session.Session | None,
        schema: Mapping[str, Any] | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(value, session)
        self._schema = schema or (_session.of(session).modules or {}).get(value["module"]) or {}
        self._type = str(kind or value.get("type"))

    def _call(self, name: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        value = self._value
        if value["$"] != "Call":
            # An object that was handed over, not made here.
            value = {"$": "Call", "module": value["module"], "on": value, "calls": ()}
        return {**value, "calls": (*value["calls"], {"function": name, "args": dict(arguments)})}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        offered = _object(self._schema, self._type)
        function = _offered(offered, name)
        where = f"{self._type}.{name}"
        if function is None:
            known = [one["name"] for one in (*offered.get("functions", ()), *offered.get("fields", ()))]
            raise AttributeError(
                f"{self._type} has no {name!r}: {nearest(name, known) or 'it has ' + ', '.join(known)}"
            )

        def call(*given: object, **named: object) -> Any:
            arguments = _arguments(where, self._schema, function.get("args", ()), given, named)
            returns = function.get("returns") or function["type"]
            return _result(self._call(function["name"], arguments), self._session, self._schema, returns)

        call.__name__, call.__qualname__, call.__doc__ = name, where, function.get("doc")
        return call

    async def _made(self) -> Dependency:
        """It is made now; raises where that fails."""
        value = await _session.of(self._session).ask("call", self._value, {})
        return Dependency(value, self._session, self._schema, self._type)

    def __await__(self) -> Any:
        return self._made().__await__()

    def __repr__(self) -> str:
        return f"<{self._type} of module {self._value['module']}>"


def begin(session: _session.Session | None, name: str) -> Callable[..., Dependency]:
    """``dag.NAME``: what makes the main object of a module."""
    modules = _session.of(session).modules or {}
    schema = next((one for known, one in modules.items() if known.replace("-", "_") == name), None)
    if schema is None:
        from ._absent import method
        from ._client import Client

        known = [one.replace("-", "_") for one in modules if not one.startswith("/")]
        raise method("dag", name, [*known, *dir(Client)], "a module is installed by `rootlet install`")
    found: Mapping[str, Any] = schema

    def construct(*given: object, **named: object) -> Dependency:
        constructor = _object(found, found["main"]).get("constructor", ())
        arguments = _arguments(f"dag.{name}", found, constructor, given, named)
        value: dict[str, Any] = {"$": "Call", "module": found["name"], "calls": ()}
        if arguments:
            value["constructor"] = arguments
        return Dependency(value, session, found, found["main"])

    construct.__name__, construct.__doc__ = name, found.get("doc")
    return construct


def _object(schema: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((one for one in schema.get("objects", ()) if one["name"] == kind), {})


def _offered(kind: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    # What is a keyword of Python is called with a `_` behind it.
    names = (name, name.removesuffix("_"))
    for one in (*kind.get("functions", ()), *kind.get("fields", ())):
        if one["name"] in names:
            found: Mapping[str, Any] = one
            return found
    return None


def _arguments(
    where: str, schema: Mapping[str, Any], declared: Any, given: tuple[object, ...], named: Mapping[str, object]
) -> dict[str, object]:
    """Arguments by their names: those that are required may be given without them."""
    required = [one["name"] for one in declared if _required(one)]
    positional = [one["name"] for one in declared] if schema.get("by_position") else required
    if len(given) > len(positional):
        raise TypeError(f"{where}: {len(given)} arguments without a name, of {len(positional)} that may be given so")
    values: dict[str, object] = dict(zip(positional, given))
    types = {one["name"]: one["type"] for one in declared}
    for name, value in named.items():
        known = name if name in types else name.removesuffix("_")
        if known not in types:
            hint = nearest(name, list(types)) or ("it takes " + ", ".join(types) if types else "it takes none")
            raise TypeError(f"{where} has no argument {name!r}: {hint}")
        if known in values:
            raise TypeError(f"{where}: {name!r} is given twice")
        values[known] = value
    missing = [name for name in required if name not in values]
    if missing:
        raise TypeError(f"{where}: missing {', '.join(missing)}")
    enums = {one["name"] for one in schema.get("enums", ())}
    for name, value in values.items():
        if not _fits(types[name], value, enums):
            raise TypeError(f"{where}: {name} has to be {types[name]}, not {shown(value)}")
    return {name: plain(value) for name, value in values.items() if value is not None}


def _required(argument: Mapping[str, Any]) -> bool:
    return not argument["type"].endswith("?") and "default" not in argument and argument.get("default_path") is None


def _fits(kind: str, value: object, enums: set[str]) -> bool:
    if kind.endswith("?"):
        return value is None or _fits(kind[:-1], value, enums)
    if kind.startswith("["):
        return isinstance(value, (list, tuple)) and all(_fits(kind[1:-1], item, enums) for item in value)
    if kind in _SCALARS:
        return isinstance(value, _SCALARS[kind]) and (kind == "Boolean" or not isinstance(value, bool))
    if kind in CORE:
        return isinstance(value, CORE[kind])
    # Its members are known to the module alone.
    return not isinstance(value, Type) if kind in enums else isinstance(value, Dependency)


def _result(call: dict[str, Any], session: _session.Session | None, schema: Mapping[str, Any], returns: str) -> Any:
    """What a function gives: a value that is lazy as any other, or, of what is plain, the answer when it is awaited."""
    if returns == "Container":
        return Container({"$": "Container", "steps": ({"do": "call", "call": call},)}, session)
    if returns in ("Directory", "File"):
        return CORE[returns]({"$": returns, "from": {"call": call}}, session)
    if returns not in CORE and _object(schema, returns):
        return Dependency(call, session, schema, returns)
    return _answer(call, session, schema, returns)


async def _answer(
    call: Mapping[str, Any], session: _session.Session | None, schema: Mapping[str, Any], returns: str
) -> Any:
    answer = await _session.of(session).ask("call", call, {})
    item = returns.rstrip("?").removeprefix("[").removesuffix("]").rstrip("?")
    if isinstance(answer, list) and _object(schema, item):
        return [Dependency(one, session, schema, item) for one in answer]
    return of_value(answer, session)


def of_value(value: Any, session: _session.Session | None = None) -> Any:
    """What a value is in Python: of a class, if it says so."""
    if isinstance(value, list):
        return [of_value(item, session) for item in value]
    if not isinstance(value, dict) or "$" not in value:
        return value
    kind = value["$"]
    return CORE[kind](value, session) if kind in CORE else Dependency(value, session)


def named(name: str) -> type[Dependency]:
    """The type of an object of another module, for annotations: ``dagger.Lib``."""
    return type(name, (Dependency,), {"__slots__": (), "__module__": "rootlet.functions"})
