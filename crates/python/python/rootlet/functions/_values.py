"""What all values have in common.

A value says how something comes to be, and nothing is done until somebody asks. It is never changed: each step makes
another one.
"""

from __future__ import annotations

import enum

from . import _session
from ._errors import InvalidQueryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar

    from typing_extensions import Self

    T = TypeVar("T")


class Type:
    """A value that is told to the engine as JSON."""

    __slots__ = ("_session", "_value")

    def __init__(self, value: Mapping[str, Any], session: _session.Session | None = None) -> None:
        self._value = value
        self._session = session

    def _with(self, **changes: Any) -> Self:
        return type(self)({**self._value, **changes}, self._session)

    def _step(self, do: str, /, **arguments: Any) -> Self:
        """The same, and one thing more is done. What is not said is left out."""
        step = {"do": do.rstrip("_"), **_told(type(self), do, arguments)}
        return self._with(steps=(*self._value.get("steps", ()), step))

    async def _ask(self, returns: type[T], name: str, /, **arguments: Any) -> T:
        """The answer of the engine, which is of the type that it is to be, or ``None``."""
        told = _told(type(self), name, arguments)
        answer: T = await _session.of(self._session).ask(name, self._value, told)
        return answer

    async def id(self) -> str:
        """A text that it can be made of again: ``dag.load_container_from_id``."""
        return _session.line(self._value).decode().rstrip()

    def __repr__(self) -> str:
        steps = self._value.get("steps", ())
        return f"<{type(self).__name__} of {len(steps)} steps>" if steps else f"<{type(self).__name__}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            if name.startswith("_"):
                raise AttributeError(name)
            from ._absent import method

            otherwise = "docs/functions.md has what there is"
            raise method(f"rootlet's {type(self).__name__}", name, dir(type(self)), otherwise)


class Input:
    """A record that is an argument."""

    __slots__ = ()

    @property
    def _value(self) -> Mapping[str, Any]:
        raise NotImplementedError


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, (Type, Input)):
        return value._value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _told(owner: type, method: str, arguments: Mapping[str, object]) -> dict[str, object]:
    """Arguments as they are told, once they are seen to be of the types that the method declares."""
    declared: Mapping[str, str] = getattr(owner, method).__annotations__
    told = {}
    for name, value in arguments.items():
        kind = declared[name]
        if not fits(kind, value, owner):
            raise TypeError(f"{owner.__name__}.{method}: {name} has to be {kind}, not {shown(value)}")
        # What may be left out and says nothing is left out.
        if not (kind.endswith("| None") and (value is None or value is False or value == "")):
            told[name] = plain(value)
    return told


def fits(kind: str, value: object, owner: type) -> bool:
    """Whether a value is of a type, which is given as it is written in the code."""
    for one in kind.split(" | "):
        if one.startswith("list["):
            if isinstance(value, (list, tuple)) and all(fits(one[5:-1], item, owner) for item in value):
                return True
        elif one == "int":
            if isinstance(value, int) and not isinstance(value, bool):
                return True
        elif one == "None":
            if value is None:
                return True
        elif any(known.__name__ == (owner.__name__ if one == "Self" else one) for known in type(value).__mro__):
            return True
    return False


def shown(value: object) -> str:
    """A value in a message: its type, and what of it is short."""
    if isinstance(value, Type):
        return f"a {type(value).__name__}"
    if hasattr(value, "__await__"):
        return f"a {type(value).__name__} (is an `await` missing?)"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"


def refuse(method: str, **arguments: object) -> None:
    """Says that rootlet does not do what Dagger would; where nothing is asked for, nothing is refused."""
    for name, value in arguments.items():
        if value:
            raise InvalidQueryError(f"{method}({name}={value!r}) is nothing that rootlet does")
