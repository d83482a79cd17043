"""The errors that a person sees. Each message is one line that ends in what to do next."""

from __future__ import annotations


class DureError(Exception):
    """Something failed in a way that the user can mend. Exit status 1."""


class UsageError(DureError):
    """The request itself was wrong (an unknown agent, model or tool). Exit status 2."""


class EngineError(DureError):
    """A failure of an engine that the caller can mend."""
