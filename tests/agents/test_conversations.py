"""Conversations on disk: their names, what survives, what is pruned."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from agents.conversations import names, open_conversations, prune


class State(TypedDict):
    words: Annotated[list[str], operator.add]


class Inner(TypedDict):
    inner: str


def config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


@asynccontextmanager
async def conversations(home: Path) -> AsyncIterator[tuple[AsyncSqliteSaver, Any]]:
    """A saver, and a graph over it whose one node runs a graph of its own, as specialists do."""
    async with open_conversations(home) as saver:
        inside = StateGraph(Inner)
        inside.add_node("think", lambda state: {"inner": "thought"})
        inside.add_edge(START, "think")
        inside.add_edge("think", END)
        inner = inside.compile(checkpointer=True)

        async def speak(state: State) -> Any:
            await inner.ainvoke({"inner": ""})
            return {"words": [f"{len(state['words'])}"]}

        graph = StateGraph(State)
        graph.add_node("speak", speak)
        graph.add_edge(START, "speak")
        graph.add_edge("speak", END)
        yield saver, graph.compile(checkpointer=saver)


async def rows(saver: AsyncSqliteSaver, query: str) -> list[Any]:
    async with saver.conn.execute(query) as cursor:
        return [tuple(row) async for row in cursor]


async def test_there_are_no_names_at_first(tmp_path: Path) -> None:
    async with open_conversations(tmp_path) as saver:
        assert await names(saver) == []


async def test_names_come_latest_used_first(tmp_path: Path) -> None:
    async with conversations(tmp_path) as (saver, graph):
        for thread in ("one", "둘", "three", "one"):
            await graph.ainvoke({"words": ["x"]}, config(thread))
        assert await names(saver) == ["one", "three", "둘"]


async def test_pruning_keeps_the_whole_state_and_the_latest_steps(tmp_path: Path) -> None:
    async with conversations(tmp_path) as (saver, graph):
        for thread in ("long", "other"):
            for _ in range(6):
                await graph.ainvoke({"words": ["x"]}, config(thread))
        before = (await graph.aget_state(config("long"))).values
        await prune(saver, "long", keep=4)
        assert (await graph.aget_state(config("long"))).values == before
        assert len(before["words"]) == 12
        history = [state async for state in graph.aget_state_history(config("long"))]
        assert len(history) == 4
        assert len([s async for s in graph.aget_state_history(config("other"))]) > 4


async def test_pruning_leaves_nothing_of_what_it_took_away(tmp_path: Path) -> None:
    async with conversations(tmp_path) as (saver, graph):
        for _ in range(6):
            await graph.ainvoke({"words": ["x"]}, config("long"))
        assert await rows(saver, "SELECT 1 FROM checkpoints WHERE checkpoint_ns != ''")
        await prune(saver, "long", keep=2)
        orphans = (
            "SELECT thread_id, checkpoint_ns FROM writes WHERE (checkpoint_ns, checkpoint_id) "
            "NOT IN (SELECT checkpoint_ns, checkpoint_id FROM checkpoints)"
        )
        assert await rows(saver, orphans) == []
        assert await rows(saver, "SELECT 1 FROM checkpoints WHERE checkpoint_ns != ''") == []


async def test_a_pruned_conversation_goes_on(tmp_path: Path) -> None:
    async with conversations(tmp_path) as (saver, graph):
        for _ in range(3):
            await graph.ainvoke({"words": ["x"]}, config("long"))
            await prune(saver, "long", keep=1)
    async with conversations(tmp_path) as (_, graph):
        after = await graph.ainvoke({"words": ["y"]}, config("long"))
    assert after["words"] == ["x", "1", "x", "3", "x", "5", "y", "7"]
