"""Serving over HTTP: who may reach a server, and with which token."""

from __future__ import annotations

import hmac
import ipaddress
import sys
from typing import Any

from mcp.server.fastmcp import FastMCP

from mcp_servers.errors import EngineError


def address(transport: str, host: str, port: int) -> str:
    """The URL that clients of `run_http` use."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/{'sse' if transport == 'sse' else 'mcp'}"


def run_http(
    server: FastMCP[None], transport: str, *, host: str, port: int, token: str | None
) -> None:
    """Serve "http" (MCP's streamable HTTP, at /mcp) or "sse" (at /sse) until interrupted.

    On loopback, Host and Origin are checked, so that a web page cannot reach a local server
    through the user's browser. Beyond loopback every request needs the bearer token; raises
    `EngineError` where none is given.
    """
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    loopback = is_loopback(host)
    if not loopback and not token:
        raise EngineError(f"Serving on {host} needs a token. Set DURE_TOKEN or --token.")
    print(f"serving on {address(transport, host, port)}", file=sys.stderr)
    names = (host, "localhost", "127.0.0.1", "[::1]")
    server.settings.transport_security = TransportSecuritySettings(
        enable_dns_rebinding_protection=loopback,
        allowed_hosts=[f"{name}:{port}" for name in names],
        allowed_origins=[f"http://{name}:{port}" for name in names],
    )
    app: Any = server.sse_app() if transport == "sse" else server.streamable_http_app()
    uvicorn.run(
        RequireToken(app, token) if token else app, host=host, port=port, log_level="warning"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RequireToken:
    """ASGI: answers 401 to every HTTP request without `Authorization: Bearer TOKEN`."""

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        given = dict(scope.get("headers", [])).get(b"authorization", b"")
        if scope["type"] != "http" or hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
            return
        headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"a bearer token is required"})
