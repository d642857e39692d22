"""Files of a rootlet, as ``pathlib`` has them."""

from __future__ import annotations

import errno
import fnmatch
import io
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, ClassVar, TypeVar

from ._rootlet import Files

_Self = TypeVar("_Self", bound="Path")


class Path(PurePosixPath):
    """A path of a rootlet, as ``pathlib.Path``: made by ``root.path("/etc/x")``.

    What it does is done inside, by the rootlet's own pid 1: as root, or as the user of ``root.as_user("sam").path(…)``. Neither
    ``..`` nor a symlink leads out. It is no path of this machine, so ``open()`` and ``os`` refuse it.
    """

    # Each rootlet and user has a class of its own below this one: so do the paths that are made of paths, in any Python.
    _files: ClassVar[Files]
    __slots__ = ()

    def __fspath__(self) -> str:
        raise TypeError(f"{self} is a path of a rootlet, not of this machine: use its own methods, or str() of it")

    def __reduce__(self) -> Any:
        raise TypeError("a path of a rootlet lives in one process")

    def __repr__(self) -> str:
        return f"rootlet.Path({str(self)!r})"

    # What it is.

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As ``os.stat``, with owners as they are inside. The kernel is asked for the time of the last modification alone, which
        stands for the other two."""
        found = self._files.stat(str(self), follow_symlinks)
        mode, ino, dev, nlink, uid, gid, size, seconds, nanoseconds, rdev, blocks = found
        moment, whole = seconds + nanoseconds / 1e9, seconds * 10**9 + nanoseconds
        more: dict[str, Any] = {"st_rdev": rdev, "st_blocks": blocks, "st_blksize": 4096}
        for name in ("st_atime", "st_mtime", "st_ctime"):
            more[name], more[f"{name}_ns"] = moment, whole
        return os.stat_result((mode, ino, dev, nlink, uid, gid, size, seconds, seconds, seconds), more)

    def lstat(self) -> os.stat_result:
        """What it is itself, be it a symlink."""
        return self.stat(follow_symlinks=False)

    def _mode(self, follow: bool = True) -> int:
        """0 where there is nothing, as pathlib sees it."""
        try:
            return self._files.stat(str(self), follow)[0]
        except ValueError:
            return 0
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP):
                return 0
            raise

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it leads to something."""
        return self._mode(follow_symlinks) != 0

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it leads to a directory."""
        return stat.S_ISDIR(self._mode(follow_symlinks))

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it leads to a regular file."""
        return stat.S_ISREG(self._mode(follow_symlinks))

    def is_symlink(self) -> bool:
        """Whether it is a symlink."""
        return stat.S_ISLNK(self._mode(False))

    def is_socket(self) -> bool:
        """Whether it leads to a Unix socket."""
        return stat.S_ISSOCK(self._mode())

    def is_fifo(self) -> bool:
        """Whether it leads to a FIFO."""
        return stat.S_ISFIFO(self._mode())

    def is_block_device(self) -> bool:
        """Whether it leads to a block device."""
        return stat.S_ISBLK(self._mode())

    def is_char_device(self) -> bool:
        """Whether it leads to a character device."""
        return stat.S_ISCHR(self._mode())

    def samefile(self, other_path: str | PurePosixPath) -> bool:
        """Whether both lead to one file of this rootlet."""
        mine, other = self.stat(), type(self)(str(other_path)).stat()
        return (mine.st_ino, mine.st_dev) == (other.st_ino, other.st_dev)

    def owner(self) -> str:
        """The name of its owner, in the rootlet's own passwd."""
        return self._name("passwd", self.stat().st_uid)

    def group(self) -> str:
        """The name of its group, in the rootlet's own group."""
        return self._name("group", self.stat().st_gid)

    def _accounts(self, database: str) -> Iterator[tuple[str, int]]:
        for line in type(self)("/etc", database).read_text(errors="replace").splitlines():
            name, _, number = (line.split(":") + ["", ""])[:3]
            if number.isdigit():
                yield name, int(number)

    def _name(self, database: str, wanted: int) -> str:
        for name, number in self._accounts(database):
            if number == wanted:
                return name
        raise KeyError(f"{database}: no name for the id {wanted}")

    def _number(self, database: str, wanted: str | int | None) -> int | None:
        if wanted is None or isinstance(wanted, int):
            return wanted
        for name, number in self._accounts(database):
            if name == wanted:
                return number
        raise LookupError(f"no such {'user' if database == 'passwd' else 'group'}: {wanted!r}")

    # Contents.

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """As the built-in ``open``. It is a real file, and the rootlet's end leaves it open."""

        def opener(path: str, flags: int) -> int:
            return self._files.open(path, flags, 0o666)

        return io.open(str(self), mode, buffering, encoding, errors, newline, opener=opener)

    def read_bytes(self) -> bytes:
        """The whole contents."""
        with self.open("rb") as file:
            return bytes(file.read())

    def read_text(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> str:
        """The whole contents, as text."""
        with self.open("r", encoding=encoding, errors=errors, newline=newline) as file:
            return str(file.read())

    def write_bytes(self, data: bytes) -> int:
        """Writes the whole file, made where it is missing."""
        with self.open("wb") as file:
            return int(file.write(data))

    def write_text(
        self, data: str, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> int:
        """Writes the whole file, made where it is missing."""
        with self.open("w", encoding=encoding, errors=errors, newline=newline) as file:
            return int(file.write(data))

    # Names.

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Makes an empty file, or says that it was modified now."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | (0 if exist_ok else os.O_EXCL)
        was_there = exist_ok and self.exists()
        if not was_there:
            os.close(self._files.open(str(self), flags, mode))
        else:
            self._files.utime(str(self), time.time_ns())

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Makes a directory, under the umask 022."""
        try:
            self._files.mkdir(str(self), False)
        except FileNotFoundError:
            if not parents or self.parent == self:
                raise
            self._files.mkdir(str(self.parent), True)
            self._files.mkdir(str(self), False)
        except FileExistsError:
            if not exist_ok or not self.is_dir():
                raise
            return
        wanted = mode & ~0o022 & 0o7777
        if wanted != 0o755:
            self._files.chmod(str(self), wanted)

    def chmod(self, mode: int) -> None:
        """Sets the permission bits."""
        self._files.chmod(str(self), mode & 0o7777)

    def chown(
        self, user: str | int | None = None, group: str | int | None = None, *, follow_symlinks: bool = True
    ) -> None:
        """Gives it an owner, a group, or both: ids or names of the rootlet's own."""
        uid, gid = self._number("passwd", user), self._number("group", group)
        self._files.chown(str(self), uid, gid, follow_symlinks)

    def symlink_to(self, target: str | PurePosixPath, target_is_directory: bool = False) -> None:
        """Makes it a symlink that says ``target``."""
        self._files.symlink(str(target), str(self))

    def hardlink_to(self, target: str | PurePosixPath) -> None:
        """Makes it another name of the file ``target``."""
        self._files.link(str(target), str(self))

    def readlink(self: _Self) -> _Self:
        """What a symlink says."""
        return type(self)(self._files.readlink(str(self)))

    def rename(self: _Self, target: str | PurePosixPath) -> _Self:
        """Gives it another name, in place of what has it; gives the new path."""
        self._files.rename(str(self), str(target))
        return type(self)(str(target))

    replace = rename

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes a file or a symlink."""
        try:
            self._files.unlink(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        """Removes an empty directory."""
        self._files.rmdir(str(self))

    def rmtree(self) -> None:
        """Removes what is there, and all below it; symlinks are not followed."""
        self._files.rmtree(str(self))

    # Directories.

    def _entries(self: _Self) -> list[tuple[_Self, int]]:
        return [(self / name, mode) for name, mode in self._files.list(str(self))]

    def iterdir(self: _Self) -> Iterator[_Self]:
        """What is in a directory, sorted by name."""
        return iter([path for path, _ in self._entries()])

    def walk(
        self: _Self, top_down: bool = True, on_error: Any = None, follow_symlinks: bool = False
    ) -> Iterator[tuple[_Self, list[str], list[str]]]:
        """As ``os.walk``: a directory, the names of its directories, the names of what else is in it."""
        try:
            entries = self._entries()
        except OSError as error:
            if on_error is not None:
                on_error(error)
            return
        inner = [p.name for p, mode in entries if stat.S_ISDIR(mode) or (follow_symlinks and p.is_dir())]
        other = [path.name for path, _ in entries if path.name not in inner]
        if top_down:
            yield self, inner, other
        for name in inner:
            yield from (self / name).walk(top_down, on_error, follow_symlinks)
        if not top_down:
            yield self, inner, other

    def glob(self: _Self, pattern: str) -> Iterator[_Self]:
        """What below it matches: ``*.conf``, ``**/*.py``."""
        parts = PurePosixPath(pattern).parts
        if not parts:
            raise ValueError(f"Unacceptable pattern: {pattern!r}")
        if parts[0] == "/":
            raise NotImplementedError("Non-relative patterns are unsupported")
        return iter(dict.fromkeys(self._matching(parts)))

    def rglob(self: _Self, pattern: str) -> Iterator[_Self]:
        """What matches at any depth below it."""
        return self.glob(f"**/{pattern}")

    def _matching(self: _Self, parts: tuple[str, ...]) -> Iterator[_Self]:
        first, rest = (parts[0], parts[1:]) if parts else ("", ())
        if not parts:
            yield self
        elif first == "**":
            yield from self._matching(rest)
            for path, mode in self._listed():
                if stat.S_ISDIR(mode):
                    yield from path._matching(parts)
                elif not rest and sys.version_info >= (3, 13):
                    yield path
        elif not re.search(r"[*?\[]", first):
            path = self / first
            if path.exists(follow_symlinks=bool(rest)):
                yield from path._matching(rest)
        else:
            matches = re.compile(fnmatch.translate(first)).match
            for path, mode in self._listed():
                is_directory = stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and path.is_dir())
                if matches(path.name) and (not rest or is_directory):
                    yield from path._matching(rest)

    def _listed(self: _Self) -> list[tuple[_Self, int]]:
        """Nothing where it may not be looked into, as pathlib's glob."""
        try:
            return self._entries()
        except OSError:
            return []

    # Where it is.

    def absolute(self: _Self) -> _Self:
        """Relative paths begin at ``/``."""
        return type(self)("/", self)

    def resolve(self: _Self, strict: bool = False) -> _Self:
        """Without symlinks and ``..``, as they lead inside."""
        done, left, links = type(self)("/"), list(reversed(self.absolute().parts[1:])), 0
        while left:
            part = left.pop()
            if part == "..":
                done = done.parent
                continue
            path = done / part
            if strict:
                path.lstat()
            if not path.is_symlink():
                done = path
                continue
            links += 1
            if links > 40:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self))
            target = path.readlink()
            if target.is_absolute():
                done = type(self)("/")
            left.extend(part for part in reversed(target.parts) if part != "/")
        return done


def class_of(files: Files) -> type[Path]:
    """The class of a rootlet's paths, as one user."""
    return type("Path", (Path,), {"_files": files, "__slots__": (), "__module__": Path.__module__})
