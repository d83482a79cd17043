"""Retrieved text as data: what a model reads of it, and the template of chapter 11.3.2.

Documents are written by others. Nothing in them can end a passage or a turn of the chat, and
sentences that give orders to a model are withheld, from what it reads and from what is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage

from prompts import prompt, table

Passage = dict[str, Any]
"""A result of the retrieval server: `id`, `text`, `title`, `source`, `page`, `heading`, `scores`
(a page that is read whole has no `id`, `heading` or `scores`)."""

_MARKUP = re.compile(
    r"<(?=\s*/?\s*(?:passages?|context|question|system|user|assistant|tool|instructions?)\b"
    r"|\s*\|)|<(?=\s*/?\s*(?:start|end)_of_turn\b)|\[(?=/?INST\])",
    re.IGNORECASE,
)
_SENTENCE = re.compile(  # "1. Title" and "3.5" end nothing
    r"(?:(?<![^\n])[ \t]*\d{1,2}\.(?=\s)|[^.!?。\n]|[.!?](?=\S))+[.!?。]*|[.!?。]+"
)

Span = tuple[int, int]


def sentence_spans(text: str) -> list[Span]:
    """Where each sentence of a text starts and ends (characters), without the blanks around it."""
    found = []
    for match in _SENTENCE.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = match.start() + len(match[0].rstrip())
        if end > start:
            found.append((start, end))
    return found


def evidence_spans(text: str) -> list[Span]:
    """The sentences that may be read and quoted: those that speak to a reader, not to a model.

    What is withheld is in `prompts/orders.toml`: sentences with orders, and lines made to look
    like an answer's sources.
    """
    forged = [match.span() for match in _withheld("lines").finditer(text)]
    return [
        (start, end)
        for start, end in sentence_spans(text)
        if not _withheld("sentences").search(text[start:end])
        and not any(low <= start < high for low, high in forged)
    ]


def gives_orders(text: str) -> bool:
    """Whether anything in a text is withheld."""
    return len(evidence_spans(text)) < len(sentence_spans(text))


def readable(text: str) -> str:
    """A text as a model may read it: no markup of the prompt in it, no sentence with orders."""
    kept, pieces, at = set(evidence_spans(text)), [], 0
    for start, end in sentence_spans(text):
        if (start, end) not in kept:
            pieces.append(text[at:start])
            at = end
    pieces.append(text[at:])
    return _MARKUP.sub(lambda match: "‹" if match[0] == "<" else "(", "".join(pieces)).strip()


def heading_of(passage: Passage) -> str | None:
    """The titles over a passage, as a model may read them; None where there are none."""
    return readable(passage.get("heading") or "") or None


def as_prompt(texts: Sequence[str], question: str) -> list[AnyMessage]:
    """The template of chapter 11.3.2 over these texts; its "Answer:" is the model's own turn.

    The context comes first: whatever is asked about it next shares it as a cached prefix.
    """
    context = "\n\n".join(f"<passage>\n{text}\n</passage>" for text in texts)
    asked = f"Context:\n{context}\n\nQuestion:\n{question}"
    return [SystemMessage(prompt("rag")), HumanMessage(asked)]


@cache
def _withheld(what: str) -> re.Pattern[str]:
    patterns = table("orders")[what]
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE | re.MULTILINE)
