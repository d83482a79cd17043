"""Dure as an MCP server with the tool `ask`, and a user's own MCP servers as agents of Dure."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from mcp_servers import hub
from mcp_servers.catalog import SERVERS
from tests.agents.test_ask import CONTRACT
from tests.conftest import DURE, Dure

pytestmark = pytest.mark.slow


@asynccontextmanager
async def host(dure: Dure, *words: str) -> AsyncIterator[ClientSession]:
    """A host's session with a `dure mcp` that it started."""
    parameters = StdioServerParameters(
        command=DURE, args=["mcp", *words], env=dure.env(), cwd=dure.cwd
    )
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def names(session: ClientSession) -> set[str]:
    return {tool.name for tool in (await session.list_tools()).tools}


async def test_every_engines_tools_and_ask_are_listed(dure: Dure) -> None:
    engines = {f"{name}_{tool.__name__}" for name in SERVERS for tool in hub.load(name).tools}
    async with host(dure) as session:
        assert await names(session) == engines | {"ask"}


async def test_servers_are_chosen_and_ask_is_left_out_on_demand(dure: Dure) -> None:
    async with host(dure, "--servers", "regex", "--no-ask") as session:
        listed = await names(session)
    assert listed
    assert all(name.startswith("regex_") for name in listed)


async def test_an_engines_tool_answers_through_dure(dure: Dure) -> None:
    async with host(dure) as session:
        arguments = {"tp": 8, "fp": 2, "fn": 0}
        result = await session.call_tool("metrics_from_counts", arguments)
    assert result.structuredContent is not None
    assert result.structuredContent["recall"] == 1.0


async def test_ask_describes_itself_and_its_arguments(dure: Dure) -> None:
    async with host(dure) as session:
        (ask,) = [tool for tool in (await session.list_tools()).tools if tool.name == "ask"]
    assert ask.inputSchema["required"] == ["request"]
    assert set(ask.inputSchema["properties"]) == {"request", "agent", "thread"}
    assert ask.title == "Ask Dure"


def mapped_models() -> list[str]:
    """GGUF files that the one `dure mcp`, or a process below it, has loaded."""
    (served,) = [p for p in psutil.Process().children() if p.cmdline()[-1] == "mcp"]
    family = [served, *served.children(recursive=True)]
    return [m.path for p in family for m in p.memory_maps() if m.path.endswith(".gguf")]


async def test_ask_answers_in_full_and_loads_the_model_only_when_it_needs_one(small: Dure) -> None:
    async with host(small) as session:
        heard: list[str] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            heard.append(message or "")

        request = {"request": "tp 8 fp 2 fn 0, recall?", "agent": "metrics", "thread": "t"}
        result = await session.call_tool("ask", request, progress_callback=progress)
        assert not result.isError, result.content
        jsonschema.validate(result.structuredContent, CONTRACT)
        assert result.structuredContent["agent"] == "metrics"
        assert result.structuredContent["thread"] == "t"
        assert any(message.startswith("metrics.") for message in heard)
        assert mapped_models() == []  # the request settles the whole call

        result = await session.call_tool("ask", {"request": "Say hello.", "agent": "chat"})
        assert not result.isError, result.content
        assert mapped_models()


async def test_ask_refuses_what_it_cannot_do_and_goes_on(small: Dure) -> None:
    (small.cwd / "old.md").write_text("An old note.", encoding="utf-8")
    assert small("call", "retrieval.add", "paths=old.md").returncode == 0
    async with host(small) as session:
        wrong = await session.call_tool("ask", {"request": "hi", "agent": "dance"})
        assert wrong.isError
        assert "no agent 'dance'" in text_of(wrong)
        request = {"request": "remove old.md from the index", "agent": "rag"}
        refused = await session.call_tool("ask", request)
        assert refused.isError
        assert "remove needs approval. Call that tool directly instead." in text_of(refused)
        right = await session.call_tool("ask", {"request": "Say hello.", "agent": "chat"})
        assert not right.isError


def text_of(result: Any) -> str:
    return " ".join(content.text for content in result.content)


@pytest.fixture
def attached(small: Dure) -> Dure:
    """With a server of the user's own in `mcp.json`."""
    entry = {
        "command": "${PYTHON_OF_THE_TEST}",
        "args": [str(Path(__file__).with_name("village.py"))],
        "cwd": str(small.cwd),
    }
    path = small.home / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"village": entry}}), encoding="utf-8")
    return Dure(small.home, small.cwd, small.model, {"PYTHON_OF_THE_TEST": sys.executable})


def test_a_users_servers_tools_are_listed_and_called(attached: Dure) -> None:
    assert "village.ring_bell times=…" in attached("tools", "village").stdout
    called = attached("call", "village.count_sheep")
    assert json.loads(called.stdout) == {"result": 73}


def test_a_users_server_is_an_agent_whose_acts_need_a_yes(attached: Dure) -> None:
    ask = ("ask", "--json", "--agent", "village", "Ring the bell 3 times.")
    refused = attached(*ask)
    assert (refused.returncode, refused.stdout) == (3, ""), refused.stderr
    assert "ring_bell" in refused.stderr
    assert not (attached.cwd / "bell.txt").exists()
    allowed = attached(*ask, "--yes")
    assert allowed.returncode == 0, allowed.stderr
    answer = json.loads(allowed.stdout)
    assert answer["agent"] == "village"
    step = answer["steps"][0]
    assert (step["server"], step["tool"], step["ok"]) == ("village", "ring_bell", True)
    assert step["arguments"] == {"times": 3}
    assert (attached.cwd / "bell.txt").read_text() == "dong dong dong "


def test_what_a_users_server_only_reads_needs_no_yes(attached: Dure) -> None:
    done = attached("ask", "--json", "--agent", "village", "How many sheep are there?")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["steps"][0]["tool"] == "count_sheep"
    assert "73" in answer["answer"]


def test_a_request_that_names_a_users_server_goes_to_it_in_korean_too(attached: Dure) -> None:
    done = attached("ask", "--json", "--yes", "village의 양은 모두 몇 마리야?")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["agent"], answer["route"]["stage"]) == ("village", "rule")


@pytest.mark.parametrize(
    "name", ["chat", "rag", "regex", "route", "enrich", "remember", "ask_back", "auto"]
)
def test_a_users_server_cannot_take_a_name_that_dure_uses(name: str, dure: Dure) -> None:
    dure.home.mkdir()
    document = {"mcpServers": {name: {"command": "x"}}}
    (dure.home / "mcp.json").write_text(json.dumps(document), encoding="utf-8")
    done = dure("tools")
    assert done.returncode == 2
    assert "a name that Dure itself uses" in done.stderr
