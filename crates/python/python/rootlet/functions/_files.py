"""Directories and files."""

from __future__ import annotations

from . import _session
from ._scalars import ExistsType, FileType
from ._values import Type, fits, plain, refuse, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Any

    from typing_extensions import Self


def _part(kind: str, of: str, whole: Type, path: str, expand: bool) -> dict[str, object]:
    """A file or a directory of something."""
    if not fits("str", path, Type):
        raise TypeError(f"{type(whole).__name__}.{kind.lower()}: path has to be str, not {shown(path)}")
    part: dict[str, object] = {of: whole._value, "path": path}
    if expand:
        part["expand"] = True
    return {"$": kind, "from": part}


class Directory(Type):
    """Files and directories."""

    __slots__ = ()

    @classmethod
    def _of(cls, of: str, whole: Type, path: str, expand: bool = False) -> Self:
        return cls(_part("Directory", of, whole, path, expand), whole._session)

    def directory(self, path: str) -> Directory:
        """A directory in it."""
        return Directory._of("directory", self, path)

    def file(self, path: str) -> File:
        """A file in it."""
        return File._of("directory", self, path)

    def with_file(self, path: str, source: File, *, permissions: int | None = None, owner: str | None = "") -> Self:
        """A file is copied."""
        return self._step("with_file", path=path, source=source, permissions=permissions, owner=owner)

    def with_files(self, path: str, sources: list[File], *, permissions: int | None = None) -> Self:
        """Files are copied into a directory, under their own names."""
        return self._step("with_files", path=path, sources=sources, permissions=permissions)

    def with_directory(
        self,
        path: str,
        source: Directory,
        *,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        gitignore: bool | None = False,
        owner: str | None = "",
        permissions: int | None = None,
    ) -> Self:
        """What another one holds is copied into a directory."""
        refuse("with_directory", gitignore=gitignore, permissions=permissions)
        return self._step("with_directory", path=path, source=source, exclude=exclude, include=include, owner=owner)

    def with_new_directory(self, path: str, *, permissions: int | None = None) -> Self:
        """A directory is made, and its missing parents; not said: 0755."""
        return self._step("with_new_directory", path=path, permissions=permissions)

    def with_new_file(self, path: str, contents: str, *, permissions: int | None = 0o644) -> Self:
        """A file is written."""
        return self._step("with_new_file", path=path, contents=contents, permissions=permissions)

    def with_symlink(self, target: str, link_name: str) -> Self:
        """A symlink is made, which says ``target``."""
        return self._step("with_symlink", target=target, link_name=link_name)

    def without_file(self, path: str) -> Self:
        """A file is removed, if it is there."""
        return self._step("without_file", path=path)

    def without_files(self, paths: list[str]) -> Self:
        """Files are removed, if they are there."""
        return self._step("without_files", paths=paths)

    def without_directory(self, path: str) -> Self:
        """A directory is removed with all in it, if it is there."""
        return self._step("without_directory", path=path)

    def with_timestamps(self, timestamp: int) -> Self:
        """Everything gets this time, in seconds since 1970."""
        return self._step("with_timestamps", timestamp=timestamp)

    def filter(
        self,
        *,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        gitignore: bool | None = False,
    ) -> Self:
        """Only what these patterns take stays."""
        refuse("filter", gitignore=gitignore)
        return self._step("filter", exclude=exclude, include=include)

    def diff(self, other: Directory) -> Self:
        """What ``other`` has that this one has not, or has otherwise."""
        return self._step("diff", other=other)

    def changes(self, from_: Directory) -> Changeset:
        """How it differs from an earlier one."""
        if not fits("Directory", from_, Type):
            raise TypeError(f"Directory.changes: from_ has to be Directory, not {shown(from_)}")
        return Changeset({"$": "Changeset", "of": self._value, "from": from_._value}, self._session)

    async def entries(self, *, path: str | None = None) -> list[str]:
        """What is in it, by name; directories end with ``/``."""
        return await self._ask(list[str], "entries", path=path)

    async def glob(self, pattern: str) -> list[str]:
        """Paths that a pattern matches."""
        return await self._ask(list[str], "glob", pattern=pattern)

    async def exists(
        self, path: str, *, expected_type: ExistsType | None = None, do_not_follow_symlinks: bool | None = False
    ) -> bool:
        """Whether something is there, of that type."""
        return await self._ask(
            bool, "exists", path=path, expected_type=expected_type, do_not_follow_symlinks=do_not_follow_symlinks
        )

    def stat(self, path: str, *, do_not_follow_symlinks: bool | None = False) -> Stat:
        """What is there."""
        return Stat(self, {"path": path, "do_not_follow_symlinks": do_not_follow_symlinks})

    async def digest(self) -> str:
        """Of all that it holds; the same for the same."""
        return await self._ask(str, "digest")

    async def name(self) -> str:
        """What it is called."""
        return await self._ask(str, "name")

    async def export(self, path: str, *, wipe: bool | None = False) -> str:
        """Writes it to this machine; with ``wipe`` nothing else stays there. Gives the path."""
        return await self._ask(str, "export", path=path, wipe=wipe)

    async def sync(self) -> Self:
        """It is there; raises where it cannot be made."""
        await self._ask(object, "sync")
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.sync().__await__()

    def with_(self, cb: Callable[[Directory], Directory]) -> Directory:
        """What ``cb`` makes of it."""
        return cb(self)


class File(Type):
    """A file."""

    __slots__ = ()

    @classmethod
    def _of(cls, of: str, whole: Type, path: str, expand: bool = False) -> Self:
        return cls(_part("File", of, whole, path, expand), whole._session)

    def with_name(self, name: str) -> Self:
        """The same, called otherwise."""
        return self._with(name=name)

    def with_timestamps(self, timestamp: int) -> Self:
        """The same, of this time, in seconds since 1970."""
        return self._with(timestamp=timestamp)

    async def contents(self, *, offset_lines: int | None = None, limit_lines: int | None = None) -> str:
        """What it holds, or some lines of it."""
        whole = await self._ask(str, "contents")
        if offset_lines is None and limit_lines is None:
            return whole
        first = offset_lines or 0
        lines = whole.splitlines(keepends=True)[first:]
        return "".join(lines if limit_lines is None else lines[:limit_lines])

    async def size(self) -> int:
        """How many bytes it holds."""
        return await self._ask(int, "size")

    async def digest(self, *, exclude_metadata: bool | None = False) -> str:
        """Of what it holds; the same for the same."""
        return await self._ask(str, "digest", exclude_metadata=exclude_metadata)

    async def name(self) -> str:
        """What it is called."""
        return await self._ask(str, "name")

    def stat(self) -> Stat:
        """What it is."""
        return Stat(self, {})

    async def export(self, path: str, *, allow_parent_dir_path: bool | None = False) -> str:
        """Writes it to this machine, or into a directory of it. Gives the path."""
        return await self._ask(str, "export", path=path, allow_parent_dir_path=allow_parent_dir_path)

    async def sync(self) -> Self:
        """It is there; raises where it cannot be made."""
        await self._ask(object, "sync")
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.sync().__await__()

    def with_(self, cb: Callable[[File], File]) -> File:
        """What ``cb`` makes of it."""
        return cb(self)


class Changeset(Type):
    """What differs between two directories."""

    __slots__ = ()

    def after(self) -> Directory:
        """The later one."""
        return Directory(self._value["of"], self._session)

    def before(self) -> Directory:
        """The earlier one."""
        return Directory(self._value["from"], self._session)

    def layer(self) -> Directory:
        """What is new or other in the later one."""
        return self.before().diff(self.after())

    async def added_paths(self) -> list[str]:
        """What only the later one has."""
        return await self._ask(list[str], "added_paths")

    async def modified_paths(self) -> list[str]:
        """What both have, and is not the same."""
        return await self._ask(list[str], "modified_paths")

    async def removed_paths(self) -> list[str]:
        """What only the earlier one has."""
        return await self._ask(list[str], "removed_paths")

    async def export(self, path: str) -> str:
        """Does the same to a directory of this machine: what is new or other is written, and what is gone removed. Gives the path."""
        return await self._ask(str, "export", path=path)

    async def is_empty(self) -> bool:
        """Whether they are the same."""
        return await self._ask(bool, "is_empty")

    async def sync(self) -> Self:
        """Both are there; raises where one cannot be made."""
        await self._ask(object, "is_empty")
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.sync().__await__()

    def with_(self, cb: Callable[[Changeset], Changeset]) -> Changeset:
        """What ``cb`` makes of it."""
        return cb(self)


class Stat:
    """What is at a path. It is looked at once, when it is first asked."""

    __slots__ = ("_of", "_record", "_with")

    def __init__(self, of: Type, arguments: Mapping[str, object]) -> None:
        self._of = of
        self._with = {name: plain(value) for name, value in arguments.items() if value}
        self._record: Mapping[str, Any] | None = None

    async def _told(self, name: str) -> Any:
        if self._record is None:
            self._record = await _session.of(self._of._session).ask("stat", self._of._value, self._with)
        assert self._record is not None
        return self._record.get(name)

    async def name(self) -> str:
        """What it is called."""
        return str(await self._told("name"))

    async def size(self) -> int:
        """How many bytes it holds."""
        return int(await self._told("size"))

    async def permissions(self) -> int:
        """Permission bits."""
        return int(await self._told("permissions"))

    async def file_type(self) -> FileType | None:
        """What sort of thing it is."""
        told = await self._told("file_type")
        return None if told is None else FileType(str(told).removesuffix("_TYPE"))
