"""What a module offers, as its schema."""

from __future__ import annotations

import enum
import inspect
import json
import textwrap

from . import _convert, _declare, _types
from ._errors import UsageError
from ._values import Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._module import Module
    from ._types import Argument, Kind


def schema(module: Module) -> dict[str, Any]:
    """Everything that is offered."""
    seen: dict[str, type[enum.Enum]] = dict(_declare.enums)
    main = module.main
    rest = [cls for cls in _declare.objects.values() if cls is not main]
    return {
        "name": module.name,
        "main": main.__name__,
        "doc": _doc(module.code),
        "objects": [_object(cls, module, seen) for cls in (main, *rest)],
        "enums": [_enum(cls) for cls in seen.values()],
    }


def _object(cls: type, module: Module, seen: dict[str, type[enum.Enum]]) -> dict[str, Any]:
    # Only the main object is made from outside; what makes another one may take anything.
    taken = _types.constructor(cls)[1] if cls is module.main else []
    fields, hints = [], _types.hints_of(cls, cls.__name__)
    for name, python, field in _types.fields(cls):
        if _declare.FIELD in field.metadata:
            kind = _types.kind(hints[python], f"{cls.__name__}.{python}", cls)
            _note(kind, seen)
            fields.append({"name": name, "type": kind.schema, "doc": _said(kind)})
    return {
        "name": cls.__name__,
        "doc": _doc(cls),
        "constructor": [_argument(argument, module.name, seen) for argument in taken],
        "fields": fields,
        "functions": [_function(name, member, cls, module.name, seen) for name, member in _types.functions(cls)],
    }


def declared(main: type) -> dict[str, Any]:
    """The module's interfaces, as the schema of a module whose objects have what they declare."""
    seen: dict[str, type[enum.Enum]] = {}
    objects = []
    for cls in _declare.interfaces.values():
        functions = [_function(name, member, cls, "", seen) for name, member in _types.functions(cls)]
        objects.append({"name": cls.__name__, "functions": functions})
    enums = [_enum(cls) for cls in seen.values()]
    # They are called as they are declared: what may be left out may be given without its name, too.
    return {"main": main.__name__, "objects": objects, "enums": enums, "by_position": True}


def _function(name: str, member: Any, cls: type, module: str, seen: dict[str, type[enum.Enum]]) -> dict[str, Any]:
    where = f"{cls.__name__}.{name}"
    mark: _declare.Mark | None = _declare.mark_of(member, _declare.MARK)
    if isinstance(member, _declare.Constructor):
        if member.made not in _declare.objects.values():
            raise UsageError(f"{where}: {member.made.__name__} is no object type", "decorate it with @object_type")
        _, taken = _types.constructor(member.made)
        returns, doc = member.made.__name__, _doc(member.made)
    else:
        taken, kind = _types.arguments(member, where, cls), _types.returned(member, where, cls)
        returns, doc = "Void", _doc(member)
        if kind is not None:
            _note(kind, seen)
            returns = kind.schema
    return {
        "name": name,
        "doc": mark.doc if mark is not None and mark.doc is not None else doc,
        "args": [_argument(argument, module, seen) for argument in taken],
        "returns": returns,
        "check": _declare.mark_of(member, _declare.CHECK) is not None,
        "cache": mark.cache if mark is not None else None,
    }


def _argument(argument: Argument, module: str, seen: dict[str, type[enum.Enum]]) -> dict[str, Any]:
    kind = argument.kind
    _note(kind, seen)
    told: dict[str, Any] = {"name": argument.name, "type": kind.schema, "doc": _said(kind)}
    path, address, ignore = kind.says("DefaultPath"), kind.says("DefaultAddress"), kind.says("Ignore")
    if path is not None:
        told["default_path"] = path.from_context
    if ignore is not None:
        told["ignore"] = ignore.patterns
    if address is not None:
        told["default"] = {"$": "Container", "steps": [{"do": "from", "address": address.address}]}
    elif argument.default is not _types.REQUIRED and argument.default is not None:
        _default(argument.default, told, module)
    return told


def _default(default: Any, told: dict[str, Any], module: str) -> None:
    try:
        told["default"] = _convert.result(default, None, told["name"], module)
        json.dumps(told["default"])
    except (UsageError, TypeError, ValueError):
        # It cannot be told, so whoever calls leaves it out, and Python takes it.
        told.pop("default", None)
        told["type"] = told["type"].rstrip("?") + "?"


def _note(kind: Kind, seen: dict[str, type[enum.Enum]]) -> None:
    """Remembers a choice that is taken or given."""
    while kind.item is not None:
        kind = kind.item
    if isinstance(kind.python, type) and issubclass(kind.python, enum.Enum) and not issubclass(kind.python, Type):
        seen.setdefault(kind.name, kind.python)


def _said(kind: Kind) -> str:
    doc = kind.says("Doc")
    return inspect.cleandoc(doc.documentation) if doc is not None else ""


def _doc(described: Any) -> str:
    """Its own docstring, not that of what it comes from, nor one that a dataclass was given."""
    doc = described.__doc__
    if not isinstance(doc, str):
        return ""
    if isinstance(described, type) and doc.startswith(f"{described.__name__}("):
        return ""
    return inspect.cleandoc(doc)


def _enum(cls: type[enum.Enum]) -> dict[str, Any]:
    docs = _member_docs(cls)
    doc = _doc(cls)
    return {
        "name": cls.__name__,
        # Before Python 3.12 every choice without a docstring says this.
        "doc": "" if doc == "An enumeration." else doc,
        "values": [
            {
                "name": name,
                "value": str(member.value),
                "doc": docs.get(name) or getattr(member, "description", None) or "",
            }
            for name, member in cls.__members__.items()
            if member.name == name
        ],
    }


def _member_docs(cls: type[enum.Enum]) -> dict[str, str]:
    """What strings below the members say."""
    import ast

    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    docs = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for member, below in zip(body, body[1:]):
        if isinstance(member, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            for target in member.targets:
                if isinstance(target, ast.Name) and isinstance(below.value.value, str):
                    docs[target.id] = inspect.cleandoc(below.value.value)
    return docs
