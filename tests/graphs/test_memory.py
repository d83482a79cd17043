"""A long conversation is summarised for the agents, and stays whole for the user."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from graphs.memory import memory
from graphs.specialist import with_facts
from graphs.state import Turn
from tests.graphs.scripted import Scripted


class Counting(Scripted):
    """A scripted model whose token is a word."""

    context: int = 400

    def get_num_tokens_from_messages(self, messages: Any, tools: Any = None) -> int:
        return sum(len(str(m.text).split()) for m in messages)


class Broken(Counting):
    """A model that is not there."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("no such host")


async def talk(model: Scripted, turns: int, words: int = 20) -> tuple[Any, list[list[AnyMessage]]]:
    """The state after so many turns, and what the agent read in each."""
    read: list[list[AnyMessage]] = []

    async def agent(state: Turn) -> Turn:
        read.append(with_facts(state))
        return {"messages": [AIMessage(f"answer {len(read)} " + "word " * words)]}

    graph = StateGraph(Turn)
    graph.add_node("remember", memory(model))
    graph.add_node("agent", agent)
    graph.add_edge(START, "remember")
    graph.add_edge("remember", "agent")
    graph.add_edge("agent", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "one"}}
    for n in range(1, turns + 1):
        said = HumanMessage(f"question {n} " + "word " * words)
        await compiled.ainvoke({"messages": [said]}, config)
    return (await compiled.aget_state(config)).values, read


async def test_a_short_conversation_is_not_touched_and_nothing_is_counted() -> None:
    model = Broken(replies=[])
    state, read = await talk(model, 1, words=2)
    assert "summary" not in state
    assert str(read[-1][-1].text).startswith("question 1")


async def test_older_turns_become_a_summary_and_the_latest_stay() -> None:
    model = Counting(replies=[AIMessage("They spoke of words.")])
    state, read = await talk(model, 12)
    assert state["summary"] == "They spoke of words."
    last = read[-1]
    assert "They spoke of words." in str(last[-1].text)
    assert str(last[-1].text).endswith("question 12 " + "word " * 20)
    texts = [str(m.text).split(" word")[0] for m in last[:-1]]
    assert texts[-4:] == ["question 10", "answer 10", "question 11", "answer 11"]
    assert "question 1" not in texts
    assert sum(len(str(m.text).split()) for m in last) < 400


async def test_the_whole_conversation_stays_in_the_state() -> None:
    state, _ = await talk(Counting(replies=[AIMessage("A summary.")]), 12)
    texts = [str(m.text).split(" word")[0].strip() for m in state["messages"]]
    assert texts == [f"{who} {n}" for n in range(1, 13) for who in ("question", "answer")]


async def test_a_summary_is_carried_on_and_covers_each_message_once() -> None:
    model = Counting(replies=[AIMessage(f"Summary {n}.") for n in range(9)])
    state, _ = await talk(model, 25)
    assert len(model.asked) >= 2
    assert "Summary so far:\nSummary 0." in str(model.asked[1][-1].text)
    seen = "\n".join(str(asked[-1].text) for asked in model.asked)
    covered = state["summarised"] // 2
    assert [seen.count(f"question {n} word") for n in range(1, covered + 1)] == [1] * covered


async def test_a_model_that_fails_costs_the_summary_and_not_the_answer() -> None:
    state, read = await talk(Broken(replies=[]), 12)
    assert "summary" not in state
    assert len(read) == 12
    assert len(read[-1]) == 23


@pytest.mark.parametrize("words", [3000])
async def test_one_enormous_message_fails_nothing(words: int) -> None:
    model = Counting(replies=[AIMessage("A summary.")])
    state, read = await talk(model, 4, words=words)
    assert len(read) == 4
    assert str(read[-1][-1].text).rstrip().endswith("word")
    assert len(state["messages"]) == 8
