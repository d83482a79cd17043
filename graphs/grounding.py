"""Arguments that the user wrote verbatim stay verbatim, in the roles that the user named.

A small model copies a pattern almost right and mixes up which sentence is the reference. What
the request quotes, and the word before each quote, are better evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from graphs.listed import listed

_QUOTED = re.compile(
    r"```(?:\w*\n)?(.+?)\n?```|`([^`]+)`|\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’|(?<!\w)'([^']+)'",
    re.DOTALL,
)
_REFERENCE = re.compile(r"참조|기준|정답|모범|사람|reference|\bref\b|gold|human", re.IGNORECASE)
_CANDIDATE = re.compile(
    r"후보|모델|기계|번역|시스템|생성|예측|candidate|hyp|system|machine|model|output|summary",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"(?:^|[|\n/→])([^:|\n/→]{1,40})[:：][ \t]*([^|\n]+?)[ \t]*(?=$|[|\n])")
"""`role: text`, in a line or a cell of its own."""
_UNMISTAKABLE = re.compile(r"\\[dwsDWS]|\[[^\]]+\][+*?{]|\)[+*?{]|^\^.+\$$")
"""What stands in patterns and hardly ever in other quoted text."""
_NEAR = 24  # characters before a quote in which its role is named
_AROUND = 12  # characters that the words around a quoted text may take ("문자열 '...'")
_CLOSE = 0.8
_CLOSE_PATTERN = 0.6  # one wrong escape changes many characters of a short pattern


def grounded(arguments: dict[str, Any], request: str) -> dict[str, Any]:
    """The arguments with near-copies of the request's own text made exact, roles put right."""
    quotes = [(m, next(part for part in m.groups() if part)) for m in _QUOTED.finditer(request)]
    texts = [text for _, text in quotes]
    exact = {
        name: _exact(name, value, texts, request) if isinstance(value, str) else value
        for name, value in arguments.items()
    }
    return exact | _text(exact, texts) | _roles(exact, request, quotes) | _lists(exact, request)


def _text(arguments: dict[str, Any], quoted: Sequence[str]) -> dict[str, Any]:
    """The one quote that is no other argument, where the model cut it or took words around it."""
    text = arguments.get("text")
    free = [quote for quote in quoted if quote not in arguments.values() or quote == text]
    if not isinstance(text, str) or len(free) != 1:
        return {}
    cut, widened = text in free[0], free[0] in text and len(text) - len(free[0]) <= _AROUND
    return {"text": free[0]} if cut or widened else {}


def _exact(name: str, value: str, quoted: Sequence[str], request: str) -> str:
    if name != "pattern":
        return _nearest(value, quoted, request, _CLOSE)
    # In JSON "\b" is a backspace; in a pattern it was meant as a word boundary.
    pattern = value.replace("\x08", r"\b")
    words = [word for word in request.split() if re.search(r"[\\\[\](){}^$*+]", word)]
    shaped = [text for text in (*quoted, *words) if _is_pattern(text)]
    given = [text for text in quoted if _is_pattern(text) and _UNMISTAKABLE.search(text)]
    if len(given) == 1:
        return given[0]
    pattern = _nearest(pattern, shaped, request, _CLOSE_PATTERN)
    if pattern in request or not re.search("[가-힣]", request):
        return pattern
    # A particle stands right after a word ("010-1234-5678은"): to the model a boundary, and to
    # Python one only where Hangul does not count as a letter.
    return pattern if re.search("[가-힣]", pattern) else pattern.replace(r"\b", r"(?a:\b)")


def _is_pattern(text: str) -> bool:
    """Whether a text of the request may be meant as a pattern: prose in brackets is not."""
    try:
        re.compile(text)
    except re.error:
        return False
    return bool(re.search(r"[\\\[\](){}^$*+.|]", text))


def _nearest(value: str, texts: Sequence[str], request: str, close: float) -> str:
    if not value or value in texts or (value in request and value not in "^$"):
        return value
    scored = [(SequenceMatcher(None, value, t, autojunk=False).ratio(), t) for t in texts]
    ratio, best = max(scored, default=(0.0, value))
    return best if ratio >= close else value


def _lists(arguments: dict[str, Any], request: str) -> dict[str, Any]:
    """The true and the predicted list as the request writes them."""
    for true, predicted in (("y_true", "y_pred"), ("references", "candidates")):
        if true in arguments and predicted in arguments and (lists := listed(request)):
            return {true: lists[0], predicted: lists[1]}
    return {}


def _roles(
    arguments: dict[str, Any], request: str, quotes: Sequence[tuple[re.Match[str], str]]
) -> dict[str, Any]:
    """Candidate and reference as the words before the two quotes name them."""
    if "candidate" not in arguments:
        return {}
    told = [(request[max(0, m.start() - _NEAR) : m.start()], text) for m, text in quotes]
    if len(quotes) == 2:  # what stands between the two belongs to the second
        first, second = (match for match, _ in quotes)
        told[1] = (request[max(first.end(), second.start() - _NEAR) : second.start()], told[1][1])
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
