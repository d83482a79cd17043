"""What a tool's answer over MCP holds, the same for every surface."""

from __future__ import annotations

import re
from typing import Any

from agents.errors import DureError

_PREFIX = re.compile(r"^Error executing tool \S+: ")  # the SDK's, before the engine's own words


def text_of(result: Any) -> str:
    """The texts of a tool's answer, a line each."""
    return "\n".join(t for c in result.content if (t := getattr(c, "text", None)))


def structured(result: Any) -> Any:
    """A tool's structured result, or None. Raises `DureError` with the engine's words."""
    if result.isError:
        raise DureError(_PREFIX.sub("", text_of(result)))
    return result.structuredContent
