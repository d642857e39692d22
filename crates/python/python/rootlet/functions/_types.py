"""Annotations, and what functions and constructors take, as a schema writes it."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing

from . import _declare
from ._dependency import CORE, Dependency
from ._errors import UsageError
from ._scalars import Scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_SCALARS: dict[Any, str] = {str: "String", int: "Integer", float: "Float", bool: "Boolean", None: "Void", type(None): "Void"}
_LISTS = (list, tuple, collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
_NAMES = {cls: name for name, cls in CORE.items()}


@dataclasses.dataclass(slots=True)
class Kind:
    """What an annotation means."""

    name: str
    """As the schema has it, without ``?``; of a list: of what it consists."""
    python: Any
    """The class; of a list: which sort."""
    optional: bool = False
    item: Kind | None = None
    """Of a list: what it consists of."""
    said: tuple[Any, ...] = ()
    """What ``Annotated`` says of it."""

    @property
    def schema(self) -> str:
        """As the schema has it."""
        return self.name + ("?" if self.optional else "")

    def says(self, what: str) -> Any:
        """The last thing of this sort that ``Annotated`` says; ``Doc`` may be another library's."""
        return next((one for one in reversed(self.said) if type(one).__name__ == what), None)


@dataclasses.dataclass(slots=True)
class Argument:
    """What a function takes."""

    python: str
    """What the code calls it."""
    name: str
    """What the schema calls it."""
    kind: Kind
    default: Any
    """``inspect.Parameter.empty``: there is none."""


def kind(annotation: Any, where: str, owner: type | None = None) -> Kind:
    """What an annotation means; ``owner`` is what ``Self`` stands for."""
    if isinstance(annotation, dataclasses.InitVar):
        return kind(annotation.type, where, owner)
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        found = kind(inside[0], where, owner)
        return dataclasses.replace(found, said=(*found.said, *inside[1:]))
    if origin in (typing.Union, types.UnionType):
        rest = [one for one in inside if one is not type(None)]
        if len(rest) == 1:
            return dataclasses.replace(kind(rest[0], where, owner), optional=True)
        raise _unknown(annotation, where)
    if origin in _LISTS:
        if not inside or (origin is tuple and inside[1:] != (...,)):
            raise _unknown(annotation, where)
        item = kind(inside[0], where, owner)
        return Kind(f"[{item.schema}]", tuple if origin is tuple else list, item=item)
    name = _named(annotation, owner)
    if name is None:
        raise _unknown(annotation, where)
    return Kind(name, owner if name is not None and _is_self(annotation) else annotation)


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
    if issubclass(annotation, (enum.Enum, Dependency)) or annotation in _declare.objects.values():
        return annotation.__name__
    return None


def _is_self(annotation: Any) -> bool:
    # `typing.Self` is not there before Python 3.11; it may be that of `typing_extensions`.
    return getattr(annotation, "_name", None) == "Self" or getattr(annotation, "__name__", None) == "Self"


def _unknown(annotation: Any, where: str) -> UsageError:
    shown = annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else annotation
    if annotation is inspect.Parameter.empty:
        return UsageError(f"{where} has no type", "annotate it: `name: str`")
    if isinstance(annotation, type) and not typing.get_args(annotation) and annotation not in (list, tuple, dict):
        hint = f"decorate {shown} with @object_type, or take one of these: "
    else:
        hint = "take one of these: "
    return UsageError(
        f"{where} has the type {shown}, which cannot be told from one process to another",
        hint + "str, int, float, bool, Container, Directory, File, Service, Secret, CacheVolume, an enum, an object type, a list "
        "of one of these, or one of these or None",
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
    """What a function takes, but for ``self``."""
    hints = hints_of(function, where)
    found = []
    for index, one in enumerate(inspect.signature(function).parameters.values()):
        if index == 0 and one.name in ("self", "cls") and one.annotation is one.empty:
            continue
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise UsageError(f"{where}: {one} cannot be given by its name", "take arguments that have names and types")
        meant = kind(hints.get(one.name, one.empty), f"{where}: the argument {one.name}", owner)
        if one.default is None:
            meant = dataclasses.replace(meant, optional=True)
        alias = meant.says("Name")
        found.append(Argument(one.name, snake(alias.name) if alias else outside(one.name), meant, one.default))
    return found


def returned(function: Callable[..., Any], where: str, owner: type | None = None) -> Kind:
    """What a function gives; where it does not say so, nothing."""
    return kind(hints_of(function, where).get("return"), f"{where}: the result", owner)


def hints_of(function: Callable[..., Any], where: str) -> dict[str, Any]:
    """Annotations, with those that are texts looked up."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(f"{where}: {error}", "what annotates a function has to be importable when it runs") from None
    except TypeError as error:
        raise UsageError(f"{where}: {error}") from None


def constructor(cls: type) -> tuple[Callable[..., Any], list[Argument]]:
    """What makes an object: its class method ``create``, or the class."""
    where = f"{cls.__name__}'s constructor"
    create = getattr(cls, "create", None)
    if inspect.ismethod(create) and create.__self__ is cls:
        return create, arguments(create, where, cls)
    initialise: Callable[..., Any] = getattr(cls, "__init__")
    return cls, [] if initialise is object.__init__ else arguments(initialise, where, cls)


def functions(cls: type) -> Iterator[tuple[str, Any]]:
    """What an object offers: its names outside, and the functions."""
    seen: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            offered = hasattr(member, _declare.MARK) or hasattr(member, "__rootlet_check__")
            if offered:
                seen[name] = member
            else:
                # What a subclass says anew without offering it is not offered.
                seen.pop(name, None)
    for name, member in seen.items():
        mark = getattr(member, _declare.MARK, None)
        yield (snake(mark.name) if mark and mark.name else outside(name)), member


def fields(cls: type) -> Iterator[tuple[str, str, dataclasses.Field[Any]]]:
    """All fields of an object: what they are called in its state and in the code."""
    if dataclasses.is_dataclass(cls):
        for one in dataclasses.fields(cls):
            name = one.metadata.get(_declare.FIELD)
            yield (snake(name) if name else outside(one.name) if name == "" else one.name), one.name, one
