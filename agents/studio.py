"""The graphs as LangGraph's own tools load them (`langgraph.json`).

Their server brings the checkpointer, so none is built here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents import meta
from agents.approvals import Approvals
from agents.mcp_config import foreign_servers, own_servers
from agents.models import choose
from agents.pool import ServerPool
from agents.settings import load_settings


@asynccontextmanager
async def router(config: dict[str, Any]) -> AsyncIterator[Any]:
    """The default graph; leaving it ends its servers. `config` is LangGraph's, and unused."""
    settings = load_settings()
    foreign = foreign_servers(settings.mcp_config)
    servers = {**own_servers(settings.home), **foreign}
    async with ServerPool(servers, logs=settings.home / "logs") as pool:
        approvals = Approvals(settings.home / "approvals.toml")
        yield meta.build(
            choose(settings), pool, approvals, foreign=list(foreign), step_limit=settings.step_limit
        )
