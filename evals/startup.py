"""Start-up: a server from spawn to an answered `tools/list`, and `dure --help`.

Raw JSON-RPC over pipes, so that the client adds nothing; the import of the protocol's SDK is timed
in the same run, since it is what dominates.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from mcp_servers.catalog import SERVERS

_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "startup", "version": "1"},
    },
}
_READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


def main(model: str, limit: int | None) -> bool:
    """Medians of five; True if every server is below 0.7 s and the help below 0.4 s."""
    runs = limit or 5
    good = True
    for name, module in SERVERS.items():
        median = statistics.median(tools_list(module) for _ in range(runs))
        good &= median < 0.7
        print(f"{name}: tools/list after {median:.2f} s (median of {runs}), target 0.7")
    imports = statistics.median(
        _timed([sys.executable, "-c", "import mcp.server.fastmcp"]) for _ in range(runs)
    )
    print(f"  of which Python and the import of the mcp SDK: {imports:.2f} s")
    shown = statistics.median(
        _timed([sys.executable, "-m", "agents.cli", "--help"]) for _ in range(runs)
    )
    print(f"dure --help: {shown:.2f} s, target 0.4")
    return good and shown < 0.4


def tools_list(module: str) -> float:
    """Seconds from spawn to the answer of `tools/list`."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        for message in (_HELLO, _READY, _LIST):
            server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        for line in server.stdout:
            if json.loads(line).get("id") == 2:
                break
        seconds = time.perf_counter() - began
        server.stdin.close()
    return seconds


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
