"""Commands for asyncio, with the names of ``asyncio.subprocess``.

>>> async def test(root):
...     done = await rootlet.aio.run(root, ["id", "-un"], capture_output=True, text=True)
...     server = await rootlet.aio.create_subprocess_exec(root, "./server", stdout=PIPE)
"""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import PIPE
from subprocess import CalledProcessError, CompletedProcess, TimeoutExpired
from typing import IO, TYPE_CHECKING, Any

from ._popen import Popen
from ._root import Runner

if TYPE_CHECKING:
    from ._popen import Argv, Word

__all__ = ["Process", "create_subprocess_exec", "create_subprocess_shell", "run"]

_LIMIT = 1 << 16


class Process:
    """A command that was started, as ``asyncio.subprocess.Process``."""

    stdin: asyncio.StreamWriter | None = None
    stdout: asyncio.StreamReader | None = None
    stderr: asyncio.StreamReader | None = None

    def __init__(self, popen: Popen[bytes]) -> None:
        self._popen = popen
        self._transports: list[asyncio.BaseTransport] = []

    @property
    def pid(self) -> int:
        """Its process number inside."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its end, if it has come."""
        return self._popen.poll()

    async def wait(self) -> int:
        """Waits for its end."""
        while (code := self._popen.poll()) is None:
            await _readable(self._popen.fileno())
        return code

    async def communicate(self, input: bytes | None = None) -> tuple[bytes | None, bytes | None]:
        """Sends ``input``, reads all that it writes, waits for its end."""
        _, stdout, stderr, _ = await asyncio.gather(
            self._send(input), _all_of(self.stdout), _all_of(self.stderr), self.wait()
        )
        self._close()
        return stdout, stderr

    async def _send(self, input: bytes | None) -> None:
        if self.stdin is None:
            return
        try:
            if input:
                self.stdin.write(input)
                await self.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # As asyncio: it need not read what it is sent.
        self.stdin.close()

    def send_signal(self, signal: int) -> None:
        """Sends a signal to it alone."""
        self._popen.send_signal(signal)

    def terminate(self) -> None:
        """SIGTERM."""
        self._popen.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._popen.kill()

    def _abandon(self) -> None:
        self._popen._process.signal(signal.SIGKILL, True)
        self._close()

    def _close(self) -> None:
        for transport in self._transports:
            transport.close()

    async def _attach(self, limit: int) -> Process:
        loop = asyncio.get_running_loop()

        async def reader(pipe: IO[bytes] | None) -> asyncio.StreamReader | None:
            if pipe is None:
                return None
            stream = asyncio.StreamReader(limit, loop)
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
            self._transports.append(transport)
            return stream

        self.stdout, self.stderr = await reader(self._popen.stdout), await reader(self._popen.stderr)
        if self._popen.stdin is not None:
            # The protocol that knows of back pressure; it reads nothing.
            unread = asyncio.StreamReader(limit, loop)
            transport, protocol = await loop.connect_write_pipe(
                lambda: asyncio.StreamReaderProtocol(unread), self._popen.stdin
            )
            self._transports.append(transport)
            self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        return self


async def _all_of(stream: asyncio.StreamReader | None) -> bytes | None:
    return None if stream is None else await stream.read()


async def _readable(number: int) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(number, lambda: None if ended.done() else ended.set_result(None))
    try:
        await ended
    finally:
        loop.remove_reader(number)


async def create_subprocess_exec(
    root: Runner, program: Word, *args: Word, limit: int = _LIMIT, **options: Any
) -> Process:
    """As ``asyncio.create_subprocess_exec``; the options are those of ``root.popen``."""
    popen: Popen[bytes] = root.popen([program, *args], bufsize=0, **options)
    process = Process(popen)
    try:
        return await process._attach(limit)
    except BaseException:
        process._abandon()
        raise


async def create_subprocess_shell(root: Runner, cmd: str, *, limit: int = _LIMIT, **options: Any) -> Process:
    """As ``asyncio.create_subprocess_shell``."""
    return await create_subprocess_exec(root, "/bin/sh", "-c", cmd, limit=limit, **options)


async def run(
    root: Runner,
    args: Argv,
    *,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    text: bool = False,
    encoding: str = "utf-8",
    **options: Any,
) -> CompletedProcess[Any]:
    """As ``root.run``. When it is cancelled, the command and its process group are ended."""
    if input is not None:
        options["stdin"] = PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = PIPE
    popen: Popen[bytes] = root.popen(args, bufsize=0, **options)
    process = Process(popen)
    sent = input.encode(encoding) if isinstance(input, str) else input
    try:
        await process._attach(_LIMIT)
        stdout, stderr = await asyncio.wait_for(process.communicate(sent), timeout)
    except asyncio.TimeoutError:
        process._abandon()
        assert timeout is not None
        raise TimeoutExpired(popen.args, timeout) from None
    except BaseException:
        process._abandon()
        raise
    came: list[Any] = [out.decode(encoding) if text and out is not None else out for out in (stdout, stderr)]
    code = await process.wait()
    if check and code != 0:
        raise CalledProcessError(code, popen.args, *came)
    return CompletedProcess(args, code, *came)
