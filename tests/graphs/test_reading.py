"""Text of any length is answered from: stuffed, mapped and reduced, or refined; nothing fails."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from graphs.reading import context_of, counted, in_parts, method_for, read
from tests.graphs.scripted import Scripted


class Counting(Scripted):
    """A scripted model with a context, whose token is four characters."""

    context: int = 2000

    def get_num_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    def get_num_tokens_from_messages(self, messages: Any, tools: Any = None) -> int:
        return sum(self.get_num_tokens(str(m.text)) + 8 for m in messages)


class Uncountable(Scripted):
    """A model whose tokenizer would have to be downloaded."""

    def get_num_tokens(self, text: str) -> int:
        raise OSError("no network")

    def get_num_tokens_from_messages(self, messages: Any, tools: Any = None) -> int:
        raise OSError("no network")


def pages(n: int, words: int = 100) -> list[str]:
    return [f"page {number}. " + "word " * words for number in range(n)]


async def test_the_method_follows_from_counted_tokens() -> None:
    model = Counting(replies=[AIMessage("x")])
    assert await method_for(model, "q", pages(3), ordered=True) == "stuff"
    assert await method_for(model, "q", pages(30), ordered=True) == "refine"
    assert await method_for(model, "q", pages(30), ordered=False) == "map_reduce"


@pytest.mark.parametrize("method", ["map_reduce", "refine"])
async def test_every_page_is_read_in_order_and_no_prompt_exceeds_the_context(method: Any) -> None:
    model = Counting(replies=[AIMessage("a note")])
    told: list[tuple[int, int]] = []
    reading = await read(model, "q", pages(40), method, lambda *part: told.append(part))
    assert reading.method == method
    assert reading.text == "a note"
    assert len(reading.replies) == len(model.asked)
    assert all(counted(model, asked) < model.context for asked in model.asked)
    whole = "\n".join(str(asked[-1].text) for asked in model.asked)
    places = [whole.index(f"page {number}.") for number in range(40)]
    assert places == sorted(places)
    assert told[0][0] == 1
    assert told[-1][0] == told[-1][1]


async def test_refine_carries_the_draft_from_part_to_part() -> None:
    model = Counting(replies=[AIMessage(f"draft {n}") for n in range(50)])
    reading = await read(model, "q", pages(30), "refine")
    assert "draft 0" in str(model.asked[1][-1].text)
    assert reading.text == f"draft {len(model.asked) - 1}"


async def test_an_empty_note_does_not_lose_the_draft() -> None:
    model = Counting(replies=[AIMessage("a draft"), AIMessage("")])
    assert (await read(model, "q", pages(30), "refine")).text == "a draft"


async def test_notes_that_do_not_fit_are_reduced_in_rounds() -> None:
    model = Counting(replies=[AIMessage("note " * 150)])
    reading = await read(model, "q", pages(60), "map_reduce")
    assert reading.text
    assert all(counted(model, asked) < model.context for asked in model.asked)


@pytest.mark.parametrize("text", ["가" * 30_000, "x" * 30_000, "a b " * 9_000, "\n" * 5_000])
def test_one_text_longer_than_any_part_is_cut_without_loss(text: str) -> None:
    parts = in_parts([text], 100, lambda piece: len(piece) // 4 + 1)
    joined = "".join(piece for part in parts for piece in part)
    assert joined == (text if text.strip() else "")
    assert all(sum(len(p) // 4 + 9 for p in part) <= 108 for part in parts)


async def test_a_model_that_cannot_count_is_estimated() -> None:
    model = Uncountable(replies=[AIMessage("x")])
    assert context_of(model) == 8192
    assert await method_for(model, "q", pages(3), ordered=False) == "stuff"
    assert await method_for(model, "q", pages(300), ordered=False) == "map_reduce"
