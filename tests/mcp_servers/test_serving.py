"""Every server as a process: clean JSON-RPC on stdio, a quick end, and HTTP that keeps strangers
out."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from mcp_servers.catalog import SERVERS
from mcp_servers.http import is_loopback
from tests.conftest import DURE, ROOT, Dure, environment, eventually

pytestmark = pytest.mark.slow

TALKING = [sys.executable, "-m", "tests.mcp_servers.talking"]
COMMANDS = {
    **{name: [sys.executable, "-m", module] for name, module in SERVERS.items()},
    "dure mcp": [DURE, "mcp"],
    "talking": TALKING,
}


class RawServer:
    """A server process spoken to in plain lines, as a host does."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(home),
        )
        self.lines: list[dict[str, Any]] = []
        info = {"name": "test", "version": "0"}
        self.send("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=info)
        self.answer()
        self.send("notifications/initialized", notification=True)

    def send(self, method: str, *, notification: bool = False, **params: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if not notification:
            message["id"] = method
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def line(self) -> dict[str, Any]:
        """The next line of standard output: JSON-RPC, whatever it is."""
        assert self.process.stdout is not None
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert message["jsonrpc"] == "2.0"
        self.lines.append(message)
        return message

    def answer(self) -> Any:
        while "id" not in (message := self.line()):
            continue
        assert "error" not in message, message
        return message["result"]

    def end(self) -> float:
        """Close standard input; the seconds until the process is gone."""
        assert self.process.stdin is not None
        began = time.monotonic()
        self.process.stdin.close()
        self.process.wait(timeout=10)
        return time.monotonic() - began


@contextmanager
def raw(name: str, home: Path) -> Iterator[RawServer]:
    server = RawServer(COMMANDS[name], home)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        for pipe in (server.process.stdin, server.process.stdout, server.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.mark.timed
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_server_lists_its_tools_and_ends_with_its_standard_input(
    name: str, tmp_path: Path
) -> None:
    with raw(name, tmp_path) as server:
        server.send("tools/list")
        assert server.answer()["tools"]
        assert server.end() < 2
        assert server.process.returncode == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == b""


def test_what_a_tool_prints_never_reaches_the_protocol(tmp_path: Path) -> None:
    with raw("talking", tmp_path) as server:
        for _ in range(3):
            server.send("tools/call", name="say", arguments={"text": "stray words"})
            result = server.answer()
            assert result["structuredContent"] == {"said": "stray words"}
        server.end()
        assert server.process.stderr is not None
        assert b"stray words" in server.process.stderr.read()


@pytest.mark.timed
def test_a_server_ends_within_two_seconds_also_while_a_tool_runs(tmp_path: Path) -> None:
    with raw("talking", tmp_path) as server:
        meta = {"progressToken": 1}
        server.send("tools/call", name="sleep", arguments={"seconds": 60}, _meta=meta)
        assert server.line()["method"] == "notifications/progress"
        assert server.end() < 2


def test_an_unexpected_error_in_a_tool_is_an_error_result(tmp_path: Path) -> None:
    with raw("talking", tmp_path) as server:
        server.send("tools/call", name="fail", arguments={})
        result = server.answer()
        assert result["isError"]
        assert "out of cheese" in result["content"][0]["text"]
        server.send("tools/list")
        assert server.answer()["tools"]


def test_a_line_that_is_not_json_does_not_end_the_server(tmp_path: Path) -> None:
    with raw("talking", tmp_path) as server:
        assert server.process.stdin is not None
        server.process.stdin.write(b"this is not json\n")
        server.send("tools/list")
        assert server.answer()["tools"]


async def test_a_slow_tool_does_not_block_another(tmp_path: Path) -> None:
    parameters = StdioServerParameters(
        command=TALKING[0], args=TALKING[1:], cwd=ROOT, env=environment(tmp_path)
    )
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        asleep = asyncio.Event()

        async def began(*_: object) -> None:
            asleep.set()

        slow = asyncio.create_task(
            session.call_tool("sleep", {"seconds": 1.5}, progress_callback=began)
        )
        async with asyncio.timeout(10):
            await asleep.wait()
        quick = await session.call_tool("say", {"text": "quick"})
        assert not quick.isError
        assert not slow.done()
        assert not (await slow).isError


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def serving(dure: Dure, *words: str) -> AsyncIterator[str]:
    """A `dure mcp` on a free port; gives its address without the path."""
    port = free_port()
    process = dure.start("mcp", "--port", str(port), "--servers", "regex", "--no-ask", *words)
    try:

        def listens() -> bool:
            assert process.poll() is None, process.communicate()[1]
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        await asyncio.to_thread(eventually, listens, 20, "the server listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def status(address: str, **headers: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.post(f"{address}/mcp", json=HELLO, headers={**ACCEPT, **headers})
        return reply.status_code


async def tools_of(streams: Any) -> list[str]:
    async with ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        return [tool.name for tool in (await session.list_tools()).tools]


async def test_http_on_loopback_serves_local_clients_and_refuses_foreign_sites(dure: Dure) -> None:
    async with serving(dure, "--transport", "http") as address:
        async with streamable_http_client(f"{address}/mcp") as streams:
            assert "regex_findall" in await tools_of(streams)
        port = address.rpartition(":")[2]
        assert await status(address) == 200
        assert await status(address, Origin=f"http://localhost:{port}") == 200
        assert await status(address, Host="evil.example") in (403, 421)
        assert await status(address, Host=f"evil.example:{port}") in (403, 421)
        assert await status(address, Origin="https://evil.example") in (403, 421)


async def test_sse_on_loopback_serves_local_clients_and_refuses_foreign_sites(dure: Dure) -> None:
    async with serving(dure, "--transport", "sse") as address:
        async with sse_client(f"{address}/sse") as streams:
            assert "regex_findall" in await tools_of(streams)
        async with httpx.AsyncClient(trust_env=False) as client:
            evil = {"Origin": "https://evil.example"}
            assert (await client.get(f"{address}/sse", headers=evil)).status_code in (403, 421)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_with_a_token_every_request_needs_it(host: str, dure: Dure) -> None:
    async with serving(dure, "--transport", "http", "--host", host, "--token", "s3cret") as address:
        assert await status(address) == 401
        assert await status(address, Authorization="Bearer wrong") == 401
        assert await status(address, Authorization="s3cret") == 401
        assert await status(address, Authorization="Bearer s3cret") == 200
        headers = {"Authorization": "Bearer s3cret"}
        client = create_mcp_http_client(headers)
        async with client, streamable_http_client(f"{address}/mcp", http_client=client) as streams:
            assert "regex_findall" in await tools_of(streams)


@pytest.mark.parametrize(
    ("host", "transport"), [("0.0.0.0", "http"), ("::", "sse"), ("192.0.2.1", "http")]
)
def test_beyond_loopback_a_server_without_a_token_does_not_start(
    host: str, transport: str, dure: Dure
) -> None:
    port = str(free_port())
    done = dure("mcp", "--transport", transport, "--host", host, "--port", port, "--no-ask")
    assert done.returncode == 2
    assert "needs a token" in done.stderr
    assert "serving on" not in done.stderr


async def test_the_token_may_come_from_the_environment(dure: Dure) -> None:
    known = Dure(dure.home, dure.cwd, extra={"DURE_TOKEN": "s3cret"})
    async with serving(known, "--transport", "http") as address:
        assert await status(address) == 401
        assert await status(address, Authorization="Bearer s3cret") == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_known_by_every_name(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.timed
def test_a_server_whose_client_dies_in_mid_call_ends_too(tmp_path: Path) -> None:
    with raw("talking", tmp_path) as server:
        server.send("tools/call", name="sleep", arguments={"seconds": 1})
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert server.end() < 2
