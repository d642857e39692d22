"""Names that this package has not: objects of other modules, or nothing."""

from __future__ import annotations

from . import _dependency, _session
from ._errors import nearest

_made: dict[str, type] = {}


def other(name: str) -> type:
    """The type that an object of another module has, as in ``dagger.Lib``."""
    known = {}
    modules = _session.current.modules if _session.current is not None else {}
    for module, schema in (modules or {}).items():
        if module.startswith("/"):
            continue  # Where a module is in the whole; it is there by its name, too.
        prefix = _pascal(module)
        for one in schema.get("objects", ()):
            # The main one is called as its module is, the others after it.
            known[prefix if one["name"] == schema["main"] else prefix + one["name"]] = one["name"]
    if name not in known:
        from . import _absent

        if name in _absent.TYPES:
            return _made.setdefault(name, _absent.type_named(name))
        if modules is None and name[:1].isupper():
            # A module that describes itself is not told of others.
            return _made.setdefault(name, _dependency.named(name))
        import rootlet.functions as package

        hint = nearest(name, [*known, *package.__all__])
        error = AttributeError(f"rootlet has no {name!r} of Dagger's" + (f": {hint}" if hint else ""))
        if hint is None and name[:1].isupper():
            setattr(error, "hint", "where it is of another module: `rootlet install` that one")
        raise error
    return _made.setdefault(name, _dependency.named(known[name]))


def _pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.replace("-", "_").split("_"))
