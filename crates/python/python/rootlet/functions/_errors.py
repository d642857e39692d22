"""What goes wrong, under the names that Dagger gives it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class DaggerError(Exception):
    """Everything that is raised here."""


class ClientError(DaggerError):
    """A question cannot be asked, or not be answered."""


class ClientConnectionError(ClientError):
    """There is nobody to ask."""


class TransportError(ClientError):
    """Who was asked ended before the answer."""


class InvalidQueryError(ClientError):
    """What is asked makes no sense, or is nothing that rootlet does."""


class QueryError(ClientError):
    """What was asked cannot be done."""

    hint: str | None
    """What to do about it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        # A traceback shows notes below the message, from Python 3.11 on.
        if hint is not None and hasattr(self, "add_note"):
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        return self.message


class ExecError(QueryError):
    """A command did not end as it was to."""

    command: list[str]
    """Its words."""
    exit_code: int
    """How it ended; 128 and more: by a signal."""
    stdout: str
    """What it said."""
    stderr: str
    """What it said on standard error."""

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        command: list[str] | None = None,
        exit_code: int = -1,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.command = command or []
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


class ProvisionError(DaggerError):
    """The command ``rootlet`` cannot be started."""


class SessionError(ProvisionError):
    """``rootlet session`` ended before it was of use."""


class VersionMismatch(Warning):
    """Never given: there is no engine of another version."""


class UsageError(DaggerError):
    """A module or a call of a function is not as it has to be."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UnserialisableError(UsageError):
    """A function gives what cannot be told to another process."""


# As they are imported, not where they are written: that is what a traceback shows.
for _error in list(globals().values()):
    if isinstance(_error, type) and issubclass(_error, (Exception, Warning)):
        _error.__module__ = "rootlet.functions"


def of_answer(error: Mapping[str, object]) -> QueryError:
    """The exception that an answer of the engine tells of."""
    message, hint = str(error.get("message", "")), error.get("hint")
    told = hint if isinstance(hint, str) else None
    if error.get("kind") != "exec":
        return QueryError(message, told)
    command, exit_code = error.get("command"), error.get("exit_code")
    return ExecError(
        message,
        told,
        command=[str(word) for word in command] if isinstance(command, list) else [],
        exit_code=exit_code if isinstance(exit_code, int) else -1,
        stdout=str(error.get("stdout") or ""),
        stderr=str(error.get("stderr") or ""),
    )


def nearest(name: str, known: list[str]) -> str | None:
    """``did you mean …?``, where one of them is near enough."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else None
