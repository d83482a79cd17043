"""What is said to the user in the language of what the user wrote."""

from __future__ import annotations

from mcp_servers.morphemes import HANGUL


def say(written: str, english: str, korean: str) -> str:
    """The text in the language of what was written: Korean where it holds Hangul."""
    return korean if HANGUL.search(written) else english
