"""What every engine server shares: how tools are declared, built into an MCP server and run.

A `server.py` is a list of plain functions marked with `tool` and gathered into an `Engine`.
`build` turns one engine, or several under namespaces, into a `FastMCP` of the official SDK.

The SDK's own FastMCP was chosen over the `fastmcp` package because a light server must answer
`tools/list` in 0.7 s: importing the former takes 0.45 s here, the latter 0.9 s.
"""

from __future__ import annotations

import base64
import functools
import inspect
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import ValidationError

from mcp_servers.errors import wrong_values

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
_MARK = "__dure_tool__"


@dataclass(frozen=True)
class Engine:
    """One server's declaration: its name, what it is for, and its tools in listing order."""

    name: str
    summary: str
    tools: tuple[Callable[..., Any], ...]


def tool(
    title: str, *, read_only: bool = True, destructive: bool = False
) -> Callable[[AnyFunction], AnyFunction]:
    """Mark a function as an MCP tool; its docstring is the description that models read.

    `read_only` and `destructive` are the protocol's hints; hosts and the approval policy
    decide by them. Functions are synchronous: they run in a worker thread, so that a slow one
    never blocks the server.
    """

    def mark(function: AnyFunction) -> AnyFunction:
        hints = ToolAnnotations(
            title=title, readOnlyHint=read_only, destructiveHint=destructive, openWorldHint=False
        )
        setattr(function, _MARK, hints)
        return function

    return mark


class _Server(FastMCP[None]):
    """The SDK's server, but wrong arguments are told in a sentence, as all other errors are."""

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        try:
            return await super().call_tool(name, arguments)
        except ToolError as error:
            wrong = error.__cause__
            if isinstance(wrong, ValidationError) and wrong.title.endswith("Arguments"):
                told = f"{wrong_values(wrong)}. Call it again with other values for what is named."
                raise ToolError(f"Error executing tool {name}: {told}") from None
            raise


def build(engines: Sequence[Engine], *, name: str, namespaced: bool) -> FastMCP[None]:
    """One MCP server of these engines; `namespaced` names each tool `engine_tool`."""
    instructions = "\n".join(f"{engine.name}: {engine.summary}" for engine in engines)
    server: FastMCP[None] = _Server(name, instructions=instructions, log_level="WARNING")
    for engine in engines:
        for function in engine.tools:
            hints: ToolAnnotations = getattr(function, _MARK)
            own_name = function.__name__
            server.add_tool(
                _in_worker_thread(function),
                name=f"{engine.name}_{own_name}" if namespaced else own_name,
                title=hints.title,
                description=inspect.getdoc(function),
                annotations=hints,
            )
    return server


def _in_worker_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        bound = functools.partial(function, *args, **kwargs)
        return await anyio.to_thread.run_sync(bound, abandon_on_cancel=True)

    return cast("Callable[..., Awaitable[Any]]", call)


def report(context: Context[Any, Any, Any], done: float, total: float, message: str) -> None:
    """Send progress from inside a tool (which runs in a worker thread) to the client.

    Raises the thread out of the tool where the client has cancelled the call.
    """
    anyio.from_thread.check_cancelled()
    anyio.from_thread.run(context.report_progress, done, total, message)


def with_picture(result: Mapping[str, Any], png: bytes | None) -> CallToolResult:
    """A structured result, as text too for clients that read no structure, and its picture.

    None stands for a picture that is still to be made.
    """
    content: list[ContentBlock] = [
        TextContent(type="text", text=json.dumps(result, ensure_ascii=False))
    ]
    if png is not None:
        image = base64.b64encode(png).decode("ascii")
        content.append(ImageContent(type="image", data=image, mimeType="image/png"))
    return CallToolResult(content=content, structuredContent=dict(result))


def run(engine: Engine) -> None:
    """Serve one engine on stdio until standard input closes, then end at once."""
    run_stdio(build([engine], name=engine.name, namespaced=False))


def run_stdio(server: FastMCP[None]) -> None:
    """Serve on stdio. Standard output carries JSON-RPC and nothing else.

    File descriptor 1 is moved aside for the protocol and pointed at standard error, so that a
    stray `print`, in Python or in a C library, cannot break the stream.

    The process ends without waiting for worker threads: a host that closes standard input
    wants the server gone, and a thread in a long C call cannot be stopped in any other way.
    """
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    async def serve() -> None:
        from mcp.server.stdio import stdio_server

        low_level = server._mcp_server  # the SDK offers no public way to choose the streams
        async with stdio_server(stdout=anyio.wrap_file(protocol)) as (reader, writer):
            await low_level.run(reader, writer, low_level.create_initialization_options())
        os._exit(0)

    try:
        anyio.run(serve)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
    except BaseExceptionGroup as group:
        # The client went away in the middle of an answer: nobody is left to tell.
        print(f"dure: the client went away ({group.exceptions[0]!r})", file=sys.stderr)
        os._exit(1)
