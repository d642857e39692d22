"""``dag``: where everything begins."""

from __future__ import annotations

import os

from . import _session
from ._container import Container
from ._errors import ClientConnectionError
from ._files import Directory, File
from ._git import GitRepository
from ._scalars import CacheSharingMode, Platform
from ._service import CacheVolume, Secret
from ._values import Type, fits, refuse, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ._lib import Lib
    from ._service import Service

    T = TypeVar("T", bound=Type)

# As Go calls them, and so do images.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Client:
    """What containers, directories and files begin with, and the modules that are installed: ``dag.NAME()``."""

    __slots__ = ("_session",)

    def __init__(self, session: _session.Session | None = None) -> None:
        self._session = session

    def container(self, *, platform: Platform | None = None) -> Container:
        """An empty root. Of other machines than this one there is none."""
        if platform is not None:
            machine = os.uname().machine
            known = _MACHINES.get(machine, machine)
            refuse("container", platform=None if platform.split("/")[:2] == ["linux", known] else platform)
        return Container({"$": "Container", "steps": ()}, self._session)

    def directory(self) -> Directory:
        """An empty directory."""
        return Directory({"$": "Directory"}, self._session)

    def file(self, name: str, contents: str, *, permissions: int | None = 0o644) -> File:
        """A file that is written down here."""
        _texts("file", name=name, contents=contents)
        new: dict[str, object] = {"name": name, "contents": contents}
        if permissions is not None:
            new["permissions"] = permissions
        return File({"$": "File", "from": {"new": new}}, self._session)

    def http(
        self, url: str, *, name: str | None = None, permissions: int | None = None, checksum: str | None = None
    ) -> File:
        """A file that is fetched, once in a session; ``checksum`` is what it has to be, ``sha256:`` and its digest."""
        _texts("http", url=url)
        if checksum is not None:
            _texts("http", checksum=checksum)
        wanted = {"url": url, "permissions": permissions, "checksum": checksum}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        fetched = File({"$": "File", "from": {"url": wanted}}, self._session)
        return fetched if name is None else fetched.with_name(name)

    def git(
        self,
        url: str,
        *,
        keep_git_dir: bool | None = True,
        ssh_known_hosts: str | None = "",
        ssh_auth_socket: object = None,
        http_auth_username: str | None = "",
        http_auth_token: Secret | None = None,
        http_auth_header: Secret | None = None,
        experimental_service_host: Service | None = None,
    ) -> GitRepository:
        """A git repository: ``https://host/owner/repo``, ``github.com/owner/repo``, ``git@host:owner/repo``. git asks for it as it
        would for you, with your keys and helpers. ``keep_git_dir`` says nothing: :meth:`GitRef.tree` does."""
        _texts("git", url=url)
        refuse(
            "git",
            ssh_known_hosts=ssh_known_hosts,
            ssh_auth_socket=ssh_auth_socket,
            http_auth_username=http_auth_username,
            http_auth_token=http_auth_token,
            http_auth_header=http_auth_header,
            experimental_service_host=experimental_service_host,
        )
        return GitRepository({"$": "GitRepository", "url": url}, self._session)

    def cache_volume(
        self,
        key: str,
        *,
        source: Directory | None = None,
        sharing: CacheSharingMode | None = CacheSharingMode.SHARED,
        owner: str | None = "",
    ) -> CacheVolume:
        """A directory that lasts from one run to the next."""
        _texts("cache_volume", key=key)
        other = None if sharing is CacheSharingMode.SHARED else sharing
        refuse("cache_volume", source=source, sharing=other, owner=owner)
        return CacheVolume({"$": "CacheVolume", "key": key}, self._session)

    def secret(self, uri: str, *, cache_key: str | None = None) -> Secret:
        """A secret that is found when it is wanted: ``env://NAME``, ``file://PATH``, ``cmd://COMMAND``."""
        _texts("secret", uri=uri)
        refuse("secret", cache_key=cache_key)
        return Secret({"$": "Secret", "uri": uri}, self._session)

    def set_secret(self, name: str, plaintext: str) -> Secret:
        """A secret that is told, once, to the engine; it is never written down."""
        for what, value in {"name": name, "plaintext": plaintext}.items():
            if not isinstance(value, str):
                raise TypeError(f"set_secret: {what} has to be str, not {type(value).__name__}")
        told = _session.of(self._session).ask_now("set_secret", None, {"name": name, "plaintext": plaintext})
        return Secret(told, self._session)

    def host(self) -> Host:
        """This machine."""
        return Host(self._session)

    def address(self, value: str) -> Address:
        """What a text on the command line stands for, once it is said of which type it is."""
        _texts("address", value=value)
        return Address(value, self._session)

    def current_module(self) -> CurrentModule:
        """The module whose function runs."""
        return CurrentModule(self._session)

    def load_container_from_id(self, id: str) -> Container:
        """What ``id()`` gave."""
        return _loaded(Container, id, self._session)

    def load_directory_from_id(self, id: str) -> Directory:
        """What ``id()`` gave."""
        return _loaded(Directory, id, self._session)

    def load_file_from_id(self, id: str) -> File:
        """What ``id()`` gave."""
        return _loaded(File, id, self._session)

    async def default_platform(self) -> Platform:
        """This machine's."""
        return Platform(await _session.of(self._session).ask("default_platform", None, {}))

    async def version(self) -> str:
        """The engine's."""
        return str(await _session.of(self._session).ask("version", None, {}))

    if TYPE_CHECKING:

        def lib(
            self,
            *,
            alpine_version: str = ...,
            debian_version: str = ...,
            debian_min_version: str = ...,
            pip_tools_python_version: str = ...,
            default_username: str = ...,
            timezone: str = ...,
            dind_ubuntu_image: str = ...,
            dind_image: str = ...,
        ) -> Lib:
            """Containers with the user that production uses."""

        # Which modules are installed, only the engine knows.
        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    else:

        def __getattr__(self, name: str) -> object:
            if name.startswith("_"):
                raise AttributeError(name)
            from . import _dependency

            return _dependency.begin(self._session, name)


class Host:
    """This machine. Relative paths begin where the command was called."""

    __slots__ = ("_session",)

    def __init__(self, session: _session.Session | None = None) -> None:
        self._session = session

    def directory(
        self,
        path: str,
        *,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        no_cache: bool | None = False,
        gitignore: bool | None = False,
    ) -> Directory:
        """A directory of it, or what patterns take of one."""
        _texts("directory", path=path)
        refuse("directory", gitignore=gitignore)
        host: dict[str, object] = {"path": path}
        for name, patterns in {"include": include, "exclude": exclude}.items():
            if not fits("list[str] | None", patterns, Host):
                raise TypeError(f"Host.directory: {name} has to be list[str] | None, not {shown(patterns)}")
            if patterns:
                host[name] = list(patterns)
        return Directory({"$": "Directory", "from": {"host": host}}, self._session)

    def file(self, path: str, *, no_cache: bool | None = False) -> File:
        """A file of it."""
        _texts("file", path=path)
        return File({"$": "File", "from": {"host": {"path": path}}}, self._session)


class Address:
    """A text as the command line takes it: an image, a path of this machine, where a secret is found."""

    __slots__ = ("_address", "_session")

    def __init__(self, address: str, session: _session.Session | None = None) -> None:
        self._address = address
        self._session = session

    async def value(self) -> str:
        """The text."""
        return self._address

    def container(self) -> Container:
        """The image of that name."""
        return Client(self._session).container().from_(self._address)

    def directory(
        self,
        *,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        no_cache: bool | None = False,
        gitignore: bool | None = False,
    ) -> Directory:
        """The directory of this machine, or what patterns take of it."""
        host = Host(self._session)
        return host.directory(
            self._address, exclude=exclude, include=include, no_cache=no_cache, gitignore=gitignore
        )

    def file(
        self,
        *,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        no_cache: bool | None = False,
        gitignore: bool | None = False,
    ) -> File:
        """The file of this machine."""
        refuse("file", exclude=exclude, include=include, gitignore=gitignore)
        return Host(self._session).file(self._address, no_cache=no_cache)

    def secret(self) -> Secret:
        """The secret that is found there: ``env://NAME``, ``file://PATH``, ``cmd://COMMAND``."""
        return Client(self._session).secret(self._address)


class CurrentModule:
    """The module whose function runs."""

    __slots__ = ("_session",)

    source_directory = ""
    module_name = ""

    def __init__(self, session: _session.Session | None = None) -> None:
        self._session = session

    async def name(self) -> str:
        """What it is called."""
        return self.module_name

    def source(self) -> Directory:
        """Its own files."""
        if not self.source_directory:
            raise ClientConnectionError("no function of a module is running")
        return Host(self._session).directory(self.source_directory)


def _texts(method: str, **arguments: object) -> None:
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise TypeError(f"{method}: {name} has to be str, not {shown(value)}")


def _loaded(kind: type[T], id: str, session: _session.Session | None) -> T:
    import json

    value = json.loads(id)
    if not isinstance(value, dict) or value.get("$") != kind.__name__:
        raise ValueError(f"this is the id of no {kind.__name__}")
    return kind(value, session)


dag = Client()
"""The client that functions use."""
