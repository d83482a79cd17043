"""Every engine in one MCP server, each under its own namespace (`regex_search`, ...)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from mcp.server.fastmcp import FastMCP

from mcp_servers.catalog import SERVERS
from mcp_servers.errors import EngineError
from mcp_servers.serving import Engine, build


def load(name: str) -> Engine:
    """The engine declared under this name. Raises `EngineError` for an unknown one."""
    if name not in SERVERS:
        raise EngineError(f"There is no server {name!r}. Choose from: {', '.join(SERVERS)}.")
    engine: Engine = importlib.import_module(SERVERS[name]).ENGINE
    return engine


def mount(names: Sequence[str] = tuple(SERVERS)) -> FastMCP[None]:
    """One server that offers the tools of all the named engines."""
    return build([load(name) for name in names], name="dure", namespaced=True)
