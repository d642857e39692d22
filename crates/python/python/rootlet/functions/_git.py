"""Git repositories."""

from __future__ import annotations

from ._files import Directory
from ._values import Type, fits, refuse, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class GitRepository(Type):
    """A git repository."""

    __slots__ = ()

    def _at(self, version: str | None) -> GitRef:
        if not fits("str | None", version, type(self)):
            raise TypeError(f"GitRepository: a version has to be str, not {shown(version)}")
        value: dict[str, object] = {"$": "GitRef", "url": self._value["url"]}
        if version is not None:
            value["version"] = version
        return GitRef(value, self._session)

    def head(self) -> GitRef:
        """Where its HEAD is."""
        return self._at(None)

    def branch(self, name: str) -> GitRef:
        """A branch."""
        return self._at(f"refs/heads/{name}")

    def tag(self, name: str) -> GitRef:
        """A tag."""
        return self._at(f"refs/tags/{name}")

    def commit(self, id_: str) -> GitRef:
        """A commit, by its whole name."""
        return self._at(id_)

    def ref(self, name: str) -> GitRef:
        """A tag, a branch, a commit, or the whole name of a reference."""
        return self._at(name)

    async def tags(self, *, patterns: list[str] | None = None) -> list[str]:
        """Its tags, or those that a pattern takes, as the shell has them."""
        return _some(await self._ask(list[str], "tags"), patterns)

    async def branches(self, *, patterns: list[str] | None = None) -> list[str]:
        """Its branches, or those that a pattern takes."""
        return _some(await self._ask(list[str], "branches"), patterns)

    async def url(self) -> str:
        """Where it is."""
        return str(self._value["url"])

    def with_(self, cb: Callable[[GitRepository], GitRepository]) -> GitRepository:
        """What ``cb`` makes of it."""
        return cb(self)


class GitRef(Type):
    """A version of a repository."""

    __slots__ = ()

    def tree(
        self, *, discard_git_dir: bool | None = False, depth: int | None = 1, include_tags: bool | None = False
    ) -> Directory:
        """Its files, with the directory ``.git`` of that one commit."""
        refuse("tree", depth=None if depth == 1 else f"{depth}", include_tags=include_tags)
        tree: dict[str, object] = {"at": self._value}
        if discard_git_dir:
            tree["discard_git_dir"] = True
        return Directory({"$": "Directory", "from": {"git": tree}}, self._session)

    async def commit(self) -> str:
        """Which commit it is."""
        return await self._ask(str, "commit")

    async def ref(self) -> str:
        """The whole name of the reference, or the commit's."""
        return await self._ask(str, "ref")

    def with_(self, cb: Callable[[GitRef], GitRef]) -> GitRef:
        """What ``cb`` makes of it."""
        return cb(self)


def _some(names: list[str], patterns: list[str] | None) -> list[str]:
    if not patterns:
        return names
    from fnmatch import fnmatchcase

    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
