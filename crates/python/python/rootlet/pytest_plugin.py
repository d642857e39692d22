"""The pytest plugin: fixtures ``rootlet``, ``rootlet_factory`` and ``rootlet_user``, the mark ``rootlet``, and what the report of
a failed test says.

pytest loads this in every run: whatever is not needed where no test asks for a rootlet is imported later.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ._root import Rootlet

    Factory = Callable[..., Rootlet]

_MARK = "rootlet"
_INSIDE = "rootlet_inside"
_HELP = {
    "base": "what rootlets stand on: host, apt:trixie, alpine:3.20, tar:FILE, … [host]",
    "recipe": "a recipe of rootlet.toml that they stand on",
    "like": "a file that deploys the program: the user, the mounts and the rights are its",
    "user": "who their commands run as [the image's user, else sam:1000:1000]",
}
_failed: pytest.StashKey[bool] = pytest.StashKey()
_wrong: pytest.StashKey[str] = pytest.StashKey()
_live: pytest.StashKey[list[Rootlet]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rootlet", "rootlet: a fresh root for each test")
    for name, text in _HELP.items():
        # A test's own mark comes first, then the command line, then the file.
        group.addoption(f"--rootlet-{name}", metavar=name.upper(), help=text)
        parser.addini(f"rootlet_{name}", text)
    group.addoption(
        "--rootlet-keep", action="store_true", help="keep the root of a failed test, for `rootlet enter ID`"
    )
    group.addoption(
        "--rootlet-why",
        nargs="?",
        const="text",
        choices=("text", "github"),
        help="trace commands; a failed test says what they were refused and why (=github: as annotations of a workflow)",
    )


def pytest_configure(config: pytest.Config) -> None:
    keys = ", ".join(sorted(_keys()))
    config.addinivalue_line("markers", f"{_MARK}(users=[…], …): what this test's rootlet is: {keys}")
    config.addinivalue_line("markers", f"{_INSIDE}(…): the whole test runs inside; see rootlet.inside")
    if "ROOTLET_INSIDE" in os.environ:
        from . import _inside

        config.pluginmanager.register(_inside.Reporter())


def _keys() -> set[str]:
    """What a mark may say. Written down, so that a run without rootlets need not load what they are made of; a test holds it
    against ``Rootlet``."""
    return {
        *("base", "recipe", "preset", "directory", "like", "user", "users", "groups", "env", "workdir", "hostname", "net"),
        *("read_only", "writable", "volumes", "binds", "tmpfs", "cap_add", "cap_drop", "security_opt", "umask"),
        *("tier", "require", "faults", "memory", "pids_limit", "cpus", "ulimits", "why", "leaves"),
    }


# What a test asks for.


def _marked(node: pytest.Item, name: str = _MARK) -> dict[str, Any]:
    """What its marks say, the closest last."""
    said: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(name))):
        said.update(mark.kwargs)
    return said


def _check(item: pytest.Item, name: str) -> str | None:
    """What is wrong with its marks."""
    for mark in item.iter_markers(name):
        if mark.args:
            return f"takes keywords only: rootlet(base={mark.args[0]!r})"
        for key in mark.kwargs:
            if key not in _keys():
                near = difflib.get_close_matches(key, _keys(), 1)
                hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(sorted(_keys()))}"
                return f"the mark has no key {key!r}: {hint}"
    return None


def _hidden(item: pytest.Item) -> str | None:
    """Whether somebody else's fixture has our name."""
    info = getattr(item, "_fixtureinfo", None)
    found = info.name2fixturedefs.get(_MARK, ()) if info is not None else ()
    if not found or not any(item.iter_markers(_MARK)):
        return None
    # One that asks for ours builds on it.
    if found[-1].func.__module__ == __name__ or _MARK in found[-1].argnames:
        return None
    path, line = inspect.getsourcefile(found[-1].func), inspect.getsourcelines(found[-1].func)[1]
    return (
        f"{path}:{line} defines a fixture `rootlet`, which hides rootlet's own, so the mark says nothing: "
        "rename it, or let it ask for `rootlet_factory`"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        wrong = _check(item, _MARK) or _check(item, _INSIDE) or _hidden(item)
        if wrong is not None and hasattr(item.config, "workerinput"):
            # One of xdist's workers cannot end the run: the test says it.
            item.stash[_wrong] = wrong
        elif wrong is not None:
            raise pytest.UsageError(f"{item.nodeid}: rootlet: {wrong}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _wrong in item.stash:
        pytest.fail(f"rootlet: {item.stash[_wrong]}", pytrace=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker(_MARK)
    users = mark.kwargs.get("users") if mark is not None else None
    if users is not None and {"rootlet", "rootlet_factory", "rootlet_user"} & set(metafunc.fixturenames):
        if "rootlet_user" not in metafunc.fixturenames:
            metafunc.fixturenames.append("rootlet_user")
        metafunc.parametrize("rootlet_user", users, indirect=True, ids=[str(user) for user in users])


def _asked(node: pytest.Item, mark: str = _MARK) -> dict[str, Any]:
    """All that is said of its rootlet: by itself, by the command line, by the file."""
    said = _marked(node, mark)
    for ours in ("users", "leaves"):
        said.pop(ours, None)
    callspec = getattr(node, "callspec", None)
    if callspec is not None and "rootlet_user" in callspec.params:
        said["user"] = callspec.params["rootlet_user"]
    config = node.config
    given = {name: config.getoption(f"rootlet_{name}") or config.getini(f"rootlet_{name}") for name in _HELP}
    if any(said.get(name) for name in ("base", "recipe", "preset")):
        given["base"] = given["recipe"] = None
    elif config.getoption("rootlet_base"):
        given["recipe"] = config.getoption("rootlet_recipe")
    asked = {**{name: value for name, value in given.items() if value}, **said}
    if "like" in asked:
        asked["like"] = _files(node, asked["like"], "like" in said)
    if (asked.get("recipe") or asked.get("preset")) and "directory" not in asked:
        asked["directory"] = _project(node)
    if _why(config):
        asked.setdefault("why", True)
    return asked


def _why(config: pytest.Config) -> str | None:
    """How a failed test is to tell what was refused, where that is asked for."""
    form: str = config.getoption("rootlet_why") or os.environ.get("ROOTLET_WHY", "0")
    return None if form in ("", "0") else form


def _files(node: pytest.Item, like: Any, marked: bool) -> list[str]:
    """Where production's files are: a mark's and the ini file's begin in the project, the command line's where pytest was called."""
    config = node.config
    is_typed = not marked and config.getoption("rootlet_like")
    begin = config.invocation_params.dir if is_typed else config.rootpath
    files = [like] if isinstance(like, (str, os.PathLike)) else like
    return [file if file == "openshift" else str(begin / file) for file in map(os.fspath, files)]


def _project(node: pytest.Item) -> str:
    """Where the test's ``rootlet.toml`` is; a directory that is the same for all tests of a project, for it is built once."""
    above = [path for path in node.path.parents if (path / "rootlet.toml").is_file()]
    return str(above[0] if above else node.config.rootpath)


# Fixtures.


@pytest.fixture
def rootlet_user(request: pytest.FixtureRequest) -> str | int | None:
    """Who the test runs as where its mark says ``users=[…]``: the test is repeated for each."""
    user: str | int | None = getattr(request, "param", None)
    return user


@pytest.fixture
def rootlet_factory(request: pytest.FixtureRequest) -> Factory:
    """Makes rootlets: ``rootlet_factory(user="root")``. What the test's mark and the command line say holds where the call says
    nothing else. They end with the test."""

    def make(base: Any = None, **options: Any) -> Rootlet:
        __tracebackhide__ = True
        if base is not None:
            options["base"] = base
        return _make(request, options)

    return make


@pytest.fixture(name=_MARK)
def _rootlet(request: pytest.FixtureRequest) -> Rootlet:
    """A fresh rootlet, of this test alone: what the mark ``rootlet`` says."""
    # Each fixture that one asks for costs a test as much as a system call or two: this one asks for none.
    __tracebackhide__ = True
    return _make(request, {})


def _make(request: pytest.FixtureRequest, options: dict[str, Any]) -> Rootlet:
    __tracebackhide__ = True
    from ._root import Rootlet

    item: pytest.Item = request.node
    asked = _asked(item)
    if any(name in options for name in ("base", "recipe", "preset")):
        for name in ("base", "recipe", "preset", "directory"):
            asked.pop(name, None)
    root = Rootlet(**{**asked, **options})
    item.stash.setdefault(_live, []).append(root)
    request.addfinalizer(lambda: _end(item, root))
    return root


def _end(item: pytest.Item, root: Rootlet) -> None:
    left = _left(item, root)
    root.close()
    item.stash[_live].remove(root)
    if left:
        pytest.fail(f"the test left behind:\n{left}", pytrace=False)


def _left(item: pytest.Item, root: Rootlet) -> str:
    """What its mark does not allow to be left, of a test that has passed so far."""
    allowed = _marked(item).get("leaves")
    if allowed is None or root.closed or item.stash.get(_failed, False):
        return ""
    return "\n".join(f"    {line}" for line in root.leftovers(allowed))


# Reports.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    live = item.stash.get(_live, ())
    if report.failed and call.when != "teardown" and live:
        from ._told import told

        item.stash[_failed] = True
        keep = item.config.getoption("rootlet_keep") or os.environ.get("ROOTLET_KEEP", "0") not in ("", "0")
        why = _why(item.config)
        report.sections += [("rootlet", told(root, keep, why, item.nodeid)) for root in live]
    return report


# Tests that run inside.


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker(_INSIDE) is None:
        return None
    from . import _inside

    if _inside.is_inside():
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _inside.reports(item, _asked(item, _INSIDE), _why(item.config)):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
