"""The errors that a person sees. Each message is one line that ends in what to do next.

Apart from the MCP SDK, so that jobs and engines start without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class DureError(Exception):
    """Something failed in a way that the user can mend. Exit status 1."""


class UsageError(DureError):
    """The request itself was wrong (an unknown agent, model or tool). Exit status 2."""


class EngineError(DureError):
    """A failure of an engine that the caller can mend."""


def wrong_values(error: ValidationError) -> str:
    """What pydantic found wrong, each by its name, without its heading and links."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    )
