"""What a request quotes: texts and patterns set off from what is said about them."""

from __future__ import annotations

import re

_QUOTED = re.compile(
    r"```(?:\w*\n)?(.+?)\n?```|`([^`]+)`|r?\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’|(?<!\w)r?'([^']+)'",
    re.DOTALL,
)
_SYMBOLS = re.compile(r"[\\\[\](){}^$*+.|]")
_UNMISTAKABLE = re.compile(r"\\[dwsDWS]|\[[^\]]+\][+*?{]|\[\^?\w-\w\S*\]|\)[+*?{]|^\^.+\$$")
"""What stands in patterns and hardly ever in other quoted text."""

_PROSE = re.compile(r"[가-힣]\s|\s[가-힣]|[A-Za-z]{2,}[,.:]?\s|\s[A-Za-z]{2,}")
_REFERS = re.compile(r"\\\d|\\g<")
_TITLE = re.compile(
    r"^(글|본문|문장|문자열|텍스트|원문|내용|로그|text|string|input|log)\s*[:：]\s*", re.IGNORECASE
)
_ASKING = re.compile(r"\?\s*$|[줘요까]\s*[.!]?\s*$|please|thanks", re.IGNORECASE)
"""Data that ends so has a request after it."""
_ENDS = re.compile(r"[가-힣.,?!:;\"'`”’]$")

Quote = tuple[re.Match[str], str]


def quotes_in(request: str) -> list[Quote]:
    """Each quotation and the text between its marks, in order."""
    return [(m, next(part for part in m.groups() if part)) for m in _QUOTED.finditer(request)]


def given_pattern(request: str) -> str | None:
    """The pattern that the request gives, where it is unmistakable and the only one."""
    quoted = [text for _, text in quotes_in(request) if _is_pattern(text)]
    lines = [line.strip() for line in request.splitlines()]
    whole = [line for line in lines if _is_pattern(line) and not _PROSE.search(line)]
    given = quoted or whole or _bare(request.split())
    return given[0] if len(given) == 1 else None


def given_replacement(request: str) -> str | None:
    """The one quoted text that refers to groups (`\\2 \\1`), which only a replacement does."""
    given = [text for _, text in quotes_in(request) if _REFERS.search(text)]
    given = [text for text in given if not _is_pattern(text)]
    return given[0] if len(given) == 1 else None


def given_text(request: str) -> str | None:
    """The data that stands below the instruction, where it is nothing else and quotes nothing."""
    asked, _, below = request.partition("\n\n" if "\n\n" in request.strip() else "\n")
    below = _TITLE.sub("", below.strip())
    quoted = any(match[0] in below for match, _ in quotes_in(request))
    return below if asked and below and not quoted and not _ASKING.search(below) else None


def _bare(words: list[str]) -> list[str]:
    """Patterns that stand without marks: whole words, no particle or full stop at the end.

    A word beside one with symbols may be a piece of a longer pattern, so it is none.
    """
    symbols = [bool(_SYMBOLS.search(word.rstrip(".,?!:"))) for word in words]
    alone = [
        word
        for before, has, after, word in zip(
            [False, *symbols], symbols, [*symbols[1:], False], words, strict=False
        )
        if has and not before and not after
    ]
    return [
        word
        for word in alone
        if _is_pattern(word)
        and (not _ENDS.search(word) or (word.endswith((")?", "]?")) and word != words[-1]))
    ]


def _is_pattern(text: str) -> bool:
    return bool(_UNMISTAKABLE.search(text)) and may_be_pattern(text)


def may_be_pattern(text: str) -> bool:
    """Whether a text of the request may be meant as a pattern: prose in brackets is not."""
    try:
        re.compile(text)
    except re.error:
        return False
    return bool(_SYMBOLS.search(text))
