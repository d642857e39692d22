"""Runs a module: reads the job, imports the code, describes it or calls a function, and says what came of it."""

from __future__ import annotations

import os
import sys

from . import _declare, _session
from ._client import CurrentModule
from ._errors import ClientError, UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._module import Module


def main() -> int:
    """The process of a module, whose directory is the first argument; gives the exit status."""
    if len(sys.argv) != 2 or "ROOTLET_SESSION" not in os.environ:
        print("python3 -m rootlet.functions DIRECTORY is started by `rootlet call`", file=sys.stderr)
        return 2
    directory = os.path.realpath(sys.argv[1])
    # Nobody's module is found where the command was called.
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    session = _session.current = _inherited()
    try:
        told = _session.line({"done": _work(session.job(), directory)})
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        from . import _failure

        told = _session.line({"failed": _failure.told(error, directory)})
    try:
        session.tell(told)
    except ClientError:
        # Nobody is there any more to whom it matters.
        return 1
    # Whoever is told of a failure learns nothing from a status.
    return 0


def _inherited() -> _session.Session:
    """The session of this process, which its children do not have."""
    end = int(os.environ.pop("ROOTLET_SESSION"))
    os.set_inheritable(end, False)
    return _session.Session(end)


def _work(job: Mapping[str, Any], directory: str) -> object:
    from . import _module

    if sys.version_info < (3, 10):
        raise UsageError(
            f"Python {sys.version.split()[0]} is too old for functions: they need 3.10 or later",
            "put a newer python3 first on the PATH, or make a .venv of one in the module's directory",
        )
    name, source = _module.about(directory)
    CurrentModule.source_directory, CurrentModule.module_name = source, name
    module = _module.load(directory, name, source)
    if job["job"] == "describe":
        from ._describe import schema

        return schema(module)
    if job["job"] == "call":
        return _call(job, module)
    raise UsageError(f"nobody knows what the job {job['job']!r} is")


def _call(job: Mapping[str, Any], module: Module) -> object:
    from . import _convert

    cls = _declare.objects.get(job["object"])
    if cls is None:
        raise UsageError(
            f"{module.name} has no object {job['object']!r}", nearest(job["object"], list(_declare.objects))
        )
    state = job.get("state")
    function = job.get("function") or ""
    made = _made(cls, job.get("constructor") or {}, module) if state is None else _convert.restored(cls, state)
    if not function:
        return _convert.told(made, None, cls.__name__, module.name)
    return _called(made, cls, function, job.get("args") or {}, module)


def _made(cls: type, given: Mapping[str, Any], module: Module) -> object:
    from . import _types

    make, taken = _types.constructor(cls)
    return _awaited(make(**_arguments(taken, given, f"{cls.__name__}'s constructor")), module)


def _called(made: object, cls: type, name: str, given: Mapping[str, Any], module: Module) -> object:
    from . import _convert, _types

    offered = dict(_types.functions(cls))
    where = f"{cls.__name__}.{name}"
    member = offered.get(name)
    if member is None:
        for outside, python, _ in _types.fields(cls):
            if outside == name:
                return _convert.told(getattr(made, python), None, where, module.name)
        raise UsageError(f"{cls.__name__} has no function {name!r}", nearest(name, list(offered)))
    if isinstance(member, _declare.Constructor):
        return _convert.told(_made(member.made, given, module), None, where, module.name)
    taken = _types.arguments(member, where, cls)
    bound = member.__get__(made, cls)
    value = _awaited(bound(**_arguments(taken, given, where)), module)
    kind = _types.returned(member, where, cls)
    if kind is None and type(value).__name__ == "coroutine":
        # What it would have waited for would never be done.
        kind = _types.NOTHING
    # What it does not say that it gives, it does not give.
    return None if kind is None else _convert.told(value, kind, where, module.name)


def _arguments(taken: list[Any], given: Mapping[str, Any], where: str) -> dict[str, object]:
    """Arguments as the code calls them. What is not given is left to Python, if it has a default."""
    from . import _convert, _types
    from ._container import Container

    unknown = set(given) - {argument.name for argument in taken}
    if unknown:
        name = min(unknown)
        raise UsageError(f"{where} has no argument {name!r}", nearest(name, [argument.name for argument in taken]))
    values = {}
    for argument in taken:
        value = given.get(argument.name)
        address = argument.kind.says("DefaultAddress")
        if argument.name in given and not (value is None and argument.default is not _types.REQUIRED):
            values[argument.python] = _convert.given(value, argument.kind, f"{where}: {argument.name}")
        elif address is not None:
            values[argument.python] = Container({"$": "Container", "steps": ()}).from_(address.address)
        elif argument.default is _types.REQUIRED:
            if not argument.kind.optional:
                raise UsageError(f"{where}: the argument {argument.name} is missing")
            values[argument.python] = None
    return values


def _awaited(value: Any, module: Module) -> Any:
    """What a function gave, once it is done."""
    if type(value).__name__ != "coroutine":
        return value
    if module.is_asynchronous():
        import asyncio

        return asyncio.run(value)
    # Where there is no event loop, what it asks is answered before it goes on: it never waits.
    try:
        value.send(None)
    except StopIteration as done:
        return done.value
    value.close()
    raise UsageError(
        "the function waits for something that is not of rootlet", "import asyncio where its module begins"
    )
