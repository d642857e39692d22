"""For ``unittest``: a test case whose tests have a fresh rootlet each."""

from __future__ import annotations

import os
import sys
import unittest
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ._root import Rootlet
from ._told import asked, told


class TestCase(unittest.TestCase):
    """Each test has a fresh ``self.root``; what it is stands in ``rootlet``. A failure says of it who ran, what changed and, with
    ``ROOTLET_WHY=1`` or ``"why": True``, what was refused.

    >>> class Api(rootlet.testing.TestCase):
    ...     rootlet = {"recipe": "api", "user": "sam"}
    ...     def test_home(self):
    ...         self.root.run(["touch", "/home/sam/x"], check=True)
    ...         self.assertPathExists("/home/sam/x")
    """

    rootlet: ClassVar[Mapping[str, Any]] = {}
    """What ``Rootlet`` takes. ``ROOTLET_BASE`` names the base where neither ``base`` nor ``recipe`` is said."""
    root: Rootlet

    def setUp(self) -> None:
        super().setUp()
        self._live: list[Rootlet] = []
        self.root = self.make_rootlet()

    def make_rootlet(self, **options: Any) -> Rootlet:
        """A rootlet that ends with the test: as ``rootlet`` says, but for ``options``."""
        wanted = {**self.rootlet, **options}
        if not any(wanted.get(name) for name in ("base", "recipe", "preset")):
            wanted["base"] = os.environ.get("ROOTLET_BASE") or "host"
        if asked():
            wanted.setdefault("why", True)
        root = Rootlet(**wanted)
        self._live.append(root)
        self.addCleanup(root.close)
        return root

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        # unittest's own: nothing else lies between the method and what becomes of it. Only reports depend on it.
        try:
            super()._callTestMethod(method)  # type: ignore[misc]
        except unittest.SkipTest:
            raise
        except Exception as error:
            text = "\n".join(told(root, of=self.id()) for root in self._live)
            if sys.version_info >= (3, 11):
                error.add_note(text)
            else:
                print(text, file=sys.stderr)
            raise

    def assertPathExists(self, path: str) -> None:
        """Fails where a path inside leads nowhere."""
        if not self.root.path(path).exists():
            self.fail(f"{path} does not exist")

    def assertPathNotExists(self, path: str) -> None:
        """Fails where there is something."""
        if self.root.path(path).exists(follow_symlinks=False):
            self.fail(f"{path} exists")
