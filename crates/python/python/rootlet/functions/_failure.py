"""What is told of an exception: what it says, and which lines of the module's author it went through."""

from __future__ import annotations

import os
from traceback import TracebackException

from ._errors import DaggerError, ExecError, QueryError, UnserialisableError, UsageError

# The store, which this lies in, may itself lie in the module's directory.
_OWN = os.path.dirname(os.path.realpath(__file__)) + os.sep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def told(error: BaseException, directory: str) -> dict[str, Any]:
    """The last line of a conversation."""
    cause = _only(error)
    failed: dict[str, Any] = {
        "kind": _kind(cause),
        "message": _message(cause),
        "hint": _hint(cause),
        "traceback": traceback(error, directory),
    }
    if isinstance(cause, ExecError):
        failed.update(command=cause.command, exit_code=cause.exit_code, stdout=cause.stdout, stderr=cause.stderr)
    return failed


def _only(error: BaseException) -> BaseException:
    """What went wrong in a group of tasks: a command that failed, before what else there is."""
    inside = getattr(error, "exceptions", None)
    if not isinstance(inside, tuple) or not inside:
        return error
    causes = [_only(one) for one in inside]
    return next((one for one in causes if isinstance(one, ExecError)), causes[0])


def _kind(error: BaseException) -> str:
    if isinstance(error, ExecError):
        return "exec"
    if isinstance(error, QueryError):
        return "query"
    if isinstance(error, UnserialisableError):
        return "unserialisable"
    return "usage" if isinstance(error, UsageError) else "raised"


def _message(error: BaseException) -> str:
    if isinstance(error, DaggerError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the function ended its process: sys.exit({'' if error.code is None else repr(error.code)})"
    try:
        said = str(error)
    except Exception as worse:
        said = f"<its text cannot be made: {type(worse).__name__}>"
    name = type(error).__name__
    return f"{name}: {said}" if said else name


def _hint(error: BaseException) -> str | None:
    hint = getattr(error, "hint", None)
    if isinstance(hint, str):
        return hint
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing(error.name)
    return None


# What Dagger's SDK brings along is there for every module of Dagger's, and not here.
_BROUGHT = {
    "anyio": "anyio",
    "cattrs": "cattrs",
    "httpx": "httpx",
    "opentelemetry": "opentelemetry-api",
    "rich": "rich",
}


def _missing(name: str) -> str:
    top = name.split(".")[0]
    if top in ("dagger", "rootlet"):
        return f"rootlet has not all of what Dagger's own package has: what is in {name}?"
    where = f"{top} comes with Dagger's SDK, and not with rootlet" if top in _BROUGHT else f"where {name} is a package"
    return f"{where}: python3 -m venv .venv && .venv/bin/pip install {_BROUGHT.get(top, top)}"


def traceback(error: BaseException, directory: str) -> str:
    """As Python prints it, without the lines that are not the author's; empty, where none is."""
    whole = TracebackException.from_exception(error)
    here = os.path.join(os.path.realpath(directory), "")
    if not _strip(whole, here, set()):
        return ""
    return "".join(whole.format())


def _strip(part: Any, here: str, seen: set[int]) -> bool:
    """Takes the others' lines out, of what led to it as well; gives whether any is left."""
    if part is None or id(part) in seen:
        return False
    seen.add(id(part))
    part.stack[:] = [frame for frame in part.stack if _authors(frame.filename, here)]
    left = (
        bool(part.stack) or getattr(part, "exc_type_str", None) == "SyntaxError" or issubclass(_type(part), SyntaxError)
    )
    for inside in (part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())):
        left = _strip(inside, here, seen) or left
    return left


def _type(part: Any) -> type:
    # From Python 3.13 on the type itself need not be there.
    found = getattr(part, "_exc_type", None) or getattr(part, "exc_type", None)
    return found if isinstance(found, type) else Exception


def _authors(file: str, here: str) -> bool:
    path = os.path.realpath(file)
    return path.startswith(here) and not path.startswith(_OWN) and "site-packages" not in path
