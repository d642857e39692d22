"""What the report of a failed test says of its rootlet."""

from __future__ import annotations

from ._root import Rootlet

_MOST = 20


def told(root: Rootlet, keep: bool = False) -> str:
    """Who it ran as, what could not be reproduced, what changed; with ``keep``, how to look at it."""
    if root.closed:
        return "it was closed before the test failed"
    report = root.report
    lines = [f"ran as      {report.user}", f"on          {report.base}, tier {report.tier}"]
    lines += [f"not as in production: {what}" for what in report.not_reproduced]
    try:
        lines += _changed(root)
        if processes := root.process_count:
            lines.append(f"running     {processes} process{'es' if processes > 1 else ''}")
        if keep:
            lines.append(f"kept        rootlet enter {root.keep()}")
    except Exception as error:
        # Whatever the test did to it is no reason to lose the test's own failure.
        lines.append(f"of its files nothing can be told: {error}")
    return "\n".join(lines)


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
