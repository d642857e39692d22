"""The conversation with the engine: a line of JSON each, over a stream socket.

Where an event loop runs, any number of questions is asked at once. Where none does, a question waits for its answer:
nothing else could happen meanwhile. So a module that has no use for asyncio does not pay for importing it, which takes
longer than a call.
"""

from __future__ import annotations

import json
import os
import sys
from _thread import allocate_lock

from ._errors import ClientConnectionError, InvalidQueryError, TransportError, of_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Mapping
    from typing import Any

current: Session | None = None
"""Who is asked by values that were not made with a session of their own."""

# Without blanks, and not escaped: it is read by a machine.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_ENDED = "the engine ended before it answered"


def of(session: Session | None) -> Session:
    """The session to ask."""
    found = session or current
    if found is None:
        raise ClientConnectionError(
            "nobody is there to be asked: functions are called by `rootlet call`, and a script says "
            "`async with dagger.connection():` first"
        )
    return found


def line(message: Mapping[str, object]) -> bytes:
    """A message as it is sent."""
    try:
        return _encode(message).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise InvalidQueryError(f"a text that is no Unicode cannot be told: {error}") from None
    except ValueError as error:
        raise InvalidQueryError(f"a number that is none cannot be told: {error}") from None
    except RecursionError:
        raise InvalidQueryError("what is asked is nested too deeply to be told") from None


def running_loop() -> AbstractEventLoop | None:
    """The event loop that this is called in."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        loop: AbstractEventLoop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop


class Session:
    """One end of the socket, by its number, which is closed with the session."""

    def __init__(self, end: int) -> None:
        self.modules: dict[str, Any] | None = None
        """What the modules that can be called offer, by name; ``None``: nobody has said."""
        self._end = end
        self._heard = bytearray()
        self._searched = 0
        self._unsent = bytearray()
        self._waiting: dict[int, Future[Any] | None] = {}
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._last = 0
        self._turn = allocate_lock()
        self._loop: AbstractEventLoop | None = None

    async def ask(self, name: str, on: object, arguments: Mapping[str, object]) -> Any:
        """The answer to a question, while others are asked and answered."""
        loop = running_loop()
        if loop is None:
            return self.ask_now(name, on, arguments)
        question = self._question(name, on, arguments)
        self._attach(loop)
        number = self._last
        answer = self._waiting[number] = loop.create_future()
        self._unsent += question
        self._flush()
        try:
            return await answer
        finally:
            if answer.cancelled() or not answer.done():
                self._give_up(number)

    def ask_now(self, name: str, on: object, arguments: Mapping[str, object]) -> Any:
        """The answer to a question; nothing else happens meanwhile, and other threads wait."""
        with self._turn:
            question = self._question(name, on, arguments)
            number = self._last
            self._waiting[number] = None
            self.tell(question)
            while number not in self._answers:
                if not self._hear(waiting=True):
                    raise TransportError(_ENDED)
            answer = self._answers.pop(number)
        if "error" in answer:
            raise of_answer(answer["error"])
        return answer.get("answer")

    def tell(self, message: bytes) -> None:
        """Sends a message, and what is unsent before it."""
        self._unsent += message
        os.set_blocking(self._end, True)
        try:
            while self._unsent:
                del self._unsent[: os.write(self._end, self._unsent)]
        except OSError as error:
            raise TransportError(f"{_ENDED}: {error}") from None

    def job(self) -> dict[str, Any]:
        """The first line, which says what to do."""
        while (message := self._next()) is None:
            heard = os.read(self._end, 1 << 16)
            if not heard:
                raise ClientConnectionError("the engine ended before it said what to do")
            self._heard += heard
        self.modules = message.get("modules")
        return message

    def close(self) -> None:
        """Ends the conversation: what the engine does for it ends as well."""
        self._detach()
        end, self._end = self._end, -1
        if end >= 0:
            os.close(end)

    def _give_up(self, number: int) -> None:
        """Nobody waits for that answer any more: what is done for it ends."""
        if self._waiting.pop(number, None) is not None and self._loop is not None and not self._loop.is_closed():
            self._unsent += line({"cancel": number})
            self._flush()

    def _question(self, name: str, on: object, arguments: Mapping[str, object]) -> bytes:
        if self._end < 0:
            raise ClientConnectionError("the connection is closed")
        question = line({"id": self._last + 1, "ask": name, "on": on, "with": arguments})
        self._last += 1
        return question

    def _attach(self, loop: AbstractEventLoop) -> None:
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise InvalidQueryError("another event loop is already asking: a session is used from one at a time")
        # What an earlier loop still waited for, nobody waits for any more.
        self._waiting = {}
        self._loop = loop
        loop.add_reader(self._end, self._hear)

    def _detach(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
        self._loop = None

    def _flush(self) -> None:
        """Sends what can be sent without waiting, and the rest later."""
        assert self._loop is not None
        os.set_blocking(self._end, False)
        try:
            del self._unsent[: os.write(self._end, self._unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail(TransportError(f"{_ENDED}: {error}"))
            return
        if self._unsent:
            self._loop.add_writer(self._end, self._flush)
        else:
            self._loop.remove_writer(self._end)

    def _hear(self, waiting: bool = False) -> bool:
        """Reads what is there and hands out the answers; gives whether the engine is still there."""
        try:
            os.set_blocking(self._end, waiting)
            heard = os.read(self._end, 1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            heard = b""
        if not heard:
            self._fail(TransportError(_ENDED))
            return False
        self._heard += heard
        while (message := self._next()) is not None:
            self._answer(message)
        return True

    def _next(self) -> dict[str, Any] | None:
        """The next message, if all of it is there."""
        end = self._heard.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._heard)
            return None
        message: dict[str, Any] = json.loads(self._heard[:end])
        del self._heard[: end + 1]
        self._searched = 0
        return message

    def _answer(self, message: Mapping[str, Any]) -> None:
        number = message.get("id")
        if not isinstance(number, int) or number not in self._waiting:
            return
        waiting = self._waiting.pop(number)
        if waiting is None:
            self._answers[number] = message
        elif waiting.done():
            pass  # Who asked was cancelled a moment ago.
        elif "error" in message:
            waiting.set_exception(of_answer(message["error"]))
        else:
            waiting.set_result(message.get("answer"))

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        self._unsent.clear()
        self._detach()
        for future in waiting.values():
            if future is not None and not future.done():
                future.set_exception(error)
