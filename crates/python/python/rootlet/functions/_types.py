"""Annotations, and what functions and constructors take, as a schema writes it.

A call reads them too, so nothing is imported for it that the author's own code has not imported: what ``inspect`` and
``typing`` would tell is read from the functions themselves.
"""

from __future__ import annotations

import collections.abc
import enum
import sys
import types

from . import _declare
from ._dependency import CORE
from ._errors import UsageError
from ._scalars import Scalar
from ._values import Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_SCALARS: dict[Any, str] = {
    str: "String",
    int: "Integer",
    float: "Float",
    bool: "Boolean",
    None: "Void",
    type(None): "Void",
}
_LISTS = (list, tuple, collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_NAMES = {cls: name for name, cls in CORE.items()}
_VARIADIC = 0x04 | 0x08  # *args and **kwargs, in the flags of code

REQUIRED: Any = object()
"""There is no default."""


class Kind:
    """What an annotation means."""

    __slots__ = ("item", "name", "optional", "python", "said")

    def __init__(self, name: str, python: Any, item: Kind | None = None) -> None:
        self.name = name
        """As the schema has it, without ``?``."""
        self.python = python
        """The class; of a list: which sort."""
        self.item = item
        """Of a list: what it consists of."""
        self.optional = False
        self.said: tuple[Any, ...] = ()
        """What ``Annotated`` says of it."""

    @property
    def schema(self) -> str:
        """As the schema has it."""
        return self.name + ("?" if self.optional else "")

    def says(self, what: str) -> Any:
        """The last thing of this sort that ``Annotated`` says; ``Doc`` may be another library's."""
        return next((one for one in reversed(self.said) if type(one).__name__ == what), None)


class Argument:
    """What a function takes."""

    __slots__ = ("default", "kind", "name", "python")

    def __init__(self, python: str, name: str, kind: Kind, default: Any) -> None:
        self.python = python
        """What the code calls it."""
        self.name = name
        """What the schema calls it."""
        self.kind = kind
        self.default = default
        """``REQUIRED``: there is none."""


NOTHING = Kind("Void", type(None))
"""What a function gives that gives nothing."""


def kind(annotation: Any, where: str, owner: type | None = None) -> Kind:
    """What an annotation means; ``owner`` is what ``Self`` stands for."""
    said = getattr(annotation, "__metadata__", None)
    origin: Any = getattr(annotation, "__origin__", None)
    inside: tuple[Any, ...] = getattr(annotation, "__args__", ())
    if type(annotation).__name__ == "InitVar":
        return kind(annotation.type, where, owner)
    if said is not None:
        found = kind(origin, where, owner)
        found.said = (*found.said, *said)
        return found
    if isinstance(annotation, types.UnionType) or getattr(origin, "_name", None) == "Union":
        rest = [one for one in inside if one is not type(None)]
        if len(rest) != 1:
            raise _unknown(annotation, where)
        found = kind(rest[0], where, owner)
        found.optional = True
        return found
    if origin in _LISTS:
        if not inside or (origin is tuple and inside[1:] != (...,)):
            raise _unknown(annotation, where)
        item = kind(inside[0], where, owner)
        return Kind(f"[{item.schema}]", tuple if origin is tuple else list, item)
    name = _named(annotation, owner)
    if name is None:
        raise _unknown(annotation, where)
    return Kind(name, owner if _is_self(annotation) else annotation)


def _named(annotation: Any, owner: type | None) -> str | None:
    if _is_self(annotation) and owner is not None:
        return owner.__name__
    try:
        if annotation in _SCALARS:
            return _SCALARS[annotation]
        if annotation in _NAMES:
            return _NAMES[annotation]
    except TypeError:  # It cannot be looked up, so it is none of these.
        return None
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, Scalar):
        return "String"
    # Of another module, or one of Dagger's types that rootlet has not.
    if issubclass(annotation, (enum.Enum, Type)) or annotation in _declare.objects.values() or is_interface(annotation):
        return annotation.__name__
    return None


def is_interface(annotation: Any) -> bool:
    """Whether it stands for objects of any module that have its functions."""
    return annotation in _declare.interfaces.values()


def _is_self(annotation: Any) -> bool:
    # `typing.Self` is not there before Python 3.11; it may be that of `typing_extensions`.
    return (
        type(annotation).__module__ in ("typing", "typing_extensions") and getattr(annotation, "_name", None) == "Self"
    )


def _unknown(annotation: Any, where: str) -> UsageError:
    if annotation is REQUIRED:
        return UsageError(f"{where} has no type", "annotate it: `name: str`")
    bare = isinstance(annotation, type) and not getattr(annotation, "__args__", ())
    decorate = (
        f"decorate {annotation.__name__} with @object_type, or " if bare and annotation.__module__ != "builtins" else ""
    )
    return UsageError(
        f"{where} has the type {annotation.__name__ if bare else annotation}, which cannot be told from one process to another",
        decorate
        + "take a str, int, float, bool, Container, Directory, File, Service, Secret, CacheVolume, an enum, an "
        "object type, a list of one of these, or one of these or None",
    )


def snake(name: str) -> str:
    """A name as schemas spell it."""
    spelt = ""
    for index, letter in enumerate(name.replace("-", "_")):
        upper = letter.isupper() and index > 0 and not name[index - 1].isupper() and name[index - 1] not in "_-"
        spelt += ("_" if upper else "") + letter.lower()
    return spelt


def outside(name: str) -> str:
    """What is a keyword of Python has a ``_`` behind it inside, and none outside."""
    return name[:-1] if name.endswith("_") and not name.startswith("_") and name[-2:-1] != "_" else name


def arguments(function: Callable[..., Any], where: str, owner: type | None = None) -> list[Argument]:
    """What a function takes, but for its first argument, the object or the class."""
    code, defaults = signature(function, where)
    hints = hints_of(function, where) if code else {}
    found = []
    for name in code:
        meant = kind(hints.get(name, REQUIRED), f"{where}: the argument {name}", owner)
        default = defaults.get(name, REQUIRED)
        meant.optional = meant.optional or default is None
        alias = meant.says("Name") or meant.says("Arg")
        found.append(Argument(name, snake(alias.name) if alias else outside(name), meant, default))
    return found


def signature(function: Any, where: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names of what a function takes but for its object or class, and the defaults."""
    own = 0 if isinstance(function, staticmethod) else 1
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None:
        raise UsageError(f"{where} is no function that is written in Python, but a {type(function).__name__}")
    names = code.co_varnames[: code.co_argcount]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if code.co_flags & _VARIADIC or code.co_posonlyargcount > own:
        raise UsageError(
            f"{where} takes arguments that cannot be given by a name",
            "without `*`, `**` and `/` each has a name and a type",
        )
    positional = function.__defaults__ or ()
    defaults = dict(zip(names[len(names) - len(positional) :], positional))
    return (*names[own:], *keywords), {**defaults, **(function.__kwdefaults__ or {})}


def returned(function: Callable[..., Any], where: str, owner: type | None = None) -> Kind | None:
    """What a function gives; ``None``: it does not say."""
    hints = hints_of(function, where)
    return kind(hints["return"], f"{where}: the result", owner) if "return" in hints else None


def hints_of(annotated: Any, where: str) -> dict[str, Any]:
    """Annotations, with those that are texts looked up."""
    while hasattr(annotated, "__wrapped__"):
        annotated = annotated.__wrapped__
    if not isinstance(annotated, type):
        raw: dict[str, Any] = annotated.__annotations__
        if all(map(_settled, raw.values())):
            return raw
    import typing

    try:
        return typing.get_type_hints(annotated, include_extras=True)
    except NameError as error:
        raise UsageError(f"{where}: {error}", "what annotates a function has to be importable when it runs") from None
    except (TypeError, SyntaxError) as error:
        raise UsageError(f"{where}: {error}") from None


def _settled(annotation: Any) -> bool:
    """Whether no part of it is still to be looked up."""
    if isinstance(annotation, str) or type(annotation).__name__ == "ForwardRef":
        return False
    origin = getattr(annotation, "__origin__", None)
    inside = (*getattr(annotation, "__args__", ()), *((origin,) if origin is not None else ()))
    return all(map(_settled, inside))


def constructor(cls: type) -> tuple[Callable[..., Any], list[Argument]]:
    """What makes an object: its class method ``create``, or the class."""
    where = f"{cls.__name__}'s constructor"
    create = getattr(cls, "create", None)
    if isinstance(create, types.MethodType) and create.__self__ is cls:
        return create, arguments(create.__func__, where, cls)
    initialise: Callable[..., Any] = getattr(cls, "__init__")
    return cls, [] if initialise is object.__init__ else arguments(initialise, where, cls)


def functions(cls: type) -> Iterator[tuple[str, Any]]:
    """What an object offers: its names outside, and the functions."""
    seen: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            if _declare.mark_of(member, _declare.MARK) or _declare.mark_of(member, _declare.CHECK):
                seen[name] = member
            else:
                # What a subclass says anew without offering it is not offered.
                seen.pop(name, None)
    for name, member in seen.items():
        mark = _declare.mark_of(member, _declare.MARK)
        yield (snake(mark.name) if mark and mark.name else outside(name)), member


def fields(cls: type) -> Iterator[tuple[str, str, Any]]:
    """All fields of an object: what they are called in its state and in the code, and the dataclass's field."""
    for one in getattr(cls, "__dataclass_fields__", {}).values():
        if one._field_type is sys.modules["dataclasses"].__dict__["_FIELD"]:
            offered = one.metadata.get(_declare.FIELD)
            yield (snake(offered) if offered else outside(one.name) if offered == "" else one.name), one.name, one
