"""For ``unittest``: a test case whose tests have a fresh rootlet each."""

from __future__ import annotations

import os
import unittest
from collections.abc import Mapping
from typing import Any, ClassVar

from ._root import Rootlet
from ._told import told


class TestCase(unittest.TestCase):
    """Each test has a fresh ``self.root``; what it is stands in ``rootlet``.

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
        self.root = self.make_rootlet()

    def make_rootlet(self, **options: Any) -> Rootlet:
        """A rootlet that ends with the test: as ``rootlet`` says, but for ``options``."""
        asked = {**self.rootlet, **options}
        if not any(asked.get(name) for name in ("base", "recipe", "preset")):
            asked["base"] = os.environ.get("ROOTLET_BASE") or "host"
        root = Rootlet(**asked)
        self.addCleanup(root.close)
        return root

    def assertPathExists(self, path: str) -> None:
        """Fails where a path inside leads nowhere; then says what the test changed."""
        if not self.root.path(path).exists():
            self.fail(f"{path} does not exist\n{told(self.root)}")

    def assertPathNotExists(self, path: str) -> None:
        """Fails where there is something."""
        if self.root.path(path).exists(follow_symlinks=False):
            self.fail(f"{path} exists\n{told(self.root)}")
