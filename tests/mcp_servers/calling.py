"""A client of one engine's server, in this process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp import ClientSession
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import CallToolResult, TextContent

from mcp_servers.serving import Engine, build


class Client:
    """Calls tools over the protocol, each in a session of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def connected(self) -> AbstractAsyncContextManager[ClientSession]:
        built = build([self._engine], name=self._engine.name, namespaced=False)
        return create_connected_server_and_client_session(built._mcp_server)

    async def called(self, tool: str, **arguments: Any) -> CallToolResult:
        async with self.connected() as session:
            return await session.call_tool(tool, arguments)

    async def asked(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured result of a call that must succeed."""
        result = await self.called(tool, **arguments)
        assert not result.isError, said(result)
        assert result.structuredContent is not None
        return result.structuredContent


def said(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text
