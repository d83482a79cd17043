"""The loop belongs to the graph, not to the model: step limit, repeat detector, early finish."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, hook_config
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.runtime import Runtime

STOPPED = "stopped"
"""Key in a final message's `additional_kwargs`: why the loop ended without an answer."""


class KeepLimits(AgentMiddleware):
    """Ends a loop that runs too long or goes round in circles.

    The end is an empty message that names the reason; the specialist turns it into a partial
    answer from the results so far. Nothing is raised.
    """

    def __init__(self, step_limit: int, *, final_errors: bool = False) -> None:
        super().__init__()
        self._step_limit = step_limit
        self._final_errors = final_errors

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        if rejected(state["messages"]):
            return {"jump_to": "end"}  # a no is obeyed, not argued with
        if self._final_errors and any(m.status == "error" for m in _last_round(state["messages"])):
            return _stop("repeated_call")
        calls = [m for m in this_run(state["messages"]) if isinstance(m, AIMessage)]
        return _stop("step_limit") if len(calls) >= self._step_limit else None

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        messages = this_run(state["messages"])
        latest = messages[-1]
        if not isinstance(latest, AIMessage) or not latest.tool_calls:
            return None
        earlier = [
            (call["name"], call["args"])
            for message in messages[:-1]
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        ]
        repeated = all((call["name"], call["args"]) in earlier for call in latest.tool_calls)
        return _stop("repeated_call") if repeated else None


class FinishOnResult(AgentMiddleware):
    """Ends the loop once every tool of the last round succeeded with a result that is the answer.

    For small models: the result is rendered as it is, instead of being retyped by the model.
    """

    def __init__(self, final_tools: frozenset[str]) -> None:
        super().__init__()
        self._final_tools = final_tools

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        latest = _last_round(state["messages"])
        final = all(m.status != "error" and m.name in self._final_tools for m in latest)
        return {"jump_to": "end"} if latest and final else None


def this_run(messages: list[Any]) -> list[Any]:
    """The messages after the latest request."""
    for place in range(len(messages) - 1, -1, -1):
        if isinstance(messages[place], HumanMessage):
            return messages[place + 1 :]
    return messages


def rejected(messages: list[Any]) -> list[ToolMessage]:
    """The refusals of the last round of tool calls, if the user refused all of it.

    A call that ran, well or not, left its step behind.
    """
    latest = _last_round(messages)
    return [] if any("step" in m.additional_kwargs for m in latest) else latest


def _last_round(messages: list[Any]) -> list[ToolMessage]:
    return list(takewhile(lambda m: isinstance(m, ToolMessage), reversed(messages)))


def _stop(reason: str) -> dict[str, Any]:
    message = AIMessage("", additional_kwargs={STOPPED: reason})
    return {"messages": [message], "jump_to": "end"}
