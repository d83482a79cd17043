"""A running summary of what was said long ago (chapter 13.10.2, ConversationSummaryMemory).

LangChain's own SummarizationMiddleware takes the old messages out of the state and raises when
its model fails; here the whole conversation stays, to be exported and resumed, and a summary of
its older part stands in for that part in what the agents read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langgraph.config import get_stream_writer

from graphs.language import language_of
from graphs.reading import context_of, counted
from graphs.state import Turn
from prompts import prompt, say


class Remember(Protocol):
    """A node that brings the running summary up to date."""

    async def __call__(self, state: Turn) -> Turn: ...


_KEPT = 4  # latest messages that are never summarised: two turns
_SUMMARY = 256  # tokens
_SHOWN = 1500  # characters of one message that is summarised
_QUIET: Any = {"tags": ["nostream"]}
_log = logging.getLogger(__name__)


def memory(model: BaseChatModel, limit: int | None = None) -> Remember:
    """A node that summarises the older turns once those unsummarised exceed `limit` tokens.

    The default limit is 3/8 of the model's context. The request and the two turns before it
    always stay as they are. Where the model fails, the conversation goes on without a summary:
    what is then too long is trimmed at the model.
    """

    async def remember(state: Turn) -> Turn:
        most = limit if limit is not None else context_of(model) * 3 // 8
        covered = state.get("summarised", 0)
        recent = state["messages"][covered:]
        if _certainly_fits(recent, most):
            return {}
        if await asyncio.to_thread(counted, model, recent) <= most:
            return {}
        older = await asyncio.to_thread(_older, recent, most // 2, model)
        if not older:
            return {}
        language = language_of(str(state["messages"][-1].text))
        get_stream_writer()({"event": "progress", "text": say("summarising", language)})
        try:
            text = await _summary(model, state.get("summary", ""), older)
        except Exception as error:
            _log.warning("the conversation could not be summarised: %s", error)
            return {}
        return {"summary": text, "summarised": covered + len(older)} if text else {}

    return remember


def _older(recent: Sequence[AnyMessage], keep: int, model: BaseChatModel) -> list[AnyMessage]:
    """The messages to summarise: all but the latest whole turns that `keep` tokens hold."""
    starts = [n for n, m in enumerate(recent[:-1]) if isinstance(m, HumanMessage)]
    latest = max((n for n in starts if n <= len(recent) - 1 - _KEPT), default=0)
    for start in starts:
        if start <= latest and counted(model, recent[start:]) <= keep:
            return list(recent[:start])
    return list(recent[:latest])


async def _summary(model: BaseChatModel, before: str, older: Sequence[AnyMessage]) -> str:
    """The summary so far, brought up to date with these messages in portions that fit."""
    room = max(256, context_of(model) // 2)
    portion: list[str] = []
    portions = [portion]
    used = 0
    for message in older:
        if not (text := str(message.text).strip()):
            continue
        who = "User" if isinstance(message, HumanMessage) else "Assistant"
        text = f"{who}: {text[:_SHOWN]}"
        tokens = await asyncio.to_thread(counted, model, [HumanMessage(text)])
        if portion and used + tokens > room:
            portion, used = [], 0
            portions.append(portion)
        portion.append(text)
        used += tokens
    for texts in filter(None, portions):
        told = f"Summary so far:\n{before}\n\n" if before else ""
        asked = f"{told}Conversation:\n" + "\n".join(texts) + "\n\nSummary:"
        messages = [SystemMessage(prompt("remember")), HumanMessage(asked)]
        reply = await model.bind(max_tokens=_SUMMARY).ainvoke(messages, _QUIET)
        before = str(reply.text).strip() or before
    return before


def _certainly_fits(messages: Sequence[AnyMessage], limit: int) -> bool:
    """A token is at least one byte: nothing is counted, and no model loaded, for short talks."""
    return sum(len(str(m.text).encode()) + 16 for m in messages) <= limit
