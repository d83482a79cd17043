"""What a request quotes: texts and patterns set off from what is said about them."""

from __future__ import annotations

import re

_QUOTED = re.compile(
    r"```(?:\w*\n)?(.+?)\n?```|`([^`]+)`|\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’|(?<!\w)'([^']+)'",
    re.DOTALL,
)
_SYMBOLS = re.compile(r"[\\\[\](){}^$*+.|]")
_UNMISTAKABLE = re.compile(r"\\[dwsDWS]|\[[^\]]+\][+*?{]|\)[+*?{]|^\^.+\$$")
"""What stands in patterns and hardly ever in other quoted text."""

Quote = tuple[re.Match[str], str]


def quotes_in(request: str) -> list[Quote]:
    """Each quotation and the text between its marks, in order."""
    return [(m, next(part for part in m.groups() if part)) for m in _QUOTED.finditer(request)]


def given_pattern(request: str) -> str | None:
    """The pattern that the request quotes, where it is unmistakable and the only one."""
    texts = [text for _, text in quotes_in(request)]
    given = [text for text in texts if _UNMISTAKABLE.search(text) and may_be_pattern(text)]
    return given[0] if len(given) == 1 else None


def may_be_pattern(text: str) -> bool:
    """Whether a text of the request may be meant as a pattern: prose in brackets is not."""
    try:
        re.compile(text)
    except re.error:
        return False
    return bool(_SYMBOLS.search(text))
