"""The test case, where the package ``fakechroot`` has it."""

from __future__ import annotations

import os
import tempfile
import unittest
from typing import ClassVar

from . import FakeChroot

_Chroot = FakeChroot


class TestCase(unittest.TestCase):
    """Each test has a fresh chroot: ``self.chroot``."""

    FakeChroot: ClassVar[type[_Chroot]] = FakeChroot
    location: ClassVar[str] = os.path.join(tempfile.gettempdir(), "fakechroot")
    chroot: _Chroot

    def setUp(self) -> None:
        super().setUp()
        self.chroot = self.FakeChroot.create_in_tempdir(self.location)
        self.addCleanup(self.chroot.destroy)
        self.chroot.build()

    def failUnlessExists(self, path: str) -> None:
        """Fails where a path inside leads nowhere."""
        if not self.chroot.exists(path):
            self.fail(f"Path '{path}' does not exist")

    def failIfExists(self, path: str) -> None:
        """Fails where it leads to something."""
        if self.chroot.exists(path):
            self.fail(f"Path '{path}' exists")
