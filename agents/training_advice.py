"""What the training engine says in English, in the user's language (`prompts/training_advice`)."""

from __future__ import annotations

import re
from functools import cache

from graphs.language import Language
from prompts import table


def translated(text: str, language: Language) -> str:
    """Advice or a job's message; what no one has translated stays as it is."""
    if language == "en":
        return text
    for pattern, korean in _korean():
        if found := pattern.fullmatch(text):
            return korean.format(**found.groupdict())
    return text


@cache
def _korean() -> list[tuple[re.Pattern[str], str]]:
    return [(_pattern(each["en"]), each["ko"]) for each in table("training_advice")["text"]]


def _pattern(written: str) -> re.Pattern[str]:
    """`{rows} rows` as a pattern whose groups are what stands in braces."""
    parts = re.split(r"\{(\w+)\}", written)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = (f"(?P<{name}>[\\s\\S]+?)" for name in parts[1::2])
    return re.compile("".join(parts))
