"""Spans. Nothing collects them here; with opentelemetry beside the module's code, its own are given."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def initialize(*, debug: bool = False) -> None:
    """Nothing is to be begun."""


def shutdown() -> None:
    """Nothing is to be ended."""


def otel_configured() -> bool:
    """Nobody collects spans."""
    return False


def otel_enabled() -> bool:
    """Nobody collects spans."""
    return False


def get_tracer() -> Any:
    """What spans are made with."""
    from importlib import import_module

    return import_module("opentelemetry.trace").get_tracer("rootlet")
