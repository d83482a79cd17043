"""`dure mcp`: serve the engines to any MCP client, and install them into hosts."""

from __future__ import annotations

import click

_servers = click.option(
    "--servers",
    help="Comma-separated names, as regex,diffusion. Default: all that dure tools lists.",
)


@click.group("mcp", invoke_without_command=True)
@click.option(
    "--transport",
    type=click.Choice(["stdio", "sse", "http"]),
    default="stdio",
    show_default=True,
    help="http is MCP's streamable HTTP, at /mcp; sse is at /sse.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True)
@_servers
@click.option("--no-ask", is_flag=True, help="Leave out the tool `ask` (the whole agent).")
@click.option(
    "--token", envvar="DURE_TOKEN", help="Bearer token; required beyond loopback. [DURE_TOKEN]"
)
@click.pass_context
def command(
    context: click.Context,
    transport: str,
    host: str,
    port: int,
    servers: str | None,
    no_ask: bool,
    token: str | None,
) -> None:
    """Serve every engine, and the tool `ask`, to any MCP client.

    \b
      dure mcp                                      on stdio, for a host to start
      dure mcp --transport http --port 8765         for many clients
      dure mcp install claude                       into Claude Desktop's config
    """
    if context.invoked_subcommand:
        return
    from agents.errors import UsageError
    from agents.mcp_face import add_ask
    from agents.settings import load_settings
    from mcp_servers import http, hub
    from mcp_servers.errors import EngineError
    from mcp_servers.serving import run_stdio

    names = _names(servers)
    settings = load_settings()
    server = hub.mount(names)
    if not no_ask:
        add_ask(server, settings)
    if transport == "stdio":
        run_stdio(server)
    try:
        http.run_http(server, transport, host=host, port=port, token=token)
    except EngineError as error:
        raise UsageError(str(error)) from None


@command.command("install")
@click.argument("host", type=click.Choice(["claude", "cursor"]))
@_servers
@click.option("--print", "only_print", is_flag=True, help="Show the entry; change nothing.")
def install(host: str, servers: str | None, only_print: bool) -> None:
    """Write Dure into a host's `mcpServers`, keeping what is there (with a backup)."""
    import json

    from agents.hosts import config_path, install_entry
    from agents.mcp_config import own_entry

    entry = own_entry(tuple(_names(servers)) if servers else None)
    if only_print:
        click.echo(json.dumps({"mcpServers": {"dure": entry}}, indent=2, ensure_ascii=False))
        return
    path, backup = install_entry(config_path(host), entry)
    click.echo(f"wrote {path}" + (f" (backup: {backup})" if backup else ""))
    click.echo("Restart the host to see Dure's tools.", err=True)


def _names(servers: str | None) -> list[str]:
    from agents.errors import UsageError
    from mcp_servers.catalog import SERVERS

    names = [name.strip() for name in servers.split(",")] if servers else list(SERVERS)
    unknown = [name for name in names if name not in SERVERS]
    if unknown:
        raise UsageError(f"There is no server {unknown[0]!r}. Choose from: {', '.join(SERVERS)}.")
    return names
