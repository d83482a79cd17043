"""Texts made comparable, and the two units they are counted in: words and characters."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from mcp_servers.errors import EngineError

Unit = Literal["words", "characters"]

MAX_CHARACTERS = 100_000

# Scripts whose single characters already are meaningful units: Hangul, kana and Han.
_SYLLABIC = "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_WORD = re.compile(r"[^\W_]+")
_SYLLABLE_OR_WORD = re.compile(rf"[{_SYLLABIC}]|[^\W_{_SYLLABIC}]+")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def comparable(text: str, name: str) -> str:
    """The text in Unicode's composed form (NFC), so that equal-looking texts are equal.

    Hangul typed on macOS arrives decomposed into jamo (NFD) and would match nothing otherwise.
    `name` is the argument's name, for the error. Raises `EngineError` if blank or too long.
    """
    if not text.strip():
        raise EngineError(f"{name} is empty. Pass the text to score.")
    if len(text) > MAX_CHARACTERS:
        raise EngineError(
            f"{name} has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. "
            "Score it in parts."
        )
    return unicodedata.normalize("NFC", text)


def comparable_all(texts: Sequence[str], name: str) -> list[str]:
    """`comparable` for each text of a list that must not be empty."""
    if not texts:
        raise EngineError(f"{name} is empty. Pass at least one text.")
    return [comparable(text, f"{name}[{index}]") for index, text in enumerate(texts)]


def has_hangul(text: str) -> bool:
    """Whether any Hangul syllable or jamo occurs."""
    return _HANGUL.search(text) is not None


def rouge_tokens(text: str, unit: Unit) -> list[str]:
    """Lower-case runs of letters and digits of any script; on ASCII text, rouge-score's tokens.

    With `unit="characters"` each Hangul syllable, kana or Han character is a token of its own,
    while words of other scripts stay whole.
    """
    pattern = _WORD if unit == "words" else _SYLLABLE_OR_WORD
    return pattern.findall(text.lower())


def spaced_words(text: str) -> list[str]:
    """Words as spaces separate them, without the punctuation at their edges; case is kept."""
    words = (_without_edge_punctuation(part) for part in text.split())
    return [word for word in words if word]


def _without_edge_punctuation(word: str) -> str:
    kept = [index for index, char in enumerate(word) if unicodedata.category(char)[0] != "P"]
    return word[kept[0] : kept[-1] + 1] if kept else ""


def count_ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """Each n-gram of the tokens with its number of occurrences, in order of appearance."""
    return Counter(tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1))
