"""The tool `watch`: a job followed to its end, each change told on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.config import get_stream_writer

from graphs.language import Language
from graphs.tool_calls import SPEAKS, plain_error, result_of
from prompts import say

_POLL = 0.5  # seconds

Line = Callable[[Mapping[str, Any], Language], str]
"""A job's state in one line."""


def watch_tool(poll: BaseTool, key: str, line: Line) -> BaseTool:
    """Follows a job with the tool that tells its state; `key` is that tool's argument.

    Cancelled, it stops looking: the job lives in a process of its own.
    """

    async def watch(language: Language = "en", **named: Any) -> tuple[str, Any]:
        state = await _state(poll, named)
        seen = ""
        while state["status"] == "running":
            if (now := line(state, language)) != seen:
                text = f"{now} · {say('watching', language)}"
                get_stream_writer()({"event": "progress", "text": text})
                seen = now
            await asyncio.sleep(_POLL)
            state = await _state(poll, {key: state[key]})
        return json.dumps(state, ensure_ascii=False), {"structured_content": state}

    assert isinstance(poll.args_schema, dict)  # as all tools have that come over MCP
    return StructuredTool(
        name="watch",
        description="Follow it until it ends.",
        args_schema=poll.args_schema,
        coroutine=watch,
        response_format="content_and_artifact",
        metadata={**(poll.metadata or {}), SPEAKS: True, "readOnlyHint": True},
        handle_tool_error=True,
    )


async def _state(poll: BaseTool, named: dict[str, Any]) -> Any:
    """A job's state, asked for quietly. Raises `ToolException` as the server says."""
    call: Any = {"name": poll.name, "args": named, "id": f"call_{poll.name}", "type": "tool_call"}
    message = await poll.ainvoke(call)
    if message.status == "error":
        raise ToolException(plain_error(str(message.text), poll.name))
    return result_of(message)
