"""What is no ``OSError``."""

from __future__ import annotations


class Error(Exception):
    """A rootlet could not be made or used: the base, the recipe, the host, or what was asked for.

    ``str()`` of it is a sentence and, where there is one, a hint. What the system refused is an ``OSError`` instead, with
    ``errno`` and ``filename``.
    """

    # As it is imported, not where it is written: that is what a traceback shows.
    __module__ = "rootlet"

    kind: str
    """Which sort of failure: ``base``, ``spec``, ``host``, ``setup``, ``recipe``, ``command``, ``ended`` or ``io``."""
    hint: str | None
    """What to do about it."""

    def __init__(self, what: str, kind: str = "setup", hint: str | None = None) -> None:
        super().__init__(what, kind, hint)
        self.what = what
        self.kind = kind
        self.hint = hint

    def __str__(self) -> str:
        return self.what if self.hint is None else f"{self.what}\nhint: {self.hint}"
