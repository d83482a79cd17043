"""The error that engines raise, apart from the MCP SDK: jobs and engines import without it."""

from __future__ import annotations


class EngineError(Exception):
    """A failure that the caller can mend. Its message ends in what to do next."""
