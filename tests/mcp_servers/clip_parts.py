"""A client of the CLIP server, and drawings for it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mcp import ClientSession
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import CallToolResult, TextContent

from mcp_servers.clip import server
from mcp_servers.drawings.scenes import Colour, Shape
from mcp_servers.serving import build
from tests.mcp_servers.pictured import drawing


def connected() -> AbstractAsyncContextManager[ClientSession]:
    built = build([server.ENGINE], name="clip", namespaced=False)
    return create_connected_server_and_client_session(built._mcp_server)


async def called(tool: str, **arguments: Any) -> CallToolResult:
    async with connected() as session:
        return await session.call_tool(tool, arguments)


async def asked(tool: str, **arguments: Any) -> dict[str, Any]:
    result = await called(tool, **arguments)
    assert not result.isError, said(result)
    assert result.structuredContent is not None
    return result.structuredContent


def said(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def draw(folder: Path, colour: Colour, shape: Shape, side: int = 64) -> Path:
    """A drawing of one big shape as `red-circle.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{colour}-{shape}.png"
    drawing(colour, shape, side).save(path)
    return path
