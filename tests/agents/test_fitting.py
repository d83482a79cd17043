"""Conversations that are too long are cut to fit; what matters most stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agents.fitting import ChatMessage, fit


def count(messages: Sequence[ChatMessage]) -> int:
    """A tokenizer of whole words that adds 5 tokens a message, as chat templates do."""
    return sum(len(message["content"].split()) + 5 for message in messages)


def say(role: str, content: str) -> ChatMessage:
    return {"role": role, "content": content}


def words(number: int, word: str = "word") -> str:
    return " ".join(f"{word}{i}" for i in range(number))


SYSTEM = say("system", words(20, "rule"))


def test_a_conversation_that_fits_is_left_alone() -> None:
    messages = [SYSTEM, say("user", "hello"), say("assistant", "hi")]
    assert fit(messages, count, 100) == messages


def test_a_short_conversation_is_not_even_counted() -> None:
    def never(messages: Sequence[ChatMessage]) -> int:
        raise AssertionError("counting costs a call to the model")

    messages = [SYSTEM, say("user", "안녕하세요")]
    assert fit(messages, never, 1000) == messages


def test_the_oldest_turns_go_first_and_the_system_prompt_stays() -> None:
    turns = [
        say(role, f"{role}{turn} " + words(30))
        for turn in range(6)
        for role in ("user", "assistant")
    ]
    kept = fit([SYSTEM, *turns, say("user", "the question")], count, 200)
    assert kept[0] == SYSTEM
    assert kept[1:] == [*turns[-len(kept) + 2 :], say("user", "the question")]
    assert kept[1]["role"] == "user"
    assert 2 < len(kept) < len(turns)
    assert count(kept) <= 200


def test_as_many_turns_stay_as_fit() -> None:
    turns = [say("user", words(5)) for _ in range(10)]
    kept = fit([SYSTEM, *turns], count, 65)
    assert count(kept) == 65  # 25 for the rules, four turns of 10


def test_a_turn_keeps_its_question_with_its_tool_calls_and_results() -> None:
    """Not the question is left out when a tool returns much: its result is cut."""
    question = say("user", "Which chapter explains RAG?")
    call = say("assistant", '{"tool": "search", "arguments": {"query": "RAG"}}')
    result = say("tool", "[search returned] " + words(500))
    old = [say("user", words(50, "old")), say("assistant", words(50, "old"))]
    kept = fit([SYSTEM, *old, question, call, result], count, 150)
    assert kept[:3] == [SYSTEM, question, call]
    assert kept[3]["role"] == "tool"
    assert "characters left out" in kept[3]["content"]
    assert kept[3]["content"].startswith("[search returned]")
    assert count(kept) <= 150


def test_one_message_that_is_too_long_loses_its_middle_with_a_mark() -> None:
    text = "FIRST " + words(1000) + " LAST"
    kept = fit([SYSTEM, say("user", text)], count, 200)
    assert kept[0] == SYSTEM
    shown = kept[1]["content"]
    assert shown.startswith("FIRST") and shown.endswith("LAST")
    assert "characters left out ...]" in shown
    assert 100 <= count(kept) <= 200  # and no more is thrown away than must be


def test_a_long_system_prompt_is_not_cut_while_the_turn_can_be() -> None:
    system = say("system", words(120, "rule"))
    kept = fit([system, say("user", words(100)), say("assistant", words(60))], count, 200)
    assert kept[0] == system
    assert count(kept) <= 200


def test_a_system_prompt_longer_than_the_context_is_cut_too() -> None:
    kept = fit([say("system", words(1000, "rule")), say("user", "the question")], count, 200)
    assert kept[1] == say("user", "the question")
    assert kept[0]["content"].startswith("rule0")
    assert count(kept) <= 200


@pytest.mark.parametrize("limit", [0, 3, 12, 40])
def test_it_always_ends_even_where_nothing_fits(limit: int) -> None:
    kept = fit([SYSTEM, say("user", words(300)), say("assistant", "x")], count, limit)
    assert [message["role"] for message in kept] == ["system", "user", "assistant"]


def test_korean_without_spaces_is_cut_by_characters() -> None:
    def by_character(messages: Sequence[ChatMessage]) -> int:
        return sum(len(message["content"]) + 5 for message in messages)

    kept = fit([say("user", "두레" * 2000)], by_character, 500)
    assert kept[0]["content"].startswith("두레") and kept[0]["content"].endswith("두레")
    assert by_character(kept) <= 500


def test_the_given_messages_are_not_changed() -> None:
    messages = [SYSTEM, say("user", words(1000))]
    before = [dict(message) for message in messages]
    fit(messages, count, 100)
    assert messages == before
