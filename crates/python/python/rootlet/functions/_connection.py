"""For scripts: the engine is a process of the command ``rootlet``, which ends with the connection."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import asynccontextmanager
from socket import AF_UNIX, SOCK_STREAM, socketpair

from . import _session
from ._client import Client
from ._errors import ClientError, ProvisionError, SessionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from os import PathLike
    from typing import IO, Any, TextIO

    from typing_extensions import Self


class Timeout:
    """How long to wait, in seconds; ``None``: for ever."""

    def __init__(self, timeout: float | None = None, *, connect: float | None = 10.0) -> None:
        self.timeout = timeout
        self.connect = connect

    @classmethod
    def default(cls) -> Self:
        """Ten seconds for the engine to begin, and for ever for what it does."""
        return cls()


class Retry:
    """Never needed: the engine is a process of this machine."""

    def __init__(self, *, connect: bool = True, execute: bool = True) -> None:
        self.connect = connect
        self.execute = execute


class Config:
    """How the engine is started."""

    def __init__(
        self,
        *,
        workdir: PathLike[str] | str = "",
        config_path: PathLike[str] | str = "",
        log_output: TextIO | None = None,
        load_workspace_modules: bool = False,
        timeout: Timeout | float | None = None,
        execute_timeout: float | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.workdir = workdir
        """Where relative paths of this machine begin; not said: where the script runs."""
        self.config_path = config_path
        self.log_output = log_output
        """What is told of progress is written there; not said: nowhere."""
        self.load_workspace_modules = load_workspace_modules
        connect = timeout.connect if isinstance(timeout, Timeout) else timeout
        self.timeout = Timeout(execute_timeout, connect=10.0 if timeout is None else connect)
        """How long the engine may take to begin."""
        self.execute_timeout = execute_timeout
        self.retry = retry


class Connection:
    """An engine of its own: ``async with Connection() as client``. :func:`connection` is the newer way."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self._engine: _Engine | None = None

    async def __aenter__(self) -> Client:
        self._engine = _Engine(self.config)
        return Client(await self._engine.begin())

    async def __aexit__(self, *_: object) -> None:
        if self._engine is not None:
            await self._engine.end()


@asynccontextmanager
async def connection(config: Config | None = None) -> AsyncIterator[Client]:
    """An engine for ``dag``, as long as this lasts: ``async with connection():``. In a function there is one already."""
    from ._client import dag

    if _session.current is not None:
        yield dag
        return
    engine = _Engine(config or Config())
    _session.current = await engine.begin()
    try:
        yield dag
    finally:
        _session.current = None
        await engine.end()


async def connect(config: Config | None = None) -> Any:
    """What :func:`connection` gives, for ``async with await connect():``."""
    return connection(config)


class _Engine:
    """A process of ``rootlet session``."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._session: _session.Session | None = None
        self._log: IO[bytes] | None = None

    async def begin(self) -> _session.Session:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        try:
            with theirs:
                self._process = self._start(theirs.fileno())
        except OSError as error:
            ours.close()
            raise ProvisionError(f"`{_command()} session` cannot be started: {error}") from None
        session = self._session = _session.Session(ours.detach())
        try:
            # Nothing but this first line is read where it would wait, so it is read beside the loop.
            await asyncio.wait_for(asyncio.to_thread(session.job), self._config.timeout.connect)
        except (ClientError, OSError, ValueError, asyncio.TimeoutError) as error:
            self._process.kill()
            said = await self._said()
            await self.end()
            late = f"it said nothing for {self._config.timeout.connect} seconds"
            why = late if isinstance(error, asyncio.TimeoutError) else str(error)
            raise SessionError(f"`rootlet session` is of no use: {said or why}") from None
        except BaseException:
            self._process.kill()
            await self.end()
            raise
        return session

    async def end(self) -> None:
        """Ends what it still does, and waits for it."""
        if self._session is not None:
            self._session.close()
        if self._process is not None:
            process = self._process
            try:
                await asyncio.to_thread(process.wait, 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        if self._log is not None:
            self._copy()
            self._log.close()

    def _start(self, socket: int) -> subprocess.Popen[bytes]:
        log: Any = self._config.log_output
        try:
            where = log.fileno() if log is not None else None
        except (OSError, AttributeError):
            where = None
        if where is None:
            where = self._log = tempfile.TemporaryFile()
        return subprocess.Popen(
            [_command(), "session"], stdin=socket, stdout=where, stderr=where, cwd=self._config.workdir or None
        )

    async def _said(self) -> str:
        """What it said before it ended."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait)
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read(1 << 16).decode(errors="replace").strip()

    def _copy(self) -> None:
        # What is no file of the system gets it when all is over.
        if self._config.log_output is not None and self._log is not None:
            self._log.seek(0)
            self._config.log_output.write(self._log.read().decode(errors="replace"))


def _command() -> str:
    """The command: as ``ROOTLET_BIN`` says, beside this Python, or on the ``PATH``."""
    said = os.environ.get("ROOTLET_BIN")
    if said:
        return said
    for place in (sysconfig.get_path("scripts"), os.path.dirname(sys.executable)):
        beside = os.path.join(place, "rootlet")
        if os.access(beside, os.X_OK):
            return beside
    return shutil.which("rootlet") or "rootlet"
