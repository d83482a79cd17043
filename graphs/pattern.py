"""Write a regular expression from examples and counter-examples, and prove it on them.

propose (the model) -> verify (the regex server) -> propose again with what was wrong -> ... ->
check (the regex server: can it backtrack catastrophically?). The model only ever proposes;
whether a pattern is right is decided by running it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from graphs.tool_calls import call_tool, result_of
from prompts import prompt

_ATTEMPTS = 5
_SCHEMA = {
    "title": "propose_pattern",
    "description": "Propose a Python regular expression.",
    "type": "object",
    "properties": {"pattern": {"type": "string", "minLength": 1, "maxLength": 200}},
    "required": ["pattern"],
}


class PatternState(TypedDict, total=False):
    """`tried` holds each pattern with the texts that it gets wrong; the best one is kept."""

    description: str
    examples: list[str]
    counterexamples: list[str]
    pattern: str
    tried: list[dict[str, Any]]
    passed: bool
    verdict: str


class WrittenPattern(TypedDict):
    """The result: `wrong` lists the texts that the closest pattern still gets wrong."""

    pattern: str
    passed: bool
    examples: list[str]
    counterexamples: list[str]
    attempts: int
    wrong: list[str]
    verdict: str


def build_pattern_writer(
    model: BaseChatModel, tools: Mapping[str, BaseTool]
) -> CompiledStateGraph[PatternState, None, PatternState, PatternState]:
    """The graph; `tools` are the regex server's `verify` and `check`."""

    async def propose(state: PatternState) -> PatternState:
        tried = state.get("tried", [])
        # A second identical prompt gives an identical pattern at temperature 0, so warm up.
        warmth = 0.0 if not tried else 0.7
        structured = model.with_structured_output(_SCHEMA)
        messages = [SystemMessage(prompt("write_pattern")), HumanMessage(_task(state))]
        config: Any = {"tags": ["nostream"]}
        proposal = await structured.ainvoke(messages, config, temperature=warmth)
        return {"pattern": str(proposal.get("pattern", "")) if isinstance(proposal, dict) else ""}

    async def verify(state: PatternState) -> PatternState:
        pattern = state["pattern"]
        arguments = {
            "pattern": pattern,
            "examples": state["examples"],
            "counterexamples": state["counterexamples"],
        }
        message = await call_tool("regex", tools["verify"], arguments)
        result = result_of(message)
        if message.status == "error":
            attempt = {"pattern": pattern, "error": str(result), "wrong": state["examples"]}
            passed = False
        else:
            wrong = [r["text"] for r in result["results"] if r["matched"] != r["expected"]]
            attempt = {"pattern": pattern, "wrong": wrong}
            passed = bool(result["passed"])
        return {"tried": [*state.get("tried", []), attempt], "passed": passed}

    async def check(state: PatternState) -> PatternState:
        message = await call_tool("regex", tools["check"], {"pattern": state["pattern"]})
        result = result_of(message)
        return {"verdict": result["verdict"] if message.status != "error" else "unknown"}

    def after_verify(state: PatternState) -> Literal["check", "propose", "__end__"]:
        if state["passed"]:
            return "check"
        return "propose" if len(state["tried"]) < _ATTEMPTS else "__end__"

    graph = StateGraph(PatternState)
    graph.add_node("propose", propose)
    graph.add_node("verify", verify)
    graph.add_node("check", check)
    graph.add_edge(START, "propose")
    graph.add_edge("propose", "verify")
    graph.add_conditional_edges("verify", after_verify)
    graph.add_edge("check", END)
    return graph.compile(name="write_pattern")


class WriteArguments(BaseModel):
    """What the agent must name to have a pattern written."""

    description: str = Field("", description="what the pattern is for")
    examples: list[str] = Field(min_length=1, description="texts it must match")
    counterexamples: list[str] = Field(default_factory=list, description="texts it must not match")


def pattern_tool(model: BaseChatModel, tools: Mapping[str, BaseTool]) -> BaseTool:
    """The graph as one more tool of the regex agent."""
    graph = build_pattern_writer(model, tools)

    async def write(
        examples: list[str], description: str = "", counterexamples: list[str] | None = None
    ) -> tuple[str, dict[str, Any]]:
        start: PatternState = {
            "description": description,
            "examples": examples,
            "counterexamples": counterexamples or [],
        }
        if not any(examples):
            raise ToolException("Name at least one text that the pattern must match.")
        end = await graph.ainvoke(start)
        best = min(end["tried"], key=lambda attempt: len(attempt["wrong"]))
        written: WrittenPattern = {
            "pattern": best["pattern"],
            "passed": end["passed"],
            "examples": examples,
            "counterexamples": start["counterexamples"],
            "attempts": len(end["tried"]),
            "wrong": best["wrong"],
            "verdict": end.get("verdict", "unknown"),
        }
        return json.dumps(written, ensure_ascii=False), {"structured_content": written}

    return StructuredTool(
        name="write",
        description="Write a new pattern from texts it must match and texts it must not match.",
        args_schema=WriteArguments,
        coroutine=write,
        response_format="content_and_artifact",
        metadata={"server": "regex", "readOnlyHint": True},
        handle_tool_error=True,
    )


def _task(state: PatternState) -> str:
    lines = [f"Purpose: {state['description']}"] if state["description"] else []
    lines.append("Must match fully: " + json.dumps(state["examples"], ensure_ascii=False))
    if state["counterexamples"]:
        listed = json.dumps(state["counterexamples"], ensure_ascii=False)
        lines.append("Must not match: " + listed)
    for attempt in state.get("tried", [])[-3:]:
        if "error" in attempt:
            lines.append(f"Not a valid pattern: {attempt['pattern']} ({attempt['error']})")
        else:
            wrong = json.dumps(attempt["wrong"], ensure_ascii=False)
            lines.append(f"Wrong: {attempt['pattern']} is wrong on {wrong}")
    return "\n".join(lines)
