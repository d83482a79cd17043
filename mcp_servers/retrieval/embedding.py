"""Embedders: what turns texts into vectors, chosen by name for each index (chapter 11.3.4.2).

An index holds the vectors of one embedder and is searched with the same one (`of_index`). The
module's own functions are those of the default embedder.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Protocol

from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mcp_servers.retrieval.store import Store

    Vector = NDArray[np.float32]

DEFAULT = "multilingual-e5-small"
BUILT_IN = (DEFAULT, "e5-small-en-pt")
DIMENSION = 384  # of the built-in ones
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f가-힣]")
# Below this share of Hangul among the letters a text quotes Korean, above it is Korean.
_KOREAN = 0.1


class Embedder(Protocol):
    """What an index needs of an embedder. Texts that do not fit must not be given to it."""

    name: str

    @property
    def max_tokens(self) -> int:
        """The most tokens that one text may have, specials and prefix included."""

    @property
    def languages(self) -> frozenset[str] | None:
        """Language codes of the texts that it understands; None where it takes any."""

    def identity(self) -> str:
        """What an index records, since vectors of different embedders cannot be compared."""

    def tokens(self, text: str) -> int:
        """How many tokens a passage has, specials and prefix included."""

    def fits(self, text: str) -> bool:
        """Whether a passage is embedded whole: at most `max_tokens` tokens."""

    def passage_vectors(self, texts: list[str]) -> Vector:
        """Unit vectors of texts to be found, shape (len(texts), dimension)."""

    def query_vector(self, text: str) -> Vector:
        """The unit vector of a question, shape (dimension,)."""


@cache
def of(name: str) -> Embedder:
    """The embedder of this name; it loads when it is first used.

    Names that are not built in are Sentence Transformers models: a folder, or a name on the hub.
    Raises `EngineError` where that library is not installed.
    """
    if name in BUILT_IN:
        from mcp_servers.retrieval.e5 import E5Small

        return E5Small(name)
    from mcp_servers.retrieval.sentence_models import SentenceModel

    return SentenceModel(name)


def of_index(store: Store) -> Embedder:
    """The embedder that an index was built with.

    Raises `EngineError` when this installation's embedder of that name gives other vectors.
    """
    embedder = of(store.meta("embedder_name") or DEFAULT)
    store.must_match(embedder.identity())
    return embedder


def unread(embedder: Embedder, text: str) -> str | None:
    """Why an embedder does not understand a text, in one sentence that says what to do; or None."""
    if embedder.languages is None or "ko" in embedder.languages:
        return None
    letters = sum(character.isalpha() for character in text)
    if not letters or len(_HANGUL.findall(text)) / letters < _KOREAN:
        return None
    known = ", ".join(sorted(embedder.languages))
    return (
        f"The text is Korean, and the index's embedder {embedder.name} only knows {known}: it "
        f"would not be found. Use an index with the embedder {DEFAULT}."
    )


def must_read(embedder: Embedder, text: str) -> None:
    """Raises `EngineError` for a question in a language that the embedder does not know."""
    if reason := unread(embedder, text):
        raise EngineError(reason)


def identity() -> str:
    """The default embedder's identity."""
    return of(DEFAULT).identity()


def fits(text: str) -> bool:
    """Whether the default embedder takes a passage whole."""
    return of(DEFAULT).fits(text)


def passage_vectors(texts: list[str]) -> Vector:
    """The default embedder's unit vectors of texts to be found, shape (len(texts), `DIMENSION`)."""
    return of(DEFAULT).passage_vectors(texts)


def query_vector(text: str) -> Vector:
    """The default embedder's unit vector of a question, shape (`DIMENSION`,)."""
    return of(DEFAULT).query_vector(text)
