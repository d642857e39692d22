"""Whole tests inside: pytest starts itself in a rootlet for that one test, and what it reports comes back.

Nothing is forked or unshared in the caller, whose threads would not survive it; fixtures, assertions, skips and output are
pytest's own, inside as outside.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    import pytest

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Where the one inside writes its reports: a place that is writable in every root.
_PLACE = "ROOTLET_INSIDE"
_REPORTS = "/dev/shm/rootlet-reports"


@overload
def inside(function: _Function, /) -> _Function: ...
@overload
def inside(**options: Any) -> Callable[[_Function], _Function]: ...
def inside(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """The whole test runs inside a fresh rootlet, as its user: ``@rootlet.inside``, or ``@rootlet.inside(user="sam")`` with what
    ``Rootlet`` takes. The base has to have this very Python: ``host``, which is the default, has.

    The project's directory is there, copy-on-write. Fixtures are set up inside, for this test alone.
    """
    import pytest

    mark = pytest.mark.rootlet_inside(**options)
    return mark if function is None else mark(function)


def is_inside() -> bool:
    """Whether this process is the one inside."""
    return _PLACE in os.environ


class Reporter:
    """Inside: a plugin that hands reports to the one outside."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        from _pytest.reports import pytest_report_to_serializable

        data = pytest_report_to_serializable(report)
        with open(os.environ[_PLACE], "a") as file:
            file.write(json.dumps(data, default=str) + "\n")


def reports(item: pytest.Item, asked: dict[str, Any], why: str | None) -> Iterator[pytest.TestReport]:
    """Outside: runs a test inside, and gives what it reported. ``why``: how it is told what a failed one was refused."""
    from ._root import Rootlet

    root_path = str(item.config.rootpath)
    try:
        with Rootlet(**asked, _project=([root_path], _libraries(), root_path)) as root:
            yield from _run(item, root, root_path, why)
    except Exception as error:
        yield _failed(item, f"{type(error).__name__}: {error}")


def _libraries() -> list[str]:
    """Where this Python and all that it imports lie, but for what belongs to the machine."""
    machine = re.compile(r"/(usr|bin|lib|lib64)(/(?!local/)|$)")
    programs = [os.path.dirname(os.path.realpath(sys.executable)), sys.prefix, sys.base_prefix]
    found = {os.path.realpath(place) for place in (*programs, *sys.path) if place and os.path.exists(place)}
    own = sorted(place for place in found if place != "/" and not machine.match(place))
    return [place for place in own if not any(place.startswith(f"{above}/") for above in own)]


def _run(item: pytest.Item, root: Any, root_path: str, why: str | None) -> Iterator[pytest.TestReport]:
    from _pytest.reports import pytest_report_from_serializable

    from ._told import told

    place = root.path(_REPORTS)
    place.touch()
    place.chown(root.user.uid, root.user.gid)
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    # What pytest was told here is told anew below; the rest of its variables speak of this process.
    kept = {name: value for name, value in root.environ.items() if not name.startswith("PYTEST_")}
    env = {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", _PLACE: _REPORTS}
    words = [sys.executable, "-m", "pytest", *_arguments(item.config), f"{root_path}/{item.nodeid}"]
    try:
        done = root.run(words, env=env, cwd=root_path, capture_output=True, text=True, errors="replace")
    except OSError as error:
        yield _failed(item, f"{root.user} cannot start Python on the base {root.report.base}: {error}\n{_HINT}")
        return
    came = [pytest_report_from_serializable(json.loads(line)) for line in place.read_text().splitlines()]
    if not any(report is not None and report.when == "teardown" for report in came):
        said = f"{done.stdout}{done.stderr}".strip()
        hint = "" if came else f"\n{_HINT}"
        yield _failed(item, f"the test did not end inside: exit status {done.returncode}\n{said}{hint}")
    for report in came:
        if isinstance(report, _report_class()):
            report.nodeid = item.nodeid
            if isinstance(report.longrepr, list):
                # Why it was skipped: JSON has no tuples.
                report.longrepr = tuple(report.longrepr)
            if report.failed:
                report.sections.append(("rootlet", told(root, form=why, of=item.nodeid)))
            yield report


_HINT = (
    "hint: a whole test runs inside only where its own Python does: on the base `host`, or one that has the same Python at the same "
    "place"
)


def _arguments(config: pytest.Config) -> list[str]:
    """What the one inside is told of what this one was."""
    option = config.option
    arguments = ["-q", "-p", "no:cacheprovider", f"--rootdir={config.rootpath}"]
    if config.inipath is not None:
        arguments += ["-c", str(config.inipath)]
    if config.pluginmanager.hasplugin("xdist"):
        arguments += ["-n", "0"]
    # With it, pytest shows differences of long texts whole.
    arguments += ["-v"] * max(0, option.verbose)
    for name in option.plugins:
        arguments += ["-p", name]
    for setting in option.override_ini or ():
        arguments += ["-o", setting]
    if not any("rootlet" in name for name in option.plugins) and not _has_entry_point():
        arguments += ["-p", "rootlet.pytest_plugin"]
    return arguments


def _has_entry_point() -> bool:
    from importlib.metadata import entry_points

    return any(point.name == "rootlet" for point in entry_points(group="pytest11"))


def _report_class() -> type[pytest.TestReport]:
    import pytest

    return pytest.TestReport


def _failed(item: pytest.Item, why: str) -> pytest.TestReport:
    return _report_class()(
        nodeid=item.nodeid, location=item.location, keywords={}, outcome="failed", longrepr=why, when="call"
    )
