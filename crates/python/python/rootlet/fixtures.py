"""For ``fixtures`` and ``testtools``: ``self.root = self.useFixture(RootletFixture(user="sam")).root``.

It needs the package ``fixtures``: ``pip install rootlet[fixtures]``.
"""

from __future__ import annotations

from typing import Any

from fixtures import Fixture
from testtools.content import Content
from testtools.content_type import UTF8_TEXT

from ._root import Rootlet
from ._told import asked, told


class RootletFixture(Fixture):
    """A fresh rootlet, ``root``, from ``setUp`` to ``cleanUp``; ``reset`` gives another one. What a failed test shows of it
    (``getDetails``) is who ran, what changed and, with
    ``ROOTLET_WHY=1`` or ``why=True``, what was refused."""

    root: Rootlet

    def __init__(self, base: Any = None, **options: Any) -> None:
        super().__init__()
        self._asked = {**options, "base": base}

    def _setUp(self) -> None:
        self.root = root = Rootlet(**{"why": asked() is not None, **self._asked})
        self.addCleanup(root.close)
        self.addDetail("rootlet", Content(UTF8_TEXT, lambda: [told(root).encode()]))
