"""Who answers: rules, examples, the model, a question back, and a fixed agent."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

from graphs.memory import memory
from graphs.router import Router, build_router
from graphs.similarity import ExampleClassifier
from graphs.specialist import request_of, with_facts
from graphs.state import Fact, Turn
from tests.graphs.scripted import Scripted

AGENTS = {"chat": "small talk", "sums": "adds numbers", "words": "counts words"}
TITLES = {
    "chat": {"ko": "대화", "en": "talk"},
    "sums": {"ko": "더하기", "en": "adding"},
    "words": {"ko": "단어 세기", "en": "counting words"},
}
EXAMPLES = {
    "chat": ["hello there", "how are you"],
    "sums": ["add two and three", "sum of numbers"],
    "words": ["count the words", "how many words"],
}
RULES = [("^/sum ", "sums", "starts with /sum"), ("robot", "nobody", "an agent that is not there")]
VOCABULARY = sorted(
    {word for texts in EXAMPLES.values() for text in texts for word in text.split()}
)


def bag_of_words(texts: Sequence[str]) -> Any:
    rows = np.array([[float(word in text.split()) for word in VOCABULARY] for text in texts])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class Guessing(Scripted):
    """A scripted model that also gives probabilities, as the embedded one does."""

    chances: dict[str, float]
    replies: list[Any] = Field(default_factory=list)

    async def aprobabilities(self, messages: list[Any], words: Sequence[str]) -> dict[str, float]:
        self.asked.append(messages)
        if "Request: N/A" in messages[-1].text:
            return {word: 1 / len(words) for word in words}
        return {word: self.chances.get(word, 0.0) for word in words}


def router(model: Any) -> Router:
    return Router(AGENTS, RULES, ExampleClassifier(EXAMPLES, bag_of_words), model)


async def test_a_rule_decides_first_and_asks_no_model() -> None:
    model = Scripted(replies=[{"agent": "chat"}])
    route = await router(model).decide("/sum hello there")
    assert (route["agent"], route["stage"], route["confidence"]) == ("sums", "rule", 1.0)
    assert route["reason"] == "starts with /sum"
    assert model.asked == []


async def test_a_rule_for_an_agent_that_is_not_there_is_passed_over() -> None:
    route = await router(Scripted(replies=[{"agent": "chat"}])).decide("robot, count the words")
    assert route["agent"] == "words"


async def test_a_follow_up_goes_to_the_agent_that_answered_last_unless_another_is_clear() -> None:
    follow_ups = [("more|words", "sums", "goes on with your sum")]
    model = Guessing(chances={"chat": 0.98, "sums": 0.01, "words": 0.01})
    examples = ExampleClassifier(EXAMPLES, bag_of_words)
    asked = Router(AGENTS, RULES, examples, model, follow_ups)
    assert (await asked.decide("and more", "sums"))["reason"] == "goes on with your sum"
    assert (await asked.decide("and more", "words"))["stage"] == "model"
    assert (await asked.decide("and more"))["stage"] == "model"
    assert (await asked.decide("count the words", "sums"))["agent"] == "words"


FOLLOWING = [
    "watch",
    "지켜볼게",
    "얼마나 남았어?",
    "학습 어디까지 됐어?",
    "how far is the training?",
]


@pytest.mark.parametrize("agent", ["foundations", "finetune"])
@pytest.mark.parametrize("request_", FOLLOWING)
async def test_training_spoken_of_is_that_of_the_agent_before(agent: str, request_: str) -> None:
    assert await routed(request_, before=agent) == agent


@pytest.mark.parametrize(
    ("request_", "before", "agent"),
    [
        ("I want the model to learn from faq.jsonl", None, "finetune"),
        ("how far is the training?", None, "finetune"),
        ("how far is the training?", "chat", "finetune"),
        ("cancel the fine-tuning", "foundations", "finetune"),
        ("파인튜닝 얼마나 됐어?", "foundations", "finetune"),
        ("remove notes.pdf", "foundations", "rag"),
    ],
)
async def test_training_that_is_named_is_that_of_its_own_agent(
    request_: str, before: str | None, agent: str
) -> None:
    assert await routed(request_, before) == agent


async def routed(request: str, before: str | None) -> str:
    """Who answers by the packaged rules; the examples and the model lean to chat."""
    text = files("prompts").joinpath("router", "rules.toml").read_text(encoding="utf-8")
    kinds = {
        kind: [(rule["pattern"], rule["agent"], rule["reason"]) for rule in rules]
        for kind, rules in tomllib.loads(text).items()
    }
    agents = dict.fromkeys(("chat", "finetune", "foundations", "rag"), "what it does")
    examples = ExampleClassifier(
        {name: [f"{name} a", f"{name} b"] for name in agents}, bag_of_words
    )
    model = Guessing(chances={"chat": 0.9})
    asked = Router(agents, kinds["rule"], examples, model, kinds["follow_up"], kinds["stay"])
    return (await asked.decide(request, before))["agent"]


async def test_clear_similarity_to_the_examples_decides_without_the_model() -> None:
    model = Scripted(replies=[{"agent": "chat"}])
    route = await router(model).decide("count the words")
    assert (route["agent"], route["stage"]) == ("words", "examples")
    assert route["confidence"] >= 0.8
    assert "count the words" in route["reason"]
    assert model.asked == []


async def test_an_unclear_request_is_decided_with_the_models_probabilities() -> None:
    model = Guessing(chances={"sums": 0.98, "chat": 0.01, "words": 0.01})
    route = await router(model).decide("xylophone")
    assert (route["agent"], route["stage"]) == ("sums", "model")
    assert 0 < route["confidence"] <= 1
    assert all(f"- {name}: {what}" in model.asked[0][0].text for name, what in AGENTS.items())


async def test_a_model_without_probabilities_picks_one_agent() -> None:
    route = await router(Scripted(replies=[{"agent": "words"}])).decide("xylophone")
    assert (route["agent"], route["stage"]) == ("words", "model")


async def test_when_nothing_is_sure_the_user_is_asked() -> None:
    unsure = Guessing(chances=dict.fromkeys(AGENTS, 1 / 3))
    route = await router(unsure).decide("xylophone")
    assert (route["agent"], route["stage"]) == ("", "asked")
    assert route["confidence"] < 0.5


async def conversation(model: Any, *requests: str, agent: str | None = None) -> list[Turn]:
    """The turns of one conversation in which each specialist says what it was asked."""

    def specialist(name: str) -> Any:
        async def answer(state: Turn) -> Turn:
            facts = "".join(fact["text"] for fact in state["facts"])
            return {"messages": [AIMessage(f"{name}: {request_of(state)} {facts}".strip())]}

        return answer

    async def enrich(request: str) -> list[Fact]:
        return [{"source": "clock", "text": "noon"}] if "time" in request else []

    graph = build_router(
        router(model),
        {name: specialist(name) for name in AGENTS},
        TITLES,
        enrich,
        InMemorySaver(),
    )
    config: Any = {"configurable": {"thread_id": "one"}}
    turns = []
    for request in requests:
        start: Turn = {"messages": [HumanMessage(request)], "agent": agent}
        turns.append(await graph.ainvoke(start, config))
    return turns


def said(turn: Turn) -> str:
    return str(turn["messages"][-1].text)


UNSURE = {"chances": dict.fromkeys(AGENTS, 1 / 3)}


async def test_the_question_back_offers_every_agent_by_number_in_the_requests_language() -> None:
    (english,) = await conversation(Guessing(**UNSURE), "xylophone")
    assert "1. talk (chat)\n2. adding (sums)\n3. counting words (words)" in said(english)
    (korean,) = await conversation(Guessing(**UNSURE), "실로폰")
    assert "2. 더하기 (sums)" in said(korean)


@pytest.mark.parametrize("pick", ["2", "2.", "sums", "Adding", "더하기"])
async def test_a_pick_continues_with_the_earlier_request(pick: str) -> None:
    _, answered = await conversation(Guessing(**UNSURE), "xylophone 1 2", pick)
    assert said(answered) == "sums: xylophone 1 2"
    assert answered["route"] == {
        "agent": "sums",
        "stage": "asked",
        "confidence": 1.0,
        "reason": "your pick",
    }


async def test_a_picked_agent_gets_the_facts_of_the_earlier_request() -> None:
    _, answered = await conversation(Guessing(**UNSURE), "xylophone time", "1")
    assert said(answered) == "chat: xylophone time noon"


async def test_another_request_after_the_question_back_is_routed_anew() -> None:
    _, answered = await conversation(Guessing(**UNSURE), "xylophone", "count the words")
    assert said(answered) == "words: count the words"


async def test_a_number_that_answers_no_question_is_an_ordinary_request() -> None:
    _, answered = await conversation(Guessing(**UNSURE), "count the words", "2")
    assert answered["route"]["stage"] == "asked"
    assert answered["route"]["agent"] == ""


async def test_a_fixed_agent_answers_without_routing() -> None:
    model = Scripted(replies=[{"agent": "chat"}])
    (turn,) = await conversation(model, "count the words", agent="chat")
    assert said(turn) == "chat: count the words"
    assert (turn["route"]["stage"], turn["route"]["reason"]) == ("fixed", "chosen by you")
    assert model.asked == []


async def test_an_answer_keeps_its_route_for_the_export() -> None:
    (turn,) = await conversation(Scripted(replies=[{}]), "count the words")
    kept = turn["messages"][-1].additional_kwargs["turn"]
    assert kept["route"]["agent"] == "words"
    assert kept["steps"] == []


async def test_every_agent_reads_the_summary_of_a_long_conversation() -> None:
    read: list[str] = []

    async def specialist(state: Turn) -> Turn:
        read.append("\n".join(str(message.text) for message in with_facts(state)))
        return {"messages": [AIMessage("fine " + "word " * 40)]}

    model = Scripted(replies=[AIMessage("They greeted each other.")])
    graph = build_router(
        router(model),
        dict.fromkeys(AGENTS, specialist),
        TITLES,
        checkpointer=InMemorySaver(),
        remember=memory(model, limit=200),
    )
    config: Any = {"configurable": {"thread_id": "one"}}
    for request in ["hello there", "add two and three", "count the words"] * 3:
        said = HumanMessage(request + " word" * 40)
        await graph.ainvoke({"messages": [said], "agent": "sums"}, config)
    assert "They greeted each other." in read[-1]
    assert len(read[-1].split()) < 300
