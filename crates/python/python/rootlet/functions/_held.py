"""What an object holds for itself: nobody outside asks for it, so it may be more than functions take and give."""

from __future__ import annotations

import sys

from . import _convert, _declare
from ._dependency import of_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def told(value: Any, where: str, module: str) -> Any:
    """As JSON; raises where it is something that another process cannot have."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"$": "Dict", "items": {key: told(one, f"{where}[{key!r}]", module) for key, one in value.items()}}
    if isinstance(value, (list, tuple)):
        return [told(one, where, module) for one in value]
    # Nobody has a path who has not imported it.
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and isinstance(value, pathlib.PurePath):
        return {"$": "Path", "path": str(value)}
    return _convert.result(value, None, where, module)


def again(value: Any) -> Any:
    """What was told."""
    if isinstance(value, list):
        return [again(one) for one in value]
    kind = value.get("$") if isinstance(value, dict) else None
    if kind == "Dict":
        return {key: again(one) for key, one in value["items"].items()}
    if kind == "Path":
        from pathlib import Path

        return Path(value["path"])
    own = _declare.objects.get(value["type"]) if kind == "Object" else None
    return of_value(value) if own is None else _convert.restored(own, value["state"])
