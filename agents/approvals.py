"""Which tool calls run by themselves, wait for the user's yes, or never run. Policy is data.

`approvals.toml` in the Dure folder holds patterns over `server.tool`, the first match decides:

    [tools]
    "retrieval.remove" = "auto"
    "filesystem.*" = "deny"

Without a match: our own tools ask where they are marked destructive; a foreign server's tools
ask unless they are marked read-only.
"""

from __future__ import annotations

import fnmatch
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agents.errors import UsageError
from mcp_servers.home import write_atomically

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

Decision = Literal["auto", "ask", "deny"]


class Approvals:
    """The user's policy, read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._patterns: dict[str, Decision] = {}
        if not path.exists():
            return
        try:
            patterns = tomllib.loads(path.read_text(encoding="utf-8")).get("tools", {})
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}.") from None
        if not isinstance(patterns, dict):
            raise UsageError(f"{path}: write a table [tools] of patterns and decisions.")
        for pattern, decision in patterns.items():
            if decision not in ("auto", "ask", "deny"):
                raise UsageError(f'{path}: {pattern!r} must be "auto", "ask" or "deny".')
            self._patterns[pattern] = decision

    def decide(
        self, server: str, tool: str, hints: Mapping[str, object], foreign: bool
    ) -> Decision:
        """What happens when `server.tool` is called; `hints` are its MCP annotations."""
        name = f"{server}.{tool}"
        for pattern, decision in self._patterns.items():
            if fnmatch.fnmatchcase(name, pattern):
                return decision
        if foreign:
            return "auto" if hints.get("readOnlyHint") else "ask"
        return "ask" if hints.get("destructiveHint") else "auto"

    def split(self, tools: list[BaseTool], foreign: bool) -> tuple[list[BaseTool], frozenset[str]]:
        """The tools that may run at all, and the names of those that ask first."""
        allowed: list[BaseTool] = []
        ask_first: set[str] = set()
        for tool in tools:
            hints = tool.metadata or {}
            decision = self.decide(str(hints.get("server", "")), tool.name, hints, foreign)
            if decision != "deny":
                allowed.append(tool)
            if decision == "ask":
                ask_first.add(tool.name)
        return allowed, frozenset(ask_first)

    def remember(self, server: str, tool: str) -> None:
        """From now on this tool runs without asking; written to the user's policy."""
        self._patterns = {f"{server}.{tool}": "auto", **self._patterns}
        lines = [f"{json.dumps(p)} = {json.dumps(d)}" for p, d in self._patterns.items()]
        write_atomically(self._path, "[tools]\n" + "\n".join(lines) + "\n")
