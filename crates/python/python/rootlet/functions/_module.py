"""The module's code: where it is, and which class is the main one."""

from __future__ import annotations

import json
import os
import sys

from . import _declare
from ._errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


_LOOPS = ("asyncio", "anyio", "trio")


class Module:
    """A module whose code is imported."""

    def __init__(self, directory: str, name: str, code: ModuleType) -> None:
        self.directory = directory
        self.name = name
        self.code = code
        self.main = _main(name)

    def is_asynchronous(self) -> bool:
        """Whether its code has a use for an event loop: something has imported one, or speaks of one and may yet."""
        if any(name in sys.modules for name in _LOOPS):
            return True
        for code in list(sys.modules.values()):
            file = str(getattr(code, "__file__", None))
            if file.startswith(self.directory + os.sep) and file.endswith(".py") and "site-packages" not in file:
                with open(file, encoding="utf-8", errors="replace") as opened:
                    text = opened.read()
                if any(name in text for name in _LOOPS):
                    return True
        return False


def load(directory: str, name: str, source: str) -> Module:
    """Imports a module's code."""
    place, package = _find(source, name.replace("-", "_"))
    sys.path.insert(0, place)
    if package in sys.modules or package in sys.builtin_module_names:
        raise UsageError(
            f"the code of {name} is called {package!r}, as a module of Python that is in use is",
            "call the package otherwise, or put the code into src/main",
        )
    __import__(package)
    code = sys.modules[package]
    # A package whose `__init__.py` says nothing has its code in `main.py`.
    if not _declare.objects and os.path.exists(os.path.join(place, package, "main.py")):
        __import__(f"{package}.main")
    return Module(directory, name, code)


def about(directory: str) -> tuple[str, str]:
    """The name of the module in a directory, and where its code is."""
    for file in ("rootlet.json", "dagger.json"):
        path = os.path.join(directory, file)
        try:
            with open(path, encoding="utf-8") as opened:
                said: Any = json.load(opened)
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise UsageError(f"{path} is no JSON: {error}") from None
        if isinstance(said, dict):
            name = str(said.get("name") or os.path.basename(directory))
            return name, os.path.normpath(os.path.join(directory, str(said.get("source") or ".")))
    return os.path.basename(directory), directory


def _find(source: str, package: str) -> tuple[str, str]:
    """What to import, and from where."""
    src = os.path.join(source, "src")
    places = [(src, package), (src, "main"), (source, package), (source, "main")]
    for place, name in places:
        whole = os.path.join(place, name)
        if any(os.path.isfile(file) for file in (f"{whole}/__init__.py", f"{whole}/main.py", f"{whole}.py")):
            return place, name
    raise UsageError(
        f"there is no code in {source}: neither src/{package}/__init__.py nor src/main.py nor main.py",
        "`rootlet init --sdk=python` writes a first one",
    )


def _main(name: str) -> type:
    """The class that is called as the module is, whatever the case; the only one, where there is one only."""
    offered = _declare.objects
    if not offered:
        raise UsageError(
            f"{name} offers nothing: no class has the decorator @object_type",
            "functions are methods: put those that stand alone into a class of that name, and give each a `self`",
        )
    wanted = "".join(letter for letter in name if letter.isalnum())
    for known, cls in offered.items():
        if known.replace("_", "").lower() == wanted.lower():
            return cls
    if len(offered) == 1:
        return next(iter(offered.values()))
    pascal = "".join(word[:1].upper() + word[1:] for word in name.replace("-", "_").split("_"))
    raise UsageError(
        f"none of the classes of {name} is the main one: {', '.join(offered)}",
        f"call it {pascal}, as the module is called",
    )
