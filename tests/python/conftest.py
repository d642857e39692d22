"""What the tests share."""

import os
import tarfile
import textwrap
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Where the packages, the wheel and the other fakechroot are."""
    return Path(os.environ["ROOTLET_PYTHON"])


@pytest.fixture(scope="session")
def debian() -> str:
    """A Debian, as a base; the tests that need one are skipped where this machine has none."""
    tarball = os.environ.get("ROOTLET_DEBIAN_TAR", "")
    if not os.path.exists(tarball):
        pytest.skip("no tarball of debian")
    return f"tar:{tarball}"


# Whether this run of the tests is one of one id, where some things differ as docs/differences.md says.
ONE_ID = os.environ.get("ROOTLET_TIER") == "one-id"


def packed(directory: Path) -> Path:
    """A tarball of that directory, beside it."""
    place = directory.with_suffix(".tar")
    with tarfile.open(place, "w") as tar:
        tar.add(directory, ".")
    return place


@pytest.fixture(scope="session")
def alpine() -> str:
    """An Alpine, as a base; the tests that need one are skipped where this machine has none."""
    tarball = os.environ.get("ROOTLET_ALPINE_TAR", "")
    if not os.path.exists(tarball):
        pytest.skip("no tarball of alpine")
    return f"tar:{tarball}"


class Descriptors:
    """How many this process has open."""

    @staticmethod
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still are."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


@pytest.fixture
def module(tmp_path):
    """Writes a module `demo`, and gives its directory."""

    def write(code, file="src/demo/__init__.py", about='{"name": "demo"}'):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
        (tmp_path / "rootlet.json").write_text(about)
        return tmp_path

    return write
