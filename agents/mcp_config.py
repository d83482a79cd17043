"""The `mcpServers` format: reading a user's own servers, and describing our own."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.errors import UsageError
from mcp_servers.catalog import SERVERS

_RESERVED = {
    "chat",
    "rag",
    "finetune",
    "image",
    "auto",
    "enrich",
    "route",
    "ask_back",
    "remember",
}  # agents, nodes of the graph


@dataclass(frozen=True)
class ServerSpec:
    """How to reach one MCP server: a command on stdio, or a URL.

    `foreign` servers are the user's own: their tools ask before they act, and they run on a leash.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    transport: str = "stdio"  # or "sse", "streamable_http"
    headers: dict[str, str] = field(default_factory=dict)
    foreign: bool = True


def own_servers(home: Path) -> dict[str, ServerSpec]:
    """Dure's engines as stdio servers of this very installation."""
    return {
        name: ServerSpec(
            name,
            command=sys.executable,
            args=("-P", "-m", module),  # -P: no file of the working folder hides a module
            env={"DURE_HOME": str(home)},
            foreign=False,
        )
        for name, module in SERVERS.items()
    }


def foreign_servers(path: Path) -> dict[str, ServerSpec]:
    """The servers of a user's `mcp.json`; none where there is no file.

    `${NAME}` and `${NAME:-default}` in values are replaced from the environment, as Claude and
    Cursor do, so that keys stay out of the file. Raises `UsageError` that names the file, the
    line and what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1].strip()
        raise UsageError(
            f"{path}, line {error.lineno}, column {error.colno}: {error.msg} (near {line!r})."
        ) from None
    servers = document.get("mcpServers") if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise UsageError(f'{path}, line 1: expected an object {{"mcpServers": {{...}}}}.')
    found: dict[str, ServerSpec] = {}
    for name, entry in servers.items():
        problem = _problem(name, entry)
        if not problem and not entry.get("disabled"):
            problem = _unset(entry)
        if problem:
            raise UsageError(f"{path}, line {_line_of(text, name)}: server {name!r} {problem}.")
        if not entry.get("disabled"):
            found[name] = _spec(name, entry)
    return found


def _problem(name: str, entry: Any) -> str | None:
    if not re.fullmatch(r"[\w-]+", name):
        return "needs a name of letters, digits, - and _"
    if name in SERVERS or name in _RESERVED:
        return "has a name that Dure itself uses; choose another"
    if not isinstance(entry, dict):
        return "must be an object"
    if not all(isinstance(entry.get(key) or "", str) for key in ("command", "url")):
        return 'needs "command" or "url" to be a text'
    if not entry.get("command") and not entry.get("url"):
        return 'needs a "command" (stdio) or a "url" (HTTP)'
    args = entry.get("args", [])
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        return 'needs "args" to be a list of texts'
    for key in ("env", "headers"):
        table = entry.get(key, {})
        if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
            return f'needs "{key}" to map names to texts'
    if not isinstance(entry.get("cwd") or "", str):
        return 'needs "cwd" to be a text'
    kind = "transport" if entry.get("transport") else "type"
    transport = entry.get(kind) or ("http" if entry.get("url") else "stdio")
    if transport != "stdio" and transport != "sse" and "http" not in str(transport).lower():
        return f'needs "{kind}" to be "stdio", "sse" or "http"'
    needed = "command" if transport == "stdio" else "url"
    if not entry.get(needed):
        return f'needs a "{needed}", since its "{kind}" is {transport!r}'
    return None


def _unset(entry: dict[str, Any]) -> str | None:
    for name in re.findall(r"\$\{(?:env:)?(\w+)\}", json.dumps(entry, ensure_ascii=False)):
        if name not in os.environ:
            return f"needs the environment variable {name}, which is not set"
    return None


def _spec(name: str, entry: dict[str, Any]) -> ServerSpec:
    transport = entry.get("transport") or entry.get("type")
    if not transport:
        url = entry.get("url", "")
        transport = "stdio" if not url else "sse" if url.rstrip("/").endswith("/sse") else "http"
    return ServerSpec(
        name,
        command=_expand(entry["command"]) if entry.get("command") else None,
        args=tuple(_expand(arg) for arg in entry.get("args", [])),
        env={key: _expand(value) for key, value in entry.get("env", {}).items()},
        cwd=entry.get("cwd"),
        url=_expand(entry["url"]) if entry.get("url") and transport != "stdio" else None,
        transport="streamable_http" if "http" in transport.lower() else transport,
        headers={key: _expand(value) for key, value in entry.get("headers", {}).items()},
    )


def _expand(value: str) -> str:
    variable = r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}"
    return re.sub(variable, lambda m: os.environ.get(m[1]) or m[2] or "", value)


def _line_of(text: str, name: str) -> int:
    """The line on which the server's own entry begins; its name may stand elsewhere too."""
    reader = json.JSONDecoder()
    place = text.find("{", text.find('"mcpServers"')) + 1
    while found := re.compile(r'[\s,]*(?=")').match(text, place):
        key, end = reader.raw_decode(text, found.end())
        if key == name:
            return text.count("\n", 0, found.end()) + 1
        value = re.compile(r"\s*:\s*").match(text, end)
        if value is None:
            break
        _, place = reader.raw_decode(text, value.end())
    return 1


def own_entry(names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The entry that a host's `mcpServers` needs for Dure, with absolute paths."""
    command = shutil.which("dure", path=str(Path(sys.executable).parent))
    start = [command] if command else [sys.executable, "-m", "agents.cli"]
    args = [*start[1:], "mcp", *(["--servers", ",".join(names)] if names else [])]
    return {"command": start[0], "args": args}
