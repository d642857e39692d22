"""The API's types, where Dagger generates them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootlet.functions import *
else:
    from .. import __getattr__ as __getattr__
