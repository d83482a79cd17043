"""The fine-tune operator: looks at the data, says what it will take, asks, starts, and watches.

    inspect -> estimate -> approve -> start
                  ^          | an edit in words ("epochs=5") or as arguments
                  +----------+

is the tool `train` of the agent's loop, `watch` another one. All else is the training server's own
tools; which of them is meant, and with which arguments, code reads from the request
(`prompts/tool_rules.toml`, `graphs/training_settings`, `graphs/training_runs`). A model is asked
only where that leaves something open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from graphs.following import Line, watch_tool
from graphs.language import Language, language_of
from graphs.specialist import Specialist, request_of
from graphs.state import Turn
from graphs.tool_calls import RAN_WITH, SPEAKS, call_tool, only, result_of
from graphs.tool_rules import ruled_tool
from graphs.training_runs import NAMED_ONLY, Runs
from graphs.training_settings import changed, data_in, settings_in
from prompts import say

AGENT = "finetune"
_SHOWN = ("data", "base", "method", "name", "epochs", "max_steps", "learning_rate", "rank")
"""The settings that a model sees of `train`; the others, too many for a small one, code reads."""
_PENDING = "wants_more_for"
"""Key in the `additional_kwargs` of a question for data or a run: the request it is about."""
_STOP_WATCHING = "stop_watching"  # what the rules call it; no tool
_NAMED = 5  # runs that a question for one names
_WHICH_RUN = {"delete_run": "which_run_to_delete", "push": "which_run_to_push"}


class Preview(Protocol):
    """What the user sees before saying yes."""

    def __call__(
        self,
        inspected: Mapping[str, Any] | None,
        estimated: Mapping[str, Any],
        settings: Mapping[str, Any],
        language: Language,
    ) -> str: ...


class Training(TypedDict, total=False):
    """One training that is being agreed on. `settings` are the arguments of `train`."""

    settings: dict[str, Any]
    agreed: dict[str, Any]  # those that were last shown: what an edit that cannot be falls back to
    language: Language
    inspected: dict[str, Any]
    estimated: dict[str, Any]
    note: str
    approved: bool
    problem: str
    started: dict[str, Any]


def build_training(
    tools: Mapping[str, BaseTool], preview: Preview, *, ask_first: bool
) -> CompiledStateGraph[Training, None, Training, Training]:
    """The graph behind `train`; `tools` are the training server's."""

    async def look(state: Training, name: str, kept: str) -> Training:
        """The result of a tool that only looks, under `kept`; an impossible edit is taken back."""
        message = await call_tool(AGENT, tools[name], _for(tools[name], state["settings"]))
        result = result_of(message)
        if message.status != "error":
            return {kept: result, "problem": ""}  # type: ignore[misc]
        if "agreed" in state:
            return {"settings": state["agreed"], "note": str(result), "problem": ""}
        return {"problem": str(result)}

    async def inspect(state: Training) -> Training:
        return await look(state, "inspect_dataset", "inspected")

    async def estimate(state: Training) -> Training:
        _tell("estimating", state["language"])
        return await look(state, "estimate", "estimated")

    async def approve(state: Training) -> Training:
        settings, language = state["settings"], state["language"]
        if not ask_first:
            return {"approved": True}
        told = state["inspected"] if new_data(state) else None  # said once, not at every edit
        shown = preview(told, state["estimated"], settings, language)
        if note := state.get("note"):
            shown = f"{shown}\n\n> {note}"
        request = {"name": "train", "args": settings, "preview": shown, "language": language}
        decision = interrupt({"action_requests": [request]})["decisions"][0]
        edited: Training = {"agreed": settings}
        match decision["type"]:
            case "approve":
                return {"approved": True}
            case "edit":
                return {**edited, "settings": decision["edited_action"]["args"], "note": ""}
            case "words":
                return {**edited, **_edited(state, str(decision["words"]), tools["train"])}
        return {"approved": False}

    async def start(state: Training) -> Training:
        # Quietly: the call that stands for all of this is announced already.
        call: Any = {"name": "train", "args": state["settings"], "id": "call_start"}
        message = await tools["train"].ainvoke({**call, "type": "tool_call"})
        if message.status == "error":
            return {"problem": str(message.text)}
        return {"started": result_of(message)}

    def new_data(state: Training) -> bool:
        seen, before = tools["inspect_dataset"], state.get("agreed")
        return before is None or _for(seen, before) != _for(seen, state["settings"])

    def after_looking(state: Training) -> Literal["estimate", "approve", "__end__"]:
        if state["problem"]:
            return "__end__"
        return "approve" if state["settings"] == state.get("agreed") else "estimate"

    def after_estimating(state: Training) -> Literal["approve", "__end__"]:
        return "__end__" if state["problem"] else "approve"

    def after_approval(
        state: Training,
    ) -> Literal["start", "inspect", "estimate", "approve", "__end__"]:
        if "approved" in state:
            return "start" if state["approved"] else "__end__"
        before, now = state["agreed"], state["settings"]
        if before == now:
            return "approve"  # not understood
        return "inspect" if new_data(state) else "estimate"

    graph = StateGraph(Training)
    for name, node in (("inspect", inspect), ("estimate", estimate)):
        graph.add_node(name, node)
    graph.add_node("approve", approve)
    graph.add_node("start", start)
    graph.add_edge(START, "inspect")
    graph.add_conditional_edges("inspect", after_looking)
    graph.add_conditional_edges("estimate", after_estimating)
    graph.add_conditional_edges("approve", after_approval)
    graph.add_edge("start", END)
    return graph.compile(name="train")


def training_tools(
    tools: Mapping[str, BaseTool],
    allowed: Sequence[BaseTool],
    preview: Preview,
    line: Line,
    *,
    ask_first: bool,
) -> list[BaseTool]:
    """The agent's tools: those `allowed`, `train` with a look, an estimate and the user's yes
    before it, and `watch`. `tools` are all that the training server offers.
    """
    graph = build_training(tools, preview, ask_first=ask_first)

    async def train(**arguments: Any) -> tuple[str, dict[str, Any]]:
        language: Language = arguments.pop("language", "en")
        end = await graph.ainvoke({"settings": arguments, "language": language})
        if problem := end.get("problem"):
            raise ToolException(problem)
        result = {
            "approved": end["approved"],
            "settings": end["settings"],
            "run": end.get("started"),
        }
        artifact = {"structured_content": result, RAN_WITH: end["settings"]}
        return json.dumps(result, ensure_ascii=False), artifact

    agreed = StructuredTool(
        name="train",
        description=tools["train"].description,
        args_schema=_schema(_shown(tools["train"])),
        coroutine=train,
        response_format="content_and_artifact",
        metadata={**(tools["train"].metadata or {}), SPEAKS: True},
        handle_tool_error=True,
    )
    watching = watch_tool(tools["status"], "run", line)
    return [*(agreed if tool.name == "train" else _shown(tool) for tool in allowed), watching]


def _shown(tool: BaseTool) -> BaseTool:
    """A tool whose model sees only the settings that people name most."""
    return only(tool, _SHOWN) if tool.name in ("train", "estimate") else tool


def _schema(tool: BaseTool) -> dict[str, Any]:
    assert isinstance(tool.args_schema, dict)  # as all tools have that come over MCP
    return tool.args_schema


def with_training(specialist: Specialist, runs: Runs) -> Specialist:
    """The specialist, with the runs known to it.

    It asks for the data of a training where none is named, and for the run of what cannot be
    undone; to stop watching needs no tool, as nothing watches between two requests.
    """

    async def answer(state: Turn) -> Turn:
        await runs.refresh()
        request = request_of(state)
        *earlier, last = state["messages"]
        pending = earlier[-1].additional_kwargs.get(_PENDING) if earlier else None
        if pending and _completes(pending, request, runs):
            joined = HumanMessage(f"{pending}\n{request}", id=last.id)
            return await noted({**state, "messages": [*earlier, joined]})
        language = language_of(request)
        if ruled_tool(AGENT, request) == _STOP_WATCHING:
            return {"messages": [AIMessage(say("not_watching", language))], "steps": []}
        if missing := _missing(request, runs):
            asked = AIMessage(
                _question(missing, runs.latest()[:_NAMED], language),
                additional_kwargs={_PENDING: request},
            )
            return {"messages": [asked], "steps": []}
        return await noted(state)

    async def noted(state: Turn) -> Turn:
        turn = await specialist(state)
        runs.note(turn["steps"])
        return turn

    return answer


def _completes(pending: str, request: str, runs: Runs) -> bool:
    """Whether a request only says what was asked for: another order must not delete a run."""
    tool, now = ruled_tool(AGENT, pending), ruled_tool(AGENT, request)
    if tool in NAMED_ONLY and now not in (None, tool):
        return False
    return not _missing(f"{pending}\n{request}", runs)


def _missing(request: str, runs: Runs) -> str | None:
    """The question for what a request leaves out, or None."""
    tool = ruled_tool(AGENT, request)
    if tool in ("train", "estimate") and not data_in(request):
        return "which_training_data"
    if tool in NAMED_ONLY and not runs.settle(tool, {"run"}, request).get("run"):
        return _WHICH_RUN[tool]
    return None


def _question(key: str, known: Sequence[str], language: Language) -> str:
    """The question with the runs that there are; where there are none, it asks for no name."""
    if key in _WHICH_RUN.values() and not known:
        return say("no_runs", language)
    listed = ", ".join(f"`{name}`" for name in known)
    return say(key, language, known=listed, first=known[0] if known else "")


def _for(tool: BaseTool, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a tool takes."""
    return {name: value for name, value in settings.items() if name in tool.args}


def _edited(state: Training, words: str, train: BaseTool) -> Training:
    """The settings with what the user's words change; a note where they change nothing."""
    language = state["language"]
    changes = settings_in(words, train.args)
    if not changes:
        return {"note": say("edit_not_understood", language, words=words)}
    told = ", ".join(f"{name} = {value}" for name, value in changes.items())
    note = say("edit_understood", language, changes=told)
    return {"settings": changed(state["settings"], changes), "note": note}


def _tell(key: str, language: Language) -> None:
    get_stream_writer()({"event": "progress", "text": say(key, language)})
