"""The main graph: keep the conversation short, enrich the request with facts, decide who answers,
let that specialist answer.

Deciding has four stages, cheapest first: rules, similarity to examples, the model under a
constrained choice, and a question back to the user (chapter 16, multi-skill routing).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs.language import language_of
from graphs.memory import Remember
from graphs.similarity import ExampleClassifier
from graphs.specialist import Specialist, request_of
from graphs.state import Fact, Route, Turn
from prompts import prompt, say

Enrich = Callable[[str], Awaitable[list[Fact]]]

Rule = tuple[str, str, str]
"""(pattern, agent, reason)"""

ASKED = "asked_about"
"""Key in the `additional_kwargs` of a question back: the request that it is about."""

# Fitted on the examples, each left out in turn: `python -m evals.routing --fit`.
_SURE = 0.8  # the examples alone decide at or above this: 97% right on two thirds of them
_TRUST = 0.35  # weight of the model's log-probabilities beside those of the examples
_UNSURE = 0.4  # below this, examples and model together ask back


def _compiled(rules: Sequence[Rule]) -> list[tuple[re.Pattern[str], str, str]]:
    return [(re.compile(pattern, re.IGNORECASE), agent, why) for pattern, agent, why in rules]


class Router:
    """Decides which agent answers a request.

    `agents` maps each name to one line about what it does; `rules` are (pattern, agent, reason).
    A rule of `follow_ups` holds only right after an answer of its own agent, and only where the
    examples are not sure of another one; one of `stays` holds there before all else: two agents
    train, and "how far is the training?" means the one that was spoken of.
    """

    def __init__(
        self,
        agents: Mapping[str, str],
        rules: Sequence[Rule],
        examples: ExampleClassifier,
        model: BaseChatModel,
        follow_ups: Sequence[Rule] = (),
        stays: Sequence[Rule] = (),
    ) -> None:
        self._agents = agents
        self._rules = _compiled(rules)
        self._follow_ups = _compiled(follow_ups)
        self._stays = _compiled(stays)
        self._examples = examples
        self._model = model
        self._bias: dict[str, float] | None = None

    async def decide(self, request: str, before: str | None = None) -> Route:
        """The route of a request; `agent` is empty where the user must be asked.

        `before` is the agent that answered last.
        """
        for rule, agent, why in self._stays:
            if agent == before and rule.search(request):
                return {"agent": agent, "stage": "rule", "confidence": 1.0, "reason": why}
        for rule, agent, why in self._rules:
            if agent in self._agents and rule.search(request):
                return {"agent": agent, "stage": "rule", "confidence": 1.0, "reason": why}
        scores, nearest = self._examples.scores(request)
        agent = max(scores, key=scores.__getitem__)
        if scores[agent] >= _SURE:
            return {
                "agent": agent,
                "stage": "examples",
                "confidence": round(scores[agent], 3),
                "reason": f"like “{nearest[agent]}”",
            }
        for rule, agent, why in self._follow_ups:
            if agent == before and rule.search(request):
                return {"agent": agent, "stage": "rule", "confidence": 1.0, "reason": why}
        chances = await self._model_chances(request)
        joint = {name: scores.get(name, 0.0) * chances[name] ** _TRUST for name in self._agents}
        total = sum(joint.values()) or 1.0
        agent = max(joint, key=joint.__getitem__)
        confidence = round(joint[agent] / total, 3)
        if confidence < _UNSURE:
            return {
                "agent": "",
                "stage": "asked",
                "confidence": confidence,
                "reason": "neither the examples nor the model are sure",
            }
        return {
            "agent": agent,
            "stage": "model",
            "confidence": confidence,
            "reason": f"examples and model together; like “{nearest[agent]}”",
        }

    async def _model_chances(self, request: str) -> dict[str, float]:
        """How likely the model finds each agent; its one pick where it gives no probabilities.

        A small model leans towards some names whatever it is asked, so what it says to a request
        without content is divided out (Zhao et al. 2021, "Calibrate Before Use").
        """
        names = list(self._agents)
        probabilities = getattr(self._model, "aprobabilities", None)
        if probabilities is not None:
            if self._bias is None:
                self._bias = await probabilities(self._question("N/A"), names)
            found = await probabilities(self._question(request), names)
            ratios = {name: (found[name] + 0.01) / (self._bias[name] + 0.01) for name in names}
            return {name: ratio / sum(ratios.values()) for name, ratio in ratios.items()}
        schema = {
            "title": "choose_agent",
            "description": "Name the agent that should answer.",
            "type": "object",
            "properties": {"agent": {"type": "string", "enum": names}},
            "required": ["agent"],
        }
        config: Any = {"tags": ["nostream"]}
        choice = await self._model.with_structured_output(schema).ainvoke(
            self._question(request), config
        )
        picked = choice.get("agent") if isinstance(choice, dict) else None
        return {name: 0.9 if name == picked else 0.1 for name in names}

    def _question(self, request: str) -> list[BaseMessage]:
        listed = "\n".join(f"- {name}: {what}" for name, what in self._agents.items())
        return [
            SystemMessage(prompt("route").replace("{agents}", listed)),
            HumanMessage(f"Request: {request[-1500:]}\n\nAgent:"),
        ]


def build_router(
    router: Router,
    specialists: Mapping[str, Specialist],
    titles: Mapping[str, Mapping[str, str]],
    enrich: Enrich | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    remember: Remember | None = None,
) -> CompiledStateGraph[Turn, None, Turn, Turn]:
    """The main graph over these specialists. `titles[agent][language]` names each to the user."""

    async def add_facts(state: Turn) -> Turn:
        picked = not state.get("agent") and _picked(state, titles)
        request = _question_before(state) if picked else request_of(state)
        return {"facts": await enrich(request) if enrich else []}

    async def decide(state: Turn) -> Turn:
        update: Turn = {}
        if fixed := state.get("agent"):
            route: Route = {
                "agent": fixed,
                "stage": "fixed",
                "confidence": 1.0,
                "reason": "chosen by you",
            }
        elif picked := _picked(state, titles):
            route = {"agent": picked, "stage": "asked", "confidence": 1.0, "reason": "your pick"}
            # The earlier request stands again as the last one, so that the specialist answers it.
            update = {"messages": [HumanMessage(_question_before(state))]}
        else:
            route = await router.decide(request_of(state), _answered_by(state))
        get_stream_writer()({"event": "route", "route": route})
        return {**update, "route": route, "steps": [], "citations": [], "artifacts": []}

    async def ask_back(state: Turn) -> Turn:
        request = request_of(state)
        language = language_of(request)
        choices = "\n".join(
            f"{number}. {titles[name][language]} ({name})"
            for number, name in enumerate(specialists, start=1)
        )
        question = AIMessage(
            say("which_agent", language, choices=choices), additional_kwargs={ASKED: request}
        )
        return {"messages": [question]}

    def next_node(state: Turn) -> str:
        return state["route"]["agent"] or "ask_back"

    graph = StateGraph(Turn)
    graph.add_node("enrich", add_facts)
    graph.add_node("route", decide)
    graph.add_node("ask_back", ask_back)
    if remember is None:
        graph.add_edge(START, "enrich")
    else:
        graph.add_node("remember", remember)
        graph.add_edge(START, "remember")
        graph.add_edge("remember", "enrich")
    graph.add_edge("enrich", "route")
    for name, specialist in specialists.items():
        graph.add_node(name, _with_route(specialist))
        graph.add_edge(name, END)
    graph.add_conditional_edges("route", next_node, [*specialists, "ask_back"])
    graph.add_edge("ask_back", END)
    return graph.compile(checkpointer=checkpointer, name="router")


def _with_route(specialist: Specialist) -> Specialist:
    """A specialist as a node that writes the turn's evidence into the answer it leaves behind."""

    async def node(state: Turn) -> Turn:
        outcome = await specialist(state)
        answer = outcome["messages"][-1]
        answer.additional_kwargs["turn"] = {
            "route": state["route"],
            "steps": outcome.get("steps", []),
            "citations": outcome.get("citations", []),
            "artifacts": outcome.get("artifacts", []),
        }
        return outcome

    return node


def _picked(turn: Turn, titles: Mapping[str, Any]) -> str | None:
    """The agent that the user picks in reply to a question back, by number or by name."""
    if not _question_before(turn):
        return None
    reply = request_of(turn).strip().strip(".").lower()
    names = list(titles)
    if reply.isdigit() and 1 <= int(reply) <= len(names):
        return names[int(reply) - 1]
    spoken = [name for name in names if reply in (name, *map(str.lower, titles[name].values()))]
    return spoken[0] if spoken else None


def _answered_by(turn: Turn) -> str | None:
    """The agent that gave the last answer of the conversation."""
    messages = turn["messages"]
    kept = messages[-2].additional_kwargs.get("turn") if len(messages) > 1 else None
    return str(kept["route"]["agent"]) if kept else None


def _question_before(turn: Turn) -> str:
    """The request that the last answer asked back about, or an empty text."""
    messages = turn["messages"]
    if len(messages) < 2:
        return ""
    return str(messages[-2].additional_kwargs.get(ASKED, ""))
