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
from graphs.quoted import Quote, may_be_pattern, quotes_in

_REFERENCE = re.compile(r"참조|기준|정답|모범|사람|reference|\bref\b|gold|human", re.IGNORECASE)
_CANDIDATE = re.compile(
    r"후보|모델|기계|번역|시스템|생성|예측|candidate|hyp|system|machine|model|output|summary",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"(?:^|[|\n/→])([^:|\n/→]{1,40})[:：][ \t]*([^|\n]+?)[ \t]*(?=$|[|\n])")
"""`role: text`, in a line or a cell of its own."""
_HANGUL = re.compile("[가-힣]")
_TITLE = re.compile(
    r"^(글|본문|문장|문자열|텍스트|원문|내용|로그|text|string|input|log)\s*[:：]\s*", re.IGNORECASE
)
_ASKING = re.compile(r"\?\s*$|[줘요까]\s*[.!]?\s*$|please|thanks", re.IGNORECASE)
"""Data that ends so has a request after it."""
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
    asked, _, below = request.partition("\n")
    below = _TITLE.sub("", below.strip())
    quoted = any(match[0] in below for match, _ in quotes)
    if below and not quoted and not _ASKING.search(below):
        cut = text in below and len(text) * 2 >= len(below)
        above = text in asked and text not in below
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
    """Candidate and reference as the words before the two quotes name them."""
    if "candidate" not in arguments:
        return {}
    told = [(request[max(0, m.start() - _NEAR) : m.start()], text) for m, text in quotes]
    if len(quotes) == 2:  # what stands between the two belongs to the second
        first, second = (match for match, _ in quotes)
        told[1] = (request[max(first.end(), second.start() - _NEAR) : second.start()], told[1][1])
    elif (blocks := headed(request)) and len(blocks[0]) == 1:
        told = [("reference", blocks[0][0]), ("candidate", blocks[1][0])]
    else:
        told = _LABELLED.findall(request)
    if len(told) != 2:
        return {}
    named: dict[str, str] = {}
    for role, text in told:
        if _REFERENCE.search(role):
            named["reference"] = text
        elif _CANDIDATE.search(role):
            named["candidate"] = text
    if len(named) != 2:
        return {}
    if "references" in arguments:
        return {"candidate": named["candidate"], "references": [named["reference"]]}
    return named
