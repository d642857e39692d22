"""Bases, found once in a process: a recipe that fails to build fails once, and is then spoken of shortly."""

from __future__ import annotations

import os
import threading
from os import PathLike
from typing import TYPE_CHECKING, Union

from ._errors import Error
from ._rootlet import Base
from ._rootlet import resolve as _resolve

if TYPE_CHECKING:
    from ._rootlet import Wanted

_Key = tuple[Union[str, None], ...]
_found: dict[_Key, Base | Error] = {}
_turn = threading.Lock()


def _after_fork() -> None:
    global _turn
    # A thread that held it is not in the child.
    _turn = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def resolve(
    base: str | PathLike[str] | None = None,
    *,
    recipe: str | None = None,
    preset: str | None = None,
    file: str | PathLike[str] | None = None,
) -> Base:
    """What rootlets stand on: a base's name, a recipe of ``rootlet.toml``, or one of rootlet's own recipes.

    ``base`` is what ``rootlet run --base`` takes (``host``, ``apt:trixie``, ``alpine:3.20``, ``tar:FILE``…), or the path of a
    directory. What is missing is pulled or built, which Ctrl-C breaks off. ``file`` is where recipes are written; not said:
    ``rootlet.toml``, here or above.
    """
    said = [word for word in (base, recipe, preset) if word is not None]
    if len(said) > 1:
        raise Error("base, recipe and preset are three ways to say one thing", "spec", "give one of them")
    wanted: Wanted = {
        "base": base if isinstance(base, str) else None if base is None else f"dir:{os.path.abspath(base)}",
        "recipe": recipe,
        "preset": preset,
        "file": None if file is None else os.fspath(file),
        "directory": os.getcwd(),
    }
    key = (*(str(part) for part in wanted.values()), os.environ.get("ROOTLET_STORE"))
    if key not in _found:
        with _turn:
            if key not in _found:
                return _first(key, wanted)
    found = _found[key]
    if isinstance(found, Error):
        name = f"recipe {recipe or preset} failed to build" if recipe or preset else f"base {base} cannot be had"
        raise Error(f"the {name}, see the first test", found.kind) from None
    return found


def _first(key: _Key, wanted: Wanted) -> Base:
    try:
        found = _resolve(wanted)
    except Error as error:
        _found[key] = Error(error.what, error.kind, error.hint)
        raise
    _found[key] = found
    return found
