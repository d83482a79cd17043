"""The limits of what a job may be asked for, checked before it starts."""

from __future__ import annotations

from typing import Any

from mcp_servers.errors import EngineError


def within(settings: Any, **limits: tuple[float, float]) -> None:
    """Check that each named setting lies between its least and its most. Raises `EngineError`."""
    for name, (least, most) in limits.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            raise EngineError(f"{name} is {value:g}. Pass {least:g} to {most:g}.")
