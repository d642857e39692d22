"""What the API itself logs: nothing, since what is asked goes to a process of this machine, which tells of its progress."""

from __future__ import annotations


def configure_logging(level: int | str = "WARNING") -> None:
    """From which level on Dagger's own logger speaks; those of the module's code stay as they are."""
    import logging

    logging.getLogger("dagger").setLevel(level)


def configure_debug_logging() -> None:
    """All of it."""
    configure_logging("DEBUG")
