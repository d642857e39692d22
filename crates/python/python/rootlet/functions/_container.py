"""Containers."""

from __future__ import annotations

from ._files import Directory, File, Stat
from ._scalars import (
    CacheSharingMode,
    ExistsType,
    ImageLayerCompression,
    ImageMediaTypes,
    NetworkProtocol,
    Platform,
    ReturnType,
)
from ._service import CacheVolume, EnvVariable, Label, Port, PortForward, Secret, Service
from ._values import Type, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from typing_extensions import Self


class Container(Type):
    """A root, and how commands run in it."""

    __slots__ = ()

    # Where it begins.

    def from_(self, address: str) -> Self:
        """It begins with an image, or with any base that ``rootlet run --base`` takes."""
        return self._step("from_", address=address)

    def with_rootfs(self, directory: Directory) -> Self:
        """All files are replaced by those of a directory."""
        return self._step("with_rootfs", directory=directory)

    # What runs.

    def with_exec(
        self,
        args: list[str],
        *,
        use_entrypoint: bool | None = False,
        stdin: str | None = "",
        redirect_stdin: str | None = "",
        redirect_stdout: str | None = "",
        redirect_stderr: str | None = "",
        expect: ReturnType | None = ReturnType.SUCCESS,
        experimental_privileged_nesting: bool | None = False,
        insecure_root_capabilities: bool | None = False,
        expand: bool | None = False,
        no_init: bool | None = False,
        cache: bool | None = False,
    ) -> Self:
        """A command runs. With ``cache`` what it answered is kept, as long as what it stands on is the same."""
        refuse("with_exec", experimental_privileged_nesting=experimental_privileged_nesting, no_init=no_init)
        return self._step(
            "with_exec",
            args=args,
            use_entrypoint=use_entrypoint,
            stdin=stdin,
            redirect_stdin=redirect_stdin,
            redirect_stdout=redirect_stdout,
            redirect_stderr=redirect_stderr,
            expect=expect,
            insecure_root_capabilities=insecure_root_capabilities,
            expand=expand,
            cache=cache,
        )

    def with_entrypoint(self, args: list[str], *, keep_default_args: bool | None = False) -> Self:
        """These words are put before a command that asks for it."""
        return self._step("with_entrypoint", args=args, keep_default_args=keep_default_args)

    def without_entrypoint(self, *, keep_default_args: bool | None = False) -> Self:
        """There is no entrypoint."""
        return self._step("without_entrypoint", keep_default_args=keep_default_args)

    def with_default_args(self, args: list[str]) -> Self:
        """These words run where nothing is said."""
        return self._step("with_default_args", args=args)

    def without_default_args(self) -> Self:
        """Nothing runs where nothing is said."""
        return self._step("without_default_args")

    # How it runs.

    def with_user(self, name: str) -> Self:
        """Who runs what comes later: ``sam``, ``1000``, ``1000:1000``."""
        return self._step("with_user", name=name)

    def without_user(self) -> Self:
        """Root runs what comes later."""
        return self._step("without_user")

    def with_workdir(self, path: str, *, expand: bool | None = False) -> Self:
        """Where commands begin. A missing one is made, the user's own."""
        return self._step("with_workdir", path=path, expand=expand)

    def without_workdir(self) -> Self:
        """Commands begin at ``/``."""
        return self._step("without_workdir")

    def with_env_variable(self, name: str, value: str, *, expand: bool | None = False) -> Self:
        """A variable is set; with ``expand`` ``$NAME`` in it stands for another one."""
        return self._step("with_env_variable", name=name, value=value, expand=expand)

    def without_env_variable(self, name: str) -> Self:
        """A variable is removed."""
        return self._step("without_env_variable", name=name)

    def with_secret_variable(self, name: str, secret: Secret) -> Self:
        """A variable that holds a secret."""
        return self._step("with_secret_variable", name=name, secret=secret)

    def without_secret_variable(self, name: str) -> Self:
        """Such a variable is removed."""
        return self._step("without_secret_variable", name=name)

    def with_registry_auth(self, address: str, username: str, secret: Secret) -> Self:
        """Who we are to a registry, or a part of it: for images that are pulled later, and for what is published."""
        return self._step("with_registry_auth", address=address, username=username, secret=secret)

    def without_registry_auth(self, address: str) -> Self:
        """To a registry we are nobody in particular."""
        return self._step("without_registry_auth", address=address)

    def with_label(self, name: str, value: str) -> Self:
        """A label is set."""
        return self._step("with_label", name=name, value=value)

    def without_label(self, name: str) -> Self:
        """A label is removed."""
        return self._step("without_label", name=name)

    def with_exposed_port(
        self,
        port: int,
        *,
        protocol: NetworkProtocol | None = NetworkProtocol.TCP,
        description: str | None = None,
        experimental_skip_healthcheck: bool | None = False,
    ) -> Self:
        """A port that it serves on."""
        refuse("with_exposed_port", experimental_skip_healthcheck=experimental_skip_healthcheck)
        return self._step("with_exposed_port", port=port, protocol=protocol, description=description)

    def without_exposed_port(self, port: int, *, protocol: NetworkProtocol | None = NetworkProtocol.TCP) -> Self:
        """A port that it no longer serves on."""
        return self._step("without_exposed_port", port=port, protocol=protocol)

    def with_service_binding(self, alias: str, service: Service) -> Self:
        """A service runs while commands do, and is reached by this name."""
        return self._step("with_service_binding", alias=alias, service=service)

    # What is in it.

    def with_file(
        self,
        path: str,
        source: File,
        *,
        permissions: int | None = None,
        owner: str | None = "",
        expand: bool | None = False,
    ) -> Self:
        """A file is copied."""
        return self._step("with_file", path=path, source=source, permissions=permissions, owner=owner, expand=expand)

    def with_files(
        self,
        path: str,
        sources: list[File],
        *,
        permissions: int | None = None,
        owner: str | None = "",
        expand: bool | None = False,
    ) -> Self:
        """Files are copied into a directory, under their own names."""
        refuse("with_files", expand=expand)
        return self._step("with_files", path=path, sources=sources, permissions=permissions, owner=owner)

    def with_directory(
        self,
        path: str,
        source: Directory,
        *,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        gitignore: bool | None = False,
        owner: str | None = "",
        expand: bool | None = False,
        permissions: int | None = None,
    ) -> Self:
        """What a directory holds is copied into another one."""
        refuse("with_directory", gitignore=gitignore, permissions=permissions)
        return self._step(
            "with_directory", path=path, source=source, exclude=exclude, include=include, owner=owner, expand=expand
        )

    def with_new_file(
        self,
        path: str,
        contents: str,
        *,
        permissions: int | None = 0o644,
        owner: str | None = "",
        expand: bool | None = False,
    ) -> Self:
        """A file is written."""
        return self._step(
            "with_new_file", path=path, contents=contents, permissions=permissions, owner=owner, expand=expand
        )

    def with_symlink(self, target: str, link_name: str, *, expand: bool | None = False) -> Self:
        """A symlink is made, which says ``target``."""
        return self._step("with_symlink", target=target, link_name=link_name, expand=expand)

    def without_file(self, path: str, *, expand: bool | None = False) -> Self:
        """A file is removed, if it is there."""
        refuse("without_file", expand=expand)
        return self._step("without_file", path=path)

    def without_files(self, paths: list[str], *, expand: bool | None = False) -> Self:
        """Files are removed, if they are there."""
        refuse("without_files", expand=expand)
        return self._step("without_files", paths=paths)

    def without_directory(self, path: str, *, expand: bool | None = False) -> Self:
        """A directory is removed with all in it, if it is there."""
        refuse("without_directory", expand=expand)
        return self._step("without_directory", path=path)

    # What is mounted: there for commands, and no part of the container's own files.

    def with_mounted_directory(
        self,
        path: str,
        source: Directory,
        *,
        owner: str | None = "",
        read_only: bool | None = False,
        expand: bool | None = False,
    ) -> Self:
        """A directory is there for commands; what they write there is seen by the ones that follow."""
        return self._step(
            "with_mounted_directory", path=path, source=source, owner=owner, read_only=read_only, expand=expand
        )

    def with_mounted_file(
        self, path: str, source: File, *, owner: str | None = "", expand: bool | None = False
    ) -> Self:
        """Likewise a file."""
        refuse("with_mounted_file", expand=expand)
        return self._step("with_mounted_file", path=path, source=source, owner=owner)

    def with_mounted_cache(
        self,
        path: str,
        cache: CacheVolume,
        *,
        source: Directory | None = None,
        sharing: CacheSharingMode | None = CacheSharingMode.SHARED,
        owner: str | None = "",
        expand: bool | None = False,
    ) -> Self:
        """A directory that lasts from one run to the next."""
        refuse("with_mounted_cache", expand=expand)
        return self._step("with_mounted_cache", path=path, cache=cache, source=source, sharing=sharing, owner=owner)

    def with_mounted_temp(self, path: str, *, size: int | None = None, expand: bool | None = False) -> Self:
        """An empty directory in memory, for each command anew; ``size`` in bytes."""
        refuse("with_mounted_temp", expand=expand)
        return self._step("with_mounted_temp", path=path, size=size)

    def with_mounted_secret(
        self,
        path: str,
        source: Secret,
        *,
        owner: str | None = "",
        mode: int | None = 0o400,
        expand: bool | None = False,
    ) -> Self:
        """A file that holds a secret."""
        refuse("with_mounted_secret", expand=expand)
        return self._step("with_mounted_secret", path=path, source=source, owner=owner, mode=mode)

    def without_mount(self, path: str, *, expand: bool | None = False) -> Self:
        """What was mounted at a place is there no longer."""
        refuse("without_mount", expand=expand)
        return self._step("without_mount", path=path)

    # What comes of it.

    def rootfs(self) -> Directory:
        """All its files."""
        return self.directory("/")

    def directory(self, path: str, *, expand: bool | None = False) -> Directory:
        """A directory of it."""
        return Directory._of("container", self, path, bool(expand))

    def file(self, path: str, *, expand: bool | None = False) -> File:
        """A file of it."""
        return File._of("container", self, path, bool(expand))

    def as_service(
        self,
        *,
        args: list[str] | None = None,
        use_entrypoint: bool | None = False,
        experimental_privileged_nesting: bool | None = False,
        insecure_root_capabilities: bool | None = False,
        expand: bool | None = False,
        no_init: bool | None = False,
    ) -> Service:
        """It serves, on the ports that it exposes, while others run: ``args``, or its default arguments."""
        refuse(
            "as_service",
            experimental_privileged_nesting=experimental_privileged_nesting,
            no_init=no_init,
        )
        return Service._of(
            self,
            args,
            use_entrypoint=use_entrypoint,
            insecure_root_capabilities=insecure_root_capabilities,
            expand=expand,
        )

    def as_tarball(
        self,
        *,
        platform_variants: list[Container] | None = None,
        forced_compression: ImageLayerCompression | None = None,
        media_types: ImageMediaTypes | None = ImageMediaTypes.OCIMediaTypes,
    ) -> File:
        """It as an archive that ``docker load`` and ``podman load`` read."""
        refuse("as_tarball", platform_variants=platform_variants, forced_compression=forced_compression)
        return File({"$": "File", "from": {"tarball": self._value}}, self._session)

    async def stdout(self) -> str:
        """What the last command said; without any, what the default arguments say."""
        return await self._ask(str, "stdout")

    async def stderr(self) -> str:
        """What it said on standard error."""
        return await self._ask(str, "stderr")

    async def combined_output(self) -> str:
        """What it said on both, in order."""
        return await self._ask(str, "combined_output")

    async def exit_code(self) -> int:
        """How it ended."""
        return await self._ask(int, "exit_code")

    async def sync(self) -> Self:
        """All of it is done now; raises where something fails."""
        await self._ask(object, "sync")
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.sync().__await__()

    async def export(
        self,
        path: str,
        *,
        platform_variants: list[Container] | None = None,
        forced_compression: ImageLayerCompression | None = None,
        media_types: ImageMediaTypes | None = ImageMediaTypes.OCIMediaTypes,
        expand: bool | None = False,
    ) -> str:
        """Writes it as such an archive to this machine; gives the path."""
        refuse("export", platform_variants=platform_variants, forced_compression=forced_compression, expand=expand)
        return await self._ask(str, "export", path=path)

    async def publish(
        self,
        address: str,
        *,
        platform_variants: list[Container] | None = None,
        forced_compression: ImageLayerCompression | None = None,
        media_types: ImageMediaTypes | None = ImageMediaTypes.OCIMediaTypes,
    ) -> str:
        """Pushes it to a registry; gives the reference with its digest."""
        refuse("publish", platform_variants=platform_variants, forced_compression=forced_compression)
        return await self._ask(str, "publish", address=address)

    async def up(
        self,
        *,
        random: bool | None = False,
        ports: list[PortForward] | None = None,
        args: list[str] | None = None,
        use_entrypoint: bool | None = False,
        experimental_privileged_nesting: bool | None = False,
        insecure_root_capabilities: bool | None = False,
        expand: bool | None = False,
        no_init: bool | None = False,
    ) -> None:
        """Serves on ports of this machine until it is ended."""
        service = self.as_service(
            args=args,
            use_entrypoint=use_entrypoint,
            experimental_privileged_nesting=experimental_privileged_nesting,
            insecure_root_capabilities=insecure_root_capabilities,
            expand=expand,
            no_init=no_init,
        )
        await service.up(ports=ports, random=random)

    def terminal(
        self,
        *,
        cmd: list[str] | None = None,
        experimental_privileged_nesting: bool | None = False,
        insecure_root_capabilities: bool | None = False,
    ) -> Terminal:
        """Opens a shell in it, or ``cmd``, once it is awaited."""
        refuse(
            "terminal",
            experimental_privileged_nesting=experimental_privileged_nesting,
            insecure_root_capabilities=insecure_root_capabilities,
        )
        return Terminal(self, cmd)

    # What it says of itself.

    async def env_variable(self, name: str) -> str | None:
        """What a variable holds; ``None``: it is not set."""
        return await self._ask(str, "env_variable", name=name)

    async def env_variables(self) -> list[EnvVariable]:
        """All variables."""
        return [EnvVariable(told) for told in await self._ask(list, "env_variables")]

    async def label(self, name: str) -> str | None:
        """What a label says; ``None``: there is none."""
        return await self._ask(str, "label", name=name)

    async def labels(self) -> list[Label]:
        """All labels."""
        return [Label(told) for told in await self._ask(list, "labels")]

    async def user(self) -> str:
        """Who runs commands; empty: root."""
        return await self._ask(str, "user")

    async def workdir(self) -> str:
        """Where commands begin."""
        return await self._ask(str, "workdir")

    async def entrypoint(self) -> list[str]:
        """What is put before a command that asks for it."""
        return await self._ask(list[str], "entrypoint")

    async def default_args(self) -> list[str]:
        """What runs where nothing is said."""
        return await self._ask(list[str], "default_args")

    async def exposed_ports(self) -> list[Port]:
        """The ports that it serves on."""
        return [Port(told) for told in await self._ask(list, "exposed_ports")]

    async def mounts(self) -> list[str]:
        """Where something is mounted."""
        return await self._ask(list[str], "mounts")

    async def platform(self) -> Platform:
        """What machine it is for."""
        return Platform(await self._ask(str, "platform"))

    async def image_ref(self) -> str:
        """The image that it begins with, with its digest."""
        return await self._ask(str, "image_ref")

    async def exists(
        self,
        path: str,
        *,
        expected_type: ExistsType | None = None,
        do_not_follow_symlinks: bool | None = False,
        expand: bool | None = False,
    ) -> bool:
        """Whether something is there, of that type."""
        refuse("exists", expand=expand)
        return await self._ask(
            bool, "exists", path=path, expected_type=expected_type, do_not_follow_symlinks=do_not_follow_symlinks
        )

    def stat(self, path: str, *, do_not_follow_symlinks: bool | None = False) -> Stat:
        """What is there."""
        return Stat(self, {"path": path, "do_not_follow_symlinks": do_not_follow_symlinks})

    def with_(self, cb: Callable[[Container], Container]) -> Container:
        """What ``cb`` makes of it: steps that several share, in the middle of others."""
        return cb(self)


class Terminal(Container):
    """A container in which a shell is opened when it is awaited."""

    __slots__ = ("_cmd",)

    def __init__(self, container: Container, cmd: list[str] | None) -> None:
        super().__init__(container._value, container._session)
        self._cmd = cmd

    def _with(self, **changes: Any) -> Any:
        # What follows is done to the container; the shell is of this one.
        return Container({**self._value, **changes}, self._session)

    async def sync(self) -> Self:
        """The shell is opened, and has ended."""
        await self._ask(object, "terminal", cmd=self._cmd)
        return self
