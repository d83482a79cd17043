"""Korean text into morphemes by mecab-ko, one tagger a process."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import Any

HANGUL = re.compile("[가-힣]")
# Parts of speech that carry content, as mecab-ko names them: nouns, numerals, verbs, adjectives,
# roots, adverbs, determiners, pronouns, affixes.
CONTENT = frozenset(
    ("NNG", "NNP", "NNB", "NNBC", "NR", "NP", "VV", "VA", "XR", "XPN", "XSN", "MAG", "MM", "SH")
)


_PREDICATES = ("VV", "VA")


def content_morphemes(text: str) -> list[str]:
    """The forms of a text's content morphemes; none for a text without Hangul."""
    if not HANGUL.search(text):
        return []
    tagger, lock = _tagger()
    with lock:
        tagged = tagger.pos(text)
    return [form for form, tag in tagged if tag.partition("+")[0] in CONTENT]


def dictionary_words(text: str) -> list[str]:
    """A text's content words as a dictionary lists them, in order: 먹었다 is 먹다.

    Words of Latin script keep their place, in lower case.
    """
    tagger, lock = _tagger()
    with lock:
        parsed = tagger.parse(text)
    found: list[str] = []
    for morpheme in parsed:
        form, tag = morpheme.surface, morpheme.feature.pos.partition("+")[0]
        if tag == "SL":
            found.append(form.lower())
        elif tag in CONTENT:
            if tag in _PREDICATES:
                if morpheme.feature.expression:  # 갔 is 가 and 았
                    form = morpheme.feature.expression.partition("/")[0]
                form += "다"
            found.append(form)
    return found


@cache
def _tagger() -> tuple[Any, threading.Lock]:
    from mecab import MeCab

    return MeCab(), threading.Lock()  # one lattice, kept between C calls
