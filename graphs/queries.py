"""Other ways to ask: a follow-up on its own, multi-query variants, a hypothetical answer.

The chat model writes them (chapters 11.3.1.6 and 11.3.1.7); the retrieval server searches them
all at once and merges what it finds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from graphs.language import Language, language_of
from graphs.tokens import asked_words, content, names
from prompts import prompt

_SHOWN = 400  # characters of each earlier message that a follow-up is read against
_TURNS = 4  # earlier messages
_LONGEST = 300  # characters of a rewritten question
_POINTS_BACK = re.compile(
    r"(^|\s)(그건|그것|그게|그거|그럼|그러면|그때|그 ?중|그 |이건|이것|이게|이거|거기|여기|그들"
    r"|방금|아까|위에서|앞에서|더 자세히|왜 그런|다른 건|나머지)"
    r"|\b(it|its|that|this|those|these|they|them|their|there|he|she|his|her|the same|above|former"
    r"|latter|more detail|why is that|what about|and (what|how|why|who|when|where|which))\b",
    re.IGNORECASE,
)
_QUIET: Any = {"tags": ["nostream"]}  # what is written here is no part of the answer


def points_back(request: str, history: Sequence[AnyMessage]) -> bool:
    """Whether a request needs the conversation to be understood; costs no model.

    It does if there is a conversation and it has a word that points back, or less than two words
    and no name of its own to search for.
    """
    if not history:
        return False
    return bool(_POINTS_BACK.search(request)) or (
        len(asked_words(request)) < 2 and not names(request)
    )


async def standalone(
    model: BaseChatModel, request: str, history: Sequence[AnyMessage]
) -> tuple[str, AIMessage]:
    """The request as a question that is understood alone, and the model's reply.

    What the model writes is used only if it is one line that says something, keeps every number
    and name of the request, and adds only what the conversation holds; else the request stands
    with the last question before it.
    """
    earlier = [m for m in history if m.text][-_TURNS:]
    told = "\n".join(
        f"{'User' if m.type == 'human' else 'Assistant'}: {_short(str(m.text))}" for m in earlier
    )
    asked = f"Conversation:\n{told}\n\nFollow-up: {request}\n\nStandalone question:"
    messages = [SystemMessage(prompt("standalone")), HumanMessage(asked)]
    reply = await model.bind(max_tokens=96).ainvoke(messages, _QUIET)
    line = _first_line(str(reply.text))
    known = content(told) | content(request)
    sound = (
        3 <= len(line) <= _LONGEST
        and language_of(line) == language_of(request)
        and len(content(line) - known) <= len(content(line)) / 2
    )
    if sound:
        return line, reply
    before = next((str(m.text) for m in reversed(earlier) if m.type == "human"), "")
    return f"{before} {request}".strip(), reply


async def variants(model: BaseChatModel, question: str, n: int = 3) -> tuple[list[str], AIMessage]:
    """Up to `n` other phrasings of a question (multi-query), and the model's reply."""
    messages = [
        SystemMessage(prompt("variants").replace("{n}", str(n))),
        HumanMessage(f"Question: {question}"),
    ]
    reply = await model.bind(max_tokens=96).ainvoke(messages, _QUIET)
    lines = [_first_line(line) for line in str(reply.text).splitlines()]
    found = dict.fromkeys(line for line in lines if len(line) > 3 and line != question)
    return list(found)[:n], reply


async def hypothetical(
    model: BaseChatModel, question: str, language: Language
) -> tuple[str, AIMessage]:
    """A passage that could answer the question (HyDE), in the language of the documents.

    It is only ever searched for, never shown or quoted: it may be wrong in every fact.
    """
    spoken = {"ko": "Korean", "en": "English"}[language]
    messages = [
        SystemMessage(prompt("hyde").replace("{language}", spoken)),
        HumanMessage(f"Question: {question}"),
    ]
    reply = await model.bind(max_tokens=80).ainvoke(messages, _QUIET)
    return " ".join(str(reply.text).split())[: _LONGEST * 2], reply


def _first_line(text: str) -> str:
    """The first line with a word in it, without a number, a bullet or quotes around it."""
    for line in text.splitlines():
        bare = re.sub(r"^\s*(?:\d+[.)]|[-*•]|Q\d*:|(?:Standalone )?Question:)\s*", "", line)
        bare = bare.strip().strip("\"“”'`").strip()
        if re.search(r"\w", bare):
            return bare
    return ""


def _short(text: str) -> str:
    """A message without its list of sources, cut."""
    text = " ".join(re.split(r"\n\n\*\*(?:출처|Sources)\*\*", text)[0].split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"
