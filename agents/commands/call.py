"""`dure call`: one tool, straight to its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mcp.types import Tool

    from agents.pool import ServerPool


@click.command("call")
@click.argument("tool")
@click.argument("arguments", nargs=-1)
@click.option("--no-wait", is_flag=True, help="Do not follow a job that the tool starts.")
def command(tool: str, arguments: tuple[str, ...], no_wait: bool) -> None:
    """Call SERVER.TOOL with key=value arguments; prints its structured result as JSON.

    Lists are JSON (y_true='["a","b"]') or repeated keys (paths=a.pdf paths=b.md). `dure tools`
    lists what there is. Paths that you name may be read.

    \b
      dure call regex.findall pattern='\\d+' text='a1 b22'
      dure call retrieval.add paths=./docs
    """
    import asyncio

    asyncio.run(_call(tool, arguments, no_wait))


async def _call(name: str, given: tuple[str, ...], no_wait: bool) -> None:
    import json

    from agents.errors import DureError, UsageError
    from agents.mcp_config import foreign_servers, own_servers
    from agents.pool import ServerPool
    from agents.settings import load_settings
    from agents.tool_results import structured, text_of

    settings = load_settings()
    server, dot, tool = name.partition(".")
    if not dot:
        raise UsageError(f"{name!r} is not SERVER.TOOL. Try: dure tools")
    specs = {**own_servers(settings.home), **foreign_servers(settings.mcp_config)}

    def notice(server: str, message: str, done: float | None, total: float | None) -> None:
        click.echo(f"{server}: {message}", err=True)

    async with ServerPool(
        specs, logs=settings.home / "logs", timeout=settings.tool_timeout, notice=notice
    ) as pool:
        arguments = parse_arguments(given, (await named_tool(pool, server, tool)).inputSchema)
        await _allow_paths(pool, arguments)
        result = await pool.call(server, tool, arguments)
        shown = structured(result)
        if shown and "job" in shown and shown.get("status") == "running" and not no_wait:
            shown = await follow(pool, server, shown["job"])
        click.echo(
            json.dumps(shown, ensure_ascii=False, indent=2)
            if shown is not None
            else text_of(result)
        )
        if shown and shown.get("error"):
            raise DureError(str(shown["error"]))


async def named_tool(pool: ServerPool, server: str, name: str) -> Tool:
    """A server's tool of this name. Raises `UsageError` that names those that it has."""
    from agents.errors import UsageError

    tools = {tool.name: tool for tool in (await pool.server(server).list_tools()).tools}
    if name not in tools:
        raise UsageError(f"The server {server!r} has no tool {name!r}. It has: {', '.join(tools)}.")
    return tools[name]


def parse_arguments(given: tuple[str, ...], schema: dict[str, Any]) -> dict[str, Any]:
    """key=value words as a tool's arguments, by its input schema. Raises `UsageError`."""
    import json

    from agents.errors import UsageError

    properties = schema.get("properties", {})
    arguments: dict[str, Any] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or key not in properties:
            known = ", ".join(properties) or "none"
            raise UsageError(f"{word!r} is not key=value with a known key. Keys: {known}.")
        kinds = _types(properties[key])
        parsed: Any = value
        if kinds != {"string"}:
            try:
                parsed = json.loads(value)
            except ValueError:
                if "string" not in kinds | _items(properties[key]):
                    wanted = " or ".join(sorted(kinds))
                    raise UsageError(f"{key} must be {wanted}, not {value!r}.") from None
        if "array" in kinds and not isinstance(parsed, list) and parsed is not None:
            parsed = [
                *arguments.get(key, []),
                value if "string" in _items(properties[key]) else parsed,
            ]
        elif key in arguments:
            raise UsageError(f"{key} is given twice.")
        arguments[key] = parsed
    missing = [key for key in schema.get("required", []) if key not in arguments]
    if missing:
        raise UsageError(f"Missing: {', '.join(f'{key}=…' for key in missing)}.")
    return arguments


async def follow(pool: ServerPool, server: str, job: str, show: Any = None) -> dict[str, Any]:
    """Wait for a job, showing its steps; `show(state)` gets each change.

    Ctrl-C leaves the job running: it lives in a process of its own.
    """
    import asyncio

    seen = ""
    while True:
        state = (await pool.call(server, "job", {"job": job})).structuredContent or {}
        line = f"{state['message']} {state['done']}/{state['total']}"
        if line != seen:
            seen = line
            if show:
                show(state)
            else:
                click.echo(f"{job}: {line}", err=True)
        if state["status"] != "running":
            return state
        await asyncio.sleep(0.3)


async def _allow_paths(pool: ServerPool, arguments: dict[str, Any]) -> None:
    from agents.pool import existing_path

    for value in arguments.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and item and (path := existing_path(item)):
                await pool.allow(path)


def _types(schema: dict[str, Any]) -> set[str]:
    options = schema.get("anyOf", [schema])
    return {str(option.get("type", "string")) for option in options} - {"null"}


def _items(schema: dict[str, Any]) -> set[str]:
    arrays = [o for o in schema.get("anyOf", [schema]) if o.get("type") == "array"]
    return _types(arrays[0].get("items", {})) if arrays else set()
