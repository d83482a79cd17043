"""Which engine servers there are, without importing any of them."""

from __future__ import annotations

# name -> module whose `ENGINE` declares the server and whose `python -m` serves it on stdio
SERVERS: dict[str, str] = {
    "regex": "mcp_servers.regex.server",
    "metrics": "mcp_servers.metrics.server",
    "retrieval": "mcp_servers.retrieval.server",
    "training": "mcp_servers.training.server",
    "foundations": "mcp_servers.foundations.server",
    "diffusion": "mcp_servers.diffusion.server",
    "clip": "mcp_servers.clip.server",
}
