"""The regex server as MCP clients meet it: schemas, errors, time-outs, and no orphans."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent

from mcp_servers.regex import worker
from mcp_servers.regex.server import ENGINE
from tests.mcp_servers.calling import Client

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "mcp_servers.regex.server"]
RUNAWAY = {"pattern": "(a+)+$", "text": "a" * 10_000 + "!"}
NAMES = [
    "findall",
    "search",
    "match",
    "fullmatch",
    "replace",
    "split",
    "explain",
    "check",
    "verify",
]


connected = Client(ENGINE).connected


@asynccontextmanager
async def over_stdio() -> AsyncIterator[ClientSession]:
    command = StdioServerParameters(command=SERVER[0], args=SERVER[1:], cwd=ROOT)
    async with stdio_client(command) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        yield session


async def test_every_tool_is_listed_with_its_schemas() -> None:
    async with connected() as session:
        tools = (await session.list_tools()).tools
    assert [tool.name for tool in tools] == NAMES
    for tool in tools:
        assert tool.outputSchema is not None and tool.outputSchema["type"] == "object"
        assert tool.description and len(tool.description) < 120
        assert tool.annotations is not None and tool.annotations.readOnlyHint
        assert all("description" in value for value in tool.inputSchema["properties"].values())


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("findall", {"pattern": "[가-힣]+", "text": "두레 x 일"}, {"count": 2, "truncated": False}),
        ("search", {"pattern": "X", "text": "axb", "flags": "i"}, {"matched": True, "note": None}),
        ("match", {"pattern": "x", "text": "axb"}, {"matched": False, "match": None}),
        ("fullmatch", {"pattern": "a.b", "text": "axb"}, {"matched": True}),
        ("replace", {"pattern": "x", "replacement": "-", "text": "axb"}, {"text": "a-b"}),
        ("split", {"pattern": ",", "text": "가,나"}, {"parts": ["가", "나"]}),
        ("explain", {"pattern": "a", "language": "ko"}, {"summary": '찾는 것: 글자 "a".'}),
        ("check", {"pattern": "^a$"}, {"verdict": "safe", "rewrite": None}),
        (
            "verify",
            {"pattern": r"\d+", "examples": ["1"], "counterexamples": ["a"]},
            {"passed": True},
        ),
    ],
)
async def test_every_tool_answers(
    name: str, arguments: dict[str, Any], told: dict[str, Any]
) -> None:
    async with connected() as session:
        result = await session.call_tool(name, arguments)
    assert not result.isError and result.structuredContent is not None
    assert result.structuredContent["pattern"] == arguments["pattern"]
    assert {key: result.structuredContent[key] for key in told} == told


async def test_an_invalid_pattern_reaches_the_client_as_an_error() -> None:
    async with connected() as session:
        result = await session.call_tool("search", {"pattern": "(a", "text": "a"})
    assert result.isError and isinstance(result.content[0], TextContent)
    assert "position 0: missing )" in result.content[0].text
    assert result.content[0].text.endswith("(a\n^")


@pytest.mark.timed
async def test_the_server_answers_the_next_call_after_a_time_out() -> None:
    async with over_stdio() as session:
        await session.call_tool("search", {"pattern": "a", "text": "a"})
        start = time.monotonic()
        stopped = await session.call_tool("search", RUNAWAY)
        seconds = time.monotonic() - start
        assert stopped.isError and isinstance(stopped.content[0], TextContent)
        assert "catastrophically" in stopped.content[0].text and "check" in stopped.content[0].text
        start = time.monotonic()
        answered = await session.call_tool("findall", {"pattern": r"\d+", "text": "24 and 3"})
        assert not answered.isError and answered.structuredContent is not None
        assert answered.structuredContent["count"] == 2
        assert seconds < 2 and time.monotonic() - start < 0.5


def test_workers_end_with_a_killed_server_even_in_mid_match() -> None:
    def call(number: int, method: str, params: dict[str, Any]) -> str:
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(message) + "\n"

    client = {"name": "test", "version": "1"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    search = {"name": "search", "arguments": {"pattern": "a", "text": "a"}}
    runaway = {"name": "search", "arguments": RUNAWAY}
    with subprocess.Popen(
        SERVER, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(call(1, "initialize", hello))
        server.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        server.stdin.write(call(2, "tools/call", search))
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["id"] == 1
        assert json.loads(server.stdout.readline())["id"] == 2
        (matcher,) = psutil.Process(server.pid).children()
        server.stdin.write(call(3, "tools/call", runaway))
        server.stdin.flush()
        spent = matcher.cpu_times().user
        while matcher.cpu_times().user < spent + 0.1:
            pass  # the match has not begun yet
        server.kill()
        _, alive = psutil.wait_procs([matcher], timeout=5)
    assert not alive


def test_the_server_imports_light_and_starts_no_worker_by_itself() -> None:
    code = (
        "import sys, mcp_servers.regex.server as s; from mcp_servers.regex.sandbox import SANDBOX\n"
        "heavy = {'numpy', 'sklearn', 'torch', 'mcp_servers.regex.checking'} & set(sys.modules)\n"
        "import psutil; print(heavy or len(psutil.Process().children()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "0"


def test_a_worker_ends_when_its_standard_input_closes() -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", worker.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.communicate(timeout=5)
    assert process.returncode == 0
