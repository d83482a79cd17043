"""`dure tools`: what every server offers."""

from __future__ import annotations

from typing import Any

import click


@click.command("tools")
@click.argument("server", required=False)
@click.option("--json", "as_json", is_flag=True, help="Names, descriptions and input schemas.")
def command(server: str | None, as_json: bool) -> None:
    """List the tools of every server, or of SERVER, with their arguments.

    SERVER.TOOL describes one tool: each argument with its choices and its default.

    \b
      dure tools training
      dure tools training.train
    """
    import asyncio

    asyncio.run(_tools(server, as_json))


async def _tools(chosen: str | None, as_json: bool) -> None:
    import json

    from agents.commands.call import named_tool
    from agents.errors import DureError
    from agents.mcp_config import foreign_servers, own_servers
    from agents.pool import ServerPool
    from agents.settings import load_settings

    settings = load_settings()
    specs = {**own_servers(settings.home), **foreign_servers(settings.mcp_config)}
    async with ServerPool(specs, logs=settings.home / "logs") as pool:
        server, _, one = (chosen or "").partition(".")
        names = [server] if server else pool.names()
        failure: DureError | None = None
        for name in names:
            try:
                if one:
                    tools = [await named_tool(pool, name, one)]
                else:
                    tools = (await pool.server(name).list_tools()).tools
            except DureError as error:
                if one:
                    raise
                click.echo(f"dure: {error}", err=True)
                failure = error
                continue
            for tool in tools:
                if as_json:
                    row = {"server": name, **tool.model_dump(exclude_none=True)}
                    click.echo(json.dumps(row, ensure_ascii=False, default=str))
                    continue
                required = tool.inputSchema.get("required", [])
                keys = tool.inputSchema.get("properties", {})
                listed = " ".join(f"{k}=…" if k in required else f"[{k}=…]" for k in keys)
                click.echo(f"{name}.{tool.name} {listed}")
                click.echo(f"    {' '.join((tool.description or '').split())}")
                for key, schema in keys.items() if one else ():
                    click.echo(_argument(key, schema, key in required))
        if failure:
            raise failure


def _argument(name: str, schema: dict[str, Any], required: bool) -> str:
    """One argument: its default, what it is, and what may be chosen."""
    import json

    default = "" if schema.get("default") is None else json.dumps(schema["default"])
    choices = [
        str(choice)
        for each in (schema, *schema.get("anyOf", ()))
        for choice in each.get("enum", ())
    ]
    said = [schema.get("description", ""), f"({', '.join(choices)})" if choices else ""]
    value = "=…" if required else f"={default}" if default else ""
    return f"    {name}{value}  {' '.join(filter(None, said))}".rstrip()
