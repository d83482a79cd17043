"""The MCP client pool: one persistent session a server, spawned lazily, restarted when it dies.

Each session is opened and closed by one task of its own, because the SDK's transports may only
be left by the task that entered them.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from agents.errors import DureError, UsageError
from agents.mcp_config import ServerSpec

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from mcp import ClientSession
    from mcp.types import CallToolResult, ListToolsResult

Notice = Callable[[str, str, float | None, float | None], None]
"""Told what servers report: (server, message, done, total); the last two only for progress."""

Result = TypeVar("Result")

_START_TIMEOUT = 60.0  # seconds: `npx -y` may have to fetch its package first
_PING_TIMEOUT = 2.0
_GRACE = 1.0  # seconds after a request's own time-out; some requests have none
_END_TIMEOUT = 6.0  # seconds: closing standard input, SIGTERM, SIGKILL
_BACK_OFF = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before the nth start in a row


class ServerFailure(DureError):
    """A server could not be started, died or did not answer in time."""


class Server:
    """One server and its session.

    Tools made by langchain-mcp-adapters call through this object, so they outlive any single
    process of the server.
    """

    def __init__(
        self, spec: ServerSpec, *, roots: list[Path], timeout: float, logs: Path, notice: Notice
    ) -> None:
        self.spec = spec
        self._roots = roots
        self._timeout = timeout
        self._logs = logs
        self._notice = notice
        self._session: ClientSession | None = None
        self._owner: asyncio.Task[None] | None = None
        self._owners: set[asyncio.Task[None]] = set()  # those of earlier sessions may still end
        self._stop = asyncio.Event()
        self._starting = asyncio.Lock()
        self._failures = 0
        self._retry_at = 0.0

    async def list_tools(self, cursor: str | None = None, **options: Any) -> ListToolsResult:
        """The server's tools, as `ClientSession.list_tools` gives them."""
        session = await self.session()
        return await self._guarded(session.list_tools(cursor, **options), "tools/list")

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        progress_callback: Any = None,
        **_: Any,
    ) -> CallToolResult:
        """Call a tool. Raises `ServerFailure` within the time-out whatever the server does."""
        session = await self.session()

        async def report(progress: float, total: float | None, message: str | None) -> None:
            self._notice(self.spec.name, message or name, progress, total)

        call = session.call_tool(
            name,
            arguments,
            read_timeout_seconds=timedelta(seconds=self._timeout),
            progress_callback=report,
        )
        return await self._guarded(call, name)

    async def read_resources(self) -> list[tuple[str, str]]:
        """(uri, text) of each text resource that the server lists; none if it has no resources."""
        session = await self.session()
        capabilities = session.get_server_capabilities()
        if capabilities is None or capabilities.resources is None:
            return []
        found = []
        listed = await self._guarded(session.list_resources(), "resources/list")
        for resource in listed.resources:
            read = await self._guarded(session.read_resource(resource.uri), str(resource.uri))
            texts = [text for content in read.contents if (text := getattr(content, "text", None))]
            if texts:
                found.append((str(resource.uri), "\n".join(texts)))
        return found

    async def session(self) -> ClientSession:
        """The live session; starts the server where needed, with back-off after failures."""
        async with self._starting:
            if self._session is not None and self._owner and not self._owner.done():
                return self._session
            wait = self._retry_at - time.monotonic()
            if wait > 0:
                raise ServerFailure(
                    f"The server {self.spec.name!r} keeps failing; it is tried again in "
                    f"{math.ceil(wait)} s. {self._clue()}"
                )
            return await self._start()

    async def close(self) -> None:
        """End the session and its process."""
        self._stop.set()
        self._session = None
        if self._owners:
            _, stuck = await asyncio.wait(self._owners, timeout=_END_TIMEOUT)
            for owner in stuck:
                owner.cancel()
            if stuck:
                await asyncio.wait(stuck, timeout=_END_TIMEOUT)

    async def roots_changed(self) -> None:
        """Tell a running server that the user allowed another folder."""
        if self._session is not None and not self.spec.foreign:
            with suppress(Exception):  # one that died hears of it when it starts again
                async with asyncio.timeout(_PING_TIMEOUT):
                    await self._session.send_roots_list_changed()

    async def _start(self) -> ClientSession:
        ready: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._owner = asyncio.create_task(self._own(ready), name=f"mcp:{self.spec.name}")
        self._owners.add(self._owner)
        self._owner.add_done_callback(self._owners.discard)
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                self._session = await asyncio.shield(ready)
        except asyncio.CancelledError:
            self._owner.cancel()
            raise
        except Exception as error:
            self._owner.cancel()
            self._failed()
            raise ServerFailure(
                f"The server {self.spec.name!r} did not start ({_reason(error)}). {self._clue()}"
            ) from None
        return self._session

    async def _own(self, ready: asyncio.Future[ClientSession]) -> None:
        """Open the session, keep it until told to stop, close it: all in this one task."""
        try:
            async with AsyncExitStack() as stack:
                session = await self._open(stack)
                await session.initialize()
                ready.set_result(session)
                await self._stop.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
        finally:
            if self._owner is asyncio.current_task():  # else a successor has its session already
                self._session = None

    async def _open(self, stack: AsyncExitStack) -> ClientSession:
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.types import Implementation

        spec = self.spec
        if spec.url:
            if spec.transport == "sse":
                from mcp.client.sse import sse_client

                read, write = await stack.enter_async_context(sse_client(spec.url, spec.headers))
            else:
                from mcp.client.streamable_http import streamable_http_client
                from mcp.shared._httpx_utils import create_mcp_http_client

                client = await stack.enter_async_context(create_mcp_http_client(spec.headers))
                read, write, _ = await stack.enter_async_context(
                    streamable_http_client(spec.url, http_client=client)
                )
        else:
            assert spec.command is not None
            _check_command(spec)
            command, args = spec.command, list(spec.args)
            if spec.foreign:
                leash = Path(__file__).with_name("leash.py")
                args = ["-S", str(leash), str(os.getpid()), command, *args]
                command = sys.executable
            parameters = StdioServerParameters(
                command=command,
                args=args,
                env=dict(spec.env),
                cwd=spec.cwd,
                encoding_error_handler="replace",
            )
            self._logs.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(self._log_path().open("a", encoding="utf-8"))
            read, write = await stack.enter_async_context(stdio_client(parameters, errlog=log))
        return await stack.enter_async_context(
            ClientSession(
                read,
                write,
                list_roots_callback=self._list_roots,
                logging_callback=self._log,
                client_info=Implementation(name="dure", version="0.1"),
            )
        )

    async def _guarded(self, request: Awaitable[Result], what: str) -> Result:
        """Await a request; a dead or hung server is let go, so that the next call starts anew."""
        import anyio
        from mcp import McpError

        try:
            async with asyncio.timeout(self._timeout + _GRACE):
                result = await request
        except (McpError, TimeoutError) as error:
            timed_out = isinstance(error, TimeoutError) or error.error.code == 408
            if timed_out and await self._answers_ping():
                raise ServerFailure(
                    f"{self.spec.name}.{what} took longer than {self._timeout:g} s and was given "
                    "up. Raise DURE_TOOL_TIMEOUT if it needs longer."
                ) from None
            if not timed_out and "closed" not in str(error).lower():
                raise ServerFailure(f"{self.spec.name}.{what} failed: {error}.") from None
            self._let_go()
            state = f"did not answer for {self._timeout:g} s" if timed_out else "died"
            raise ServerFailure(
                f"The server {self.spec.name!r} {state} during {what}; it starts again at the "
                f"next call. {self._clue()}"
            ) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            self._let_go()
            raise ServerFailure(
                f"The server {self.spec.name!r} is gone; it starts again at the next call."
            ) from None
        self._failures = 0
        return result

    async def _answers_ping(self) -> bool:
        if self._session is None:
            return False
        try:
            async with asyncio.timeout(_PING_TIMEOUT):
                await self._session.send_ping()
        except Exception:
            return False
        return True

    def _let_go(self) -> None:
        self._session = None
        self._stop.set()  # the owner ends the process by itself
        self._failed()

    def _failed(self) -> None:
        self._failures += 1
        wait = _BACK_OFF[min(self._failures - 1, len(_BACK_OFF) - 1)]
        self._retry_at = time.monotonic() + wait

    def _clue(self) -> str:
        if self.spec.url:
            return f"Its address: {self.spec.url.partition('?')[0]}."
        return f"Its log: {self._log_path()}."

    def _log_path(self) -> Path:
        return self._logs / f"{self.spec.name}.log"

    async def _list_roots(self, context: Any) -> Any:
        from mcp.types import ListRootsResult, Root
        from pydantic import FileUrl

        roots = [] if self.spec.foreign else self._roots
        return ListRootsResult(
            roots=[Root(uri=FileUrl(root.as_uri()), name=root.name or "/") for root in roots]
        )

    async def _log(self, params: Any) -> None:
        self._notice(self.spec.name, str(params.data), None, None)


class ServerPool:
    """All servers of one chat, by name. Nothing is spawned before it is needed.

    Use as an async context manager: leaving it ends every server.
    """

    def __init__(
        self,
        specs: Mapping[str, ServerSpec],
        *,
        logs: Path,
        timeout: float = 60.0,
        roots: list[Path] | None = None,
        notice: Notice = lambda server, message, done, total: None,
    ) -> None:
        self._roots = roots if roots is not None else [Path.cwd()]
        self._servers = {
            name: Server(spec, roots=self._roots, timeout=timeout, logs=logs, notice=notice)
            for name, spec in specs.items()
        }
        self._tools: dict[str, list[BaseTool]] = {}

    async def __aenter__(self) -> ServerPool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    def names(self) -> list[str]:
        """The servers' names, our own first."""
        return list(self._servers)

    def server(self, name: str) -> Server:
        """The server of this name. Raises `UsageError` for an unknown one."""
        if name not in self._servers:
            raise UsageError(
                f"There is no server {name!r}. Choose from: {', '.join(self._servers)}."
            )
        return self._servers[name]

    async def allow(self, path: Path) -> None:
        """Let our own servers use a path that the user named."""
        resolved = path.expanduser().resolve()
        if not any(resolved.is_relative_to(root) for root in self._roots):
            self._roots.append(resolved)
            for server in self._servers.values():
                await server.roots_changed()

    async def tools(self, name: str) -> list[BaseTool]:
        """The server's tools as LangChain tools; their metadata holds the MCP annotations."""
        if name not in self._tools:
            from langchain_mcp_adapters.tools import load_mcp_tools

            server = self.server(name)
            tools = await load_mcp_tools(cast("ClientSession", server), server_name=name)
            for tool in tools:
                tool.metadata = {**(tool.metadata or {}), "server": name}
            self._tools[name] = tools
        return self._tools[name]

    async def call(self, server: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call one tool and give the protocol's own result."""
        return await self.server(server).call_tool(tool, arguments)


def existing_path(word: str) -> Path | None:
    """The file or folder that a word names, if there is one; any text may be asked about."""
    try:
        path = Path(word).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None  # longer than a name may be, `~nobody`, or with a null character


def _check_command(spec: ServerSpec) -> None:
    """Raise `FileNotFoundError` for what is not there: on a leash nobody else would say so."""
    assert spec.command is not None
    folder = Path(spec.cwd or ".")
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    bare = not os.path.dirname(spec.command)  # noqa: PTH120 - "./x" and "x" differ
    path = spec.env.get("PATH", os.environ.get("PATH"))
    if not shutil.which(spec.command if bare else str(folder / spec.command), path=path):
        raise FileNotFoundError(f"no such command: {spec.command}")


def _reason(error: BaseException) -> str:
    """One line for a failure that may hide in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"no answer in {_START_TIMEOUT:g} s"
    return str(error) or type(error).__name__
