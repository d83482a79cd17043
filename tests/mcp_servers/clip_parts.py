"""A client of the CLIP server, and drawings for it."""

from __future__ import annotations

from pathlib import Path

from mcp_servers.clip import server
from mcp_servers.drawings.scenes import Colour, Shape
from tests.mcp_servers.calling import Client
from tests.mcp_servers.pictured import drawing

_client = Client(server.ENGINE)
connected, called, asked = _client.connected, _client.called, _client.asked


def draw(folder: Path, colour: Colour, shape: Shape, side: int = 64) -> Path:
    """A drawing of one big shape as `red-circle.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{colour}-{shape}.png"
    drawing(colour, shape, side).save(path)
    return path
