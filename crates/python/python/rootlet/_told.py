"""What the report of a failed test says of its rootlet."""

from __future__ import annotations

import os

from ._root import Rootlet

_MOST = 20


def told(root: Rootlet, keep: bool = False, form: str | None = None, of: str | None = None) -> str:
    """Who it ran as, what could not be reproduced, what changed, what was refused; with ``keep``, how to look at it.

    :param form: how refusals are told, ``text`` or ``github``; not said: as ``ROOTLET_WHY`` says.
    :param of: the test's name.
    """
    if root.closed:
        return "it was closed before the test failed"
    report = root.report
    lines = [f"ran as      {report.user}", f"on          {report.base}, tier {report.tier}"]
    lines += [f"not as in production: {what}" for what in report.not_reproduced]
    try:
        lines += _changed(root)
        if processes := root.process_count:
            lines.append(f"running     {processes} process{'es' if processes > 1 else ''}")
        lines += _refused(root, form or asked(), of)
        if keep:
            lines.append(f"kept        rootlet enter {root.keep()}")
    except Exception as error:
        # Whatever the test did to it is no reason to lose the test's own failure.
        lines.append(f"of its files nothing can be told: {error}")
    return "\n".join(lines)


def asked() -> str | None:
    """How ``ROOTLET_WHY`` wants to be told what was refused, where it does."""
    value = os.environ.get("ROOTLET_WHY", "0")
    return None if value in ("", "0") else value


def _refused(root: Rootlet, form: str | None, of: str | None) -> list[str]:
    if form == "github" and (annotations := root.why("github", of)) is not None:
        return annotations.splitlines()
    text = root.why()
    if text is None:
        return ["refused     ROOTLET_WHY=1, or pytest --rootlet-why, says what and why"]
    return ["refused", *(f"  {line}" for line in text.splitlines())]


def _changed(root: Rootlet) -> list[str]:
    changes = root.changes()
    if not changes:
        return ["changed     nothing"]
    lines: list[str] = []
    for change in changes[:_MOST]:
        owner = f" {change.permissions} {change.uid}:{change.gid}" if change.mode else ""
        lines.append(f"{'changed' if not lines else '':11} {change}{owner}")
    if len(changes) > _MOST:
        lines.append(f"{'':11} and {len(changes) - _MOST} more")
    return lines
