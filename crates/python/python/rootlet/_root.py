"""A live rootlet."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from subprocess import CompletedProcess
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from . import _bases, _popen, _records, _rootlet
from ._errors import Error
from ._path import Path, class_of
from ._popen import Popen
from ._records import Change, Report, User

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import PurePosixPath

    from typing_extensions import Unpack

    from ._popen import Argv, Bytes, Encoded, RunBytes, RunEncoded, RunText, Text


class Runner:
    """Commands and files as somebody: a rootlet itself, or ``root.as_user("sam")``."""

    def __init__(self, native: _rootlet.Rootlet, user: str | None = None, files: str | None = None) -> None:
        self._native = native
        self._user = user
        self._files = files
        self._paths: type[Path] | None = None

    def path(self, *parts: str | PurePosixPath) -> Path:
        """A path inside, as ``pathlib.Path``; a relative one begins at ``/``."""
        if self._paths is None:
            self._paths = class_of(self._native.files(self._files))
        return self._paths("/", *(str(part) for part in parts))

    @overload
    def run(self, args: Argv, **options: Unpack[RunText]) -> CompletedProcess[str]: ...
    @overload
    def run(self, args: Argv, **options: Unpack[RunEncoded]) -> CompletedProcess[str]: ...
    @overload
    def run(self, args: Argv, **options: Unpack[RunBytes]) -> CompletedProcess[bytes]: ...
    def run(self, args: Argv, **options: Any) -> CompletedProcess[Any]:
        """Runs a command to its end, as ``subprocess.run``: ``check``, ``capture_output``, ``text``, ``input``, ``timeout``,
        ``env``, ``cwd``, and ``user``.

        After ``timeout``, and after Ctrl-C, the command and its process group are ended.
        """
        __tracebackhide__ = True  # pytest shows the test's own line.
        options.setdefault("user", self._user)
        return _popen.run(self._native, args, **options)

    @overload
    def popen(self, args: Argv, **options: Unpack[Text]) -> Popen[str]: ...
    @overload
    def popen(self, args: Argv, **options: Unpack[Encoded]) -> Popen[str]: ...
    @overload
    def popen(self, args: Argv, **options: Unpack[Bytes]) -> Popen[bytes]: ...
    def popen(self, args: Argv, **options: Any) -> Popen[Any]:
        """Starts a command, as ``subprocess.Popen``. It ends with the rootlet at the latest."""
        __tracebackhide__ = True  # pytest shows the test's own line.
        options.setdefault("user", self._user)
        return Popen(self._native, args, **options)


class Rootlet(Runner):
    """A fresh, private root, live from its making to ``close()`` or the end of its ``with``. Then every process of it ends, and
    all that was written in it is gone.

    Commands run as ``user``; files are touched as root inside, unless ``as_user`` says otherwise. The words are those of
    ``rootlet run``: ``rootlet run --help`` explains them.

    :param base: ``host`` (this machine's own root, copy-on-write), ``apt:trixie``, ``alpine:3.20``, ``tar:FILE``, …; the path of a
        directory; or what ``snapshot()`` gave.
    :param recipe: a recipe of the ``rootlet.toml`` in ``directory`` (not said: the current one) or above.
    :param preset: a recipe of rootlet's own, such as ``debian_user``.
    :param like: a file that deploys the program (Kubernetes, Dockerfile, Compose, systemd, an image's configuration), ``FILE`` or
        ``FILE#NAME``: the user, the mounts and the rights are production's, and so is the base where none is said. What is said
        besides goes before it. ``openshift`` is OpenShift's restricted profile, alone or besides.
    :param user: ``sam``, ``1000``, ``1000:0``, ``NAME:UID:GID`` for an account that is made, or ``random:GID`` for an id that no
        account has. Not said: the image's user, else ``sam:1000:1000``.
    :param volumes: ``HOST:TARGET[:ro|:O]`` each, or ``TARGET``.
    :param binds: the same by path: ``{"./src": "/src:ro"}``.
    :param net: ``host``, ``private`` (its own loopback and ports) or ``none``.
    :param writable: where writes are held, ``memory`` or ``disk``.
    :param require: what must not be missing: ``exact``, ``namespaces``, ``proc``, ``everything``.
    :param faults: what is wrong on purpose: ``full-disk``, ``read-only:/PATH``, ``no-proc``, ``no-network``.
    :param why: its commands are traced, for ``why()`` to say what they were refused. It slows them.
    :raises Error: what was asked for contradicts itself, or the base or the host cannot give it.
    """

    def __init__(
        self,
        base: str | PathLike[str] | _rootlet.Base | None = None,
        *,
        recipe: str | None = None,
        preset: str | None = None,
        directory: str | PathLike[str] | None = None,
        like: str | PathLike[str] | Iterable[str | PathLike[str]] | None = None,
        user: str | int | None = None,
        groups: Iterable[str | int] = (),
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        hostname: str | None = None,
        net: str | None = None,
        read_only: bool = False,
        writable: str | None = None,
        volumes: Iterable[str] = (),
        binds: Mapping[str | PathLike[str], str] | None = None,
        tmpfs: Iterable[str] = (),
        cap_add: Iterable[str] = (),
        cap_drop: Iterable[str] = (),
        security_opt: Iterable[str] = (),
        umask: int | None = None,
        tier: str | None = None,
        require: Iterable[str] = (),
        faults: Iterable[str] = (),
        memory: str | int | None = None,
        pids_limit: int | None = None,
        cpus: float | None = None,
        ulimits: Iterable[str] = (),
        why: bool = False,
        _project: tuple[list[str], list[str], str] | None = None,
    ) -> None:
        __tracebackhide__ = True
        options: _rootlet.Options = {
            "user": None if user is None else str(user),
            "groups": [str(group) for group in _words(groups, "groups")],
            "env": [_variable(str(name), str(value)) for name, value in (env or {}).items()],
            "workdir": None if workdir is None else str(workdir),
            "hostname": hostname,
            "volumes": _words(volumes, "volumes"),
            "binds": [_bind(source, target) for source, target in (binds or {}).items()],
            "tmpfs": _words(tmpfs, "tmpfs"),
            "read_only": read_only,
            "writable": writable,
            "cap_add": _words(cap_add, "cap_add"),
            "cap_drop": _words(cap_drop, "cap_drop"),
            "security_opt": _words(security_opt, "security_opt"),
            "net": net,
            "umask": umask,
            "tier": tier,
            "require": _words(require, "require"),
            "faults": _words(faults, "faults"),
            "memory": None if memory is None else str(memory),
            "pids_limit": None if pids_limit is None else str(pids_limit),
            "cpus": None if cpus is None else str(cpus),
            "ulimits": _words(ulimits, "ulimits"),
            "why": bool(why),
            "directory": os.getcwd() if volumes or binds else "/",
            "project": _project,
        }
        production = None if like is None else _rootlet.like(_files(like))
        if production is not None and base is None and recipe is None and preset is None:
            base = production.image
        if not isinstance(base, _rootlet.Base):
            base = _bases.resolve(base, recipe=recipe, preset=preset, directory=directory)
        super().__init__(_rootlet.Rootlet(base, options, production))

    def close(self) -> None:
        """Ends it: every process of it, and all that was written. Once more is nothing."""
        self._native.close()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._native.closed

    def __enter__(self) -> Rootlet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<rootlet.Rootlet, closed>" if self.closed else f"<rootlet.Rootlet on {self.report.base}, {self.user}>"

    @property
    def user(self) -> User:
        """Who commands run as."""
        return self.identity(None)

    def identity(self, user: str | int | None) -> User:
        """Who somebody is in this root's own passwd."""
        name, uid, gid, groups, home, shell = self._native.identity(None if user is None else str(user))
        return User(name, uid, gid, tuple(groups), home, shell)

    def as_user(self, user: str | int) -> Runner:
        """Commands and files as another user: what production would refuse that user, is refused."""
        self.identity(user)
        return Runner(self._native, str(user), str(user))

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a command. ``env={**root.environ, "DEBUG": "1"}`` adds one."""
        pairs = (variable.partition("=") for variable in self._native.environment())
        return {name: value for name, _, value in pairs}

    @property
    def report(self) -> Report:
        """Who ran, on what, and what of production could not be reproduced on this host."""
        told = json.loads(self._native.report())
        who = told["user"]
        user = User(who["name"], who["uid"], who["gid"], tuple(who["groups"]), who["home"], who["shell"])
        return Report(
            user, told["base"], told["base_id"], told["tier"], told["limits_by"], tuple(told["not_reproduced"])
        )

    def changes(self) -> list[Change]:
        """What differs from the base, sorted by path."""
        return [_records.change(*found) for found in self._native.changes()]

    def why(self, form: str = "text", of: str | None = None) -> str | None:
        """What its commands were refused so far, each refusal with its reason and what to change; ``None`` for a rootlet that was
        made without ``why=True``.

        :param form: ``text`` as ``rootlet why`` prints it, ``json``, or ``github``: annotations of a workflow, a line each.
        :param of: what the titles of annotations begin with, such as the name of a test.
        """
        return self._native.why(form, of)

    def leftovers(self, allowed: Iterable[str] = ()) -> list[str]:
        """What is still there: processes, sockets that listen (in a network of its own), and changes other than at ``allowed``
        paths or below them. A line each."""
        return self._native.leftovers(_words(allowed, "allowed"))

    def snapshot(self, name: str | None = None) -> _rootlet.Base:
        """A base of what this rootlet is now: ``Rootlet(base)`` starts from it. It lives as long as this object, or, with a
        ``name``, in the store as ``snapshot:NAME``."""
        return self._native.snapshot(name)

    def keep(self) -> str:
        """Keeps its files in the store, for ``rootlet enter ID``."""
        return self._native.keep()

    def connect(self, port: int) -> socket.socket:
        """A connection to a TCP port of its loopback: no port mapping. ``ConnectionRefusedError`` when nobody listens."""
        return socket.socket(fileno=self._native.connect(port))

    def wait_for_port(self, port: int, timeout: float = 10.0) -> None:
        """Waits until somebody listens on a TCP port of its loopback; ``TimeoutError`` when nobody does in time."""
        end, pause = time.monotonic() + timeout, 0.001
        while True:
            try:
                return self.connect(port).close()
            except ConnectionRefusedError:
                left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"nobody listened on port {port} within {timeout:g}s")
            # Nothing tells when a port is opened: it is tried ever less often.
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.05)

    @property
    def process_count(self) -> int:
        """How many processes there are besides pid 1: daemons that a command left, for instance."""
        return self._native.process_count()

    def signal_all(self, signal: int) -> None:
        """Sends a signal to every process of it."""
        self._native.signal_all(signal)

    @property
    def host_pid(self) -> int:
        """The number of its pid 1 on this machine."""
        return self._native.host_pid()


def _variable(name: str, value: str) -> tuple[str, str]:
    if not name or "=" in name or "\0" in name + value:
        raise Error(f"{name!r} is no name of a variable", "spec", "it has neither `=` nor a NUL byte, and is not empty")
    return name, value


def _files(like: str | PathLike[str] | Iterable[str | PathLike[str]]) -> list[str]:
    files = [like] if isinstance(like, (str, os.PathLike)) else like
    return [os.fspath(file) for file in files]


def _words(words: Iterable[Any], what: str) -> list[Any]:
    if isinstance(words, (str, bytes)):
        raise TypeError(f"{what} is a list of words, not one: {what}=[{words!r}]")
    return list(words)


def _bind(source: str | PathLike[str], target: str) -> tuple[str, str, str]:
    place, _, how = target.partition(":")
    return os.fspath(source), place, how or "rw"
