"""The `mcpServers` format, as users write it and as hosts need it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UsageError
from agents.mcp_config import ServerSpec, foreign_servers, own_entry, own_servers
from agents.registry import agents
from mcp_servers.catalog import SERVERS


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "mcp.json"


def write(config: Path, **servers: Any) -> Path:
    config.write_text(json.dumps({"mcpServers": servers}, indent=2, ensure_ascii=False))
    return config


def refusal(config: Path) -> str:
    with pytest.raises(UsageError) as caught:
        foreign_servers(config)
    message = str(caught.value)
    assert str(config) in message
    assert "\n" not in message
    return message


def test_no_file_means_no_servers(config: Path) -> None:
    assert foreign_servers(config) == {}


def test_a_command_is_a_stdio_server(config: Path) -> None:
    write(config, files={"command": "npx", "args": ["-y", "x"], "env": {"A": "1"}, "cwd": "/tmp"})
    assert foreign_servers(config) == {
        "files": ServerSpec(
            "files", command="npx", args=("-y", "x"), env={"A": "1"}, cwd="/tmp", transport="stdio"
        )
    }


@pytest.mark.parametrize(
    ("entry", "transport"),
    [
        ({"url": "http://h/mcp"}, "streamable_http"),
        ({"url": "http://h/sse"}, "sse"),
        ({"url": "http://h/sse/"}, "sse"),
        ({"url": "http://h/x", "type": "sse"}, "sse"),
        ({"url": "http://h/x", "transport": "sse"}, "sse"),
        ({"url": "http://h/sse", "type": "http"}, "streamable_http"),
        ({"url": "http://h/x", "type": "streamable-http"}, "streamable_http"),
        ({"url": "http://h/x", "transport": "streamable_http"}, "streamable_http"),
        ({"url": "http://h/x", "type": "streamableHttp"}, "streamable_http"),
        ({"command": "x", "type": "stdio"}, "stdio"),
    ],
)
def test_the_transport_is_taken_as_hosts_take_it(
    config: Path, entry: dict[str, str], transport: str
) -> None:
    assert foreign_servers(write(config, it=entry))["it"].transport == transport


def test_servers_are_foreign_unless_they_are_ours(config: Path, tmp_path: Path) -> None:
    assert foreign_servers(write(config, it={"command": "x"}))["it"].foreign
    assert not any(spec.foreign for spec in own_servers(tmp_path).values())


def test_a_disabled_server_is_left_out(config: Path) -> None:
    write(config, on={"command": "x"}, off={"command": "x", "disabled": True})
    assert list(foreign_servers(config)) == ["on"]


def test_variables_are_filled_in_everywhere(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "열쇠")
    write(
        config,
        one={
            "command": "${MY_KEY}/run",
            "args": ["--key=${MY_KEY}"],
            "env": {"K": "${env:MY_KEY}"},
        },
        two={"url": "http://h/${MY_KEY}/mcp", "headers": {"Authorization": "Bearer ${MY_KEY}"}},
    )
    one, two = foreign_servers(config).values()
    assert (one.command, one.args, one.env) == ("열쇠/run", ("--key=열쇠",), {"K": "열쇠"})
    assert (two.url, two.headers) == ("http://h/열쇠/mcp", {"Authorization": "Bearer 열쇠"})


def test_a_dollar_that_is_no_variable_stays(config: Path) -> None:
    write(config, it={"command": "x", "args": ["$HOME", "a$", "${}", "price: $5"]})
    assert foreign_servers(config)["it"].args == ("$HOME", "a$", "${}", "price: $5")


def test_a_variable_that_is_not_set_may_have_a_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    write(config, it={"command": "x", "args": ["${MY_KEY:-none at all}", "${MY_KEY:-}"]})
    assert foreign_servers(config)["it"].args == ("none at all", "")


def test_a_variable_that_is_not_set_is_named_with_its_server(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty key in its place would fail later, somewhere else."""
    monkeypatch.delenv("MY_KEY", raising=False)
    write(config, ok={"command": "x"}, it={"command": "x", "env": {"K": "${MY_KEY}"}})
    message = refusal(config)
    assert "'it'" in message and "MY_KEY" in message and "line 6" in message


def test_a_disabled_server_may_lack_its_variables(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    write(config, it={"command": "${MY_KEY}", "disabled": True})
    assert foreign_servers(config) == {}


def test_a_byte_order_mark_is_no_problem(config: Path) -> None:
    config.write_bytes(b'\xef\xbb\xbf{"mcpServers": {}}')
    assert foreign_servers(config) == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{\n  "mcpServers": {\n    "a": {"command": "x",}\n  }\n}\n', 3),
        ('{\n  "mcpServers": {\n    "a": {"command": "x"}\n', 4),
        ('{\n  // comment\n  "mcpServers": {}\n}', 2),
        ("", 1),
        ("\n", 2),
        ("hello", 1),
        ('{"mcpServers": {\n', 2),
        ('{"mcpServers": {"a": "\u2028\x0b"},\r\n x}', 1),
    ],
)
def test_broken_json_says_which_line(config: Path, text: str, line: int) -> None:
    config.write_text(text, encoding="utf-8", newline="")
    assert f"line {line}, column" in refusal(config)


@pytest.mark.parametrize("text", ["[]", '"x"', "{}", '{"mcpServers": []}', '{"servers": {}}', "1"])
def test_json_of_another_shape_says_what_is_expected(config: Path, text: str) -> None:
    config.write_text(text)
    assert '{"mcpServers": {...}}' in refusal(config)


def test_a_file_that_is_not_text_is_named(config: Path) -> None:
    config.write_bytes(b"\xff\xfe\x00{")
    assert "cannot be read" in refusal(config)


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("npx server", "object"),
        (["npx"], "object"),
        (None, "object"),
        ({}, "command"),
        ({"command": ""}, "command"),
        ({"command": ["npx", "x"]}, "command"),
        ({"url": 5}, "url"),
        ({"command": None}, "command"),
        ({"command": "x", "args": "a b"}, "args"),
        ({"command": "x", "args": ["a", 5]}, "args"),
        ({"command": "x", "env": ["A=1"]}, "env"),
        ({"command": "x", "env": {"PORT": 8080}}, "env"),
        ({"command": "x", "cwd": 5}, "cwd"),
        ({"url": "http://h/mcp", "headers": "Bearer x"}, "headers"),
        ({"url": "http://h/mcp", "transport": 5}, "transport"),
        ({"url": "http://h/mcp", "type": "websocket"}, "type"),
        ({"url": "http://h/mcp", "type": "stdio"}, "command"),
        ({"command": "x", "type": "sse"}, "url"),
    ],
)
def test_a_wrong_shape_names_the_server_its_line_and_the_key(
    config: Path, entry: Any, wrong: str
) -> None:
    write(config, fine={"command": "x"}, mine=entry)
    message = refusal(config)
    assert "'mine'" in message
    assert "line 6" in message
    assert wrong in message.split("'mine'")[1]


def test_the_line_is_the_servers_and_not_one_where_its_name_is_used(config: Path) -> None:
    write(config, fine={"command": "mine", "args": ["mine"], "env": {"mine": "x"}}, mine=5)
    lines = config.read_text().splitlines()
    expected = lines.index('    "mine": 5') + 1
    assert f"line {expected}:" in refusal(config)


@pytest.mark.parametrize("name", [*SERVERS, *agents(), "image", "auto"])
def test_a_server_may_not_take_a_name_of_ours(config: Path, name: str) -> None:
    assert "that Dure itself uses" in refusal(write(config, **{name: {"command": "x"}}))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../up", "a.b"])
def test_a_name_that_cannot_be_a_tool_prefix_is_refused(config: Path, name: str) -> None:
    assert "needs a name of letters" in refusal(write(config, **{name: {"command": "x"}}))


def test_a_korean_name_is_a_name(config: Path) -> None:
    assert list(foreign_servers(write(config, 날씨={"command": "x"}))) == ["날씨"]


def test_our_servers_run_on_this_very_python_and_home(tmp_path: Path) -> None:
    specs = own_servers(tmp_path)
    assert list(specs) == list(SERVERS)
    for name, spec in specs.items():
        assert spec.command == sys.executable
        assert spec.args[-1] == SERVERS[name]
        assert spec.env == {"DURE_HOME": str(tmp_path)}


def test_the_entry_for_hosts_has_absolute_paths_and_starts() -> None:
    entry = own_entry()
    assert Path(entry["command"]).is_absolute()
    assert entry["args"][-1] == "mcp"
    done = subprocess.run(
        [entry["command"], *entry["args"], "--help"], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0
    assert "any MCP client" in done.stdout


def test_the_entry_for_hosts_can_name_servers() -> None:
    assert own_entry(("regex", "metrics"))["args"][-2:] == ["--servers", "regex,metrics"]
