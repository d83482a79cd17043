"""One way to run a tool call: timed, announced, and with its failure turned into a message."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ToolCallRequest
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from graphs.grounding import grounded
from graphs.language import language_of
from graphs.settled import Settle, settled
from graphs.state import Step

SPEAKS = "speaks"
"""Key in a tool's metadata: it takes the language of the request."""

ASKED = "asked"
"""Key in a request's `additional_kwargs`: its text without the facts put in front of it."""

RAN_WITH = "ran_with"
"""Key in a tool's artifact: its arguments as it ran with them, where the user changed them."""

Run = Callable[[], Awaitable[Any]]


async def announced(agent: str, server: str, call: ToolCall, run: Run) -> ToolMessage:
    """Run a tool call and tell the stream when it starts and ends.

    Any exception becomes an error message that the agent can recover from; cancelling does not.
    The message's `additional_kwargs` hold the `Step`.
    """
    write = get_stream_writer()
    name, arguments = call["name"], call["args"]
    write({"event": "tool_start", "server": server, "tool": name, "arguments": arguments})
    began = time.perf_counter()
    try:
        message: ToolMessage = await run()
    except GraphBubbleUp:
        raise  # an approval inside the tool, not a failure of it
    except Exception as error:
        message = ToolMessage(str(error), name=name, tool_call_id=call["id"], status="error")
    if message.status == "error":
        message.content = plain_error(str(message.text), name)
    elif not isinstance(message.content, str):
        message.content = str(message.text)  # no provider takes a picture from a tool
    step: Step = {
        "agent": agent,
        "server": server,
        "tool": name,
        "arguments": _ran_with(message) or arguments,
        "ok": message.status != "error",
        "result": result_of(message),
        "seconds": round(time.perf_counter() - began, 4),
    }
    message.additional_kwargs["step"] = step
    write({"event": "tool_end", "step": step})
    return message


async def call_tool(agent: str, tool: BaseTool, arguments: dict[str, Any]) -> ToolMessage:
    """Call a tool from a graph's own node, in the same way as an agent's loop does."""
    call = ToolCall(name=tool.name, args=arguments, id=f"call_{tool.name}", type="tool_call")

    async def run() -> Any:
        return await tool.ainvoke(call)

    return await announced(agent, server_of(tool), call, run)


def server_of(tool: BaseTool) -> str:
    """The MCP server that a tool belongs to."""
    return str((tool.metadata or {}).get("server", ""))


def _ran_with(message: ToolMessage) -> dict[str, Any] | None:
    artifact = message.artifact
    return artifact.get(RAN_WITH) if isinstance(artifact, dict) else None


def result_of(message: ToolMessage) -> Any:
    """A tool's structured result, or its text where it has none."""
    artifact = message.artifact
    if isinstance(artifact, dict) and "structured_content" in artifact:
        return artifact["structured_content"]
    text = str(message.text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def steps_of(messages: list[Any]) -> list[Step]:
    """The steps that these messages record, in order."""
    return [
        message.additional_kwargs["step"]
        for message in messages
        if isinstance(message, ToolMessage) and "step" in message.additional_kwargs
    ]


class AnnounceToolCalls(AgentMiddleware):
    """Runs every tool call of a `create_agent` loop through `announced`.

    Arguments are mended from the request, but never those of tools that the user `approved`: what
    runs is what was shown.
    """

    def __init__(
        self, agent: str, approved: frozenset[str] = frozenset(), settle: Settle = settled
    ) -> None:
        super().__init__()
        self._agent = agent
        self._approved = approved
        self._settle = settle

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        server = server_of(request.tool) if request.tool else ""
        human = next(m for m in reversed(request.state["messages"]) if m.type == "human")
        asked = str(human.additional_kwargs.get(ASKED, human.text))  # without the facts before it
        arguments = dict(request.tool_call["args"])
        if request.tool_call["name"] not in self._approved:
            arguments = grounded(arguments, asked)
            if request.tool:
                arguments |= self._settle(request.tool.name, request.tool.args, asked)
        if request.tool and (request.tool.metadata or {}).get(SPEAKS):
            arguments["language"] = language_of(asked)
        call: ToolCall = {**request.tool_call, "args": arguments}

        async def run() -> Any:
            return await handler(request.override(tool_call=call))

        return await announced(self._agent, server, call, run)


def without_language(tool: BaseTool) -> BaseTool:
    """A tool whose `language` argument the graph fills in: the request decides it, not the model.

    A shorter signature is also a cheaper prompt. Tools without that argument stay as they are.
    """
    shorter = without(tool, "language")
    if shorter is tool:
        return tool
    return shorter.model_copy(update={"metadata": {**(tool.metadata or {}), SPEAKS: True}})


def without(tool: BaseTool, argument: str) -> BaseTool:
    """A tool whose model does not see one optional argument, so that its default stands."""
    schema = tool.args_schema
    if not isinstance(schema, dict) or argument not in schema.get("properties", {}):
        return tool
    return only(tool, [name for name in schema["properties"] if name != argument])


def only(tool: BaseTool, arguments: Collection[str]) -> BaseTool:
    """A tool whose model sees these of its arguments alone."""
    schema = tool.args_schema
    assert isinstance(schema, dict)
    properties = {k: v for k, v in schema["properties"].items() if k in arguments}
    required = [name for name in schema.get("required", []) if name in properties]
    shorter = {**schema, "properties": properties, "required": required}
    return tool.model_copy(update={"args_schema": shorter})


def plain_error(text: str, tool: str) -> str:
    """A tool's error in its own words: the SDK puts "Error executing tool NAME:" before it."""
    return text.removeprefix(f"Error executing tool {tool}: ").strip()
