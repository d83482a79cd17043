"""What practitioners call a thing in Korean, in English and in code (`prompts/glossary.toml`)."""

from __future__ import annotations

import re
from functools import cache

from prompts import table


def other_names(question: str) -> list[str]:
    """Other names of the things that a question names: 학습률 gives learning rate, lr and so on."""
    return [
        name for names in named(question) for name in names if not _pattern([name]).search(question)
    ]


def named(question: str) -> list[list[str]]:
    """All names of each thing that a question names."""
    return [names for pattern, names in _terms() if pattern.search(question)]


@cache
def _terms() -> list[tuple[re.Pattern[str], list[str]]]:
    return [(_pattern(names), names) for names in table("glossary")["terms"]]


def _pattern(names: list[str]) -> re.Pattern[str]:
    """Latin names stand between other characters; Korean ones begin a word, particles follow."""
    return re.compile("|".join(map(_alone, names)), re.IGNORECASE)


def _alone(name: str) -> str:
    spaced = re.escape(name).replace(r"\ ", r"[ -]?")
    if re.match("[가-힣]", name):
        return rf"(?<![가-힣]){spaced}"
    return rf"(?<![A-Za-z0-9_]){spaced}(?![A-Za-z0-9_])"
