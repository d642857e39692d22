"""How a module says what it offers: decorators, and what annotates arguments."""

from __future__ import annotations

import enum

from ._errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar, overload

    from typing_extensions import dataclass_transform

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T", bound=type)
    E = TypeVar("E", bound=type[enum.Enum])
else:

    def overload(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def dataclass_transform(**_: object) -> Callable[[Any], Any]:
        return lambda decorator: decorator


MARK = "__rootlet_function__"
"""Where a function keeps how it is offered."""
CHECK = "__rootlet_check__"
"""Where it keeps that it is a check."""
FIELD = "rootlet"
"""Where a field of a dataclass keeps it."""

objects: dict[str, type] = {}
"""The classes that are offered, in the order in which they are written."""
enums: dict[str, type[enum.Enum]] = {}
"""The choices that are offered."""
interfaces: dict[str, type] = {}
"""What objects of other modules have to offer, where they are taken by an interface."""


class _Said:
    """What an annotation says of an argument."""

    __slots__ = ("_what",)

    def __init__(self, what: Any) -> None:
        self._what = what

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._what!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, _Said) and self._what == other._what

    def __hash__(self) -> int:
        return hash((type(self).__name__, repr(self._what)))


class Doc(_Said):
    """What an argument or a field is for: ``Annotated[str, Doc("…")]``."""

    __slots__ = ()

    def __init__(self, documentation: str, /) -> None:
        super().__init__(documentation)

    @property
    def documentation(self) -> str:
        """The text."""
        return str(self._what)


class Name(_Said):
    """What an argument is called outside: ``Annotated[str, Name("from")]``."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name)

    @property
    def name(self) -> str:
        """The name."""
        return str(self._what)


class Arg(Name):
    """:class:`Name`, as Dagger called it before."""

    __slots__ = ()


class DefaultPath(_Said):
    """The directory or file of the module's repository that is meant where none is given."""

    __slots__ = ()

    def __init__(self, from_context: str) -> None:
        super().__init__(from_context)

    @property
    def from_context(self) -> str:
        """Its path: absolute, from the root of the repository; relative, from the module's directory."""
        return str(self._what)


class DefaultAddress(_Said):
    """The container that is meant where none is given."""

    __slots__ = ()

    def __init__(self, address: str) -> None:
        super().__init__(address)

    @property
    def address(self) -> str:
        """Its image."""
        return str(self._what)


class Ignore(_Said):
    """What of a directory is left out: patterns as .gitignore has them."""

    __slots__ = ()

    def __init__(self, patterns: list[str]) -> None:
        super().__init__(patterns)

    @property
    def patterns(self) -> list[str]:
        """The patterns."""
        return list(self._what)


class Deprecated(_Said):
    """An argument that nobody should use any more."""

    __slots__ = ()

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)

    @property
    def reason(self) -> str:
        """What to use."""
        return str(self._what)


class Mark:
    """How a function is offered."""

    __slots__ = ("cache", "doc", "name")

    def __init__(self, name: str | None, doc: str | None, cache: str | None) -> None:
        self.name = name
        self.doc = doc
        self.cache = cache


def mark_of(member: Any, mark: str) -> Any:
    """What a member of a class is marked with; also one of the class's own, or of nobody's."""
    return getattr(member.__func__ if isinstance(member, (classmethod, staticmethod)) else member, mark, None)


class Constructor:
    """A class that is offered as a function of another one: it makes an object."""

    __slots__ = (MARK, "made")

    def __init__(self, made: type, mark: Mark) -> None:
        self.made = made
        setattr(self, MARK, mark)

    def __get__(self, instance: object, owner: type | None = None) -> object:
        return self.made


@overload
def function(
    func: Callable[P, R],
    *,
    name: str | None = None,
    doc: str | None = None,
    cache: str | None = None,
    deprecated: str | None = None,
) -> Callable[P, R]: ...
@overload
def function(
    *, name: str | None = None, doc: str | None = None, cache: str | None = None, deprecated: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def function(
    func: Any = None,
    *,
    name: str | None = None,
    doc: str | None = None,
    cache: str | None = None,
    deprecated: str | None = None,
) -> Any:
    """Offers a method of an object, under ``name``, described by ``doc`` or its docstring.

    ``cache`` says how long what it gave is given again instead of running it: ``never``, which is meant where nothing is said,
    ``session``, or a time such as ``5m`` or ``1h30m``, at most a week. A failure is never kept.
    """

    def offer(func: Any) -> Any:
        if not callable(func):
            raise UsageError(f"@function is for functions, not for a {type(func).__name__}")
        mark = Mark(name, doc, cache)
        if isinstance(func, type):
            return Constructor(func, mark)
        setattr(func, MARK, mark)
        return func

    return offer if func is None else offer(func)


@overload
def check(func: Callable[P, R]) -> Callable[P, R]: ...
@overload
def check() -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def check(func: Any = None) -> Any:
    """Marks a function as a check: ``rootlet check`` runs it, and it fails where it raises."""
    return _marked(func, CHECK)


@overload
def generate(func: Callable[P, R]) -> Callable[P, R]: ...
@overload
def generate() -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def generate(func: Any = None) -> Any:
    """Marks a function that gives changes; it is called like any other."""
    return _marked(func, "__rootlet_generate__")


@overload
def up(func: Callable[P, R]) -> Callable[P, R]: ...
@overload
def up() -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def up(func: Any = None) -> Any:
    """Marks a function that gives a service; it is called like any other."""
    return _marked(func, "__rootlet_up__")


def _marked(func: Any, mark: str) -> Any:
    def offer(func: Any) -> Any:
        setattr(func, mark, True)
        return func

    return offer if func is None else offer(func)


def field(
    *,
    default: Callable[[], Any] | object = ...,
    name: str | None = None,
    init: bool = True,
    deprecated: str | None = None,
) -> Any:
    """Offers an attribute of an object, under ``name``. ``default`` is a value, or makes one; without ``init`` the
    constructor does not take it."""
    import dataclasses

    kwargs: dict[str, Any] = {}
    if default is not ...:
        kwargs["default_factory" if callable(default) else "default"] = default
    return dataclasses.field(metadata={FIELD: name or ""}, kw_only=True, init=init, repr=init, **kwargs)


@overload
@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def object_type(cls: T, /, *, deprecated: str | None = None) -> T: ...
@overload
@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def object_type(*, deprecated: str | None = None) -> Callable[[T], T]: ...
def object_type(cls: Any = None, /, *, deprecated: str | None = None) -> Any:
    """Offers a class: its functions, its fields, and, where it is the module's main one, its constructor.

    A class with annotations becomes a dataclass whose arguments have names.
    """

    def offer(cls: Any) -> Any:
        if not isinstance(cls, type):
            raise UsageError(f"@object_type is for classes, not for a {type(cls).__name__}")
        if any("__annotations__" in vars(base) or "__annotate_func__" in vars(base) for base in cls.__mro__):
            import dataclasses

            cls = dataclasses.dataclass(kw_only=True)(cls)
        objects[cls.__name__] = cls
        return cls

    return offer if cls is None else offer(cls)


@overload
def enum_type(cls: E) -> E: ...
@overload
def enum_type() -> Callable[[E], E]: ...
def enum_type(cls: Any = None) -> Any:
    """Offers a choice. What its members mean is said by docstrings below them."""

    def offer(cls: Any) -> Any:
        if not (isinstance(cls, type) and issubclass(cls, enum.Enum)):
            raise UsageError("@enum_type is for subclasses of enum.Enum")
        enums[cls.__name__] = enum.unique(cls)
        return cls

    return offer if cls is None else offer(cls)


@overload
def interface(cls: T) -> T: ...
@overload
def interface() -> Callable[[T], T]: ...
def interface(cls: Any = None) -> Any:
    """Offers a protocol: where it annotates an argument, an object of any module is taken that has its functions."""

    def offer(cls: Any) -> Any:
        if not (isinstance(cls, type) and getattr(cls, "_is_protocol", False)):
            raise UsageError("@interface is for subclasses of typing.Protocol")
        interfaces[cls.__name__] = cls
        return cls

    return offer if cls is None else offer(cls)


class Enum(str, enum.Enum):
    """A choice whose members are texts, each with what it means. ``enum.Enum`` and docstrings are the newer way."""

    description: str | None

    def __new__(cls, value: str, description: str | None = None) -> Enum:
        made = str.__new__(cls, value)
        made._value_ = value
        made.description = description
        return made

    def __str__(self) -> str:
        return str(self.value)
