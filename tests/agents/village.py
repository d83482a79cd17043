"""A user's own MCP server, for the tests: one tool that acts, one that reads, one resource."""

from pathlib import Path

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

server = FastMCP("village")


@server.tool()
def ring_bell(times: int) -> str:
    """Ring the village bell so many times."""
    with Path("bell.txt").open("a", encoding="utf-8") as bell:
        bell.write("dong " * times)
    return f"The bell rang {times} times."


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def count_sheep() -> int:
    """How many sheep the village has."""
    return 73


if __name__ == "__main__":
    server.run()
