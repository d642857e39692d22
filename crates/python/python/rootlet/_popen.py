"""Commands in a rootlet, as ``subprocess`` has them."""

from __future__ import annotations

import io
import locale
import math
import os
import select
import selectors
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, CompletedProcess, TimeoutExpired
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, AnyStr, Generic, Literal, TypedDict, Union

from . import _rootlet
from ._path import Path

if TYPE_CHECKING:
    from typing_extensions import Required

    Word = Union[str, bytes, os.PathLike[str], os.PathLike[bytes], Path]
    Argv = Union[Word, Sequence[Word]]
    Stream = Union[int, IO[Any], None]


class Options(TypedDict, total=False):
    """What ``popen`` and ``run`` take besides the command, as ``subprocess.Popen`` does."""

    bufsize: int
    stdin: Stream
    stdout: Stream
    stderr: Stream
    cwd: Word | None
    """Work directory inside; not said: the rootlet's."""
    env: Mapping[Any, Any] | None
    """All variables of the command; not said: ``root.environ``."""
    user: str | int | None
    """Another user of the rootlet: a name, a number, ``1000:0``."""
    shell: bool
    errors: str | None


if TYPE_CHECKING:
    # Whether a stream is of text or of bytes is said in one of three ways.

    class Text(Options, total=False):
        text: Required[Literal[True]]
        encoding: str | None
        universal_newlines: bool | None

    class Encoded(Options, total=False):
        encoding: Required[str]
        text: bool | None
        universal_newlines: bool | None

    class Bytes(Options, total=False):
        text: Literal[False] | None
        encoding: None
        universal_newlines: Literal[False] | None

    class _Run(TypedDict, total=False):
        capture_output: bool
        timeout: float | None
        check: bool

    class RunText(Text, _Run, total=False):
        input: str | None

    class RunEncoded(Encoded, _Run, total=False):
        input: str | None

    class RunBytes(Bytes, _Run, total=False):
        input: bytes | None


def word(value: Word) -> str:
    """An argument; a path of a rootlet is meant as one inside."""
    return str(value) if isinstance(value, Path) else os.fsdecode(value)


def _argv(args: Argv, shell: bool) -> list[str]:
    if isinstance(args, (str, bytes, os.PathLike)):
        words = [word(args)]
    else:
        words = [word(part) for part in args]
    return ["/bin/sh", "-c", *words] if shell else words


class _Streams:
    """The three streams of a command: the descriptors it gets, and the other ends of pipes."""

    def __init__(self, stdin: Stream, stdout: Stream, stderr: Stream) -> None:
        self.ours: list[int | None] = [None, None, None]
        with ExitStack() as undo:
            self.theirs = ExitStack()
            undo.callback(self.abandon)
            first = self._open(0, stdin), self._open(1, stdout)
            third = first[1] if stderr == STDOUT else self._open(2, stderr)
            self.numbers = (*first, third)
            undo.pop_all()

    def _open(self, number: int, stream: Stream) -> int:
        if stream is None:
            return number
        if stream == DEVNULL:
            opened = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            self.theirs.callback(os.close, opened)
            return opened
        if stream == PIPE:
            reader, writer = os.pipe()
            theirs, self.ours[number] = (reader, writer) if number == 0 else (writer, reader)
            self.theirs.callback(os.close, theirs)
            return theirs
        if stream == STDOUT:
            raise ValueError("STDOUT can only be used for stderr")
        return stream if isinstance(stream, int) else stream.fileno()

    def abandon(self) -> None:
        self.theirs.close()
        for number in self.ours:
            if number is not None:
                os.close(number)


def _end(held: list[_rootlet.Process]) -> None:
    """Ends a command and its process group, and waits until it is gone."""
    for process in held:
        process.signal(signal.SIGKILL, True)
        poller = select.poll()
        poller.register(process.fileno(), select.POLLIN)
        poller.poll()


class Popen(Generic[AnyStr]):
    """A command that was started in a rootlet, as ``subprocess.Popen``: made by ``root.popen(…)``.

    It is in a session of its own. Nobody ends it but the rootlet's end, so a service may go on while the test talks to it.
    """

    args: Argv
    pid: int
    """Its process number inside."""
    returncode: int | None
    stdin: IO[AnyStr] | None
    stdout: IO[AnyStr] | None
    stderr: IO[AnyStr] | None

    def __init__(
        self,
        native: _rootlet.Rootlet,
        args: Argv,
        *,
        bufsize: int = -1,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        cwd: Word | None = None,
        env: Mapping[Any, Any] | None = None,
        user: str | int | None = None,
        shell: bool = False,
        text: bool | None = None,
        universal_newlines: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        _held: list[_rootlet.Process] | None = None,
    ) -> None:
        __tracebackhide__ = True
        # Ctrl-C may come between any two steps, so it is in here before anybody else has it.
        held = [] if _held is None else _held
        self._is_ended_by_others = _held is not None
        self.args = args
        self.returncode = None
        is_text = bool(text or universal_newlines or encoding or errors)
        self._encoding = (encoding or locale.getpreferredencoding(False)) if is_text else None
        self._errors = errors or "strict"
        self._unsent: memoryview | None = None
        self._came: dict[int, bytearray] = {}
        start: _rootlet.Start = {
            "argv": _argv(args, shell),
            "env": None if env is None else [(os.fsdecode(name), os.fsdecode(env[name])) for name in env],
            "cwd": None if cwd is None else word(cwd),
            "user": None if user is None else str(user),
            "streams": (0, 1, 2),
        }
        streams = _Streams(stdin, stdout, stderr)
        start["streams"] = streams.numbers
        try:
            native.start(start, held)
            self._process = held[0]
            streams.theirs.close()
        except BaseException:
            streams.abandon()
            _end(held)
            raise
        self.pid = self._process.pid
        self.stdin, self.stdout, self.stderr = (
            self._file(number, "wb" if at == 0 else "rb", bufsize) for at, number in enumerate(streams.ours)
        )

    def _file(self, number: int | None, mode: str, bufsize: int) -> Any:
        if number is None:
            return None
        binary = io.open(number, mode, -1 if bufsize == 1 else bufsize)
        if self._encoding is None:
            return binary
        writes = mode == "wb"
        return io.TextIOWrapper(
            binary,
            encoding=self._encoding,
            errors=self._errors,
            write_through=writes,
            line_buffering=writes and bufsize == 1,
        )

    def poll(self) -> int | None:
        """Its end, if it has come: the exit code, or the number of a signal below zero."""
        if self.returncode is None:
            self.returncode = self._process.poll()
        return self.returncode

    def fileno(self) -> int:
        """A descriptor that is readable when the command has ended: for ``select``."""
        return self._process.fileno()

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; ``subprocess.TimeoutExpired`` when it does not come in time."""
        return self._wait(None if timeout is None else time.monotonic() + timeout, timeout)

    def _wait(self, end: float | None, timeout: float | None) -> int:
        poller = select.poll()
        poller.register(self._process.fileno(), select.POLLIN)
        try:
            while (code := self.poll()) is None:
                left = None if end is None else max(0.0, end - time.monotonic())
                if not poller.poll(None if left is None else math.ceil(left * 1000)) and timeout is not None:
                    raise TimeoutExpired(self.args, timeout)
        except KeyboardInterrupt:
            self._interrupted()
            raise
        return code

    def communicate(self, input: AnyStr | None = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Sends ``input``, reads all that the command writes, waits for its end."""
        if self._unsent is None:
            self._begin(input)
        elif input:
            raise ValueError("Cannot send input after starting communication")
        end = None if timeout is None else time.monotonic() + timeout
        try:
            whole = self._pump(end)
        except KeyboardInterrupt:
            self._interrupted()
            raise
        if not whole and timeout is not None:
            raise TimeoutExpired(self.args, timeout, self._bytes(1) or None, self._bytes(2) or None)
        self._wait(end, timeout)
        return self._text(1), self._text(2)

    def _begin(self, input: AnyStr | None) -> None:
        data: Any = b"" if input is None else input
        if isinstance(data, str):
            data = data.encode(self._encoding or "utf-8", self._errors)
        self._unsent = memoryview(data).cast("B") if len(data) else memoryview(b"")
        self._came = {at: bytearray() for at, file in ((1, self.stdout), (2, self.stderr)) if file is not None}
        if self.stdin is not None and not self.stdin.closed:
            try:
                self.stdin.flush()
            except BrokenPipeError:
                pass
            if not self._unsent:
                self._close(self.stdin)

    @staticmethod
    def _close(file: IO[AnyStr]) -> None:
        try:
            file.close()
        except BrokenPipeError:
            pass

    def _pump(self, end: float | None) -> bool:
        """Moves what can be moved until all pipes are at their ends; False when the time was up before."""
        with selectors.PollSelector() as selector:
            if self._unsent and self.stdin is not None and not self.stdin.closed:
                selector.register(self.stdin, selectors.EVENT_WRITE, 0)
            for at, file in ((1, self.stdout), (2, self.stderr)):
                if file is not None and not file.closed:
                    selector.register(file, selectors.EVENT_READ, at)
            while selector.get_map():
                left = None if end is None else max(0.0, end - time.monotonic())
                ready = selector.select(left)
                if not ready and left is not None:
                    return False
                for key, _ in ready:
                    if self._move(key.fd, key.data):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
        return True

    def _move(self, number: int, at: int) -> bool:
        """A part of what one pipe has; True at its end."""
        if at != 0:
            part = os.read(number, 1 << 16)
            self._came[at] += part
            return not part
        assert self._unsent is not None
        try:
            # A pipe that is writable takes this much at once.
            sent = os.write(number, self._unsent[: select.PIPE_BUF])
        except BrokenPipeError:
            self._unsent = self._unsent[:0]
            return True
        self._unsent = self._unsent[sent:]
        return not self._unsent

    def _bytes(self, at: int) -> bytes | None:
        return bytes(self._came[at]) if at in self._came else None

    def _text(self, at: int) -> bytes | str | None:
        data = self._bytes(at)
        if data is None or self._encoding is None:
            return data
        return data.decode(self._encoding, self._errors).replace("\r\n", "\n").replace("\r", "\n")

    def _interrupted(self) -> None:
        """A keyboard's Ctrl-C reaches the processes of a terminal; this one is in a session of its own.

        Who ends it with all of its group does so at once: where it had ended by this signal, its group was out of reach."""
        if not self._is_ended_by_others:
            self._process.signal(signal.SIGINT, True)

    def send_signal(self, signal: int) -> None:
        """Sends a signal to it alone. It may have ended already."""
        if self.poll() is None:
            self._process.signal(signal, False)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _abandon(self) -> None:
        """Ends it and its process group, and takes what they have written. What they hold open is not waited for."""
        _end([self._process])
        self.wait()
        if self._unsent is not None:
            self._unsent = self._unsent[:0]
            self._pump(0.0)

    def __enter__(self) -> Popen[AnyStr]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_all()
        # Nobody would tell it that the keyboard wanted it to end.
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._process.signal(signal.SIGKILL, True)
        self.wait()

    def _close_all(self) -> None:
        for file in (self.stdout, self.stderr, self.stdin):
            if file is not None:
                self._close(file)

    def __repr__(self) -> str:
        return f"<rootlet.Popen: returncode: {self.returncode} args: {self.args!r}>"


def run(
    native: _rootlet.Rootlet,
    args: Argv,
    *,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> CompletedProcess[Any]:
    """As ``subprocess.run``."""
    __tracebackhide__ = True
    if input is not None:
        if options.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used.")
        options["stdin"] = PIPE
    if capture_output:
        if options.get("stdout") is not None or options.get("stderr") is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        options["stdout"] = options["stderr"] = PIPE
    held: list[_rootlet.Process] = []
    process: Popen[Any] | None = None
    try:
        process = Popen(native, args, _held=held, **options)
        stdout, stderr = process.communicate(input, timeout)
    except TimeoutExpired as late:
        assert process is not None
        process._abandon()
        late.stdout, late.stderr = process._bytes(1) or None, process._bytes(2) or None
        raise
    except BaseException:
        _end(held)
        raise
    finally:
        if process is not None:
            process._close_all()
    code = process.wait()
    if check and code != 0:
        raise CalledProcessError(code, args, stdout, stderr)
    return CompletedProcess(args, code, stdout, stderr)
