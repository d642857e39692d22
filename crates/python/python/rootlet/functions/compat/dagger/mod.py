"""What modules are written with, under its older name."""

from __future__ import annotations

from typing import Annotated as Annotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootlet.functions import *
else:
    from . import __getattr__ as __getattr__
