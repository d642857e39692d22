"""A fresh, private, copy-on-write Linux root for every test, as the very user that production uses.

>>> import rootlet
>>> with rootlet.Rootlet(user="sam") as root:                       # this machine's root, copy-on-write
...     root.path("/etc/app.conf").write_text("x")                  # the test's author, as root inside
...     root.run(["cat", "/etc/app.conf"], check=True, capture_output=True, text=True).stdout
1
'x'

``root.run`` is ``subprocess.run``, ``root.popen`` is ``subprocess.Popen``, ``root.path`` is ``pathlib.Path``; their errors are
Python's own. With pytest, ask for the fixture ``rootlet``. What functions are written with, ``rootlet.functions``, is also here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._bases import resolve
    from ._errors import Error
    from ._inside import inside
    from ._path import Path
    from ._popen import Popen
    from ._records import Change, Report, User
    from ._root import Rootlet
    from ._rootlet import Base
    from .functions import *

__all__ = ["Base", "Change", "Error", "Path", "Popen", "Report", "Rootlet", "User", "inside", "resolve"]

# pytest imports this package in every run, also where no test asks for a rootlet: what it holds is loaded when it is used.
_HOMES = {
    "Base": "_rootlet",
    "Change": "_records",
    "Error": "_errors",
    "Path": "_path",
    "Popen": "_popen",
    "Report": "_records",
    "Rootlet": "_root",
    "User": "_records",
    "inside": "_inside",
    "resolve": "_bases",
}
_FUNCTIONS = frozenset(
    """
    JSON Address Arg CacheSharingMode CacheVolume Changeset Client ClientConnectionError ClientError Config Connection
    Container CurrentModule DaggerError DefaultAddress DefaultPath Deprecated Directory Doc Enum EnvVariable ExecError
    ExistsType File FileType GitRef GitRepository Host Ignore ImageLayerCompression ImageMediaTypes InvalidQueryError Label Name
    NetworkProtocol Platform Port PortForward ProvisionError QueryError Retry ReturnType Secret Service SessionError
    Stat Timeout TransportError VersionMismatch Void check connect connection dag enum_type field function generate
    interface object_type up
    """.split()
)


def __getattr__(name: str) -> object:
    home = "functions" if name in _FUNCTIONS else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_FUNCTIONS})
