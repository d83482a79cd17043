"""The user's texts as sentences of words, for word vectors (textbook 3.2, 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mcp_servers.morphemes import HANGUL, dictionary_words
from mcp_servers.retrieval.cleaning import composed
from mcp_servers.retrieval.files import read, sha256_of

_SENTENCE = re.compile(r"[.!?。！？]+(?=\s|$)|\n+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def words_of(text: str) -> list[str]:
    """A sentence's words: Korean as the dictionary lists them, others in lower case, no numbers."""
    text = composed(text)
    if HANGUL.search(text):
        return dictionary_words(text)
    return [word.lower() for word in _WORD.findall(text)]


def sentences_of(path: Path) -> Iterator[list[str]]:
    """A document's sentences of two words or more. Raises `Unreadable`."""
    for page in read(path, sha256_of(path), lambda _page, _pages: None).pages:
        for part in _SENTENCE.split(page.text):
            if len(words := words_of(part)) > 1:
                yield words
