"""Dagger's own name for ``rootlet.functions``: modules that are written for Dagger say ``import dagger``.

``rootlet call`` has this directory on the path where the real package is not installed.
"""

from __future__ import annotations

from rootlet import functions as _functions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootlet.functions import *
    from rootlet.functions import __all__ as __all__
else:
    __all__ = _functions.__all__

    # What is seldom used is not imported before it is.
    def __getattr__(name: str) -> object:
        return getattr(_functions, name)
