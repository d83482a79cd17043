"""The errors of the upper house, beside those that it shares with the engines."""

from __future__ import annotations

from mcp_servers.errors import DureError, UsageError

__all__ = ["ApprovalNeeded", "DureError", "ModelRefused", "UsageError"]


class ApprovalNeeded(DureError):
    """A tool call needs the user's yes and there was nobody to ask. Exit status 3."""


class ModelRefused(DureError):
    """The model could not answer this one request; the next one may go well. Exit status 1."""
