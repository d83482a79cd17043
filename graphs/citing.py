"""Tie each sentence of an answer to a span of a source that supports it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from graphs.state import Citation

_SUPPORT = 0.45  # share of a sentence's content tokens that a source span must contain
_QUOTE = 240  # characters; longer spans are cut at a word

_SENTENCE = re.compile(r"(?:[^.!?。\n]|[.!?](?=\S))+[.!?。]*|[.!?。]+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, each a verbatim span without surrounding white space."""
    return [found for part in _SENTENCE.findall(text) if (found := part.strip())]


def cite(answer: str, passages: Sequence[dict[str, Any]]) -> tuple[str, list[Citation]]:
    """The answer with `[n]` after each supported sentence, and the citations by number.

    `passages` are results of the retrieval server (`text`, `title`, `page`). A quote is a
    verbatim span of one of them: the one or two neighbouring sentences that contain most of
    the answer sentence's content tokens.
    """
    spans = [(span, passage) for passage in passages for span in _spans(passage["text"])]
    citations: list[Citation] = []

    def mark(sentence: re.Match[str]) -> str:
        piece = sentence[0]
        best = _best_span(piece.strip(), spans)
        if best is None:
            return piece
        end = len(piece.rstrip())
        return f"{piece[:end]} [{_number(citations, *best)}]{piece[end:]}"

    return _SENTENCE.sub(mark, answer), citations


def closest(question: str, answer: str, passages: Sequence[dict[str, Any]]) -> Citation | None:
    """The span that says what the answer adds to the question, or None.

    For a short answer, or one in another language than its source, where no sentence of it is
    mostly contained in a span: a span must still hold a number, a name or a word of its own.
    """
    added = _tokens(answer) - _tokens(question)
    asked = _tokens(question)
    numbers = {token for token in added if any(char.isdigit() for char in token)}
    best: tuple[int, str, dict[str, Any]] | None = None
    for passage in passages:
        for span in _spans(passage["text"]):
            tokens = _tokens(span)
            said = len(added & tokens)
            score = 3 * said + len(asked & tokens)
            holds_number = not numbers or numbers & tokens
            if said and holds_number and (best is None or score > best[0]):
                best = score, span, passage
    if best is None:
        return None
    _, quote, passage = best
    return {"n": 1, "source": passage["title"], "page": passage["page"], "quote": _cut(quote)}


def _best_span(
    sentence: str, spans: list[tuple[str, dict[str, Any]]]
) -> tuple[str, dict[str, Any]] | None:
    wanted = _tokens(sentence)
    if len(wanted) < 2:
        return None
    scored = [(len(wanted & _tokens(span)) / len(wanted), span, passage) for span, passage in spans]
    if not scored:
        return None
    # Of equally good spans the shortest is the most telling quote.
    support, span, passage = max(scored, key=lambda item: (round(item[0], 2), -len(item[1])))
    return (span, passage) if support >= _SUPPORT else None


def _number(citations: list[Citation], quote: str, passage: dict[str, Any]) -> int:
    quote = _cut(quote)
    for citation in citations:
        if citation["quote"] == quote and citation["source"] == passage["title"]:
            return citation["n"]
    citations.append(
        {
            "n": len(citations) + 1,
            "source": passage["title"],
            "page": passage["page"],
            "quote": quote,
        }
    )
    return len(citations)


def _spans(text: str) -> list[str]:
    """Each sentence, and each pair of neighbours, as verbatim substrings."""
    found: list[tuple[int, int]] = []
    for match in _SENTENCE.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = match.start() + len(match[0].rstrip())
        if end > start:
            found.append((start, end))
    pairs = [(a[0], b[1]) for a, b in itertools.pairwise(found)]
    return [text[start:end] for start, end in [*found, *pairs]]


def _cut(quote: str) -> str:
    return quote if len(quote) <= _QUOTE else quote[:_QUOTE].rsplit(" ", 1)[0]


def _tokens(text: str) -> set[str]:
    """Content tokens: Hangul bigrams (particles and endings then weigh little), Latin words."""
    lowered = text.lower()
    tokens = set(re.findall(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]|[0-9]", lowered))
    for word in re.findall(r"[가-힣]+", lowered):
        tokens.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
    return tokens
