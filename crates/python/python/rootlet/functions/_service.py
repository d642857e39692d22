"""Services, secrets, caches, and the small records that are told of containers."""

from __future__ import annotations

from . import _session
from ._scalars import NetworkProtocol
from ._values import Input, Type, fits, refuse, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Any

    from typing_extensions import Self


class Secret(Type):
    """Something that is handed to commands and never written down."""

    __slots__ = ()

    async def name(self) -> str:
        """What it is called; of one that is found when it is wanted: where."""
        return await self._ask(str, "name") or await self.uri()

    async def plaintext(self) -> str:
        """The secret itself."""
        return await self._ask(str, "plaintext")

    async def uri(self) -> str:
        """Where it is found; empty: it was told."""
        return str(self._value.get("uri") or "")


class CacheVolume(Type):
    """A directory that lasts from one run to the next."""

    __slots__ = ()


class Service(Type):
    """A container that serves while others run."""

    __slots__ = ()

    @classmethod
    def _of(cls, container: Type, args: list[str] | None, **how: bool | None) -> Self:
        if not fits("list[str] | None", args, cls):
            raise TypeError(f"Container.as_service: args has to be list[str] | None, not {shown(args)}")
        value: dict[str, Any] = {"$": "Service", "container": container._value}
        if args is not None:
            value["args"] = list(args)
        for name, said in how.items():
            if not fits("bool | None", said, cls):
                raise TypeError(f"Container.as_service: {name} has to be bool | None, not {shown(said)}")
            if said:
                value[name] = True
        return cls(value, container._session)

    def with_hostname(self, hostname: str) -> Self:
        """The name that it calls itself by."""
        return self._with(hostname=hostname)

    async def start(self) -> Self:
        """It runs, and its ports answer; it is ended by ``stop``, or with the function."""
        await self._ask(object, "start")
        return self

    async def stop(self, *, kill: bool | None = False) -> Self:
        """It is asked to end, or killed."""
        await self._ask(object, "stop", kill=kill)
        return self

    async def sync(self) -> Self:
        """All that it stands on is there."""
        await _session.of(self._session).ask("sync", self._value["container"], {})
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.sync().__await__()

    async def endpoint(self, *, port: int | None = None, scheme: str | None = "") -> str:
        """Where it is reached: ``HOST:PORT``, after ``SCHEME://`` where there is one."""
        return await self._ask(str, "endpoint", port=port, scheme=scheme)

    async def hostname(self) -> str:
        """The name that it is reached by."""
        return await self._ask(str, "hostname")

    async def ports(self) -> list[Port]:
        """The ports that it serves on."""
        return [Port(told) for told in await self._ask(list, "ports")]

    async def up(self, *, ports: list[PortForward] | None = None, random: bool | None = False) -> None:
        """Serves on ports of this machine until it is ended."""
        if random and not ports:
            ports = [PortForward(told["port"], 0) for told in await self._ask(list, "ports")]
        await self._ask(object, "up", ports=ports)

    def with_(self, cb: Callable[[Service], Service]) -> Service:
        """What ``cb`` makes of it."""
        return cb(self)


class PortForward(Input):
    """A port of this machine that leads to one of a service."""

    __slots__ = ("backend", "frontend", "protocol")

    def __init__(
        self, backend: int, frontend: int | None = None, protocol: NetworkProtocol | None = NetworkProtocol.TCP
    ) -> None:
        self.backend = backend
        """The service's."""
        self.frontend = frontend
        """This machine's; ``None``: the same number."""
        self.protocol = protocol

    @property
    def _value(self) -> dict[str, object]:
        refuse("PortForward", protocol=self.protocol if self.protocol is NetworkProtocol.UDP else None)
        return {"frontend": self.backend if self.frontend is None else self.frontend, "backend": self.backend}


class _Record:
    """What was told, all at once. It is asked for with ``await``, as anything else is."""

    __slots__ = ("_record",)

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._record = told

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict(self._record)}>"


class EnvVariable(_Record):
    """A variable."""

    __slots__ = ()

    async def name(self) -> str:
        """What it is called."""
        return str(self._record["name"])

    async def value(self) -> str:
        """What it holds."""
        return str(self._record["value"])


class Label(_Record):
    """A label."""

    __slots__ = ()

    async def name(self) -> str:
        """What it is called."""
        return str(self._record["name"])

    async def value(self) -> str:
        """What it says."""
        return str(self._record["value"])


class Port(_Record):
    """A port that is served on."""

    __slots__ = ()

    async def port(self) -> int:
        """Its number."""
        return int(self._record["port"])

    async def protocol(self) -> NetworkProtocol:
        """How it is spoken to."""
        return NetworkProtocol(self._record.get("protocol", "TCP"))

    async def description(self) -> str | None:
        """What it is for."""
        told = self._record.get("description")
        return None if told is None else str(told)
