"""What is told of a rootlet."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class User:
    """Who somebody is inside."""

    name: str | None
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    def __str__(self) -> str:
        name = "" if self.name is None else f"({self.name})"
        groups = ",".join(map(str, self.groups)) or "none"
        return f"uid={self.uid}{name} gid={self.gid} groups={groups} HOME={self.home}"


@dataclass(frozen=True)
class Report:
    """Who ran, on what, and what of production could not be reproduced here."""

    user: User
    base: str
    base_id: str
    tier: str
    """How this host gives the identity: ``exact``, ``one-id`` or ``chroot``."""
    limits_by: str | None
    not_reproduced: tuple[str, ...]


_KINDS = {"A": "added", "C": "modified", "D": "removed"}


@dataclass(frozen=True, order=True)
class Change:
    """A difference between a rootlet and its base. ``str()`` of it is as ``docker diff`` writes it: ``A /etc/motd``."""

    path: PurePosixPath
    kind: str
    """``added``, ``modified`` or ``removed``."""
    mode: int
    """Type and permission bits now; 0 for what was removed."""
    uid: int
    gid: int

    @property
    def permissions(self) -> str:
        """The mode as ``ls -l`` shows it."""
        return stat.filemode(self.mode)

    def __str__(self) -> str:
        letter = next(letter for letter, kind in _KINDS.items() if kind == self.kind)
        # No name of a file is to play with the reader's terminal.
        shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(self.path))
        return f"{letter} {shown}"


def change(letter: str, path: str, mode: int, uid: int, gid: int) -> Change:
    """One as the native part tells it."""
    return Change(PurePosixPath(path), _KINDS[letter], mode, uid, gid)
