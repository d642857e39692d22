"""From JSON to what a function takes, and from what it gives to JSON."""

from __future__ import annotations

import enum

from . import _declare, _types
from ._dependency import CORE, Dependency, of_value
from ._errors import UnserialisableError, UsageError, nearest
from ._values import Type, plain, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._types import Kind


def given(value: Any, kind: Kind, where: str) -> Any:
    """A value of JSON as a function takes it."""
    if value is None:
        if kind.optional or kind.name == "Void":
            return None
        raise _wrong(value, kind, where)
    if kind.item is not None:
        if not isinstance(value, list):
            raise _wrong(value, kind, where)
        items = [given(item, kind.item, f"{where}[{index}]") for index, item in enumerate(value)]
        return tuple(items) if kind.python is tuple else items
    if issubclass(kind.python, enum.Enum):
        return _member(value, kind.python, where)
    if _types.is_interface(kind.python):
        return _behind(value, kind, where)
    if kind.name in CORE or issubclass(kind.python, Dependency):
        if not isinstance(value, dict) or (kind.name in CORE and value.get("$") != kind.name):
            raise _wrong(value, kind, where)
        return of_value(value)
    if issubclass(kind.python, Type):
        raise UsageError(f"{where} has to be {kind.schema}, which rootlet has not")
    if kind.python in _declare.objects.values():
        if not isinstance(value, dict) or value.get("type") != kind.name:
            raise _wrong(value, kind, where)
        return restored(kind.python, value["state"])
    if kind.python is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plainly = str if kind.name == "String" else kind.python
    if not isinstance(value, plainly) or (isinstance(value, bool) and plainly is not bool):
        raise _wrong(value, kind, where)
    return value if plainly is kind.python else kind.python(value)


def _behind(value: Any, kind: Kind, where: str) -> Any:
    """An object that is taken by an interface: the module's own as it is, another's by what the interface declares."""
    if not isinstance(value, dict) or value.get("$") not in ("Object", "Call"):
        raise _wrong(value, kind, where)
    from ._client import CurrentModule
    from ._describe import declared

    own = _declare.objects.get(str(value.get("type")))
    if own is not None and value["module"] == CurrentModule.module_name:
        return restored(own, value["state"])

    return Dependency(value, None, declared(kind.python), kind.name)


def restored(cls: type, state: dict[str, Any]) -> Any:
    """An object that has been told before."""
    fields = list(_types.fields(cls))
    hints = _types.hints_of(cls, cls.__name__) if fields else {}
    values = {}
    for outside, name, field in fields:
        if outside in state:
            where = f"{cls.__name__}.{name}"
            try:
                values[name] = given(state[outside], _types.kind(hints[name], where, cls), where)
            except UsageError:
                # What only the object itself knows may be of any type.
                if _declare.FIELD in field.metadata:
                    raise
                from . import _held

                values[name] = _held.again(state[outside])
    # A constructor that takes just the fields runs, so that what it computes is there again.
    taken = {name for _, name, field in fields if field.init}
    initialise: Any = getattr(cls, "__init__")
    own = initialise is not object.__init__ and set(_types.signature(initialise, cls.__name__)[0]) == taken
    made: Any = cls(**{name: values.pop(name) for name in taken & set(values)}) if own else object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def told(value: Any, kind: Kind | None, where: str, module: str) -> Any:
    """What a function gave, as JSON; ``kind``: what it said that it gives."""
    try:
        return result(value, kind, where, module)
    except RecursionError:
        raise UnserialisableError(f"{where} gave what holds itself, or is nested too deeply to be told") from None


def result(value: Any, kind: Kind | None, where: str, module: str) -> Any:
    """The same, of a part of it."""
    if type(value).__name__ == "coroutine":
        value.close()
        raise UnserialisableError(f"{where} gave a coroutine", "is an `await` missing before what it returns?")
    if kind is not None:
        _check(value, kind, where)
    if value is None or (isinstance(value, (bool, int, str, float)) and not isinstance(value, enum.Enum)):
        return _scalar(value, where)
    if isinstance(value, (list, tuple)):
        item = kind.item if kind is not None else None
        return [result(one, item, f"{where}[{index}]", module) for index, one in enumerate(value)]
    if isinstance(value, (Type, enum.Enum)):
        return plain(value)
    if type(value) in _declare.objects.values():
        return {"$": "Object", "module": module, "type": type(value).__name__, "state": state(value, where, module)}
    raise UnserialisableError(
        f"{where} gave {shown(value)}, which cannot be told to another process",
        "give a str, int, float, bool, Container, Directory, File, Service, Secret, an enum, an object type, or a list of "
        "one of these",
    )


def _scalar(value: Any, where: str) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise UnserialisableError(f"{where} gave {value}, which is no number of JSON")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise UnserialisableError(
            f"{where} gave a number of {value.bit_length()} bits: it has to be one of 64, with its sign"
        )
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnserialisableError(f"{where} gave a text that is no Unicode: {error}") from None
    return value


def state(value: Any, where: str, module: str) -> dict[str, Any]:
    """What an object holds."""
    from . import _held

    held = {}
    for outside, name, field in _types.fields(type(value)):
        if hasattr(value, name):
            one, of = getattr(value, name), f"{where}: its field {name}"
            is_offered = _declare.FIELD in field.metadata
            held[outside] = result(one, None, of, module) if is_offered else _held.told(one, of, module)
    return held


def _check(value: Any, kind: Kind, where: str) -> None:
    """That a function gave what it said."""
    if value is None and (kind.optional or kind.name == "Void"):
        return
    if kind.item is not None:
        fits = isinstance(value, (list, tuple))
    elif kind.python in (int, float):
        fits = isinstance(value, (int, kind.python)) and not isinstance(value, bool)
    elif kind.name == "String":
        fits = isinstance(value, str)
    elif _types.is_interface(kind.python):
        fits = isinstance(value, Dependency) or type(value) in _declare.objects.values()
    elif isinstance(kind.python, type) and issubclass(kind.python, Dependency):
        fits = isinstance(value, Dependency)
    else:
        fits = kind.python is not None and isinstance(value, kind.python)
    if not fits:
        raise UnserialisableError(f"{where} gave {shown(value)}, and says that it gives {kind.schema}")


def _member(value: Any, cls: type[enum.Enum], where: str) -> enum.Enum:
    for member in cls:
        if value == member.value:
            return member
    if isinstance(value, str) and value in cls.__members__:
        return cls.__members__[value]
    known = [str(member.value) for member in cls]
    hint = nearest(str(value), known) or "it is one of " + ", ".join(known)
    raise UsageError(f"{where}: {value!r} is no {cls.__name__}", hint)


def _wrong(value: Any, kind: Kind, where: str) -> UsageError:
    told = value.get("$", "an object") if isinstance(value, dict) else shown(value)
    return UsageError(f"{where} has to be {kind.schema}, not {told}")
