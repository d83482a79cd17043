"""The meta-agent as an MCP tool: `ask`, beside the engines' own tools."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ToolAnnotations
from pydantic import Field

if TYPE_CHECKING:
    from agents.session import Session
    from agents.settings import Settings


def add_ask(server: FastMCP[None], settings: Settings) -> None:
    """Add the tool `ask`. The agent, its model and its servers start at the first call."""
    opened = _Opened(settings)

    async def ask(
        context: Context[Any, Any, Any],
        request: Annotated[str, Field(description="What to answer, in Korean or English")],
        agent: Annotated[str | None, Field(description="One agent, instead of routing")] = None,
        thread: Annotated[str | None, Field(description="A conversation to continue")] = None,
    ) -> dict[str, Any]:
        """Let Dure's agents answer: it picks a specialist, which uses its tools.

        Tool calls that need approval are refused; call the tool itself to have your host ask.
        """
        from agents.session import new_thread

        session = await opened.session()
        name = thread or new_thread()
        steps = 0
        async for event in session.ask(request, thread=name, agent=agent):
            if event["event"] == "tool_start":
                steps += 1
                await context.report_progress(steps, None, f"{event['server']}.{event['tool']}")
            elif event["event"] == "approval":
                waiting = ", ".join(call["name"] for call in event["requests"])
                raise ValueError(f"{waiting} needs approval. Call that tool directly instead.")
            elif event["event"] == "done":
                return dict(event["answer"])
        raise ValueError("The agent ended without an answer.")

    server.add_tool(
        ask,
        name="ask",
        title="Ask Dure",
        annotations=ToolAnnotations(readOnlyHint=False, destructiveHint=False, openWorldHint=False),
    )


class _Opened:
    """The one session of a serving process, opened by a task of its own at the first request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting = asyncio.Lock()
        self._session: Session | None = None
        self._owner: asyncio.Task[None] | None = None

    async def session(self) -> Session:
        async with self._starting:
            if self._session is None:
                ready: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
                self._owner = asyncio.create_task(self._own(ready))
                self._session = await ready
            return self._session

    async def _own(self, ready: asyncio.Future[Session]) -> None:
        from agents.session import open_session

        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(open_session(self._settings))
            except Exception as error:
                ready.set_exception(error)
                return
            ready.set_result(session)
            await asyncio.Event().wait()
