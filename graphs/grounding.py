"""Arguments that the user wrote verbatim stay verbatim, in the roles that the user named.

A small model copies a pattern almost right and mixes up which sentence is the reference. What
the request quotes, and the word before each quote, are better evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from graphs.listed import headed
from graphs.quoted import Quote, given_text, may_be_pattern, quotes_in

_REFERENCE = re.compile(r"참조|기준|정답|모범|사람|reference|\bref\b|gold|human", re.IGNORECASE)
_CANDIDATE = re.compile(
    r"후보|모델|기계|번역|시스템|생성|예측|candidate|hyp|system|machine|model|output|summary",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"(?:^|[|\n/→])([^:|\n/→]{1,40})[:：][ \t]*([^|\n]+?)[ \t]*(?=$|[|\n])")
"""`role: text`, in a line or a cell of its own."""
_HANGUL = re.compile("[가-힣]")
_NEAR = 24  # characters before a quote in which its role is named
_AROUND = 12  # characters that the words around a quoted text may take ("문자열 '...'")
_CLOSE = 0.8
_CLOSE_PATTERN = 0.6  # one wrong escape changes many characters of a short pattern


def grounded(arguments: dict[str, Any], request: str) -> dict[str, Any]:
    """The arguments with near-copies of the request's own text made exact, roles put right."""
    quotes = quotes_in(request)
    texts = [text for _, text in quotes]
    exact = {
        name: _exact(name, value, texts, request) if isinstance(value, str) else value
        for name, value in arguments.items()
    }
    return exact | _text(exact, quotes, request) | _roles(exact, request, quotes)


def _text(arguments: dict[str, Any], quotes: Sequence[Quote], request: str) -> dict[str, Any]:
    """The one quote that is no other argument, or else what stands below the first line.

    Used where the model cut it, took words around it, or took the first line for the text.
    """
    text = arguments.get("text")
    if not isinstance(text, str):
        return {}
    if below := given_text(request):
        cut = text in below and len(text) * 2 >= len(below)
        above = text in request and text not in below
        return {"text": below} if cut or above else {}
    free = [quote for _, quote in quotes if quote not in arguments.values() or quote == text]
    if len(free) != 1:
        return {}
    cut, widened = text in free[0], free[0] in text and len(text) - len(free[0]) <= _AROUND
    return {"text": free[0]} if cut or widened else {}


def _exact(name: str, value: str, quoted: Sequence[str], request: str) -> str:
    if name != "pattern":
        return _nearest(value, quoted, request, _CLOSE)
    # In JSON "\b" is a backspace; in a pattern it was meant as a word boundary.
    pattern = value.replace("\x08", r"\b")
    shaped = [text for text in (*quoted, *request.split()) if may_be_pattern(text)]
    pattern = _nearest(pattern, shaped, request, _CLOSE_PATTERN)
    if pattern in request or _HANGUL.search(pattern) or not _HANGUL.search(request):
        return pattern
    # A particle stands right after a word ("010-1234-5678은"): to the model a boundary, and to
    # Python one only where Hangul does not count as a letter.
    return pattern.replace(r"\b", r"(?a:\b)")


def _nearest(value: str, texts: Sequence[str], request: str, close: float) -> str:
    if not value or value in texts or (value in request and value not in "^$"):
        return value
    scored = [(SequenceMatcher(None, value, t, autojunk=False).ratio(), t) for t in texts]
    ratio, best = max(scored, default=(0.0, value))
    return best if ratio >= close else value


def _roles(arguments: dict[str, Any], request: str, quotes: Sequence[Quote]) -> dict[str, Any]:
    """Candidate and references as the words before each quote name them.

    A quote without such a word has the role of the one before it ("references: ... and ...").
    """
    if "candidate" not in arguments:
        return {}
    named: dict[str, list[str]] = {"reference": [], "candidate": []}
    role: str | None = None
    for before, text in _told(request, quotes):
        role = _role(before) or role
        if role:
            named[role].append(text)
    references = named["reference"]
    if len(named["candidate"]) != 1 or not references:
        return {}
    if "references" in arguments:
        return {"candidate": named["candidate"][0], "references": references}
    if len(references) > 1:
        return {}
    return {"candidate": named["candidate"][0], "reference": references[0]}


def _told(request: str, quotes: Sequence[Quote]) -> list[tuple[str, str]]:
    """Texts of the request, each with the words before it that may name its role."""
    if len(quotes) < 2:
        blocks = headed(request)
        if blocks and len(blocks[0]) == 1:
            return [("reference", blocks[0][0]), ("candidate", blocks[1][0])]
        return _LABELLED.findall(request)
    ends = [0, *(match.end() for match, _ in quotes)]  # what stands between two is of the second
    return [
        (request[max(end, match.start() - _NEAR) : match.start()], text)
        for end, (match, text) in zip(ends, quotes, strict=False)
    ]


def _role(words: str) -> str | None:
    if _REFERENCE.search(words):
        return "reference"
    return "candidate" if _CANDIDATE.search(words) else None
