"""Functions: what a check is, written once in Python and called by name, with the names of Dagger's API.

>>> from rootlet import dag, function, object_type
>>> @object_type
... class CiLikeProduction:
...     @function
...     async def whoami_check(self) -> str:
...         return await dag.lib().alpine_user().with_exec(["whoami"]).stdout()

``rootlet call whoami-check`` calls it. It is pure Python: no part of it needs the native module, and what is seldom used
is imported when it is.
"""

from __future__ import annotations

from ._client import Address, Client, CurrentModule, Host, dag
from ._container import Container
from ._declare import (
    Arg,
    DefaultAddress,
    DefaultPath,
    Deprecated,
    Doc,
    Enum,
    Ignore,
    Name,
    check,
    enum_type,
    field,
    function,
    generate,
    interface,
    object_type,
    up,
)
from ._errors import (
    ClientConnectionError,
    ClientError,
    DaggerError,
    ExecError,
    InvalidQueryError,
    ProvisionError,
    QueryError,
    SessionError,
    TransportError,
    VersionMismatch,
)
from ._files import Changeset, Directory, File, Stat
from ._git import GitRef, GitRepository
from ._scalars import (
    JSON,
    CacheSharingMode,
    ExistsType,
    FileType,
    ImageLayerCompression,
    ImageMediaTypes,
    NetworkProtocol,
    Platform,
    ReturnType,
    Void,
)
from ._service import CacheVolume, EnvVariable, Label, Port, PortForward, Secret, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._connection import Config, Connection, Retry, Timeout, connect, connection

__all__ = [
    "JSON",
    "Address",
    "Arg",
    "CacheSharingMode",
    "CacheVolume",
    "Changeset",
    "Client",
    "ClientConnectionError",
    "ClientError",
    "Config",
    "Connection",
    "Container",
    "CurrentModule",
    "DaggerError",
    "DefaultAddress",
    "DefaultPath",
    "Deprecated",
    "Directory",
    "Doc",
    "Enum",
    "EnvVariable",
    "ExecError",
    "ExistsType",
    "File",
    "FileType",
    "GitRef",
    "GitRepository",
    "Host",
    "Ignore",
    "ImageLayerCompression",
    "ImageMediaTypes",
    "InvalidQueryError",
    "Label",
    "Name",
    "NetworkProtocol",
    "Platform",
    "Port",
    "PortForward",
    "ProvisionError",
    "QueryError",
    "Retry",
    "ReturnType",
    "Secret",
    "Service",
    "SessionError",
    "Stat",
    "Timeout",
    "TransportError",
    "VersionMismatch",
    "Void",
    "check",
    "connect",
    "connection",
    "dag",
    "enum_type",
    "field",
    "function",
    "generate",
    "interface",
    "object_type",
    "up",
]

_CONNECTION = {"Config", "Connection", "Retry", "Timeout", "connect", "connection"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _CONNECTION:
            from . import _connection

            return getattr(_connection, name)
        if name.startswith("_"):
            raise AttributeError(name)
        from . import _names

        return _names.other(name)
