"""`dure tools`: what every server offers."""

from __future__ import annotations

import click


@click.command("tools")
@click.argument("server", required=False)
@click.option("--json", "as_json", is_flag=True, help="Names, descriptions and input schemas.")
def command(server: str | None, as_json: bool) -> None:
    """List the tools of every server, or of SERVER, with their arguments."""
    import asyncio

    asyncio.run(_tools(server, as_json))


async def _tools(chosen: str | None, as_json: bool) -> None:
    import json

    from agents.errors import DureError
    from agents.mcp_config import foreign_servers, own_servers
    from agents.pool import ServerPool
    from agents.settings import load_settings

    settings = load_settings()
    specs = {**own_servers(settings.home), **foreign_servers(settings.mcp_config)}
    async with ServerPool(specs, logs=settings.home / "logs") as pool:
        names = [chosen] if chosen else pool.names()
        failure: DureError | None = None
        for name in names:
            try:
                tools = (await pool.server(name).list_tools()).tools
            except DureError as error:
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
        if failure:
            raise failure
