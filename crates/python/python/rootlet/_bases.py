"""What rootlets stand on."""

from __future__ import annotations

import os
from os import PathLike

from ._errors import Error
from ._rootlet import Base
from ._rootlet import resolve as _resolve


def resolve(
    base: str | PathLike[str] | None = None,
    *,
    recipe: str | None = None,
    preset: str | None = None,
    directory: str | PathLike[str] | None = None,
) -> Base:
    """What rootlets stand on: a base's name, a recipe of ``rootlet.toml``, or one of rootlet's own recipes.

    ``base`` is what ``rootlet run --base`` takes (``host``, ``apt:trixie``, ``alpine:3.20``, ``tar:FILE``…), or the path of a
    directory. The recipe is one of the ``rootlet.toml`` in ``directory`` (not said: the current one) or the nearest above.

    What is missing is pulled or built; Ctrl-C is heard meanwhile. It is looked for once in a process: what failed once is not
    tried again, and a later error says so in a line.
    """
    __tracebackhide__ = True
    said = [word for word in (base, recipe, preset) if word is not None]
    if len(said) > 1:
        raise Error("base, recipe and preset are three ways to say one thing", "spec", "give one of them")
    here = os.fspath(directory) if directory is not None else os.getcwd() if recipe or preset else "/"
    name = base if base is None or isinstance(base, str) else f"dir:{os.path.abspath(base)}"
    return _resolve({"base": name, "recipe": recipe, "preset": preset, "directory": here})
