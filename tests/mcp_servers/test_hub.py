"""Every engine mounted in one server, each tool under its server's name."""

from __future__ import annotations

import pytest
from mcp.shared.memory import create_connected_server_and_client_session as connect

from mcp_servers import hub
from mcp_servers.catalog import SERVERS
from mcp_servers.errors import EngineError


async def test_all_engines_are_mounted_with_their_names_before_each_tool() -> None:
    expected = {
        f"{name}_{function.__name__}" for name in SERVERS for function in hub.load(name).tools
    }
    async with connect(hub.mount()._mcp_server) as session:
        listed = {tool.name for tool in (await session.list_tools()).tools}
    assert listed == expected
    assert {name.partition("_")[0] for name in listed} == set(SERVERS)


async def test_only_the_named_engines_are_mounted() -> None:
    async with connect(hub.mount(["metrics"])._mcp_server) as session:
        listed = [tool.name for tool in (await session.list_tools()).tools]
    assert listed
    assert all(name.startswith("metrics_") for name in listed)


async def test_a_namespaced_tool_answers_as_its_own_server_does() -> None:
    async with connect(hub.mount()._mcp_server) as session:
        arguments = {"pattern": r"\d", "text": "a1b2"}
        mounted = await session.call_tool("regex_findall", arguments)
        failed = await session.call_tool("regex_findall", {"pattern": "(", "text": ""})
    assert mounted.structuredContent is not None
    assert mounted.structuredContent["count"] == 2
    assert failed.isError


def test_each_engine_carries_the_name_of_the_catalog() -> None:
    assert {name: hub.load(name).name for name in SERVERS} == {name: name for name in SERVERS}


async def test_the_instructions_say_what_each_engine_is_for() -> None:
    instructions = hub.mount().instructions or ""
    for name in SERVERS:
        assert f"{name}: {hub.load(name).summary}" in instructions


def test_an_unknown_server_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"no server 'dance'.*regex, metrics, retrieval"):
        hub.mount(["regex", "dance"])
