"""The drop-in for the package ``fakechroot`` (https://pypi.org/project/fakechroot/): the same names and arguments, on real files
with real owners, without a faked root, a preloaded library or a copied tree.

After ``rootlet.fakechroot.install()``, or with ``pytest -p rootlet.fakechroot``, ``import fakechroot`` finds this.

Commands run as root inside, and files are touched as root inside, as there. What differs: ``chroot_path`` is no directory of
this machine (a rootlet's files are in its own mount namespace), so use the methods.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Iterable, Sequence
from subprocess import DEVNULL, STDOUT
from typing import IO, TYPE_CHECKING, Any, ClassVar, TypeVar

from ._accounts import group, passwd, shadow, stat_result, struct_group, struct_passwd, struct_spwd

if TYPE_CHECKING:
    import pytest

    from .._path import Path
    from .._root import Rootlet
    from .._rootlet import Base

__all__ = ["FakeChroot", "FakeChrootError", "TestCase", "install"]

_Record = TypeVar("_Record", struct_passwd, struct_group, struct_spwd)

# A Debian that rootlet makes of packages; the other package would run debootstrap.
_DISTRO = "trixie"


class FakeChrootError(Exception):
    """There is no chroot, or it cannot be made."""


class FakeChroot:
    """A chroot of its own for each test: ``create_in_tempdir``, ``build``, use, ``destroy``.

    :param path: what its directory would be; nothing is written there.
    :param base_path: a directory that holds a root, to be used in place of a base.
    :param distro: a suite of Debian or Ubuntu.
    """

    Exception = RuntimeError
    firstrun: ClassVar[bool] = True
    """Whether this class has yet to refresh what its chroots begin with."""
    base: ClassVar[str | None] = None
    """A base of rootlet's (``host``, ``apt:bookworm``, ``tar:FILE``), for subclasses. Not said: ``ROOTLET_BASE``, else the
    distro's packages."""

    _turn: ClassVar[threading.RLock] = threading.RLock()
    _refreshed: ClassVar[Base | None] = None

    def __init__(self, path: str, base_path: str | None = None, distro: str = _DISTRO) -> None:
        self.path = path
        self.distro = distro
        self.base_path = base_path
        self.chroot_path = os.path.join(path, "chroot")
        self._live: Rootlet | None = None

    @classmethod
    def create_in_tempdir(cls, parent: str) -> FakeChroot:
        """One with a path that nobody else has."""
        return cls(os.path.join(parent, f"tmp{secrets.token_hex(4)}"))

    # Its life.

    def build(self) -> None:
        """Makes it. The first one of a run refreshes what all begin with."""
        kind = type(self)
        if kind.refresh_environment is not FakeChroot.refresh_environment:
            with self._turn:
                if "_refreshed" not in vars(kind):
                    self._refresh(kind)
        refreshed = vars(kind).get("_refreshed")
        self._live = self._make(refreshed if refreshed is not None else self._base())

    def _refresh(self, kind: type[FakeChroot]) -> None:
        with self._make(self._base()) as root:
            self._live = root
            try:
                self.refresh_environment()
                kind._refreshed = root.snapshot()
            finally:
                self._live = None
        kind.firstrun = False

    def refresh_environment(self) -> None:
        """For subclasses: what is done once in a run, in what all chroots then begin with. ``self`` is that one meanwhile."""

    def _base(self) -> str | Base:
        if self.base_path is not None:
            return f"dir:{os.path.abspath(self.base_path)}"
        return self.base or os.environ.get("ROOTLET_BASE") or f"apt:{self.distro}"

    @staticmethod
    def _make(base: str | Base) -> Rootlet:
        from .._root import Rootlet

        return Rootlet(base, user="root", env={"USER": "root", "LOGNAME": "root", "USERNAME": "root"}, workdir="/")

    @property
    def root(self) -> Rootlet:
        """The rootlet itself."""
        if self._live is None:
            raise FakeChrootError("it is not built: call build() first")
        return self._live

    def destroy(self) -> None:
        """Ends it: its processes, and all that was written in it. Once more is nothing."""
        live, self._live = self._live, None
        if live is not None:
            live.close()

    def cleanup_session(self) -> None:
        """Ends what runs in it, and nothing of its files."""
        self.root.signal_all(9)

    # Commands.

    def get_env(self) -> dict[str, str]:
        """The variables of its commands."""
        return self.root.environ

    def call(self, command: Sequence[str]) -> int:
        """Runs a command; gives its exit code. What it writes is thrown away."""
        return self.root.run(command, stdin=DEVNULL, stdout=DEVNULL, stderr=STDOUT).returncode

    def check_call(self, command: Sequence[str]) -> tuple[int, bytes, bytes]:
        """Runs a command; gives its exit code and what it wrote."""
        done = self.root.run(command, stdin=DEVNULL, capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def run_commands(self, commands: Iterable[str]) -> None:
        """Runs command lines, one after the other; ``SystemExit`` when one fails."""
        import shlex

        for command in commands:
            if self.call(shlex.split(command % {"base_image": "/", "distro": self.distro})):
                raise SystemExit("Command failed")

    # Files.

    def _path(self, path: str) -> Path:
        return self.root.path(path)

    def exists(self, path: str) -> bool:
        """Whether it leads to something."""
        return self._path(path).exists()

    def lexists(self, path: str) -> bool:
        """Whether there is something, be it a symlink that leads nowhere."""
        return self._path(path).exists(follow_symlinks=False)

    def isdir(self, path: str) -> bool:
        """Whether it leads to a directory."""
        return self._path(path).is_dir()

    def isfile(self, path: str) -> bool:
        """Whether it leads to a regular file."""
        return self._path(path).is_file()

    def islink(self, path: str) -> bool:
        """Whether it is a symlink."""
        return self._path(path).is_symlink()

    def open(self, path: str, mode: str = "r") -> IO[Any]:
        """An open file."""
        return self._path(path).open(mode)

    def get(self, path: str) -> str:
        """The whole contents."""
        return self._path(path).read_text()

    def put(self, path: str, contents: str, chmod: int = 0o644) -> None:
        """Writes the whole file."""
        file = self._path(path)
        file.write_text(contents)
        file.chmod(chmod)

    def touch(self, path: str) -> None:
        """Makes an empty file where there is none."""
        if not self.exists(path):
            self._path(path).touch()

    def mkdir(self, path: str) -> None:
        """Makes a directory."""
        self._path(path).mkdir()

    def makedirs(self, path: str) -> None:
        """Makes a directory and its missing parents; ``FileExistsError`` where it is there."""
        self._path(path).mkdir(parents=True)

    def unlink(self, path: str) -> None:
        """Removes a file."""
        self._path(path).unlink()

    def chmod(self, path: str, mode: int) -> None:
        """Sets the permission bits."""
        self._path(path).chmod(mode)

    def symlink(self, source: str, dest: str) -> None:
        """Makes ``dest`` a symlink to ``source``; a relative one begins at ``/``."""
        self._path(dest).symlink_to(os.path.join("/", source))

    def readlink(self, path: str) -> str:
        """What a symlink says."""
        return str(self._path(path).readlink())

    def stat(self, path: str) -> stat_result:
        """What it leads to."""
        return self._stat(path, True)

    def lstat(self, path: str) -> stat_result:
        """What it is itself."""
        return self._stat(path, False)

    def _stat(self, path: str, follow: bool) -> stat_result:
        found = self._path(path).stat(follow_symlinks=follow)
        return stat_result(*(int(found[at]) for at in range(10)))

    def write_temporary_file(self, contents: bytes | str) -> tuple[str, str]:
        """A new file in ``/tmp``: its path seen from this machine, which the kernel may refuse to show, and inside."""
        path = self._path(f"/tmp/tmp{secrets.token_hex(4)}")
        with path.open("xb") as file:
            file.write(contents.encode() if isinstance(contents, str) else contents)
        path.chmod(0o600)
        return f"/proc/{self.root.host_pid}/root{path}", str(path)

    # Accounts.

    def getpwall(self) -> list[struct_passwd]:
        """All users."""
        return passwd(self.get("/etc/passwd"))

    def getpwnam(self, name: str) -> struct_passwd:
        """A user by name; ``KeyError`` where there is none."""
        return _one(self.getpwall(), 0, name)

    def getpwuid(self, uid: int) -> struct_passwd:
        """A user by number."""
        return _one(self.getpwall(), 2, uid)

    def getgrall(self) -> list[struct_group]:
        """All groups."""
        return group(self.get("/etc/group"))

    def getgrnam(self, name: str) -> struct_group:
        """A group by name."""
        return _one(self.getgrall(), 0, name)

    def getgrgid(self, gid: int) -> struct_group:
        """A group by number."""
        return _one(self.getgrall(), 2, gid)

    def getspall(self) -> list[struct_spwd]:
        """All of ``/etc/shadow``."""
        return shadow(self.get("/etc/shadow"))

    def getspnam(self, name: str) -> struct_spwd:
        """One of it by name."""
        return _one(self.getspall(), 0, name)

    def get_user(self, user: str) -> list[str]:
        """What stands behind a user's name in ``/etc/passwd``."""
        return _behind(self.get("/etc/passwd"), user)

    def get_group(self, group: str) -> list[str]:
        """What stands behind a group's name in ``/etc/group``."""
        return _behind(self.get("/etc/group"), group)


def _one(records: Sequence[_Record], field: int, wanted: str | int) -> _Record:
    for record in records:
        if record[field] == wanted:
            return record
    raise KeyError(wanted)


def _behind(text: str, name: str) -> list[str]:
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return lines[name].split(":")


def install() -> None:
    """From now on, ``import fakechroot`` finds this in this process, and ``from fakechroot import unittest2``, too."""
    from . import unittest2

    ours = sys.modules[__name__]
    there = sys.modules.get("fakechroot")
    if there is not None and there is not ours:
        raise ImportError(f"fakechroot is already imported, from {there.__file__}: install() comes before that")
    # It has its class in a module of the same name once more.
    names = {"fakechroot": ours, "fakechroot.fakechroot": ours, "fakechroot.unittest2": unittest2}
    sys.modules.update(names)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``pytest -p rootlet.fakechroot``: the first that pytest asks of a plugin, before it reads any test."""
    install()


# At the end: it is made of the above.
from .unittest2 import TestCase  # noqa: E402
