"""N-grams of a text (textbook 3.5)."""

from __future__ import annotations

from typing_extensions import TypedDict

from mcp_servers.errors import EngineError
from mcp_servers.metrics.tokens import Unit, comparable, count_ngrams, spaced_words


class Ngram(TypedDict):
    """One n-gram: its words joined by spaces, or its characters as they stand."""

    ngram: str
    count: int


class Ngrams(TypedDict):
    """`total` counts occurrences, `distinct` different n-grams; `ngrams` holds the top ones."""

    n: int
    unit: Unit
    total: int
    distinct: int
    ngrams: list[Ngram]


def ngrams(text: str, n: int, unit: Unit, top: int) -> Ngrams:
    """The `top` most frequent n-grams; those of equal count in order of appearance.

    Words are what spaces separate, less the punctuation at their edges. Characters include
    the spaces between words, each run of white space counting as one.
    """
    if n < 1:
        raise EngineError(f"n is {n}, and an n-gram has at least 1 token. Pass n=1 or more.")
    if top < 1:
        raise EngineError(f"top is {top}. Pass top=1 or more.")
    text = comparable(text, "text")
    tokens = spaced_words(text) if unit == "words" else list(" ".join(text.split()))
    if len(tokens) < n:
        raise EngineError(
            f"The text has {len(tokens)} {unit}, so it holds no {n}-gram. "
            "Pass a smaller n or a longer text."
        )
    counts = count_ngrams(tokens, n)
    glue = " " if unit == "words" else ""
    return {
        "n": n,
        "unit": unit,
        "total": counts.total(),
        "distinct": len(counts),
        "ngrams": [
            {"ngram": glue.join(ngram), "count": count} for ngram, count in counts.most_common(top)
        ],
    }
