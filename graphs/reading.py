"""Answer from text of any length: stuff, map-reduce or refine, chosen by counted tokens.

Chapter 13.10.1: what does not fit the model's context is read in parts, so that it never fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.messages.utils import count_tokens_approximately

from graphs.passages import as_prompt
from prompts import prompt

Method = Literal["stuff", "map_reduce", "refine"]
Told = Callable[[int, int], None]
"""Told which part is read now, of how many."""

_CONTEXT = 8192  # tokens of a model that does not say
_ANSWER = 512  # tokens kept free for what the model writes
_PART = 1800  # tokens of one part: a small model loses the thread of more, and progress shows
_NOTE = 160  # tokens that one part may leave behind
_QUIET: Any = {"tags": ["nostream"]}


@dataclass
class Reading:
    """What was written, by which method, and every reply of the model on the way."""

    text: str
    method: Method
    replies: list[AIMessage] = field(default_factory=list)


def context_of(model: BaseChatModel) -> int:
    """Tokens that a model can read and write in one call."""
    profile = getattr(model, "profile", None) or {}
    return int(getattr(model, "context", 0) or profile.get("max_input_tokens") or _CONTEXT)


def counted(model: BaseChatModel, messages: Sequence[AnyMessage]) -> int:
    """Tokens of these messages: counted by the embedded model, estimated for any other.

    LangChain counts for the others with a tokenizer that it would download first.
    """
    if hasattr(model, "context"):
        return model.get_num_tokens_from_messages(list(messages))
    return count_tokens_approximately(messages, chars_per_token=1.5)


def counter(model: BaseChatModel) -> Callable[[str], int]:
    """How many tokens a text is, by this model."""

    if hasattr(model, "context"):
        return model.get_num_tokens
    return lambda text: int(len(text) / 1.5) + 1


async def method_for(
    model: BaseChatModel, question: str, texts: Sequence[str], *, ordered: bool
) -> Method:
    """Stuff what fits; else refine where the order of the texts matters, map-reduce where not."""
    tokens = await asyncio.to_thread(counted, model, as_prompt(texts, question))
    if tokens + _ANSWER <= context_of(model):
        return "stuff"
    return "refine" if ordered else "map_reduce"


async def read(
    model: BaseChatModel,
    question: str,
    texts: Sequence[str],
    method: Method,
    told: Told = lambda part, parts: None,
) -> Reading:
    """Answer a question from texts by a method; only the last reply is streamed."""
    if method == "stuff":
        reply = await model.ainvoke(as_prompt(texts, question))
        return Reading(str(reply.text), method, [reply])
    size = max(64, min(_PART, context_of(model) - 3 * _ANSWER))
    parts = await asyncio.to_thread(in_parts, texts, size, counter(model))
    if method == "refine":
        return await _refine(model, question, parts, told)
    return await _map_reduce(model, question, parts, size, told)


async def _map_reduce(
    model: BaseChatModel, question: str, parts: list[list[str]], size: int, told: Told
) -> Reading:
    """Notes on each part by itself, then the answer from the notes, in rounds if need be."""
    replies: list[AIMessage] = []
    done = 0
    while True:
        notes = []
        until = done + len(parts)
        for part in parts:
            told(done + 1, until)
            asked = as_prompt(part, prompt("map").replace("{question}", question))
            reply = await model.bind(max_tokens=_NOTE).ainvoke(asked, _QUIET)
            replies.append(reply)
            done += 1
            if note := str(reply.text).strip():
                notes.append(note)
        fewer = await asyncio.to_thread(in_parts, notes, size, counter(model))
        if len(fewer) <= 1 or len(fewer) >= len(parts):
            break
        parts = fewer
    reply = await model.ainvoke(as_prompt((fewer or [[]])[0], question))
    return Reading(str(reply.text), "map_reduce", [*replies, reply])


async def _refine(
    model: BaseChatModel, question: str, parts: list[list[str]], told: Told
) -> Reading:
    """One draft that each part in turn improves, in the order of the texts."""
    replies: list[AIMessage] = []
    draft = ""
    for number, part in enumerate(parts, 1):
        told(number, len(parts))
        asked = question
        if draft:
            asked = prompt("refine").replace("{draft}", draft).replace("{question}", question)
        config = None if number == len(parts) else _QUIET
        reply = await model.bind(max_tokens=_ANSWER).ainvoke(as_prompt(part, asked), config)
        replies.append(reply)
        draft = str(reply.text).strip() or draft
    return Reading(draft, "refine", replies)


def in_parts(texts: Sequence[str], size: int, count: Callable[[str], int]) -> list[list[str]]:
    """Texts in order, in parts of at most `size` tokens; a longer text is cut at a space."""
    parts: list[list[str]] = []
    room = 0
    for text in [piece for whole in texts for piece in _pieces(whole, size, count)]:
        tokens = count(text) + 8  # the marks around a passage
        if tokens > room or not parts:
            parts.append([])
            room = size
        parts[-1].append(text)
        room -= tokens
    return parts


def _pieces(text: str, size: int, count: Callable[[str], int]) -> list[str]:
    if not text.strip():
        return []
    if len(text) < 2 or count(text) + 8 <= size:
        return [text]
    middle = len(text) // 2
    at = max(text.rfind("\n", 0, middle), text.rfind(" ", 0, middle)) + 1
    at = at if at > middle // 2 else middle
    return _pieces(text[:at], size, count) + _pieces(text[at:], size, count)
